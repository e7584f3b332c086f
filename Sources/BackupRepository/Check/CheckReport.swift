/// What check looks at.
package struct CheckOptions: Sendable {
  package enum Reading: Sendable, Equatable {
    /// Structure only.
    case none
    /// `--read-data`: every byte of every pack.
    case all
    /// `--read-data-subset`.
    case subset(ReadDataSubset)
  }

  package var reading = Reading.none
  package var threadCount = 0
  package var temporaryDirectory = "/tmp"
  package var isCancelled: @Sendable () -> Bool = { false }

  package init() {}
}

/// Progress of check, told from several threads.
package enum CheckEvent: Sendable {
  package enum Stage: String, Sendable {
    case index
    case packs
    case snapshots
    case data
  }

  case started(Stage)
  case finding(CheckFinding)
  /// Packs that were read so far, of all to read.
  case read(packs: Int, of: Int, bytes: Int64)
}

/// The outcome of check.
package struct CheckReport: Sendable {
  /// In the order in which they were found, at most ten thousand.
  package var findings: [CheckFinding] = []
  package var errorCount = 0
  package var hintCount = 0
  package var snapshotCount = 0
  package var indexFileCount = 0
  package var packCount = 0
  package var usedBlobCount = 0
  package var unusedBlobCount = 0
  /// Copies beyond the first of each blob.
  package var duplicateCount = 0
  package var readPackCount = 0
  package var readBytes: Int64 = 0

  package var isSound: Bool { errorCount == 0 }
}
