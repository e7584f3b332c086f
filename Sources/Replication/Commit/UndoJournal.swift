import Cryptography
import FileTree
import Glibc
package import Platform

/// What a file or device held before it was rewritten in place, so that it can go back to its last
/// committed state until the run is committed.
///
/// Little-endian. Head, 40 bytes: `DRVUNDO1` · size i64 · mtime seconds i64 · nanoseconds u32 ·
/// length of the name u32 · XXH3-64 of the head and name u64; then the target's name; then records:
/// offset u64 · length u32 · XXH3-64 of the data u64 · data. The records are durable before what
/// they save is overwritten; a torn last one saved nothing yet. Going back applies them from the
/// last to the first.
package final class UndoJournal: @unchecked Sendable {
  private static let magic: [UInt8] = Array("DRVUNDO1".utf8)
  private static let headSize = 40
  private static let recordHeadSize = 20
  /// No record is longer than a block.
  private static let recordSizeMax = 64 << 10

  private let descriptor: Descriptor
  private let lock = Lock()
  private var endOffset: Int64

  /// Opens the journal of a target, or makes it when there is none from an interrupted run. An
  /// existing one is kept and added to: its records are the older ones.
  init(
    directory: Int32, name: String, targetName: [UInt8], sizeBytes: Int64, modifiedSeconds: Int64,
    modifiedNanoseconds: UInt32
  ) throws(PlatformError) {
    let flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC
    let raw = retryingOnInterrupt { openat(directory, name, flags, 0o600) }
    guard raw >= 0 else { throw .last("openat", name) }
    descriptor = Descriptor(owning: raw)
    let valid = UndoJournal.validEnd(raw)
    endOffset = valid ?? 0
    if valid == nil {
      var head = UndoJournal.magic
      Greeting.append(sizeBytes, to: &head)
      Greeting.append(modifiedSeconds, to: &head)
      Greeting.append(modifiedNanoseconds, to: &head)
      Greeting.append(UInt32(targetName.count), to: &head)
      let sum = (head + targetName).withUnsafeBytes { XXH3.hash64($0) }
      Greeting.append(sum, to: &head)
      head += targetName
      try FileIO.truncate(raw, to: 0)
      try FileIO.write(raw, head, at: 0)
      endOffset = Int64(head.count)
      try synchronize()
      if fsync(directory) != 0 { throw .last("fsync", name) }
    } else {
      try FileIO.truncate(raw, to: endOffset)
    }
  }

  /// Room that a record of `count` bytes takes.
  static func recordSize(_ count: Int) -> Int { recordHeadSize + count }

  /// Writes a record of what stands at `offset` to memory with room for it; gives its size.
  static func encode(
    _ data: UnsafeRawBufferPointer, at offset: Int64, into target: UnsafeMutableRawPointer
  ) -> Int {
    precondition(data.count <= recordSizeMax)
    var writer = PointerWriter(target)
    writer.put(offset)
    writer.put(UInt32(data.count))
    writer.put(XXH3.hash64(data))
    writer.put(data)
    return writer.offset
  }

  /// Adds encoded records; durable only after ``synchronize()``. Records stand one behind the other
  /// without gaps: what is durable up to a record is so before it.
  func append(_ records: UnsafeRawBufferPointer) throws(PlatformError) {
    try lock.withLock { () throws(PlatformError) in
      try FileIO.write(descriptor.raw, records, at: endOffset)
      endOffset += Int64(records.count)
    }
  }

  func synchronize() throws(PlatformError) { try FileIO.synchronizeData(descriptor.raw) }

  // MARK: Going back

  /// Puts the file that this journal belongs to back to what it was.
  func rollBack(target: Int32) throws(PlatformError) {
    _ = try UndoJournal.rollBack(descriptor.raw, target: target, isDevice: false)
  }

  /// What a journal's head says.
  package struct Head {
    package var sizeBytes: Int64
    package var modifiedSeconds: Int64
    package var modifiedNanoseconds: UInt32
    package var targetName: [UInt8]
    var recordsOffset: Int64
  }

  package static func readHead(_ descriptor: Int32) -> Head? {
    var bytes = [UInt8](repeating: 0, count: headSize + TreeLimits.pathBytesMax)
    // A journal that cannot be read is none.
    guard
      let count = try? bytes.withUnsafeMutableBytes({ buffer in
        try FileIO.read(descriptor, into: buffer, at: 0)
      }), count >= headSize, bytes.starts(with: magic)
    else { return nil }
    return bytes.withUnsafeBytes { buffer in
      // Neither is one whose head is cut short.
      try? decodeHead(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
  }

  /// The head of a journal, or nil when its sum is wrong.
  private static func decodeHead(_ bytes: UnsafeRawBufferPointer) throws(TreeError) -> Head? {
    var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[8...]))
    let size = Int64(bitPattern: try reader.u64())
    let seconds = Int64(bitPattern: try reader.u64())
    let nanoseconds = try reader.u32()
    let nameCount = Int(try reader.u32())
    let sum = try reader.u64()
    let name = [UInt8](try reader.bytes(nameCount))
    let covered = [UInt8](bytes[..<(headSize - 8)]) + name
    guard covered.withUnsafeBytes({ XXH3.hash64($0) }) == sum else { return nil }
    return Head(
      sizeBytes: size, modifiedSeconds: seconds, modifiedNanoseconds: nanoseconds,
      targetName: name, recordsOffset: Int64(headSize + nameCount))
  }

  private static func validEnd(_ descriptor: Int32) -> Int64? {
    guard let head = readHead(descriptor) else { return nil }
    var end = head.recordsOffset
    // A journal that cannot be read to its end is valid up to there.
    try? forEachRecord(descriptor, head) { _, _, next in end = next }
    return end
  }

  /// Calls `body` with each valid record's offset in the target, its data, and the end of the
  /// record.
  private static func forEachRecord(
    _ descriptor: Int32, _ head: Head,
    _ body: (Int64, UnsafeRawBufferPointer, Int64) throws(PlatformError) -> Void
  ) throws(PlatformError) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: recordHeadSize + recordSizeMax, alignment: 8)
    defer { buffer.deallocate() }
    var place = head.recordsOffset
    while true {
      let count = try FileIO.read(descriptor, into: buffer, at: place)
      guard count >= recordHeadSize else { return }
      let offset = Int64(littleEndian: buffer.loadUnaligned(fromByteOffset: 0, as: Int64.self))
      let length = Int(
        UInt32(littleEndian: buffer.loadUnaligned(fromByteOffset: 8, as: UInt32.self)))
      let sum = UInt64(littleEndian: buffer.loadUnaligned(fromByteOffset: 12, as: UInt64.self))
      guard length > 0, length <= recordSizeMax, count >= recordHeadSize + length, offset >= 0
      else { return }
      let data = UnsafeRawBufferPointer(
        rebasing: buffer[recordHeadSize..<recordHeadSize + length])
      guard XXH3.hash64(data) == sum else { return }
      place += Int64(recordHeadSize + length)
      try body(offset, data, place)
    }
  }

  /// Puts the target back to what it was; the caller removes the journal afterwards.
  package static func rollBack(
    _ journal: Int32, target: Int32, isDevice: Bool
  ) throws(PlatformError) -> Int {
    guard let head = readHead(journal) else { return 0 }
    var records: [(start: Int64, end: Int64)] = []
    var previous = head.recordsOffset
    try forEachRecord(journal, head) { _, _, next in
      records.append((previous, next))
      previous = next
    }
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: recordHeadSize + recordSizeMax, alignment: 8)
    defer { buffer.deallocate() }
    for record in records.reversed() {
      let piece = UnsafeMutableRawBufferPointer(
        rebasing: buffer[..<Int(record.end - record.start)])
      _ = try FileIO.read(journal, into: piece, at: record.start)
      let offset = Int64(littleEndian: piece.loadUnaligned(fromByteOffset: 0, as: Int64.self))
      try FileIO.write(
        target, UnsafeRawBufferPointer(rebasing: piece[recordHeadSize...]), at: offset)
    }
    if !isDevice {
      try FileIO.truncate(target, to: head.sizeBytes)
      let code = FileIO.setTime(
        target, seconds: head.modifiedSeconds, nanoseconds: head.modifiedNanoseconds)
      if code != 0 { throw .last("futimens") }
    }
    if fsync(target) != 0 { throw .last("fsync") }
    return records.count
  }
}
