import Chunking
import Platform
import TestSupport
import Testing

@Suite struct PolynomialTests {
  @Test(arguments: ["2ffa4d937099b3", "235857e6645f2d", "3da3358b4dc173"])
  func polynomialsOfRealRepositoriesAreAccepted(text: String) throws {
    let polynomial = try ChunkerPolynomial(hex: text)
    #expect(polynomial.hex == text)
    #expect(try ChunkerPolynomial(hex: text.uppercased()) == polynomial)
    #expect(try ChunkerPolynomial(hex: "0" + text) == polynomial)
    #expect(try ChunkerPolynomial(bits: polynomial.bits) == polynomial)
  }

  @Test(arguments: [
    "", " ", "0x2ffa4d937099b3", "-1", "+2ffa4d937099b3", "2ffa4d937099bg", "1\u{0}",
  ])
  func otherTextsAreRefused(text: String) {
    #expect(throws: ChunkingError.polynomialText(text)) { try ChunkerPolynomial(hex: text) }
  }

  @Test func otherDegreesAreRefused() {
    for text in ["0", "1", "ffffffffffffffff", "4ffa4d937099b3", "1ffa4d937099b3"] {
      #expect(throws: ChunkingError.polynomialDegree(hex: text)) {
        try ChunkerPolynomial(hex: text)
      }
    }
    #expect(throws: ChunkingError.polynomialText("12ffa4d937099b3ff")) {
      try ChunkerPolynomial(hex: "12ffa4d937099b3ff")
    }
  }

  @Test func productsAreReducible() throws {
    var generator = SeededGenerator(seed: 1)
    for degree in 1...26 {
      for _ in 0..<20 {
        let low = UInt64(1) << UInt64(degree)
        let high = UInt64(1) << UInt64(53 - degree)
        let a = generator.next() & (low - 1) | low
        let b = generator.next() & (high - 1) | high
        var product: UInt64 = 0
        for bit in 0...degree where a >> UInt64(bit) & 1 == 1 { product ^= b << UInt64(bit) }
        #expect(!ChunkerPolynomial.isIrreducible(product))
        #expect(throws: ChunkingError.polynomialReducible(hex: String(product, radix: 16))) {
          try ChunkerPolynomial(bits: product)
        }
      }
    }
  }

  /// One polynomial of degree 53 in 53 is irreducible; with both outer bits set, twice as many.
  @Test func irreducibleOnesAreAsFrequentAsTheoryHasIt() {
    var generator = SeededGenerator(seed: 2)
    let tries = 2000
    let top = UInt64(1) << 53
    let found = (0..<tries).count { _ in
      ChunkerPolynomial.isIrreducible(generator.next() & (top - 1) | top | 1)
    }
    #expect((45...110).contains(found), "expected about 75")
  }

  @Test func randomOnesAreValidAndDiffer() throws {
    let made = (0..<20).map { _ in ChunkerPolynomial.random() }
    #expect(Set(made).count == 20)
    for polynomial in made {
      #expect(try ChunkerPolynomial(hex: polynomial.hex) == polynomial)
      #expect(polynomial.hex.count == 14)
    }
  }

  @Test func anyPolynomialCutsAsTheReference() throws {
    var generator = SeededGenerator(seed: 3)
    let bytes = generator.bytes(4_000_000)
    for _ in 0..<SampledCounts.count(sampled: 2, full: 20) {
      let polynomial = ChunkerPolynomial.random { generator.next() }
      var cutter = ChunkCutter(ChunkerTables(polynomial))
      let expected = ReferenceFingerprint(polynomial.bits).cuts(bytes)
      #expect(cuts(of: bytes, &cutter, blockSize: 100_000) == expected)
    }
  }
}
