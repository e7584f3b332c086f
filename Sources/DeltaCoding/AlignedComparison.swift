package import Cryptography

/// Comparison of data at the same offset on both sides: pure functions over borrowed buffers.
///
/// The receiver sends tags of blocks; for blocks that differ the sender gets page sums and sends
/// the pages that differ; the tag of the whole rebuilt block proves it. Units and error bounds:
/// ``Granularity``.
package enum AlignedComparison {
  /// Writes the sums of all pages of `data` to `target` and returns their length in bytes.
  ///
  /// `target` has at least 4 bytes for each page. The sum of a short last page covers its length,
  /// so it never agrees with a longer page that starts alike, except by chance.
  @discardableResult
  package static func pageSums(
    of data: UnsafeRawBufferPointer, key: XXH3Key, into target: UnsafeMutableRawBufferPointer
  ) -> Int {
    let count = Granularity.pageCount(data.count)
    let length = count * Granularity.pageSumLength
    precondition(target.count >= length, "4 bytes for each page")
    guard let base = target.baseAddress else { return 0 }
    for index in 0..<count {
      let sum = unsafe pageSum(part(data, index, Granularity.pageSize), key: key)
      unsafe base.storeBytes(
        of: sum.littleEndian, toByteOffset: index * Granularity.pageSumLength, as: UInt32.self)
    }
    return length
  }

  /// Appends the pages of `data` whose sums differ from `sums` to `runs`, counted from `firstPage`.
  ///
  /// `sums` is input from the other side, exactly 4 bytes for each page of `data`.
  /// - Throws: `DeltaError.sumCount`.
  package static func differingPages(
    of data: UnsafeRawBufferPointer, key: XXH3Key, sums: UnsafeRawBufferPointer,
    firstPage: Int = 0, into runs: inout PageRuns
  ) throws(DeltaError) {
    let count = Granularity.pageCount(data.count)
    let length = count * Granularity.pageSumLength
    guard sums.count == length else { throw .sumCount(expected: length, actual: sums.count) }
    for index in 0..<count {
      let own = unsafe pageSum(part(data, index, Granularity.pageSize), key: key)
      if unsafe own != loadSum(sums, page: index) { runs.append(first: firstPage + index) }
    }
  }

  /// Writes the tags of all blocks of `data` to `target` and returns their length in bytes.
  ///
  /// `target` has at least 14 bytes for each block. Blocks of zeros are recognised and cost a
  /// sixth.
  @discardableResult
  package static func blockTags(
    of data: UnsafeRawBufferPointer, key: Poly1305Key, into target: UnsafeMutableRawBufferPointer
  ) -> Int {
    let count = Granularity.blockCount(data.count)
    let length = count * Granularity.tagLength
    precondition(target.count >= length, "14 bytes for each block")
    guard let base = target.baseAddress else { return 0 }
    for index in 0..<count {
      let tag = unsafe blockTag(of: part(data, index, Granularity.blockSize), key: key)
      unsafe tag.write(to: base + index * Granularity.tagLength)
    }
    return length
  }

  /// Appends the blocks of `data` whose tags differ from `tags` to `runs`, counted from
  /// `firstBlock`.
  ///
  /// `tags` is input from the other side, exactly 14 bytes for each block of `data`.
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

  /// The truncated sum of one page.
  package static func pageSum(_ page: UnsafeRawBufferPointer, key: XXH3Key) -> UInt32 {
    UInt32(truncatingIfNeeded: unsafe key.hash64(page))
  }

  /// The sum at an index of a run of sums.
  package static func loadSum(_ sums: UnsafeRawBufferPointer, page: Int) -> UInt32 {
    unsafe UInt32(
      littleEndian: sums.loadUnaligned(
        fromByteOffset: page * Granularity.pageSumLength, as: UInt32.self))
  }
}
