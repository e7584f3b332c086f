import Platform

/// The three keys that seal everything in a repository.
///
/// A value: the bytes are shared with whoever encodes or decodes a key file, and shown by nothing.
package struct SealingKey: Sendable, Equatable {
  /// Length of ``encryption``.
  package static let encryptionByteCount = 32
  /// Length of ``macK`` and of ``macR``.
  package static let macByteCount = 16

  /// 32 bytes for AES-256-CTR.
  package let encryption: [UInt8]
  /// 16 bytes for the AES-128 that turns a nonce into the second half of a Poly1305 key.
  package let macK: [UInt8]
  /// 16 bytes, the first half of every Poly1305 key.
  ///
  /// Kept as they were stored: some programs store them clamped and some do not, and a key that is
  /// wrapped again must not change. The primitive clamps its own copy.
  package let macR: [UInt8]

  /// Takes the keys as they are; ``Sealer/init(_:)`` checks their lengths.
  package init(encryption: [UInt8], macK: [UInt8], macR: [UInt8]) {
    self.encryption = encryption
    self.macK = macK
    self.macR = macR
  }

  /// A fresh key from the kernel's random numbers.
  package static func generated() -> SealingKey {
    SealingKey(
      encryption: SecureRandom.bytes(encryptionByteCount),
      macK: SecureRandom.bytes(macByteCount), macR: SecureRandom.bytes(macByteCount))
  }

  /// Compares without telling by its time where the keys differ.
  package static func == (a: SealingKey, b: SealingKey) -> Bool {
    constantTimeEquals(a.encryption + a.macK + a.macR, b.encryption + b.macK + b.macR)
  }
}

/// Nothing that prints a value prints the key.
extension SealingKey: CustomStringConvertible, CustomReflectable {
  package var description: String { "SealingKey" }
  package var customMirror: Mirror { Mirror(self, children: []) }
}
