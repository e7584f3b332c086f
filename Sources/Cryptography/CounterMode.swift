/// AES-256 in counter mode over a message that fits in memory, without authentication: for formats
/// that are so by their definition, not for sealing.
/// Source: NIST SP 800-38A, section 6.5.
package enum CounterMode {
  /// Length of the first counter block, which counts as one big-endian number.
  package static let counterByteCount = 16

  /// `text` encrypted, or decrypted, which is the same.
  /// - Throws: `CryptographyError.keyLength` for a key that has not 32 bytes, `.unavailable`.
  package static func aes256(
    key: [UInt8], counter: [UInt8], _ text: [UInt8]
  ) throws(CryptographyError) -> [UInt8] {
    precondition(counter.count == counterByteCount, "a counter block has 16 bytes")
    let context = try CipherContext.aes256Counter(key)
    return unsafe [UInt8](unsafeUninitializedCapacity: text.count) { buffer, count in
      unsafe counter.withUnsafeBytes { counter in
        guard let start = counter.baseAddress else { return }
        unsafe context.begin(counter: start)
      }
      guard let target = buffer.baseAddress else { return }
      unsafe text.withUnsafeBytes { unsafe context.update($0, into: target) }
      count = text.count
    }
  }
}
