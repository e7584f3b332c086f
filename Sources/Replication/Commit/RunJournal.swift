import FileTree
import Glibc
import Platform

/// What is left to do after all data has come: hard links, deletions, attributes of directories.
/// Kept in an unnamed file of the destination, so that memory does not grow with the tree. One
/// thread.
final class RunJournal {
  enum Record {
    case link(first: [UInt8], directory: [UInt8], name: [UInt8])
    case deletion(Deletion, directory: [UInt8], name: [UInt8])
    /// Attributes that a directory gets: a listing with this one entry, named by its path's last
    /// part.
    case attributes(path: [UInt8], DirectoryListing)
    /// A directory whose content was changed gets its old time back.
    case time(path: [UInt8], seconds: Int64, nanoseconds: UInt32)
  }

  enum Deletion: UInt8 {
    /// Absent from the source.
    case extra = 1
    /// Drover's own, or moved out of the way: removed whatever the options say.
    case own = 2
    /// An undo journal: removed once everything is durable.
    case undo = 3
  }

  private enum Tag: UInt8 {
    case link = 1
    case deletion = 2
    case attributes = 3
    case time = 4
  }

  private let descriptor: Descriptor
  private var buffer: [UInt8] = []
  private var flushedBytes: Int64 = 0
  private var offsets: [Int64] = []
  private static let bufferBytesMax = 256 << 10

  init(in root: TreeRoot) throws {
    var raw = FileSystem.openUnnamed(in: root.descriptor, mode: 0o600)
    if raw < 0 {
      let name = TemporaryName.make(SecureRandom.integer())
      raw = openat(root.descriptor, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
      guard raw >= 0 else { throw ReplicationError.file(.last("openat"), path: Array(name.utf8)) }
      _ = unlinkat(root.descriptor, name, 0)
    }
    descriptor = Descriptor(owning: raw)
  }

  var isEmpty: Bool { offsets.isEmpty }

  func append(_ record: Record) throws {
    offsets.append(flushedBytes + Int64(buffer.count))
    switch record {
    case .link(let first, let directory, let name):
      buffer.append(Tag.link.rawValue)
      put(first)
      put(directory)
      put(name)
    case .deletion(let kind, let directory, let name):
      buffer.append(Tag.deletion.rawValue)
      buffer.append(kind.rawValue)
      put(directory)
      put(name)
    case .attributes(let path, let listing):
      buffer.append(Tag.attributes.rawValue)
      put(path)
      let entry = listing.entries[0]
      let size = EntryCodec.encodedSize(entry)
      buffer.append(
        contentsOf: [UInt8](unsafeUninitializedCapacity: size) { bytes, count in
          guard let base = bytes.baseAddress else { return }
          count = EntryCodec.encode(entry, in: listing, into: UnsafeMutableRawPointer(base))
        })
    case .time(let path, let seconds, let nanoseconds):
      buffer.append(Tag.time.rawValue)
      put(path)
      Greeting.append(seconds, to: &buffer)
      Greeting.append(nanoseconds, to: &buffer)
    }
    if buffer.count > RunJournal.bufferBytesMax { try flush() }
  }

  private func put(_ bytes: [UInt8]) {
    Greeting.append(UInt32(bytes.count), to: &buffer)
    buffer += bytes
  }

  private func flush() throws {
    try FileIO.write(descriptor.raw, buffer, at: flushedBytes)
    flushedBytes += Int64(buffer.count)
    buffer.removeAll(keepingCapacity: true)
  }

  /// Reads all records, the newest first.
  func readReversed(_ body: (Record) throws -> Void) throws {
    try flush()
    var end = flushedBytes
    var bytes: [UInt8] = []
    for offset in offsets.reversed() {
      let count = Int(end - offset)
      if bytes.count < count { bytes = [UInt8](repeating: 0, count: count * 2) }
      try bytes.withUnsafeMutableBytes { target in
        _ = try FileIO.read(
          descriptor.raw, into: UnsafeMutableRawBufferPointer(rebasing: target[..<count]),
          at: offset)
      }
      let record = try bytes.withUnsafeBytes {
        try decode(UnsafeRawBufferPointer(rebasing: $0[..<count]))
      }
      try body(record)
      end = offset
    }
  }

  private func decode(_ bytes: UnsafeRawBufferPointer) throws -> Record {
    var reader = ByteReader(bytes)
    func string() throws -> [UInt8] { [UInt8](try reader.bytes(Int(try reader.u32()))) }
    switch Tag(rawValue: try reader.u8()) {
    case .link: return .link(first: try string(), directory: try string(), name: try string())
    case .deletion:
      let kind = Deletion(rawValue: try reader.u8()) ?? .own
      return .deletion(kind, directory: try string(), name: try string())
    case .attributes:
      let path = try string()
      let listing = DirectoryListing(path: path.splitLast().directory)
      try EntryCodec.decode(&reader, into: listing, isRoot: path.isEmpty)
      return .attributes(path: path, listing)
    case .time:
      return .time(
        path: try string(), seconds: Int64(bitPattern: try reader.u64()),
        nanoseconds: try reader.u32())
    case nil: throw ReplicationError.violation("run journal")
    }
  }
}
