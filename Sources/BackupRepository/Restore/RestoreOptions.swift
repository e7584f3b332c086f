package import FileTree
import Platform

/// What happens to a file that stands in the target already.
package enum OverwriteMode: String, Sendable, CaseIterable {
  /// Its content is read and only what differs is written.
  case always
  /// The same, but equal size and time count as equal content.
  case ifChanged = "if-changed"
  /// As `always`, but only where the snapshot's file is the newer one.
  case ifNewer = "if-newer"
  /// It stays as it is.
  case never
}

/// What a restore is asked to do.
package struct RestoreOptions: Sendable {
  /// The directory to restore into; made when it is not there.
  package var target: String
  /// A directory of the snapshot that takes the place of its root (`snapshot:/sub/dir`).
  package var subpath = ""
  /// Only what these match, and the directories above it; all when there are none.
  package var includes = PathPatterns([])
  package var excludes = PathPatterns([])
  package var overwrite = OverwriteMode.always
  /// Removes what stands in restored directories and is not in the snapshot.
  package var deletesExtra = false
  /// Runs of zeros become holes.
  package var isSparse = false
  /// Reads all restored files again and compares their hashes.
  package var verifies = false
  /// Waits until everything is on the disk; otherwise the system writes it when it sees fit, and
  /// what a disk then refuses is not told.
  package var synchronizes = true
  /// Threads that open, write and hash; nil for as many as there are cores, or as many more as the
  /// store can serve.
  package var threadCount: Int?

  package init(target: String) { self.target = target }
}

/// Limits of a restore, each with its reason.
package enum RestoreLimits {
  /// Largest data blob that is restored: what fits into the largest pack that restic writes.
  package static let blobByteCountMax = 128 << 20
  /// What one read of a pack takes unless a single blob is longer; for each thread one such buffer.
  package static let readByteCountMax = 4 << 20
  /// Less than this is not worth a request of its own.
  package static let readByteCountMin = 256 << 10
  /// Blobs that nobody needs are read along up to this length, rather than reading twice.
  package static let gapByteCountMax = 1 << 20
  /// Entries and blobs that are planned together: some 6 MiB of memory.
  package static let batchItemCountMax = 16_384
  package static let batchPieceCountMax = 32_768
  /// Files of several blobs that are held open.
  package static let openFileCountMax = 64
  /// Problems that the report describes; the others are counted.
  package static let problemsDescribedMax = 100
}

/// One thing that could not be restored as it was.
package struct RestoreProblem: Sendable {
  package enum Kind: Sendable {
    /// The repository's content is damaged or missing.
    case damage
    /// The target refuses the entry.
    case entry
    /// The entry is there, but without some attribute.
    case attribute
  }

  package let kind: Kind
  /// Relative to the target.
  package let path: [UInt8]
  package let message: String

  /// For people.
  package var text: String { "\(printable(path.isEmpty ? [0x2e] : path)): \(message)" }
}

/// Counts of a restore, so far or at its end.
package struct RestoreReport: Sendable {
  /// Regular files that were written, at least in part.
  package var filesRestored = 0
  /// Regular files whose content was right already.
  package var filesUnchanged = 0
  /// Entries that ``OverwriteMode`` left alone.
  package var entriesSkipped = 0
  /// Entries that the patterns left out, without what is below them.
  package var entriesPassedOver = 0
  package var directories = 0
  /// Symbolic links, devices, fifos, sockets.
  package var specials = 0
  /// Further names of hard-linked files.
  package var links = 0
  package var entriesDeleted: Int64 = 0
  /// Contents of all regular files that were selected and not skipped, without further names.
  package var bytesTotal: Int64 = 0
  package var bytesWritten: Int64 = 0
  package var bytesUnchanged: Int64 = 0
  /// Read from packs.
  package var bytesFetched: Int64 = 0
  package var filesVerified = 0
  package var damageCount = 0
  package var entryProblemCount = 0
  package var attributeProblemCount = 0
  /// Entries that could not be given their owner.
  package var ownerProblemCount: Int64 = 0
  /// The first problems.
  package var problems: [RestoreProblem] = []
  /// The plan is complete: totals grow no more.
  package var isPlanned = false

  package init() {}

  /// Everything that was dealt with.
  package var entryCount: Int {
    filesRestored + filesUnchanged + entriesSkipped + directories + specials + links
  }
}

/// What a restore tells while it runs. Handlers are called from engine threads, one at a time.
package enum RestoreEvent: Sendable {
  /// About ten times a second.
  case progress(RestoreReport)
  /// An entry is complete.
  case restored(path: [UInt8], EntryKind)
  /// An entry was removed because the snapshot does not have it.
  case deleted(path: [UInt8])
  case problem(RestoreProblem)
  /// The last event, before a failure is thrown, too.
  case finished(RestoreReport)
}
