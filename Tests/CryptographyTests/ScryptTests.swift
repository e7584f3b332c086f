import Cryptography
import Platform
import Testing

@Suite struct ScryptTests {
  /// The vectors of RFC 7914 §12, without the one that needs 1 GiB.
  @Test(arguments: [
    ("", "", 16, 1, 1, "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"),
    (
      "password", "NaCl", 1024, 8, 16,
      "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
    ),
    (
      "pleaseletmein", "SodiumChloride", 16384, 8, 1,
      "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
    ),
  ])
  func publishedVectors(
    password: String, salt: String, n: Int, r: Int, p: Int, start: String
  ) throws {
    let derived = try scrypt(
      password: Array(password.utf8), salt: Array(salt.utf8), n: n, r: r, p: p, byteCount: 64)
    #expect(derived.count == 64)
    #expect(hex(derived.prefix(32)) == start)
  }

  @Test(arguments: [
    (0, 8, 1), (1, 8, 1), (-2, 8, 1), (3, 8, 1), (1000, 8, 1), (1024, 0, 1), (1024, 8, 0),
    (1024, -8, 1), (Int.max, 8, 1), (Int.min, 8, 1), (1 << 62, 8, 1), (1024, Int.max, 1),
    (1024, 8, Int.max), (1 << 31, 1 << 31, 1 << 31), (1 << 20, 8, 1), (32768, 8, 1000),
    (2, 1, 1 << 30),
  ])
  func hostileParametersAreRefused(n: Int, r: Int, p: Int) {
    let error = #expect(throws: CryptographyError.self) {
      try scrypt(password: [1], salt: [2], n: n, r: r, p: p, byteCount: 64)
    }
    guard case .derivationParameters = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test(arguments: [0, -1, 1025, Int.max])
  func hostileLengthsAreRefused(count: Int) {
    #expect(throws: CryptographyError.self) {
      try scrypt(password: [1], salt: [2], n: 16, r: 1, p: 1, byteCount: count)
    }
  }
}
