package import Platform

/// How a mirror is made; the names are those of the options.
package struct MirrorOptions: Sendable {
  package var comparison = ComparisonOptions()
  package var filter: MirrorFilter?
  /// Elements of a path, at most; nil without a limit.
  package var depthMax: Int?
  /// What the source does not have is deleted (`sync`).
  package var deletes = false
  package var deletesExcluded = false
  package var deletionMode = DeletionMode.after
  /// Where what is overwritten or deleted goes; nil for nowhere.
  package var backup: BackupPlace?
  /// Moves files at the destination that have other names at the source. They are looked for when
  /// all else is known, so deletions come last then.
  package var tracksRenames = false
  package var deletionCountMax: Int64?
  package var deletionSizeBytesMax: Int64?
  package var allowsEmptySource = false
  /// Ends a run before anything is deleted when the source has lost too much.
  package var sourceGuard: SourceGuard?
  /// How much of the files at a destination may be deleted; nil for all but for the other limits.
  package var deletionLimit: ShareLimit?
  /// Deletes although something failed.
  package var ignoresErrors = false
  package var createsEmptyDirectories = false
  /// Takes the time at which an object was stored for the file's.
  package var usesServerTimes = false
  package var isDryRun = false
  package var transferCount = 4
  package var checkerCount = 8
  /// Keeps modes, owners, times and attributes; nil for times alone.
  package var metadata: MetadataKeeper?
  /// Where uploads in parts are noted, so that a later run takes them up; nil for nowhere.
  package var uploads: UploadJournal?
  /// Where what does not fit into memory is kept.
  package var temporaryDirectory = "/tmp"
  /// Where each destination keeps what it has found alike, so that the next run asks for no object
  /// that has not changed; nil keeps nothing. The directory stands already.
  package var stateDirectory: String?
  package var sharing = SharingOptions()

  package init() {}

  var deletesFirst: Bool { deletionMode == .before && !tracksRenames }
}

/// When a run deletes what the source does not have.
package enum DeletionMode: Sendable {
  /// When all else went well.
  case after
  /// In a pass of its own, before anything is copied.
  case before
  /// As it is found; what is found after a failure stays.
  case during
}

/// What a run has done to one path, or would do.
package enum MirrorEvent: Sendable {
  case copied(path: [UInt8], sizeBytes: Int64, isNew: Bool)
  case timeSet(path: [UInt8])
  case deleted(path: [UInt8])
  case renamed(from: [UInt8], to: [UInt8])
  case directoryMade(path: [UInt8])
  case directoryRemoved(path: [UInt8])
  case unchanged(path: [UInt8])
  case passedOver(name: [UInt8], reason: String)
  case failed(path: [UInt8], MirrorError)
  /// The destination has come to its end; others may still be at work.
  case ended(DestinationOutcome)
}

/// How one destination of a run has ended.
package struct DestinationOutcome: Sendable {
  /// For people; holds no secret.
  package let name: String
  package let figures: MirrorFigures
  /// What has ended it before its time: it cannot be listed, a guard, a cancellation. Nothing was
  /// deleted then.
  package let failure: MirrorError?
  /// Whether it answered at all.
  package let hasAnswered: Bool
  /// From the start of the run to its own end.
  package let seconds: Double

  package init(
    name: String, figures: MirrorFigures, failure: MirrorError?, hasAnswered: Bool = false,
    seconds: Double = 0
  ) {
    (self.name, self.figures, self.failure) = (name, figures, failure)
    (self.hasAnswered, self.seconds) = (hasAnswered, seconds)
  }

  package var isGood: Bool { failure == nil && figures.errorCount == 0 }

  /// Whether another run may do better.
  package var mayBeRetried: Bool {
    guard let failure else { return figures.errorCount > 0 && figures.mayBeRetried }
    // One that did not answer was tried often enough already.
    return hasAnswered && failure.kind == .unreachable && !failure.isLasting
  }
}

/// How a run has ended, in the order of its destinations.
package struct MirrorOutcome: Sendable {
  package let destinations: [DestinationOutcome]
  /// Entries that the source's one listing gave.
  package let sourceListedCount: Int64
  /// The files among them.
  package let sourceTotals: SourceTotals
  /// Bytes of the source's files that were read, for all destinations together.
  package let sourceReadBytes: Int64

  package var isGood: Bool { destinations.allSatisfy { $0.isGood } }

  /// The figures of a run with one destination.
  /// - Throws: what has ended it.
  package func only() throws(MirrorError) -> MirrorFigures {
    precondition(destinations.count == 1)
    if let failure = destinations[0].failure { throw failure }
    return destinations[0].figures
  }
}

/// How far a run is.
package struct MirrorFigures: Sendable, Equatable {
  package var listedCount: Int64 = 0
  package var checkedCount: Int64 = 0
  package var checkTotal: Int64 = 0
  package var transferredCount: Int64 = 0
  package var transferTotal: Int64 = 0
  package var transferredBytes: Int64 = 0
  package var transferTotalBytes: Int64 = 0
  package var deletedCount: Int64 = 0
  package var directoriesRemovedCount: Int64 = 0
  package var renamedCount: Int64 = 0
  package var serverCopyCount: Int64 = 0
  package var serverCopyBytes: Int64 = 0
  package var timeSetCount: Int64 = 0
  package var errorCount: Int64 = 0
  /// Whether one of the errors may not come again.
  package var mayBeRetried = false
  package var lastError: String?
  package var lastKind: FailureKind?

  package init() {}
}

/// The figures of a run, from all its threads.
package final class MirrorStatistics: @unchecked Sendable {
  private let lock = Lock()
  // Guarded by `lock`.
  private var figures = MirrorFigures()

  package init() {}

  package var now: MirrorFigures { lock.withLock { figures } }

  func change(_ body: (inout MirrorFigures) -> Void) { lock.withLock { body(&figures) } }

  func add(_ error: MirrorError) {
    change { figures in
      figures.errorCount += 1
      figures.lastError = error.description
      figures.lastKind = error.kind
      switch error.kind {
      case .unreachable, .partial, .corrupt, .failed: figures.mayBeRetried = true
      default: break
      }
    }
  }
}
