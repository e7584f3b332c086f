import Cryptography
import Platform

/// Values that rclone keeps from being read over somebody's shoulder. The key is public: this is
/// no encryption.
///
/// | offset | size | meaning |
/// | --- | --- | --- |
/// | 0 | 16 | first counter block, random |
/// | 16 | n | AES-256-CTR of n bytes of UTF-8 |
///
/// Written in base64url without padding.
package enum ObscuredText {
  private static let key: [UInt8] =
    bytes(hex: "9c935b48730a554d6bfd7c63c886a92bd390198eb8128afbf4de162b8b95f638") ?? []

  /// The value of an obscured text.
  /// - Throws: `.notObscured`, `.cryptography`.
  package static func reveal(_ text: String) throws(RemoteError) -> SecretText {
    let standard = text.map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 }
    guard !text.contains(where: { "+/=\r\n".contains($0) }),
      let sealed = Base64.bytes(
        of: String(standard) + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4))
    else { throw .notObscured(problem: "it is no base64") }
    guard sealed.count >= CounterMode.counterByteCount else {
      throw .notObscured(problem: "it is too short")
    }
    let counter = Array(sealed.prefix(CounterMode.counterByteCount))
    let plain = try transform(Array(sealed.dropFirst(counter.count)), counter)
    guard let value = String(validating: plain, as: UTF8.self) else {
      throw .notObscured(problem: "what it holds is no text")
    }
    return SecretText(value)
  }

  /// The obscured text of a value, another one at every call.
  /// - Throws: `.cryptography`.
  package static func obscure(_ value: SecretText) throws(RemoteError) -> String {
    let counter = SecureRandom.bytes(CounterMode.counterByteCount)
    let sealed = try counter + transform(Array(value.revealed.utf8), counter)
    let standard = Base64.text(of: sealed).filter { $0 != "=" }
    return String(standard.map { $0 == "+" ? "-" : $0 == "/" ? "_" : $0 })
  }

  private static func transform(
    _ text: [UInt8], _ counter: [UInt8]
  ) throws(RemoteError) -> [UInt8] {
    do {
      return try CounterMode.aes256(key: key, counter: counter, text)
    } catch {
      throw .cryptography(reason: error.message)
    }
  }
}
