package import Platform

/// What a backup takes, and how it stores it.
package struct BackupOptions: Sendable {
  /// Paths to back up, absolute or relative to the working directory, as raw bytes.
  package var targets: [[UInt8]] = []
  /// What comes from a descriptor instead of ``targets``.
  package var stream: BackupStream?
  /// The directory whose entries are the snapshot's root, instead of ``targets``.
  package var root: BackupRoot?

  /// Lists of patterns; a path that one of the lists excludes is left out. Restic keeps those with
  /// and those without case apart.
  package var excludes: [PathPatterns] = []
  /// What the record names as `excludes`: the patterns as they were given.
  package var excludeTexts: [String] = []
  /// Directories that hold such a file are stored empty but for it.
  package var markers: [DirectoryMarker] = []
  /// Larger regular files are left out, bytes.
  package var fileSizeBytesMax: Int64?
  package var oneFileSystem = false

  package var hostname = ""
  package var username = ""
  package var userID: UInt32 = 0
  package var groupID: UInt32 = 0
  package var tags: [String] = []
  /// The record's time; nil for that of the start.
  package var time: GoTime?
  package var programVersion = ""

  package var parent = ParentChoice.newest
  /// A file counts as unchanged whatever its inode number; its time of change is not compared
  /// either then.
  package var ignoresInode = false
  /// A file counts as unchanged whatever the time of change of its inode.
  package var ignoresChangeTime = false
  /// Stores the times of last access too; otherwise the time of modification stands there.
  package var withAccessTime = false
  /// No new snapshot when its tree would be that of its parent.
  package var skipsUnchanged = false
  /// Reads and compresses everything and stores nothing.
  package var isDryRun = false

  package var packSizeBytes = PackWriter.sizeBytesStandard
  /// Threads that read, compress and seal.
  package var workerCount = 2
  /// Where scratch files of the index stand.
  package var temporaryDirectory = "/tmp"
  /// Tells of every file and directory (`BackupEvent.item`).
  package var reportsItems = false

  /// Ends the backup before its snapshot when the source has lost too much since a run before it
  /// or, when nothing is known of one, since the parent.
  package var sourceGuard: SourceGuard?

  package var clock: any Clock = SystemClock()
  /// Asked all the time; true ends the run with `RepositoryError.cancelled`.
  package var isCancelled: @Sendable () -> Bool = { false }
  /// Called about once a second and before the snapshot is written; throws when the run must not go
  /// on, as after the loss of its lock.
  package var mayGoOn: @Sendable () throws(RepositoryError) -> Void = {}

  package init() {}

  /// The threads of a backup that shall read at least so many files at once.
  package static func workerCount(readerCount: Int) -> Int {
    // Beyond 64 threads the index and the packs are what is waited for.
    min(64, max(processorCount, readerCount))
  }
}

/// Which snapshot a backup compares files with.
package enum ParentChoice: Sendable {
  /// The newest one of the host whose paths include all targets.
  case newest
  case given(SnapshotID)
  /// Every file is read.
  case none
}

/// Data that come from a descriptor and are stored as one file.
package struct BackupStream: Sendable {
  /// Read to its end; the caller closes it.
  package var descriptor: Int32
  /// The file's path in the snapshot.
  package var path: [UInt8]

  package init(descriptor: Int32, path: [UInt8]) {
    self.descriptor = descriptor
    self.path = path
  }
}

/// A directory that is stored as if it stood elsewhere, such as a volume that others mount at
/// `/data`: its entries are the root of the snapshot's tree.
package struct BackupRoot: Sendable, Equatable {
  /// Where it is; absolute.
  package var directory: [UInt8]
  /// The only path of the record, and what patterns see instead of ``directory``; absolute.
  package var recordedPath: String
  /// Whether a directory without entries is backed up, too; otherwise that is refused.
  package var mayBeEmpty = false

  package init(directory: [UInt8], recordedPath: String) {
    self.directory = PathText.absolute(directory)
    self.recordedPath = recordedPath
  }

  /// An absolute path as patterns see it: below ``directory`` with ``recordedPath`` in its place.
  func shown(_ path: [UInt8]) -> [UInt8] {
    guard path.starts(with: directory) else { return path }
    let rest = path.dropFirst(directory.count)
    guard directory == [PathText.slash] || rest.isEmpty || rest.first == PathText.slash else {
      return path
    }
    return PathText.clean(Array(recordedPath.utf8) + [PathText.slash] + rest)
  }
}

/// A file whose presence says that its directory need not be stored.
package struct DirectoryMarker: Sendable, Equatable {
  package var name: [UInt8]
  /// What the file has to begin with.
  package var header: [UInt8]

  package init(name: [UInt8], header: [UInt8] = []) {
    self.name = name
    self.header = header
  }

  /// The mark of cache directories. Source: the Cache Directory Tagging Specification.
  package static let cache = DirectoryMarker(
    name: Array("CACHEDIR.TAG".utf8),
    header: Array("Signature: 8a477f597d28d172789f06886806bc55".utf8))
}

/// Something that could not be stored; the backup goes on.
package struct BackupProblem: Sendable {
  package var path: [UInt8]
  package var error: any DroverError

  package init(path: [UInt8], error: any DroverError) {
    self.path = path
    self.error = error
  }
}

/// How far a backup is.
package struct BackupProgress: Sendable, Equatable {
  package var filesFound = 0
  package var bytesFound: Int64 = 0
  package var filesDone = 0
  package var bytesDone: Int64 = 0
  package var problemCount = 0
  package var secondsElapsed = 0.0

  package init() {}
}

/// What became of a file or directory.
package struct BackupItem: Sendable {
  package enum Change: String, Sendable {
    case new, changed, unchanged
  }

  package var path: [UInt8]
  package var isDirectory: Bool
  package var change: Change
  package var sizeBytes: UInt64
}

/// What a backup tells while it runs, from any of its threads.
package enum BackupEvent: Sendable {
  /// Which snapshot files are compared with.
  case parent(StoredSnapshot?)
  case progress(BackupProgress)
  case problem(BackupProblem)
  case item(BackupItem)
}

/// What a backup did.
package struct BackupReport: Sendable {
  /// The new record; nil after a dry run and when nothing had changed and that was to be skipped.
  package var snapshot: StoredSnapshot?
  package var parent: StoredSnapshot?
  package var tree: BlobID
  package var summary = SnapshotSummary()
  /// Files and directories that could not be read: the snapshot is incomplete.
  package var unreadableCount = 0
  /// Entries that were removed between being listed and being read.
  package var vanishedCount = 0

  /// Some of the data are missing in the snapshot; restic's exit code 3.
  package var isPartial: Bool { unreadableCount > 0 }
}
