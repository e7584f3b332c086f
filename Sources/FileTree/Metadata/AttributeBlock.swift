import Glibc
import Platform

/// The canonical block of an entry's extended attributes, ACLs (`system.posix_acl_*`) included.
///
/// Sorted by name; for each: u16 length of the name, name, u32 length of the value, value;
/// little-endian.
package enum AttributeBlock {
  /// Whether an attribute is part of a replica.
  ///
  /// `user.` and the ACLs always are, `security.` (capabilities, labels) and `trusted.` for who may
  /// read them all. The rest of `system.` describes the file system and not the file. XFS lists an
  /// ACL a second time under its own name and in its own form, which rsync, too, would carry to
  /// where it means nothing.
  static func isReplicated(_ name: UnsafeRawBufferPointer, privileged: Bool) -> Bool {
    if has(name, prefix: "user.") { return true }
    if isList(name) { return true }
    guard privileged else { return false }
    if has(name, prefix: "trusted.") {
      return !equals(name, "trusted.SGI_ACL_FILE") && !equals(name, "trusted.SGI_ACL_DEFAULT")
    }
    return has(name, prefix: "security.")
  }

  /// Whether an attribute holds an ACL.
  package static func isList(_ name: UnsafeRawBufferPointer) -> Bool {
    has(name, prefix: "system.posix_acl_")
  }

  private static func equals(_ name: UnsafeRawBufferPointer, _ other: StaticString) -> Bool {
    guard let start = name.baseAddress, name.count == other.utf8CodeUnitCount else { return false }
    return memcmp(start, other.utf8Start, name.count) == 0
  }

  private static func has(_ name: UnsafeRawBufferPointer, prefix: StaticString) -> Bool {
    guard let start = name.baseAddress, name.count > prefix.utf8CodeUnitCount else { return false }
    return memcmp(start, prefix.utf8Start, prefix.utf8CodeUnitCount) == 0
  }

  /// Checks a block of unknown origin: whole, sorted, safe names of the replicated kinds.
  package static func validate(_ block: UnsafeRawBufferPointer) throws(TreeError) {
    var previous: UnsafeRawBufferPointer?
    var reader = ByteReader(block)
    while reader.remaining > 0 {
      let (name, _) = try next(&reader)
      guard isReplicated(name, privileged: true), !name.contains(0),
        name.count <= TreeLimits.nameBytesMax
      else { throw .malformed("attribute name \(printable(name))") }
      if let previous, compareBytes(previous, name) >= 0 { throw .malformed("attribute order") }
      previous = name
    }
  }

  /// One name and value.
  package static func next(
    _ reader: inout ByteReader
  ) throws(TreeError) -> (name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    let name = try reader.bytes(Int(try reader.u16()))
    let value = try reader.bytes(Int(try reader.u32()))
    return (name, value)
  }
}

/// Reads the attributes of entries of one directory. Confined to one thread; reuses its buffers.
final class AttributeReader {
  private let privileged = geteuid() == 0
  private let names = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 8)
  private let value = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 8)
  private var block: [UInt8] = []

  deinit {
    names.deallocate()
    value.deallocate()
  }

  /// Appends the canonical block of `path` to the arena. A file system without attributes has none.
  func read(
    _ path: UnsafePointer<CChar>, into arena: inout ByteArena, entryPath: () -> [UInt8]
  ) throws(TreeError) -> ArenaSlice {
    let count = ExtendedAttributes.list(path, into: names)
    if count == 0 { return ArenaSlice() }
    if count < 0 {
      switch errno {
      case EOPNOTSUPP, ENOSYS: return ArenaSlice()
      case ERANGE, E2BIG: throw .attributesTooLarge(path: entryPath())
      default: throw .system(.last("llistxattr"), path: entryPath())
      }
    }
    block.removeAll(keepingCapacity: true)
    for name in sortedNames(count) {
      try append(name, of: path, entryPath: entryPath)
    }
    guard !block.isEmpty else { return ArenaSlice() }
    guard block.count <= TreeLimits.attributesBytesMax else {
      throw .attributesTooLarge(path: entryPath())
    }
    let offset = block.withUnsafeBytes { arena.append($0) }
    return ArenaSlice(offset: offset, count: UInt32(block.count))
  }

  private func sortedNames(_ count: Int) -> [UnsafeRawBufferPointer] {
    var found: [UnsafeRawBufferPointer] = []
    var start = 0
    for index in 0..<count where names[index] == 0 {
      let name = UnsafeRawBufferPointer(rebasing: names[start..<index])
      start = index + 1
      if AttributeBlock.isReplicated(name, privileged: privileged) { found.append(name) }
    }
    return found.sorted { compareBytes($0, $1) < 0 }
  }

  private func append(
    _ name: UnsafeRawBufferPointer, of path: UnsafePointer<CChar>, entryPath: () -> [UInt8]
  ) throws(TreeError) {
    guard let start = name.baseAddress else { return }
    // The kernel ends each name in the list with NUL.
    let cName = start.assumingMemoryBound(to: CChar.self)
    let count = ExtendedAttributes.get(path, cName, into: value)
    if count < 0 {
      if errno == ENODATA { return }  // removed since it was listed
      throw .system(.last("lgetxattr"), path: entryPath())
    }
    withUnsafeBytes(of: UInt16(name.count).littleEndian) { block.append(contentsOf: $0) }
    block.append(contentsOf: name)
    withUnsafeBytes(of: UInt32(count).littleEndian) { block.append(contentsOf: $0) }
    block.append(contentsOf: UnsafeRawBufferPointer(rebasing: value[..<count]))
  }
}
