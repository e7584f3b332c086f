import Cryptography
import Platform
import Testing

/// Published vectors, and sums printed by `xxhsum` 0.8.1.
@Suite struct KnownAnswerTests {
  @Test(arguments: polyVectors)
  func poly1305(_ vector: PolyVector) throws {
    let poly = try Poly1305Key(try unhex(vector.key))
    let message = try unhex(vector.message)
    #expect(hex(message.withUnsafeBytes { poly.tag($0) }.bytes) == vector.tag)
  }

  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    (
      String(repeating: "a", count: 1_000_000),
      "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    ),
  ])
  func sha256(message: String, digest: String) throws {
    #expect(hex(try SHA256.digest(Array(message.utf8))) == digest)
  }

  @Test func hmacOfRFC4231() throws {
    let second = try hmacSHA256(
      key: Array("Jefe".utf8), Array("what do ya want for nothing?".utf8))
    #expect(hex(second) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    let sixth = try hmacSHA256(
      key: [UInt8](repeating: 0xaa, count: 131),
      Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8))
    #expect(hex(sixth) == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
  }

  @Test func derivationOfRFC5869WithoutSalt() throws {
    // Test case 3: no salt, no info, which is the empty label.
    let key = try deriveKey(secret: [UInt8](repeating: 0x0b, count: 22), label: "", count: 42)
    #expect(
      hex(key) == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
        + "9d201395faa4b61a96c8")
  }

  @Test func derivedKeysDependOnTheLabel() throws {
    let secret = [UInt8](1...32)
    let a = try deriveKey(secret: secret, label: "a", count: 32)
    #expect(try deriveKey(secret: secret, label: "b", count: 32) != a)
    #expect(try Array(deriveKey(secret: secret, label: "a", count: 64).prefix(32)) == a)
    #expect(throws: CryptographyError.self) {
      try deriveKey(secret: secret, label: "a", count: 8161)
    }
    #expect(throws: CryptographyError.self) { try deriveKey(secret: secret, label: "a", count: 0) }
  }

  @Test(arguments: [
    ("", UInt64(0x2d06_8005_38d3_94c2), "99aa06d3014798d86001c324468d497f"),
    ("abc", 0x78af_5f94_892f_3950, "06b05ab6733a618578af5f94892f3950"),
    (pattern, 0x6c4f_14bd_97bd_9e82, "6bcc7eff62da44c26c4f14bd97bd9e82"),
  ])
  func unseededXXH3(message: String, short: UInt64, long: String) {
    var bytes = Array(message.utf8)
    if message == pattern { bytes = (0..<1000).map { UInt8(($0 * 7 + 3) & 255) } }
    bytes.withUnsafeBytes {
      #expect(XXH3.hash64($0) == short)
      #expect(hex(XXH3.hash128($0).bytes) == long)
    }
  }

  @Test func wrongKeyLengthsAreRefused() {
    #expect(throws: CryptographyError.keyLength(name: "Poly1305", expected: 32, actual: 31)) {
      try Poly1305Key([UInt8](repeating: 0, count: 31))
    }
    #expect(throws: CryptographyError.keyLength(name: "XXH3", expected: 32, actual: 0)) {
      try XXH3Key([])
    }
  }
}

/// Stands for the 1000 bytes (7i + 3) mod 256.
private let pattern = "<pattern>"

func unhex(_ text: String) throws -> [UInt8] { try #require(bytes(hex: text)) }

struct PolyVector: Sendable {
  let key: String
  let message: String
  let tag: String
}

private let zeros32 = String(repeating: "0", count: 32)
private let ones32 = String(repeating: "f", count: 32)

/// RFC 8439 §2.5.2, and §A.3 numbers 1, 7, 8, 9, 10.
private let polyVectors: [PolyVector] = [
  PolyVector(
    key: "85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b",
    message: hex(Array("Cryptographic Forum Research Group".utf8)),
    tag: "a8061dc1305136c6c22b8baf0c0127a9"),
  PolyVector(key: zeros32 + zeros32, message: zeros32 + zeros32, tag: zeros32),
  PolyVector(
    key: "02" + zeros32.dropFirst(2) + zeros32, message: ones32,
    tag: "03" + zeros32.dropFirst(2)),
  PolyVector(
    key: "02" + zeros32.dropFirst(2) + ones32, message: "02" + zeros32.dropFirst(2),
    tag: "03" + zeros32.dropFirst(2)),
  PolyVector(
    key: "01" + zeros32.dropFirst(2) + zeros32,
    message: ones32 + "f0" + ones32.dropFirst(2) + "11" + zeros32.dropFirst(2),
    tag: "05" + zeros32.dropFirst(2)),
  PolyVector(
    key: "01" + zeros32.dropFirst(2) + zeros32,
    message: ones32 + "fb" + String(repeating: "fe", count: 15)
      + String(repeating: "01", count: 16),
    tag: zeros32),
  PolyVector(
    key: "02" + zeros32.dropFirst(2) + zeros32, message: "fd" + ones32.dropFirst(2),
    tag: "fa" + ones32.dropFirst(2)),
]
