/// The tables of one polynomial's rolling fingerprint; immutable, shared by all threads.
///
/// The fingerprint of a window of 64 bytes is the window, read as a polynomial, modulo the
/// repository's. With g the polynomial and d the fingerprint of the window before, a step is
///
///     d' = (d << 8) ^ reduce[d >> 45] ^ leave[byte that leaves] ^ byte that enters
///
/// where `reduce[b]` takes the 8 bits above degree 52 away (b·x^53 and its remainder), and
/// `leave[b]` is b·x^512 mod g. By linearity the second look-up does not wait for the first, so
/// that only a shift, one look-up and one addition stand between two steps.
package final class ChunkerTables: @unchecked Sendable {
  /// Length of the window in bytes.
  package static let windowByteCount = 64
  /// A window is a candidate for a cut when these bits of its fingerprint are zero.
  package static let boundaryMask: UInt64 = (1 << 20) - 1

  static let reduceShift = UInt64(ChunkerPolynomial.degree - 8)
  static let leaveOffset = 256

  package let polynomial: ChunkerPolynomial
  /// 256 words of `reduce`, then 256 of `leave`.
  let words: UnsafePointer<UInt64>

  package init(_ polynomial: ChunkerPolynomial) {
    self.polynomial = polynomial
    let g = polynomial.bits
    // x^53 and x^512, each times the eight bits of a byte.
    var above = g ^ (1 << UInt64(ChunkerPolynomial.degree))
    var leaving: UInt64 = 1
    for _ in 0..<8 * ChunkerTables.windowByteCount {
      leaving = ChunkerPolynomial.timesX(leaving, modulo: g)
    }
    let words = UnsafeMutablePointer<UInt64>.allocate(capacity: 512)
    words.initialize(repeating: 0, count: 512)
    for bit in 0..<8 {
      for byte in 0..<256 where byte & (1 << bit) != 0 {
        words[byte] ^= above
        words[ChunkerTables.leaveOffset + byte] ^= leaving
      }
      above = ChunkerPolynomial.timesX(above, modulo: g)
      leaving = ChunkerPolynomial.timesX(leaving, modulo: g)
    }
    for byte in 0..<256 { words[byte] ^= UInt64(byte) << UInt64(ChunkerPolynomial.degree) }
    self.words = UnsafePointer(words)
  }

  deinit { words.deallocate() }

  /// The fingerprint of the 64 bytes before `end`.
  @inline(__always)
  static func fingerprint(
    _ words: UnsafePointer<UInt64>, before end: UnsafePointer<UInt8>
  ) -> UInt64 {
    var digest: UInt64 = 0
    for offset in -windowByteCount..<0 {
      digest = (digest << 8) ^ words[Int(digest >> reduceShift)] ^ UInt64(end[offset])
    }
    return digest
  }

  /// The fingerprint after the window has moved by one byte, to include the one at `next`.
  @inline(__always)
  static func step(
    _ words: UnsafePointer<UInt64>, _ digest: UInt64, _ next: UnsafePointer<UInt8>
  ) -> UInt64 {
    let entering = words[leaveOffset &+ Int(next[-windowByteCount])] ^ UInt64(next[0])
    return (digest << 8) ^ words[Int(truncatingIfNeeded: digest >> reduceShift)] ^ entering
  }
}
