import CLibrsync

/// The signature of a basis, parsed and indexed for making deltas.
///
/// The format is librsync's with Rabin–Karp sums and MD4 (magic 0x72730146). MD4 runs 1.8 times as
/// fast as BLAKE2b here, and its weakness does not matter: strong sums are truncated and only find
/// candidates, what is rebuilt is proved by a tag of the whole span (``Granularity``).
/// Confined to one thread: the index counts its look-ups.
@safe
package struct Signature: ~Copyable {
  /// What both ends accept; the format goes to 2^31, but a block is held in memory.
  package static let blockLengths = 1...(1 << 20)
  /// MD4 has 16 bytes.
  package static let strongLengths = 1...16
  /// 8192 entries cover a segment of 32 MiB in pages; eight times that is the most a peer may ask
  /// us to hold, about 4 MiB with the index.
  package static let defaultEntryLimit = 65_536

  private static let magic = RS_RK_MD4_SIG_MAGIC
  private static let headerLength = 12
  private static let weakLength = 4

  let sumset: OpaquePointer?
  package let blockLength: Int
  package let strongLength: Int
  /// The number of blocks.
  package let count: Int

  /// Parses and indexes a whole signature from the other side.
  ///
  /// Length and header are checked before the library sees a byte, so memory is bounded by
  /// `entryLimit`.
  /// - Throws: `DeltaError.signature`, `.library`.
  package init(
    parsing bytes: UnsafeRawBufferPointer, entryLimit: Int = defaultEntryLimit,
    buffers: borrowing DeltaBuffers
  ) throws(DeltaError) {
    let header = try unsafe Signature.header(of: bytes, entryLimit: entryLimit)
    unsafe sumset = try Signature.load(bytes, buffers)
    blockLength = header.blockLength
    strongLength = header.strongLength
    count = header.count
  }

  deinit {
    unsafe rs_free_sumset(sumset)
  }

  /// The bytes of the signature of `byteCount` bytes.
  package static func byteCount(of byteCount: Int, blockLength: Int, strongLength: Int) -> Int {
    let blocks = (byteCount + blockLength - 1) / blockLength
    return headerLength + blocks * (weakLength + strongLength)
  }

  /// The shortest strong sum that makes a false match in one transfer unlikely (one in 65 536),
  /// after librsync's own rule: two bytes, and the bits of the number of comparisons.
  package static func strongLength(basisSize: UInt64, blockLength: Int) -> Int {
    let size = min(basisSize, UInt64(Int64.max))
    let positions = size + (16 << 20)
    let blocks = size / UInt64(max(1, blockLength)) + 1
    let bits = (64 - positions.leadingZeroBitCount) + (64 - blocks.leadingZeroBitCount)
    // The weak sum has 32 bits of its own; it is counted as 16.
    return min(strongLengths.upperBound, max(4, 2 + (bits + 7) / 8))
  }

  /// Computes the signature of what `readChunk` yields and hands it out in pieces.
  ///
  /// Blocking, on the calling thread; 0.8 GB/s.
  /// - Throws: `DeltaError.parameter`, `.library`, and errors of the closures unchanged.
  package static func make(
    blockLength: Int, strongLength: Int, buffers: borrowing DeltaBuffers,
    readChunk: ReadChunk, emit: EmitChunk
  ) throws {
    try check("the block length", blockLength, blockLengths)
    try check("the strong length", strongLength, strongLengths)
    let job = try unsafe Job(rs_sig_begin(blockLength, strongLength, magic))
    _ = try unsafe job.run(buffers, read: readChunk, emit: emit) {
      DeltaError.library(reason: reason(of: $0))
    }
  }

  private static func check(
    _ name: String, _ value: Int, _ limits: ClosedRange<Int>
  ) throws(DeltaError) {
    guard limits.contains(value) else {
      throw .parameter(name: name, value: value, limits: limits)
    }
  }

  private static func header(
    of bytes: UnsafeRawBufferPointer, entryLimit: Int
  ) throws(DeltaError) -> (blockLength: Int, strongLength: Int, count: Int) {
    guard bytes.count >= headerLength else { throw .signature(reason: "shorter than its header") }
    func word(_ offset: Int) -> Int {
      Int(UInt32(bigEndian: unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    }
    guard word(0) == Int(magic.rawValue) else { throw .signature(reason: "another format") }
    let blockLength = word(4)
    guard blockLengths.contains(blockLength) else {
      throw .signature(reason: "a block length of \(blockLength)")
    }
    let strongLength = word(8)
    guard strongLengths.contains(strongLength) else {
      throw .signature(reason: "a strong length of \(strongLength)")
    }
    let (count, rest) = (bytes.count - headerLength)
      .quotientAndRemainder(dividingBy: weakLength + strongLength)
    guard rest == 0 else { throw .signature(reason: "its last entry is cut off") }
    guard count <= entryLimit else {
      throw .signature(reason: "\(count) entries, at most \(entryLimit) are taken")
    }
    return (blockLength, strongLength, count)
  }

  /// Feeds the checked bytes to the library and builds the index.
  private static func load(
    _ bytes: UnsafeRawBufferPointer, _ buffers: borrowing DeltaBuffers
  ) throws(DeltaError) -> OpaquePointer? {
    let slot = UnsafeMutablePointer<OpaquePointer?>.allocate(capacity: 1)
    unsafe slot.initialize(to: nil)
    defer { unsafe slot.deallocate() }
    do {
      let job = try unsafe Job(rs_loadsig_begin(slot))
      var offset = 0
      let read: ReadChunk = { room in
        let count = min(room.count, bytes.count - offset)
        unsafe room.copyMemory(
          from: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count]))
        offset += count
        return count
      }
      _ = try unsafe job.run(buffers, read: read, emit: { _ in }) {
        DeltaError.signature(reason: reason(of: $0))
      }
      // Without blocks there is nothing to look up, and no table of size 0.
      if bytes.count > headerLength, let sumset = unsafe slot.pointee {
        let result = unsafe rs_build_hash_table(sumset)
        guard result == RS_DONE else { throw DeltaError.library(reason: reason(of: result)) }
      }
      return unsafe slot.pointee
    } catch {
      unsafe rs_free_sumset(slot.pointee)
      throw error as? DeltaError ?? .library(reason: "\(error)")
    }
  }
}
