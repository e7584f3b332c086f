import Cryptography
import Platform
import Testing

/// Counter mode gives the published answers.
@Suite struct CounterModeTests {
  /// NIST SP 800-38A, F.5.5.
  @Test func publishedVector() throws {
    let key = try #require(
      bytes(hex: "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"))
    let counter = try #require(bytes(hex: "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"))
    let text = try #require(
      bytes(hex: "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"))
    let sealed = try CounterMode.aes256(key: key, counter: counter, text)
    #expect(hex(sealed) == "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5")
    #expect(try CounterMode.aes256(key: key, counter: counter, sealed) == text)
    #expect(try CounterMode.aes256(key: key, counter: counter, []) == [])
  }

  @Test func shortKeyIsRefused() {
    #expect(throws: CryptographyError.self) {
      try CounterMode.aes256(key: [1], counter: [UInt8](repeating: 0, count: 16), [1])
    }
  }
}
