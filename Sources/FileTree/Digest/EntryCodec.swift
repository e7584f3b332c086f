import Glibc
import Platform

/// The canonical encoding of an entry: what directory digests cover and what listings carry.
///
/// Little-endian, no padding. Source: Drover's own format, version 1.
///
/// | offset | size | meaning |
/// |---|---|---|
/// | 0 | 1 | kind (``EntryKind``) |
/// | 1 | 1 | flags: 1 = attributes follow, 2 = link path follows |
/// | 2 | 2 | length of the name, n |
/// | 4 | 2 | permission bits, 0o7777 (symbolic link: 0o777) |
/// | 6 | 4 | user id |
/// | 10 | 4 | group id |
/// | 14 | 8 | mtime, seconds since 1970, signed |
/// | 22 | 4 | mtime, nanoseconds |
/// | 26 | 8 | regular file: size · device: major u32, minor u32 |
/// | 26 | 2 | symbolic link: length of the target, t |
/// | … | t | symbolic link: target |
/// | … | 4 + a | with flag 1: length and canonical attribute block |
/// | … | 2 + l | with flag 2: length and path of the first member of the hard-link group |
/// | … | n | name |
package enum EntryCodec {
  /// Longest encoding of one entry, bytes.
  package static let sizeMax =
    34 + TreeLimits.pathBytesMax + 4 + TreeLimits.attributesBytesMax + 2 + TreeLimits.pathBytesMax
    + TreeLimits.nameBytesMax

  private static let hasAttributes: UInt8 = 1
  private static let hasLinkPath: UInt8 = 2

  package static func encodedSize(_ entry: Entry) -> Int {
    var size = 26 + Int(entry.name.count)
    switch entry.kind {
    case .regular, .characterDevice, .blockDevice: size += 8
    case .symbolicLink: size += 2 + Int(entry.target.count)
    case .directory, .fifo, .socket: break
    }
    if entry.attributes.count > 0 { size += 4 + Int(entry.attributes.count) }
    if entry.linkPath.count > 0 { size += 2 + Int(entry.linkPath.count) }
    return size
  }

  /// Writes the encoding to `out`, which holds at least `encodedSize` bytes; gives the size.
  package static func encode(
    _ entry: Entry, in listing: DirectoryListing, into out: UnsafeMutableRawPointer
  ) -> Int {
    var writer = PointerWriter(out)
    writer.put(entry.kind.rawValue)
    writer.put(
      (entry.attributes.count > 0 ? hasAttributes : 0)
        | (entry.linkPath.count > 0 ? hasLinkPath : 0))
    writer.put(UInt16(entry.name.count))
    writer.put(entry.kind == .symbolicLink ? 0o777 : entry.mode)
    writer.put(entry.userID)
    writer.put(entry.groupID)
    writer.put(entry.modifiedSeconds)
    writer.put(entry.modifiedNanoseconds)
    switch entry.kind {
    case .regular: writer.put(entry.size)
    case .characterDevice, .blockDevice:
      writer.put(entry.deviceMajor)
      writer.put(entry.deviceMinor)
    case .symbolicLink:
      writer.put(UInt16(entry.target.count))
      writer.put(listing.bytes(entry.target))
    case .directory, .fifo, .socket: break
    }
    if entry.attributes.count > 0 {
      writer.put(entry.attributes.count)
      writer.put(listing.bytes(entry.attributes))
    }
    if entry.linkPath.count > 0 {
      writer.put(UInt16(entry.linkPath.count))
      writer.put(listing.bytes(entry.linkPath))
    }
    writer.put(listing.bytes(entry.name))
    return writer.offset
  }

  /// Reads one entry of unknown origin from the reader and appends it to `listing`. An empty name
  /// is allowed only for the root entry.
  package static func decode(
    _ reader: inout ByteReader, into listing: DirectoryListing, isRoot: Bool = false
  ) throws(TreeError) {
    var entry = Entry()
    guard let kind = EntryKind(rawValue: try reader.u8()) else {
      throw .malformed("unknown kind of entry")
    }
    entry.kind = kind
    let flags = try reader.u8()
    guard flags & ~(hasAttributes | hasLinkPath) == 0 else { throw .malformed("unknown flags") }
    let nameCount = Int(try reader.u16())
    guard nameCount <= TreeLimits.nameBytesMax else { throw .malformed("name too long") }
    entry.mode = try reader.u16()
    guard entry.mode <= 0o7777 else { throw .malformed("permission bits out of range") }
    entry.userID = try reader.u32()
    entry.groupID = try reader.u32()
    entry.modifiedSeconds = Int64(bitPattern: try reader.u64())
    entry.modifiedNanoseconds = try reader.u32()
    guard entry.modifiedNanoseconds < 1_000_000_000 else { throw .malformed("nanoseconds") }
    switch kind {
    case .regular:
      entry.size = Int64(bitPattern: try reader.u64())
      guard entry.size >= 0 else { throw .malformed("negative size") }
    case .characterDevice, .blockDevice:
      entry.deviceMajor = try reader.u32()
      entry.deviceMinor = try reader.u32()
    case .symbolicLink:
      entry.target = try string(&reader, count: Int(try reader.u16()), into: listing)
    case .directory, .fifo, .socket: break
    }
    if flags & hasAttributes != 0 {
      let count = Int(try reader.u32())
      guard count > 0, count <= TreeLimits.attributesBytesMax else {
        throw .malformed("attribute block of \(count) bytes")
      }
      let block = try reader.bytes(count)
      try AttributeBlock.validate(block)
      entry.attributes = ArenaSlice(offset: listing.arena.append(block), count: UInt32(count))
    }
    if flags & hasLinkPath != 0 {
      entry.linkPath = try string(&reader, count: Int(try reader.u16()), into: listing)
      guard kind != .directory, RelativePath.isSafe(listing.bytes(entry.linkPath)) else {
        throw .malformed("unsafe link path")
      }
    }
    let name = try reader.bytes(nameCount)
    guard isRoot ? nameCount == 0 : RelativePath.isSafeName(name) else {
      throw .malformed("unsafe name \(printable(name))")
    }
    entry.name = ArenaSlice(offset: listing.arena.appendString(name), count: UInt32(nameCount))
    listing.entries.append(entry)
  }

  private static func string(
    _ reader: inout ByteReader, count: Int, into listing: DirectoryListing
  ) throws(TreeError) -> ArenaSlice {
    guard count > 0, count <= TreeLimits.pathBytesMax else {
      throw .malformed("path or target of \(count) bytes")
    }
    let bytes = try reader.bytes(count)
    guard !bytes.contains(0) else { throw .malformed("NUL in a path or target") }
    return ArenaSlice(offset: listing.arena.appendString(bytes), count: UInt32(count))
  }
}

/// Rules for names and paths that come from outside.
package enum RelativePath {
  /// One component: not empty, not `.` or `..`, no `/`, no NUL.
  package static func isSafeName(_ name: UnsafeRawBufferPointer) -> Bool {
    guard name.count > 0, name.count <= TreeLimits.nameBytesMax else { return false }
    if name.count <= 2, name.allSatisfy({ $0 == 0x2e }) { return false }
    return !name.contains { $0 == 0x2f || $0 == 0 }
  }

  /// Safe components joined by single slashes.
  package static func isSafe(_ path: UnsafeRawBufferPointer) -> Bool {
    guard path.count > 0, path.count <= TreeLimits.pathBytesMax else { return false }
    var start = 0
    for index in 0...path.count where index == path.count || path[index] == 0x2f {
      guard isSafeName(UnsafeRawBufferPointer(rebasing: path[start..<index])) else { return false }
      start = index + 1
    }
    return true
  }
}
