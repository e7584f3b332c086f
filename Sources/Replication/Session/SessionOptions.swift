package import FileTree
package import Platform

/// How literals are compressed on the wire.
package enum CompressionChoice: Sendable, Equatable {
  /// Level follows what the link and the cores can take, down to none.
  case adaptive
  case none
  /// A fixed zstd level, 1…19.
  case level(Int)
}

/// What the sending end of one session is asked to do.
package struct SendOptions: Sendable {
  /// The source: a directory, a block device or a raw image.
  package var root: String
  package var filter: FilterRules = FilterRules()
  package var oneFileSystem = false
  /// Compare by content instead of size and time.
  package var checksum = false
  package var wholeFile = false
  /// Rewrite existing files in place, behind an undo journal, instead of by temporary file.
  package var inPlace = false
  package var compression: CompressionChoice = .adaptive
  /// Bytes a second on the wire towards the receiver; nil for no limit.
  package var bandwidthLimitBytesPerSecond: Int?
  package var delete = true
  /// Deletions beyond this count are not done and end the run as partial; nil for no limit.
  package var deleteCountMax: Int?
  package var dryRun = false
  /// Report each change as an event.
  package var itemizeChanges = false
  /// Let an empty source empty a filled destination.
  package var allowEmptySource = false
  /// Ends the run before anything is deleted when the source has lost too much.
  package var sourceGuard: SourceGuard?
  /// How much may be deleted at a stock destination; our own judge for themselves, unless
  /// ``deleteCountMax`` says how much it may be.
  package var deletionLimit: ShareLimit?
  /// Of the relationship; see ``GenerationFence``.
  package var generation: UInt64 = 1
  package var patience = Patience()

  package init(root: String) { self.root = root }
}

/// What the receiving end of one session is asked to do. Choices about the run (delete, in place …)
/// come from the sender, as with rsync.
package struct ReceiveOptions: Sendable {
  /// The destination: a directory, a block device or a raw image.
  package var root: String
  /// Where the undo journal of a block device stands; nil for the default.
  package var undoDirectory: String?
  /// Let an empty source of a stock peer empty a filled destination; our own senders say so
  /// themselves.
  package var allowEmptyStockSource = false
  /// Ends a run that would delete more, before anything is deleted; not in force where the sender
  /// says how much may be deleted. Nil for no limit.
  package var deletionLimit: ShareLimit?
  /// Which sources are let in; nil for all.
  package var fence: (any GenerationFence)?
  package var patience = Patience()

  package init(root: String) { self.root = root }
}

/// What a session tells while it runs. Handlers are called from engine threads, one call at a time.
package enum SessionEvent: Sendable {
  /// About ten times a second while data moves.
  case progress(SessionProgress)
  /// One changed entry, in rsync's itemized form (`>f.st......`) and the path's bytes.
  case item(change: String, path: [UInt8])
  /// An entry that could not be read or applied; the run goes on and ends as partial.
  case warning(path: [UInt8], message: String)
}

/// Counts so far; totals grow while the walk goes on and are final once `walkIsComplete`.
package struct SessionProgress: Sendable, Equatable {
  package var entryCount: Int64 = 0
  package var fileCountDone: Int64 = 0
  package var fileCountTotal: Int64 = 0
  package var sizeBytesDone: Int64 = 0
  package var sizeBytesTotal: Int64 = 0
  package var walkIsComplete = false

  package init() {}
}

/// What one stage of a pipeline did with its time.
package struct StageTime: Sendable, Equatable {
  package var stage: String
  package var busySeconds: Double
  package var inputWaitSeconds: Double
  package var outputWaitSeconds: Double

  package init(
    stage: String, busySeconds: Double, inputWaitSeconds: Double, outputWaitSeconds: Double
  ) {
    self.stage = stage
    self.busySeconds = busySeconds
    self.inputWaitSeconds = inputWaitSeconds
    self.outputWaitSeconds = outputWaitSeconds
  }
}

/// The outcome of a session that came to its acknowledged end.
package struct SessionSummary: Sendable {
  /// Entries of the source, the root included.
  package var entryCount: Int64 = 0
  package var fileCountTotal: Int64 = 0
  package var fileCountTransferred: Int64 = 0
  package var entryCountCreated: Int64 = 0
  package var entryCountDeleted: Int64 = 0
  package var entryCountAttributesChanged: Int64 = 0
  /// Sum of the sizes of all regular files of the source.
  package var sizeBytesTotal: Int64 = 0
  /// Bytes of files that travelled as they are, before compression.
  package var literalBytes: Int64 = 0
  /// Bytes of transferred files taken from what the destination had, holes included.
  package var matchedBytes: Int64 = 0
  package var wireBytesSent: Int64 = 0
  package var wireBytesReceived: Int64 = 0
  package var durationSeconds: Double = 0
  /// Entries skipped or not fully applied; the run is partial when it is not 0.
  package var warningCount: Int64 = 0
  /// The digest of the source's tree, as the receiver has confirmed it; nil for a dry run.
  package var treeDigest: [UInt8]?
  package var stages: [StageTime] = []
  /// The stage that kept the others waiting.
  package var bottleneck: String?
  /// The peer was a stock mover and rsync has done the work: totals of the tree, extended
  /// attributes, the root's own attributes and the proof of the whole are lacking.
  package var isOfStockPeer = false
  /// What that means, for people.
  package static let stockPeerText =
    "peer: VolSync's rsync, served by rsync: slower, without extended attributes and attributes of"
    + " the root"

  package init() {}

  /// How many times less than the whole source travelled.
  package var speedUp: Double {
    let wire = wireBytesSent + wireBytesReceived
    return wire == 0 ? 0 : Double(sizeBytesTotal) / Double(wire)
  }
}
