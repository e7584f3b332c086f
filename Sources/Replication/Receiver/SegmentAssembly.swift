import Cryptography
import DeltaCoding
import FileTree
import Glibc
import Platform

/// Rebuilds one segment on one lane from what comes and what the basis holds, block by block, and
/// tags each block on the way. Reused for one segment after the other.
final class SegmentAssembly {
  private let tagsKey: Poly1305Key
  private var proof: SHA256
  private let block = UnsafeMutableRawBufferPointer.allocate(
    byteCount: Granularity.blockSize, alignment: 4096)
  private let writes: InPlaceWriter
  private let staged = StagedWriter()
  private var rebuild: FileRebuild?
  private var segment: FileRebuild.BasisSegment?
  private var position: Int64 = 0
  private var patch: SpanPatch?
  private let scratch: TreeScratch
  private let buffers = DeltaBuffers()
  /// Some byte of the block that is being put together is not from the basis.
  private var isBlockNew = false
  /// Something of the segment differs from the basis.
  private(set) var isDirty = false
  /// Blocks are written as they come, those that are as in the basis too.
  private var isWriting = false
  private(set) var literalBytes: Int64 = 0

  init(keys: SessionKeys, scratch: TreeScratch) throws {
    tagsKey = try Poly1305Key(keys.tags)
    proof = try SHA256()
    writes = InPlaceWriter()
    self.scratch = scratch
  }

  deinit { block.deallocate() }

  /// The request and segment under way.
  var current: (request: UInt32, segment: UInt32)? {
    guard let rebuild, let segment else { return nil }
    return (rebuild.request, segment.layout.segment)
  }

  func begin(_ rebuild: FileRebuild, _ number: UInt32) throws {
    let segment = try rebuild.segment(number)
    self.rebuild = rebuild
    self.segment = segment
    position = segment.layout.start
    isDirty = false
    isBlockNew = false
    literalBytes = 0
    patch = nil
    proof.reset()
    isWriting = rebuild.keepsBlocks || rebuild.differs
    if rebuild.isInPlace {
      writes.begin(rebuild)
    } else if rebuild.isRetried(number) {
      try clear(segment.layout.start..<segment.layout.end, rebuild.targetDescriptor)
      if rebuild.isClone { try restore(segment.layout, rebuild) }
    }
  }

  /// Whether all of the segment that ended stands in the target.
  var isWritten: Bool { isWriting }

  /// Puts back what a clone has had from the basis.
  private func restore(_ layout: SegmentLayout, _ rebuild: FileRebuild) throws {
    let end = layout.start + Int64(layout.basisSize)
    if layout.start < end { try rebuild.copyFromBasis(layout.start..<end, with: staged) }
    try staged.flush()
  }

  /// Zeros are not written: what stood there before must not show through.
  private func clear(_ range: Range<Int64>, _ target: Int32) throws {
    let length = range.upperBound - range.lowerBound
    if FileSystem.punchHole(target, offset: range.lowerBound, length: length) == 0 { return }
    let zeros = [UInt8](repeating: 0, count: Granularity.blockSize)
    var offset = range.lowerBound
    while offset < range.upperBound {
      let count = Int(min(Int64(zeros.count), range.upperBound - offset))
      try FileIO.write(target, [UInt8](zeros[..<count]), at: offset)
      offset += Int64(count)
    }
  }

  private func open() throws -> (FileRebuild, FileRebuild.BasisSegment) {
    guard let rebuild, let segment else {
      throw ReplicationError.violation("data without a segment")
    }
    return (rebuild, segment)
  }

  // MARK: What comes

  func literal(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws {
    try endPatch()
    let (_, segment) = try open()
    guard offset >= position, bytes.count <= segment.layout.end - offset else {
      throw ReplicationError.violation("data outside its segment")
    }
    try keep(upTo: offset)
    try becomeDirty()
    literalBytes += Int64(bytes.count)
    try put(bytes)
  }

  func zeros(from start: Int64, to end: Int64) throws {
    try endPatch()
    let (_, segment) = try open()
    guard start >= position, end > start, end <= segment.layout.end else {
      throw ReplicationError.violation("zeros outside their segment")
    }
    try keep(upTo: start)
    try becomeDirty()
    while position < end {
      let (offset, room) = place()
      let count = Int(min(Int64(room), end - position))
      UnsafeMutableRawBufferPointer(rebasing: block[offset..<offset + count]).initializeMemory(
        as: UInt8.self, repeating: 0)
      isBlockNew = true
      try advance(count)
    }
  }

  /// A piece of the delta of the span `start..<end`.
  func rolled(_ bytes: UnsafeRawBufferPointer, start: Int64, end: Int64) throws {
    let (rebuild, segment) = try open()
    if patch == nil {
      guard start >= position, end > start, end <= segment.layout.end,
        let window = try rebuild.segment(segment.layout.segment).window
      else { throw ReplicationError.violation("a rolled span outside its segment") }
      try keep(upTo: start)
      try becomeDirty()
      patch = SpanPatch(
        basis: try rebuild.openBasis().descriptor.raw, window: window, start: start, end: end,
        scratch: ScratchFile(in: scratch))
    }
    guard let patch, patch.start == start, patch.end == end else {
      throw ReplicationError.violation("pieces of two rolled spans mixed")
    }
    literalBytes += Int64(bytes.count)
    try patch.feed(bytes)
  }

  private func endPatch() throws {
    guard let patch else { return }
    self.patch = nil
    try patch.apply(buffers: buffers, isInPlace: rebuild?.isInPlace ?? false) { try self.put($0) }
  }

  /// Ends the segment; true when what was rebuilt is what the sender has.
  func end(proof sent: UnsafeRawBufferPointer) throws -> Bool {
    let (rebuild, segment) = try open()
    defer {
      self.rebuild = nil
      self.segment = nil
    }
    try endPatch()
    try keep(upTo: segment.layout.end)
    if rebuild.isInPlace { try writes.flush() } else { try staged.flush() }
    guard proof.finish()[..<SegmentProof.size].elementsEqual(sent) else { return false }
    rebuild.volumeProofs?.note(sent, of: segment.layout.segment)
    return true
  }

  /// Forgets the segment: the sender could not send it.
  func abandon() throws {
    writes.discard()
    try staged.flush()
    rebuild = nil
    segment = nil
    patch = nil
  }

  /// Removes the temporary file of the segment under way.
  func discard(_ writer: TreeWriter?) {
    // A directory that cannot be opened any more holds nothing to remove.
    guard let rebuild, let name = rebuild.temporaryName,
      let parent = try? writer?.directories.descriptor(of: rebuild.directory)
    else { return }
    _ = unlinkat(parent, name, 0)
  }

  // MARK: Blocks

  /// Offset of the position in the block buffer and the room behind it.
  private func place() -> (offset: Int, room: Int) {
    let inSegment = Int(position - (segment?.layout.start ?? 0))
    let blockStart = inSegment / Granularity.blockSize * Granularity.blockSize
    let size = min(Granularity.blockSize, (segment?.layout.size ?? 0) - blockStart)
    return (inSegment - blockStart, size - (inSegment - blockStart))
  }

  private func put(_ bytes: UnsafeRawBufferPointer) throws {
    let (_, segment) = try open()
    guard Int64(bytes.count) <= segment.layout.end - position else {
      throw ReplicationError.violation("data outside its segment")
    }
    var done = 0
    while done < bytes.count {
      let (offset, room) = place()
      let count = min(room, bytes.count - done)
      UnsafeMutableRawBufferPointer(rebasing: block[offset..<offset + count]).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: bytes[done..<done + count]))
      isBlockNew = true
      done += count
      try advance(count)
    }
  }

  /// Moves the position over bytes that are in the block buffer.
  private func advance(_ count: Int) throws {
    let (offset, room) = place()
    position += Int64(count)
    if count == room { try flushBlock(size: offset + count) }
  }

  private func flushBlock(size: Int) throws {
    let (rebuild, _) = try open()
    let bytes = UnsafeRawBufferPointer(rebasing: block[..<size])
    let start = position - Int64(size)
    let isZero = isAllZero(bytes)
    (isZero ? tagsKey.tagOfZeros(count: size) : tagsKey.tag(bytes)).update(&proof)
    let isNew = isBlockNew
    isBlockNew = false
    guard isWriting, isNew || !rebuild.keepsBlocks else { return }
    if rebuild.isInPlace {
      try writes.write(bytes, at: start, isZero: isZero)
    } else if !isZero, let target = rebuild.directTarget {
      try staged.write(bytes, at: start, to: target)
    } else if rebuild.isClone {
      try clear(start..<start + Int64(size), rebuild.targetDescriptor)
    }
  }

  /// Takes the bytes up to `offset` from the basis.
  private func keep(upTo offset: Int64) throws {
    let (rebuild, segment) = try open()
    let basis = try rebuild.openBasis()
    while position < offset {
      let (inBlock, room) = place()
      let count = Int(min(Int64(room), offset - position))
      if inBlock == 0, count == room, try keepWholeBlock(rebuild, segment, size: count) {
        continue
      }
      let piece = UnsafeMutableRawBufferPointer(rebasing: block[inBlock..<inBlock + count])
      let read = try basis.read(into: piece, at: position)
      guard read == count else {
        throw ReplicationError.violation("more of the basis than there is")
      }
      try advance(count)
    }
  }

  /// A block of zeros, or one that stays where it is, needs no reading.
  private func keepWholeBlock(
    _ rebuild: FileRebuild, _ segment: FileRebuild.BasisSegment, size: Int
  ) throws -> Bool {
    let index = Int(position - segment.layout.start) / Granularity.blockSize
    guard index < segment.layout.basisBlockCount,
      index * Granularity.blockSize + size <= segment.layout.basisSize
    else { return false }
    if segment.zeroBlocks.hasBit(index) {
      tagsKey.tagOfZeros(count: size).update(&proof)
      position += Int64(size)
      return true
    }
    guard rebuild.keepsBlocks, !segment.tags.isEmpty else { return false }
    let start = index * Granularity.tagLength
    segment.tags.withUnsafeBytes {
      proof.update(UnsafeRawBufferPointer(rebasing: $0[start..<start + Granularity.tagLength]))
    }
    position += Int64(size)
    return true
  }

  /// From the first difference of a file on, blocks are written; those before it in this segment
  /// are copied now, segments before it at the end.
  private func becomeDirty() throws {
    guard !isDirty else { return }
    let (rebuild, segment) = try open()
    isDirty = true
    rebuild.noteDifference()
    guard !isWriting else { return }
    isWriting = true
    let inBlock = place().offset
    let end = position - Int64(inBlock)
    if segment.layout.start < end {
      try rebuild.copyFromBasis(segment.layout.start..<end, with: staged)
    }
  }

  /// Fills what the file has from its basis and was not written yet; false when the basis has
  /// changed meanwhile.
  func complete(_ rebuild: FileRebuild) throws(PlatformError) -> Bool {
    try rebuild.complete(with: staged)
  }
}
