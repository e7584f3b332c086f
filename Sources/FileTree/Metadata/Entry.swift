/// What kind of thing a name stands for. Raw values are part of the canonical encoding.
package enum EntryKind: UInt8, Sendable {
  case regular = 1
  case directory = 2
  case symbolicLink = 3
  case fifo = 4
  case socket = 5
  case characterDevice = 6
  case blockDevice = 7

  package var isDevice: Bool { self == .characterDevice || self == .blockDevice }

  /// rsync's letter in an itemized change.
  package var itemLetter: Character {
    switch self {
    case .regular: "f"
    case .directory: "d"
    case .symbolicLink: "L"
    case .characterDevice, .blockDevice: "D"
    case .fifo, .socket: "S"
    }
  }
}

/// A piece of a directory's arena.
package struct ArenaSlice: Sendable, Equatable {
  package var offset: UInt32 = 0
  package var count: UInt32 = 0
  package init(offset: UInt32 = 0, count: UInt32 = 0) {
    self.offset = offset
    self.count = count
  }
}

/// One name in a directory with everything known of it. Strings and attributes live in the arena of
/// the ``DirectoryListing`` it belongs to.
package struct Entry: Sendable {
  package var name = ArenaSlice()
  /// Target of a symbolic link.
  package var target = ArenaSlice()
  /// Canonical block of extended attributes, ACLs included; empty for none.
  package var attributes = ArenaSlice()
  /// Path of the group's first member, for the second and later names of a hard-linked inode.
  package var linkPath = ArenaSlice()
  package var kind = EntryKind.regular
  /// Permission bits with setuid, setgid and sticky (0o7777).
  package var mode: UInt16 = 0
  package var userID: UInt32 = 0
  package var groupID: UInt32 = 0
  package var modifiedSeconds: Int64 = 0
  package var modifiedNanoseconds: UInt32 = 0
  /// Bytes; regular files only.
  package var size: Int64 = 0
  /// Number of a device node.
  package var deviceMajor: UInt32 = 0
  package var deviceMinor: UInt32 = 0

  // Local facts, never encoded.
  package var fileSystem: UInt64 = 0
  package var inode: UInt64 = 0
  package var linkCount: UInt32 = 1
  /// The name is that of an unfinished temporary file of an earlier run.
  package var isLeftover = false

  package init() {}

  package func hasSameTime(as other: Entry) -> Bool {
    modifiedSeconds == other.modifiedSeconds && modifiedNanoseconds == other.modifiedNanoseconds
  }
}
