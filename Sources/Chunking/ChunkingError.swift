package import Platform

/// Failures of content-defined chunking: all of them about the polynomial.
package enum ChunkingError: DroverError, Equatable {
  /// The text is no hexadecimal number of at most 64 bits.
  case polynomialText(String)
  /// The polynomial is not of degree 53.
  case polynomialDegree(hex: String)
  /// The polynomial has factors, so that its fingerprints would collide.
  case polynomialReducible(hex: String)

  package var kind: FailureKind { .corrupt }

  package var message: String {
    switch self {
    case .polynomialText(let text):
      "the chunker polynomial \(printable(text.utf8.prefix(40))) is no hexadecimal number"
    case .polynomialDegree(let hex):
      "the chunker polynomial \(hex) is not of degree \(ChunkerPolynomial.degree)"
    case .polynomialReducible(let hex):
      "the chunker polynomial \(hex) is not irreducible"
    }
  }

  package var hint: String? {
    "The repository's config is damaged or was made by an unknown program; restore it from a copy."
  }
}
