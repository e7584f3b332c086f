import Glibc
package import Platform

/// Gathers the bytes of a large file into long aligned pieces and writes them past the page cache
/// (`O_DIRECT`) where the file system can: the data is on the disk when the run's `syncfs` comes,
/// and gigabytes that nobody will read soon displace nothing. Falls back to ordinary writes.
///
/// Confined to one thread; holds one file's bytes at a time.
package final class StagedWriter {
  /// Files from this size on are written directly; for smaller ones the second open costs more than
  /// the page cache does.
  package static let directSizeMin: Int64 = 1 << 20
  private static let stageSize = 1 << 20
  /// Offset, length and memory of direct writes: the largest logical block of disks in use.
  private static let alignment = 4096

  private let stage = UnsafeMutableRawBufferPointer.allocate(
    byteCount: stageSize, alignment: alignment)
  private var target: DirectTarget?
  private var start: Int64 = 0
  private var count = 0

  package init() {}

  deinit { stage.deallocate() }

  /// Appends bytes at an offset; writes what was gathered for another place or file first.
  package func write(
    _ bytes: UnsafeRawBufferPointer, at offset: Int64, to target: DirectTarget
  ) throws(PlatformError) {
    try move(to: offset, of: target)
    var done = 0
    while done < bytes.count {
      let room = room
      let piece = min(room, bytes.count - done)
      UnsafeMutableRawBufferPointer(rebasing: stage[count..<count + piece]).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: bytes[done..<done + piece]))
      count += piece
      done += piece
      if piece == room { try flush() }
    }
  }

  /// Appends bytes at an offset as ``write(_:at:to:)`` does, but has them read to where they are
  /// gathered: as many as `read` gives, at most `limit`.
  package func fill(
    upTo limit: Int64, at offset: Int64, to target: DirectTarget,
    _ read: (UnsafeMutableRawBufferPointer) throws(PlatformError) -> Int
  ) throws(PlatformError) -> Int {
    try move(to: offset, of: target)
    let room = room
    let piece = Int(min(Int64(room), limit))
    let done = try read(UnsafeMutableRawBufferPointer(rebasing: stage[count..<count + piece]))
    count += done
    if done == room { try flush() }
    return done
  }

  /// Writes what was gathered for another place or file.
  private func move(to offset: Int64, of target: DirectTarget) throws(PlatformError) {
    if self.target === target, offset == start + Int64(count) { return }
    try flush()
    self.target = target
    start = offset
  }

  /// After an odd start the first piece is short, so that the next ones are aligned.
  private var room: Int {
    StagedWriter.stageSize - Int(start % Int64(StagedWriter.alignment)) - count
  }

  /// Writes what was gathered.
  package func flush() throws(PlatformError) {
    guard let target, count > 0 else { return }
    let bytes = UnsafeRawBufferPointer(rebasing: stage[..<count])
    let whole =
      start % Int64(StagedWriter.alignment) == 0
      ? count / StagedWriter.alignment * StagedWriter.alignment : 0
    let direct = UnsafeRawBufferPointer(rebasing: bytes[..<whole])
    var done = 0
    if whole > 0, try target.writeDirectly(direct, at: start) { done = whole }
    if done < count {
      try FileIO.write(
        target.descriptor, UnsafeRawBufferPointer(rebasing: bytes[done...]),
        at: start + Int64(done))
    }
    start += Int64(count)
    count = 0
  }
}

/// A file that is written, with a second descriptor for direct writes where that can be had.
package final class DirectTarget: @unchecked Sendable {
  package let descriptor: Int32
  private let owner: SharedDescriptor
  private let direct: SharedDescriptor?
  private let lock = Lock()
  private var isRefused = false

  package init(_ owner: SharedDescriptor, sizeBytes: Int64) {
    self.owner = owner
    descriptor = owner.raw
    guard sizeBytes >= StagedWriter.directSizeMin else {
      direct = nil
      return
    }
    let raw = FileIO.openDirectly(owner.raw)
    direct = raw >= 0 ? SharedDescriptor(owning: raw) : nil
  }

  /// False when the file system refuses direct writes of this kind.
  func writeDirectly(
    _ bytes: UnsafeRawBufferPointer, at offset: Int64
  ) throws(PlatformError) -> Bool {
    guard let direct, !lock.withLock({ isRefused }) else { return false }
    do throws(PlatformError) {
      try FileIO.write(direct.raw, bytes, at: offset)
      return true
    } catch {
      guard error.errno == EINVAL || error.errno == EOPNOTSUPP else { throw error }
      lock.withLock { isRefused = true }
      return false
    }
  }
}
