import DeltaCoding
import FileTree
import Glibc
import Platform

/// Rewrites blocks of a file or device in place: what they held goes to the undo journal, which is
/// made durable, and only then are they overwritten. Confined to one lane.
final class InPlaceWriter {
  private struct Write {
    var offset: Int64
    var start: Int
    var count: Int
    /// The whole range is zero and may become a hole.
    var isZero: Bool
  }

  /// New data held back until the journal is durable.
  private static let groupBytesMax = 4 << 20
  private let data = UnsafeMutableRawBufferPointer.allocate(
    byteCount: groupBytesMax + Granularity.blockSize, alignment: 4096)
  private let old = UnsafeMutableRawBufferPointer.allocate(
    byteCount: Granularity.blockSize, alignment: 4096)
  /// Encoded records of what the data replaces: at most one a page, and a block more than a group.
  private let records = UnsafeMutableRawBufferPointer.allocate(
    byteCount: groupBytesMax
      + (1 + groupBytesMax / Granularity.pageSize) * UndoJournal.recordSize(0)
      + 2 * Granularity.blockSize,
    alignment: 4096)
  private var recordsCount = 0
  private var used = 0
  private var pending: [Write] = []
  private var rebuild: FileRebuild?

  deinit {
    data.deallocate()
    old.deallocate()
    records.deallocate()
  }

  func begin(_ rebuild: FileRebuild) { self.rebuild = rebuild }

  /// Writes those pages of a block that differ from what stands there.
  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64, isZero: Bool) throws {
    guard let rebuild else { return }
    let there = try FileIO.read(
      rebuild.targetDescriptor,
      into: UnsafeMutableRawBufferPointer(rebasing: old[..<bytes.count]), at: offset)
    var page = 0
    while page < bytes.count {
      let start = page
      while page < bytes.count, differs(bytes, page, there) {
        page += min(Granularity.pageSize, bytes.count - page)
      }
      if page > start {
        if start < there {
          recordsCount += UndoJournal.encode(
            UnsafeRawBufferPointer(rebasing: old[start..<min(page, there)]),
            at: offset + Int64(start),
            into: records.baseAddress.unsafelyUnwrapped + recordsCount)
        }
        // What is behind the end of the file is zero already, or will be when it grows.
        let end = isZero ? min(page, there) : page
        if start < end {
          add(
            UnsafeRawBufferPointer(rebasing: bytes[start..<end]), offset + Int64(start), isZero)
        }
      }
      page += Granularity.pageSize
    }
    if max(used, recordsCount) >= InPlaceWriter.groupBytesMax { try flush() }
  }

  private func differs(_ bytes: UnsafeRawBufferPointer, _ page: Int, _ there: Int) -> Bool {
    let count = min(Granularity.pageSize, bytes.count - page)
    guard page + count <= there, let new = bytes.baseAddress, let old = old.baseAddress else {
      return true
    }
    return memcmp(new + page, old + page, count) != 0
  }

  private func add(_ bytes: UnsafeRawBufferPointer, _ offset: Int64, _ isZero: Bool) {
    if !isZero {
      UnsafeMutableRawBufferPointer(rebasing: data[used..<used + bytes.count]).copyMemory(
        from: bytes)
    }
    pending.append(Write(offset: offset, start: used, count: bytes.count, isZero: isZero))
    if !isZero { used += bytes.count }
  }

  /// Forgets the writes held back.
  func discard() {
    pending.removeAll(keepingCapacity: true)
    used = 0
    recordsCount = 0
  }

  /// Makes the journal durable and does the writes held back.
  func flush() throws {
    defer { discard() }
    guard let rebuild, let undo = rebuild.undo, !pending.isEmpty else { return }
    if recordsCount > 0 {
      try undo.append(UnsafeRawBufferPointer(rebasing: records[..<recordsCount]))
      try undo.synchronize()
    }
    for write in pending {
      if write.isZero,
        FileSystem.punchHole(
          rebuild.targetDescriptor, offset: write.offset, length: Int64(write.count)) == 0
      {
        continue
      }
      if write.isZero {
        try writeZeros(rebuild.targetDescriptor, write)
      } else {
        try FileIO.write(
          rebuild.targetDescriptor,
          UnsafeRawBufferPointer(rebasing: data[write.start..<write.start + write.count]),
          at: write.offset)
      }
    }
  }

  private func writeZeros(_ descriptor: Int32, _ write: Write) throws {
    try FileIO.write(
      descriptor, [UInt8](repeating: 0, count: write.count), at: write.offset)
  }
}
