import Cryptography
import Platform
import TestSupport
import Testing

@Suite struct MessageDigestTests {
  /// RFC 1321, A.5; FIPS 180-4 by way of `sha1sum` and `sha256sum`.
  @Test(arguments: [
    (DigestAlgorithm.md5, "", "d41d8cd98f00b204e9800998ecf8427e"),
    (.md5, "abc", "900150983cd24fb0d6963f7d28e17f72"),
    (.sha1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    (.sha256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
  ])
  func knownDigests(_ algorithm: DigestAlgorithm, _ text: String, _ digest: String) throws {
    #expect(hex(try MessageDigest.of(Array(text.utf8), algorithm)) == digest)
  }

  @Test(arguments: DigestAlgorithm.allCases)
  func piecesDoNotMatter(_ algorithm: DigestAlgorithm) throws {
    var random = SeededGenerator(seed: 1)
    let content = random.bytes(10_000)
    let whole = try MessageDigest.of(content, algorithm)
    #expect(whole.count == algorithm.byteCount)
    var digest = try MessageDigest(algorithm)
    for _ in 0..<2 {
      for start in stride(from: 0, to: content.count, by: 777) {
        content[start..<min(start + 777, content.count)].withUnsafeBytes { digest.update($0) }
      }
      #expect(digest.finish() == whole)
    }
  }

  /// The check values of the two polynomials: RFC 3720, B.4, and `crc32`.
  @Test(arguments: [(CRC32.Polynomial.ieee, UInt32(0xcbf4_3926)), (.castagnoli, 0xe306_9283)])
  func knownChecks(_ polynomial: CRC32.Polynomial, _ value: UInt32) {
    var check = CRC32(polynomial)
    Array("123456789".utf8).withUnsafeBytes { check.update($0) }
    #expect(check.value == value)
    #expect(hex(check.bytes) == String(value, radix: 16))
    var zeros = CRC32(.castagnoli)
    [UInt8](repeating: 0, count: 32).withUnsafeBytes { zeros.update($0) }
    #expect(zeros.value == 0x8a91_36aa)
  }

  @Test(arguments: CRC32.Polynomial.allCases)
  func piecesOfChecksDoNotMatter(_ polynomial: CRC32.Polynomial) {
    var random = SeededGenerator(seed: 2)
    let content = random.bytes(5000)
    var whole = CRC32(polynomial)
    content.withUnsafeBytes { whole.update($0) }
    for step in [1, 3, 7, 8, 9, 1001] {
      var check = CRC32(polynomial)
      for start in stride(from: 0, to: content.count, by: step) {
        content[start..<min(start + step, content.count)].withUnsafeBytes { check.update($0) }
      }
      #expect(check.value == whole.value)
    }
  }
}
