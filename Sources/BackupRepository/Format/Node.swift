package import FileTree

/// What a node tells besides its strings and lists: the same whether it was read from a repository
/// or from a file system.
package struct NodeFacts: Sendable, Equatable {
  package var type = NodeType.file
  package var mode = FileMode(rawValue: 0)
  package var modified = GoTime.zero
  package var accessed = GoTime.zero
  /// When the inode was changed last.
  package var changed = GoTime.zero
  package var userID: UInt32 = 0
  package var groupID: UInt32 = 0
  package var inode: UInt64 = 0
  /// `st_dev` of the file system that the node was on.
  package var deviceID: UInt64 = 0
  /// Bytes that were read; files only.
  package var size: UInt64 = 0
  /// `st_nlink`, but 0 for directories and fifos.
  package var linkCount: UInt64 = 0
  /// `st_rdev` of a device node, in the form of Linux.
  package var device: UInt64 = 0
  /// Root of a directory's tree.
  package var subtree: BlobID?

  package init() {}
}

/// A node of a ``Tree``: its facts, and where in the tree its strings and lists stand.
package struct Node: Sendable {
  package var facts = NodeFacts()
  package var name = ArenaSlice()
  package var user = ArenaSlice()
  package var group = ArenaSlice()
  /// Target of a symbolic link, its true bytes.
  package var linkTarget = ArenaSlice()
  /// A block of ``NodeAttributes``.
  package var attributes = ArenaSlice()
  /// JSON object with what other systems keep, as it was read.
  package var genericAttributes = ArenaSlice()
  /// What went wrong when the node was stored.
  package var error = ArenaSlice()
  /// Part of the tree's list of contents; only with ``hasContent``.
  package var contentStart: UInt32 = 0
  package var contentCount: UInt32 = 0
  /// There is a list, be it empty: so for every file and for nothing else.
  package var hasContent = false
  /// Bytes of the target were lost when it was stored: U+FFFD stands for each of them. Only restic
  /// before 0.16 did so.
  package var isTargetDamaged = false

  package init() {}
}

/// A node with borrowed strings and lists, ready to be written by a ``TreeEncoder``. Valid as long
/// as what it points to.
package struct NodeFields {
  package var facts: NodeFacts
  package var name: UnsafeRawBufferPointer
  package var user = UnsafeRawBufferPointer(start: nil, count: 0)
  package var group = UnsafeRawBufferPointer(start: nil, count: 0)
  package var linkTarget = UnsafeRawBufferPointer(start: nil, count: 0)
  package var attributes = UnsafeRawBufferPointer(start: nil, count: 0)
  package var genericAttributes = UnsafeRawBufferPointer(start: nil, count: 0)
  package var error = UnsafeRawBufferPointer(start: nil, count: 0)
  /// nil for everything but files.
  package var content: UnsafeBufferPointer<BlobID>?
  package var isTargetDamaged = false

  package init(_ facts: NodeFacts, name: UnsafeRawBufferPointer) {
    self.facts = facts
    self.name = name
  }
}

/// The extended attributes of a node, ACLs included, in the order of the system's list.
///
/// For each: length of the name (u16), name, length of the value (u32), value; little-endian. Some
/// programs store an empty value as `null`; its length is 2^32 - 1 here, so that a rewritten tree
/// does not change.
package enum NodeAttributes {
  private static let null = UInt32.max

  /// Appends one attribute; a nil value is an empty one that is written as `null`. False, with
  /// nothing appended, when the name or the value is too long for the block.
  package static func append(
    name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer?, to block: inout [UInt8]
  ) -> Bool {
    guard let nameCount = UInt16(exactly: name.count),
      let valueCount = UInt32(exactly: value?.count ?? 0), valueCount < null
    else { return false }
    withUnsafeBytes(of: nameCount.littleEndian) { block.append(contentsOf: $0) }
    block.append(contentsOf: name)
    let marked = value == nil ? null : valueCount
    withUnsafeBytes(of: marked.littleEndian) { block.append(contentsOf: $0) }
    if let value { block.append(contentsOf: value) }
    return true
  }

  /// The attribute at `position`, which moves behind it; nil at the end of the block.
  package static func next(
    _ block: UnsafeRawBufferPointer, _ position: inout Int
  ) -> (name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, isNull: Bool)? {
    guard block.count - position >= 2 else { return nil }
    let nameCount = Int(
      UInt16(littleEndian: block.loadUnaligned(fromByteOffset: position, as: UInt16.self)))
    let nameStart = position + 2
    guard block.count - nameStart >= nameCount + 4 else { return nil }
    let stored = UInt32(
      littleEndian: block.loadUnaligned(fromByteOffset: nameStart + nameCount, as: UInt32.self))
    let valueCount = stored == null ? 0 : Int(stored)
    let valueStart = nameStart + nameCount + 4
    guard block.count - valueStart >= valueCount else { return nil }
    position = valueStart + valueCount
    return (
      UnsafeRawBufferPointer(rebasing: block[nameStart..<nameStart + nameCount]),
      UnsafeRawBufferPointer(rebasing: block[valueStart..<position]), stored == null
    )
  }
}
