import Platform

/// The irreducible polynomial over GF(2), of degree 53, that decides where a repository cuts files.
///
/// Part of a repository's config: two repositories cut alike only when they share it. Bit i is the
/// coefficient of x^i.
package struct ChunkerPolynomial: Hashable, Sendable {
  /// The only degree that repositories use; the tables of the fingerprint rely on it.
  package static let degree = 53

  package let bits: UInt64

  /// Takes the coefficients.
  /// - Throws: `ChunkingError.polynomialDegree`, `.polynomialReducible`.
  package init(bits: UInt64) throws(ChunkingError) {
    guard bits >> UInt64(ChunkerPolynomial.degree) == 1 else {
      throw .polynomialDegree(hex: String(bits, radix: 16))
    }
    guard ChunkerPolynomial.isIrreducible(bits) else {
      throw .polynomialReducible(hex: String(bits, radix: 16))
    }
    self.bits = bits
  }

  /// Reads the text of a config, such as `3f9ebfa46dc3f7`.
  /// - Throws: `ChunkingError.polynomialText`, `.polynomialDegree`, `.polynomialReducible`.
  package init(hex: String) throws(ChunkingError) {
    guard hex.utf8.first != UInt8(ascii: "+"), let bits = UInt64(hex, radix: 16) else {
      throw .polynomialText(hex)
    }
    try self.init(bits: bits)
  }

  /// The text for a config: lower case, no prefix, no leading zeros.
  package var hex: String { String(bits, radix: 16) }

  /// A fresh polynomial; about one number in 26 with the highest and the lowest bit set is one.
  ///
  /// `number` gives random numbers of 64 bits.
  package static func random(
    from number: () -> UInt64 = SecureRandom.integer
  ) -> ChunkerPolynomial {
    let top = UInt64(1) << UInt64(degree)
    while true {
      // An error means a reducible number: the next one may do.
      if let found = try? ChunkerPolynomial(bits: number() & (top - 1) | top | 1) { return found }
    }
  }

  /// Whether a polynomial of degree 53 has no factors: Ben-Or's test.
  package static func isIrreducible(_ bits: UInt64) -> Bool {
    guard bits >> UInt64(degree) == 1 else { return false }
    let x: UInt64 = 2
    var power = x
    for _ in 1...degree / 2 {
      power = multiply(power, power, modulo: bits)
      guard greatestCommonDivisor(bits, power ^ x) == 1 else { return false }
    }
    return true
  }

  /// The product of two remainders of degree below 53.
  static func multiply(_ a: UInt64, _ b: UInt64, modulo g: UInt64) -> UInt64 {
    var product: UInt64 = 0
    var shifted = a
    var left = b
    while left != 0 {
      if left & 1 != 0 { product ^= shifted }
      left >>= 1
      shifted = timesX(shifted, modulo: g)
    }
    return product
  }

  /// x times a remainder of degree below 53.
  static func timesX(_ a: UInt64, modulo g: UInt64) -> UInt64 {
    let doubled = a << 1
    return doubled >> UInt64(degree) != 0 ? doubled ^ g : doubled
  }

  private static func greatestCommonDivisor(_ a: UInt64, _ b: UInt64) -> UInt64 {
    var (a, b) = (a, b)
    while b != 0 { (a, b) = (b, remainder(a, b)) }
    return a
  }

  private static func remainder(_ a: UInt64, _ b: UInt64) -> UInt64 {
    var a = a
    while a != 0, a.leadingZeroBitCount <= b.leadingZeroBitCount {
      a ^= b << UInt64(b.leadingZeroBitCount - a.leadingZeroBitCount)
    }
    return a
  }
}
