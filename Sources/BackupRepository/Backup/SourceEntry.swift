import FileTree
import Glibc

/// What is known of one name while its directory is being backed up.
struct SourceEntry {
  /// What the blobs of a file are.
  enum Content: UInt8 {
    /// Not known yet; also for what has none.
    case unknown
    case empty
    /// ``SourceEntry/blob``.
    case one
    /// ``SourceEntry/blobs``.
    case many
    /// Those of the parent's node.
    case parent
  }

  var name = ArenaSlice()
  var target = ArenaSlice()
  /// A block of ``NodeAttributes``.
  var attributes = ArenaSlice()
  /// `st_mode`.
  var mode: UInt32 = 0
  var userID: UInt32 = 0
  var groupID: UInt32 = 0
  /// Index of the parent snapshot's node of this name.
  var previous = UInt32.max
  var inode: UInt64 = 0
  var deviceID: UInt64 = 0
  var device: UInt64 = 0
  var linkCount: UInt64 = 0
  /// `st_size`, then the bytes that were read.
  var size: Int64 = 0
  var modified = FileTime()
  var accessed = FileTime()
  var changed = FileTime()
  /// A directory's tree or the only blob of a file.
  var blob = BlobID(words: (0, 0, 0, 0))
  var blobs: [BlobID] = []
  var content = Content.unknown
  /// Left out of the tree.
  var isOmitted = false

  init() {}

  var type: NodeType { FileMode(statMode: mode).type }
  var isDirectory: Bool { mode & S_IFMT == S_IFDIR }
  var isRegular: Bool { mode & S_IFMT == S_IFREG }

  mutating func take(_ status: stat) {
    mode = status.st_mode
    userID = status.st_uid
    groupID = status.st_gid
    inode = UInt64(status.st_ino)
    deviceID = UInt64(status.st_dev)
    device = UInt64(status.st_rdev)
    linkCount = UInt64(status.st_nlink)
    size = Int64(status.st_size)
    modified = FileTime(status.st_mtim)
    accessed = FileTime(status.st_atim)
    changed = FileTime(status.st_ctim)
  }

  /// The facts that its node tells. Source: the restic repository format, "trees and nodes".
  func facts(_ zone: inout LocalZone, withAccessTime: Bool) -> NodeFacts {
    var facts = NodeFacts()
    let type = type
    facts.type = type
    facts.mode = FileMode(statMode: mode)
    facts.modified = zone.time(seconds: modified.seconds, nanoseconds: modified.nanoseconds)
    facts.accessed =
      withAccessTime
      ? zone.time(seconds: accessed.seconds, nanoseconds: accessed.nanoseconds) : facts.modified
    facts.changed = zone.time(seconds: changed.seconds, nanoseconds: changed.nanoseconds)
    facts.userID = userID
    facts.groupID = groupID
    facts.inode = inode
    facts.deviceID = deviceID
    if type == .file { facts.size = UInt64(clamping: size) }
    if type != .directory, type != .fifo { facts.linkCount = linkCount }
    if type.isDevice { facts.device = device }
    if type == .directory { facts.subtree = blob }
    return facts
  }
}

/// A time as `stat` gives it.
struct FileTime: Equatable {
  var seconds: Int64 = 0
  var nanoseconds: UInt32 = 0

  init() {}

  init(_ time: timespec) {
    seconds = Int64(time.tv_sec)
    nanoseconds = UInt32(truncatingIfNeeded: time.tv_nsec)
  }

  func isSameInstant(as time: GoTime) -> Bool {
    seconds == time.seconds && nanoseconds == time.nanoseconds
  }
}
