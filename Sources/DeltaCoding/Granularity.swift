/// The units of comparison, one place for both ends.
///
/// Error bounds. A tag of a block is Poly1305 under a key of the session: two different blocks of
/// 64 KiB agree with probability at most 8·4096 / 2^106 = 2^-91 for each pair compared, as long as
/// neither the author of the data nor the network knows the key. A terabyte is 2^24 such pairs:
/// 2^-67. A page sum has 32 bits of keyed XXH3 and finds candidates only: about one in 2^32
/// differing pages is taken for equal, the proof over the tags then disagrees, and the segment is
/// sent whole.
package enum Granularity {
  /// Compared first, proved last. Large enough that tags cost 0.025 % of the data, small enough
  /// that one random write makes only 64 KiB worth a second look.
  package static let blockSize = 64 << 10
  /// Compared inside differing blocks: the page of the kernel and of most databases.
  package static let pageSize = 4 << 10
  /// A unit of work, independent of the others on both sides.
  package static let segmentSize = 32 << 20

  /// Bytes of a block's tag.
  package static let tagLength = 16
  /// Bytes of a page's sum on the wire, the low 32 bits of the keyed XXH3-64: of what a
  /// sparsely changed image costs on the wire, sums are the largest part that is no data.
  package static let pageSumLength = 4

  /// The number of pages of `byteCount` bytes, the last one perhaps short.
  package static func pageCount(_ byteCount: Int) -> Int { (byteCount + pageSize - 1) / pageSize }
  /// The number of blocks of `byteCount` bytes, the last one perhaps short.
  package static func blockCount(_ byteCount: Int) -> Int {
    (byteCount + blockSize - 1) / blockSize
  }
}
