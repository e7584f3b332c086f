package import Platform

/// How a prune is run.
package struct PruneRunOptions: Sendable {
  /// What may be done; the version of the repository is filled in.
  package var plan = PruneOptions()
  package var isDryRun = false
  /// Snapshots that are about to be forgotten: what only they use counts as unused. For a dry run.
  package var ignoredSnapshots: Set<SnapshotID> = []
  package var threadCount = 0
  package var temporaryDirectory = "/tmp"
  package var clock: any Clock = SystemClock()
  package var isCancelled: @Sendable () -> Bool = { false }

  package init() {}
}

/// Progress of a prune.
package enum PruneEvent: Sendable {
  package enum Stage: String, Sendable {
    case index
    case snapshots
    case repack
    case rewriteIndex
    case remove
  }

  case started(Stage)
  case planned(PruneStatistics)
  case repacked(packs: Int, of: Int)
}

/// The outcome of a prune.
package struct PruneReport: Sendable {
  package var statistics = PruneStatistics()
  package var isDryRun = false
  package var newPackCount = 0
  package var newPackBytes: Int64 = 0
  package var newIndexCount = 0
  package var removedIndexCount = 0
  package var removedPackCount = 0
}
