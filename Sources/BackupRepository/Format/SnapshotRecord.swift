/// The stored record of one backup.
///
/// JSON without a newline at its end, members in this order: `time`, `parent`, `tree`, `paths`,
/// `hostname`, `username`, `uid`, `gid`, `excludes`, `tags`, `original`, `program_version`,
/// `summary`; all but `time`, `tree` and `paths` are left out when they are empty or zero. Its
/// identifier is the SHA-256 of the stored file, so that it changes with every rewrite.
/// Source: the restic repository format, "snapshots".
package struct SnapshotRecord: Equatable, Sendable {
  /// Largest record: the lists of paths and excludes of a hundred thousand entries stay below.
  package static let sizeBytesMax = 16 << 20

  package var time: GoTime
  package var parent: SnapshotID?
  package var tree: BlobID
  /// Absolute paths. Bytes that are not UTF-8 stand as U+FFFD, in restic's records too.
  package var paths: [String]
  package var hostname = ""
  package var username = ""
  package var userID: UInt32 = 0
  package var groupID: UInt32 = 0
  package var excludes: [String] = []
  package var tags: [String] = []
  /// The first version of a record that was rewritten.
  package var original: SnapshotID?
  package var programVersion = ""
  package var summary: SnapshotSummary?

  package init(time: GoTime, tree: BlobID, paths: [String]) {
    self.time = time
    self.tree = tree
    self.paths = paths
  }

  /// Reads an opened record without its framing.
  /// - Throws: `RepositoryError.corrupt`.
  package init(decoding json: some Collection<UInt8>) throws(RepositoryError) {
    let reader = try RecordReader(json, part: .snapshot, sizeBytesMax: SnapshotRecord.sizeBytesMax)
    guard let time = try reader.time("time") else { throw reader.missing("time") }
    guard let tree = try reader.identifier("tree", BlobID.self) else {
      throw reader.missing("tree")
    }
    self.init(time: time, tree: tree, paths: try reader.strings("paths"))
    parent = try reader.identifier("parent", SnapshotID.self)
    hostname = try reader.string("hostname") ?? ""
    username = try reader.string("username") ?? ""
    userID = try reader.number32("uid") ?? 0
    groupID = try reader.number32("gid") ?? 0
    excludes = try reader.strings("excludes")
    tags = try reader.strings("tags")
    original = try reader.identifier("original", SnapshotID.self)
    programVersion = try reader.string("program_version") ?? ""
    if let record = try reader.record("summary") { summary = try SnapshotSummary(record) }
  }

  /// The JSON to frame, seal and store.
  package func encoded() -> [UInt8] {
    var writer = RecordWriter()
    writer.field("time", time)
    writer.field("parent", ifPresent: parent)
    writer.field("tree", tree)
    writer.field("paths", paths)
    writer.field("hostname", ifNotEmpty: hostname)
    writer.field("username", ifNotEmpty: username)
    writer.field("uid", ifNotZero: userID)
    writer.field("gid", ifNotZero: groupID)
    writer.field("excludes", ifNotEmpty: excludes)
    writer.field("tags", ifNotEmpty: tags)
    writer.field("original", ifPresent: original)
    writer.field("program_version", ifNotEmpty: programVersion)
    if let summary {
      writer.key("summary")
      writer.json.raw(summary.encoded())
    }
    return writer.finish()
  }
}

/// What a backup did, as its snapshot tells it since restic 0.17.
package struct SnapshotSummary: Equatable, Sendable {
  package var backupStart = GoTime.zero
  package var backupEnd = GoTime.zero
  package var filesNew: UInt64 = 0
  package var filesChanged: UInt64 = 0
  package var filesUnmodified: UInt64 = 0
  package var directoriesNew: UInt64 = 0
  package var directoriesChanged: UInt64 = 0
  package var directoriesUnmodified: UInt64 = 0
  package var dataBlobs: UInt64 = 0
  package var treeBlobs: UInt64 = 0
  /// Bytes of new blobs before compression.
  package var dataAdded: UInt64 = 0
  /// Bytes of new blobs as they are stored.
  package var dataAddedPacked: UInt64 = 0
  package var totalFilesProcessed: UInt64 = 0
  package var totalBytesProcessed: UInt64 = 0

  package init() {}

  /// The names of the counts in their order.
  private static var counts: [(StaticString, WritableKeyPath<SnapshotSummary, UInt64>)] {
    [
      ("files_new", \.filesNew), ("files_changed", \.filesChanged),
      ("files_unmodified", \.filesUnmodified), ("dirs_new", \.directoriesNew),
      ("dirs_changed", \.directoriesChanged), ("dirs_unmodified", \.directoriesUnmodified),
      ("data_blobs", \.dataBlobs), ("tree_blobs", \.treeBlobs), ("data_added", \.dataAdded),
      ("data_added_packed", \.dataAddedPacked), ("total_files_processed", \.totalFilesProcessed),
      ("total_bytes_processed", \.totalBytesProcessed),
    ]
  }

  init(_ reader: RecordReader) throws(RepositoryError) {
    backupStart = try reader.time("backup_start") ?? .zero
    backupEnd = try reader.time("backup_end") ?? .zero
    for (name, path) in SnapshotSummary.counts {
      self[keyPath: path] = try reader.number("\(name)") ?? 0
    }
  }

  func encoded() -> [UInt8] {
    var writer = RecordWriter()
    writer.field("backup_start", backupStart)
    writer.field("backup_end", backupEnd)
    for (name, path) in SnapshotSummary.counts { writer.field(name, self[keyPath: path]) }
    return writer.finish()
  }
}
