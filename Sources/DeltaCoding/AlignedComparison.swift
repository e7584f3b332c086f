package import Cryptography

/// Comparison of data at the same offset on both sides: pure functions over borrowed buffers.
///
/// The receiver sends the sums of its basis' pages; the sender sends the pages that differ and a
/// proof over the tags of all blocks. Units and error bounds: ``Granularity``.
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
