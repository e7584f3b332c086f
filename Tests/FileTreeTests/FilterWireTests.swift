import FileTree
import TestSupport
import Testing

/// The bytes in which rules travel.
@Suite struct FilterWireTests {
  private func decode(_ bytes: [UInt8]) throws -> FilterRules {
    try bytes.withUnsafeBytes { try FilterRules(decoding: $0) }
  }

  private func sample() throws -> FilterRules {
    FilterRules(rules: [
      try FilterRule(.include, "*/"), try FilterRule(.exclude, [0xff, 0x2a]),
      try FilterRule(.exclude, "/a/**"),
    ])
  }

  @Test func encodingHasTheDocumentedBytes() throws {
    let rules = FilterRules(rules: [try FilterRule(.exclude, "ab")])
    #expect(rules.encoded() == [1, 0, 0, 0, 2, 2, 0, 0x61, 0x62])
    #expect(FilterRules().encoded() == [0, 0, 0, 0])
  }

  @Test func decodingGivesTheSameRules() throws {
    #expect(try decode(sample().encoded()) == sample())
    #expect(try decode(FilterRules().encoded()).isEmpty)
  }

  @Test func everyShorterPieceIsRefused() throws {
    let bytes = try sample().encoded()
    for count in 0..<bytes.count {
      #expect(throws: FilterError.self) { try decode(Array(bytes[..<count])) }
    }
    #expect(
      throws: FilterError.malformed(reason: "bytes follow the last rule", offset: bytes.count)
    ) {
      try decode(bytes + [0])
    }
  }

  @Test(arguments: [
    [0xff, 0xff, 0xff, 0xff] as [UInt8], [1, 0, 0, 0, 3, 1, 0, 0x61], [1, 0, 0, 0, 2, 0, 0],
    [1, 0, 0, 0, 2, 1, 0, 0], [1, 0, 0, 0, 2, 0xff, 0xff] + [UInt8](repeating: 1, count: 65_535),
  ])
  func badFieldsAreRefused(bytes: [UInt8]) {
    #expect(throws: FilterError.self) { try decode(bytes) }
  }

  @Test func randomBytesNeverTrap() {
    var random = SeededGenerator(seed: 7)
    var decodedCount = 0
    for _ in 0..<20_000 {
      var bytes = random.bytes(random.below(40))
      // A small count and valid actions let the decoder come further.
      if bytes.count > 6 {
        bytes.replaceSubrange(0..<5, with: [UInt8(random.below(3)), 0, 0, 0, 1])
      }
      if bytes.count > 6 { bytes[6] = 0 }
      do {
        let rules = try decode(bytes)
        #expect(rules.encoded() == bytes)
        decodedCount += 1
      } catch {
        #expect(error is FilterError)
      }
    }
    #expect(decodedCount > 0)
  }
}
