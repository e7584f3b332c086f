/// A sum of 16 bytes: an XXH3-128 or a Poly1305 tag.
///
/// The words hold the bytes in memory order on a little-endian machine; only the byte form travels.
package struct Digest128: Hashable, Sendable {
  /// Length of the byte form.
  package static let byteCount = 16

  /// Bytes 0 to 7, read as little-endian.
  package let first: UInt64
  /// Bytes 8 to 15, read as little-endian.
  package let second: UInt64

  package init(first: UInt64, second: UInt64) {
    self.first = first
    self.second = second
  }

  /// Reads 16 bytes at `pointer`, which need not be aligned.
  package init(loadingFrom pointer: UnsafeRawPointer) {
    first = unsafe UInt64(littleEndian: pointer.loadUnaligned(as: UInt64.self))
    second = unsafe UInt64(
      littleEndian: pointer.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
  }

  /// Takes exactly 16 bytes; nil for any other count.
  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Digest128.byteCount else { return nil }
    var words: (UInt64, UInt64) = (0, 0)
    for (index, byte) in bytes.enumerated() {
      if index < 8 {
        words.0 |= UInt64(byte) << UInt64(8 * index)
      } else {
        words.1 |= UInt64(byte) << UInt64(8 * (index - 8))
      }
    }
    (first, second) = words
  }

  /// Writes the 16 bytes at `pointer`, which need not be aligned.
  package func write(to pointer: UnsafeMutableRawPointer) {
    unsafe pointer.storeBytes(of: first.littleEndian, as: UInt64.self)
    unsafe pointer.storeBytes(of: second.littleEndian, toByteOffset: 8, as: UInt64.self)
  }

  /// The 16 bytes, for frames and tests; the data path uses ``write(to:)``.
  package var bytes: [UInt8] {
    (0..<16).map { index in
      let word = index < 8 ? first : second
      return UInt8(truncatingIfNeeded: word >> UInt64(8 * (index % 8)))
    }
  }
}
