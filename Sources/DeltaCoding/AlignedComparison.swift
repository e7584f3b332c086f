package import Cryptography

/// Comparison of data at the same offset on both sides: pure functions over borrowed buffers.
///
/// The receiver sends tags of blocks; for blocks that differ the sender gets page sums and sends the
/// pages that differ; the tag of the whole rebuilt block proves it. Units and error bounds:
/// ``Granularity``.
package enum AlignedComparison {
  /// Writes the sums of all pages of `data` to `target` and returns their length in bytes.
  ///
  /// `target` has at least 6 bytes for each page. The sum of a short last page covers its length, so it
  /// never agrees with a longer page that starts alike, except by chance.
  @discardableResult
  package static func pageSums(
    of data: UnsafeRawBufferPointer, key: XXH3Key, into target: UnsafeMutableRawBufferPointer
  ) -> Int {
    let count = Granularity.pageCount(data.count)
    let length = count * Granularity.pageSumLength
    precondition(target.count >= length, "6 bytes for each page")
    guard let base = target.baseAddress else { return 0 }
    for index in 0..<count {
      let sum = unsafe key.hash64(part(data, index, Granularity.pageSize))
      unsafe store(sum, at: base + index * Granularity.pageSumLength)
    }
    return length
  }

  /// Appends the pages of `data` whose sums differ from `sums` to `runs`, counted from `firstPage`.
  ///
  /// `sums` is input from the other side, exactly 6 bytes for each page of `data`.
  /// - Throws: `DeltaError.sumCount`.
  package static func differingPages(
    of data: UnsafeRawBufferPointer, key: XXH3Key, sums: UnsafeRawBufferPointer,
    firstPage: Int = 0, into runs: inout PageRuns
  ) throws(DeltaError) {
    let count = Granularity.pageCount(data.count)
    let length = count * Granularity.pageSumLength
    guard sums.count == length else { throw .sumCount(expected: length, actual: sums.count) }
    guard let base = sums.baseAddress else { return }
    for index in 0..<count {
      let own = unsafe key.hash64(part(data, index, Granularity.pageSize)) & 0xffff_ffff_ffff
      let other = unsafe load(base + index * Granularity.pageSumLength)
      if own != other { runs.append(first: firstPage + index) }
    }
  }

  /// Writes the tags of all blocks of `data` to `target` and returns their length in bytes.
  ///
  /// `target` has at least 16 bytes for each block. Blocks of zeros are recognised and cost a sixth.
  @discardableResult
  package static func blockTags(
    of data: UnsafeRawBufferPointer, key: Poly1305Key, into target: UnsafeMutableRawBufferPointer
  ) -> Int {
    let count = Granularity.blockCount(data.count)
    let length = count * Granularity.tagLength
    precondition(target.count >= length, "16 bytes for each block")
    guard let base = target.baseAddress else { return 0 }
    for index in 0..<count {
      let tag = unsafe blockTag(of: part(data, index, Granularity.blockSize), key: key)
      unsafe tag.write(to: base + index * Granularity.tagLength)
    }
    return length
  }

  /// Appends the blocks of `data` whose tags differ from `tags` to `runs`, counted from `firstBlock`.
  ///
  /// `tags` is input from the other side, exactly 16 bytes for each block of `data`.
  /// - Throws: `DeltaError.sumCount`.
  package static func differingBlocks(
    of data: UnsafeRawBufferPointer, key: Poly1305Key, tags: UnsafeRawBufferPointer,
    firstBlock: Int = 0, into runs: inout PageRuns
  ) throws(DeltaError) {
    let count = Granularity.blockCount(data.count)
    let length = count * Granularity.tagLength
    guard tags.count == length else { throw .sumCount(expected: length, actual: tags.count) }
    guard let base = tags.baseAddress else { return }
    for index in 0..<count {
      let own = unsafe blockTag(of: part(data, index, Granularity.blockSize), key: key)
      let other = unsafe Digest128(loadingFrom: base + index * Granularity.tagLength)
      if own != other { runs.append(first: firstBlock + index) }
    }
  }

  /// The tag of one block; a block of zeros is not hashed again.
  package static func blockTag(of block: UnsafeRawBufferPointer, key: Poly1305Key) -> Digest128 {
    unsafe isAllZero(block) ? key.tagOfZeros(count: block.count) : key.tag(block)
  }

  private static func part(
    _ data: UnsafeRawBufferPointer, _ index: Int, _ size: Int
  ) -> UnsafeRawBufferPointer {
    let start = index * size
    return unsafe UnsafeRawBufferPointer(
      rebasing: data[start..<min(start + size, data.count)])
  }

  private static func store(_ sum: UInt64, at target: UnsafeMutableRawPointer) {
    unsafe target.storeBytes(of: UInt32(truncatingIfNeeded: sum).littleEndian, as: UInt32.self)
    unsafe target.storeBytes(
      of: UInt16(truncatingIfNeeded: sum >> 32).littleEndian, toByteOffset: 4, as: UInt16.self)
  }

  private static func load(_ source: UnsafeRawPointer) -> UInt64 {
    let low = unsafe UInt32(littleEndian: source.loadUnaligned(as: UInt32.self))
    let high = unsafe UInt16(
      littleEndian: source.loadUnaligned(fromByteOffset: 4, as: UInt16.self))
    return UInt64(low) | UInt64(high) << 32
  }
}
