import CXXHash
import Platform

/// XXH3 under a secret that only the two ends of a session know.
///
/// Finds equal pages and blocks: fast, and without the secret nobody can prepare data that
/// collides. It is no message authentication code, so it proves nothing by itself; see
/// ``Poly1305Key``. Immutable, therefore shared between threads.
package final class XXH3Key: Sendable {
  /// The length of the library's own default secret; the shortest it accepts is 136.
  static let secretLength = 192

  /// A session secret has this many bytes.
  package static let keyLength = 32

  fileprivate let secret: SecretBytes

  /// Expands a session secret of 32 bytes to the 192 bytes that XXH3 takes.
  ///
  /// The expansion is HKDF-SHA-256 with the label `drover xxh3 secret`.
  /// - Throws: `CryptographyError.keyLength`, `.unavailable`.
  package init(_ key: [UInt8]) throws(CryptographyError) {
    guard key.count == XXH3Key.keyLength else {
      throw .keyLength(name: "XXH3", expected: XXH3Key.keyLength, actual: key.count)
    }
    secret = SecretBytes(
      try deriveKey(secret: key, label: "drover xxh3 secret", count: XXH3Key.secretLength))
  }

  /// The 64-bit sum of `bytes`. Calls `XXH3_64bits_withSecret`.
  package func hash64(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    unsafe XXH3_64bits_withSecret(
      bytes.baseAddress, bytes.count, secret.borrowed.baseAddress, XXH3Key.secretLength)
  }

  /// The 128-bit sum of `bytes`. Calls `XXH3_128bits_withSecret`.
  package func hash128(_ bytes: UnsafeRawBufferPointer) -> Digest128 {
    Digest128(
      canonical: unsafe XXH3_128bits_withSecret(
        bytes.baseAddress, bytes.count, secret.borrowed.baseAddress, XXH3Key.secretLength))
  }
}

/// Sums without a secret: for comparison with what other programs computed, never against an author
/// who may wish to collide.
package enum XXH3 {
  /// The unseeded 64-bit sum. Calls `XXH3_64bits`.
  package static func hash64(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    unsafe XXH3_64bits(bytes.baseAddress, bytes.count)
  }

  /// The unseeded 128-bit sum. Calls `XXH3_128bits`.
  package static func hash128(_ bytes: UnsafeRawBufferPointer) -> Digest128 {
    Digest128(canonical: unsafe XXH3_128bits(bytes.baseAddress, bytes.count))
  }

  /// The version of the linked library, such as `0.8.1`.
  package static var libraryVersion: String {
    let number = XXH_versionNumber()
    return "\(number / 10_000).\(number / 100 % 100).\(number % 100)"
  }
}

/// A 128-bit XXH3 over bytes that arrive in pieces. One owner, one thread, reused by ``reset()``.
@safe
package struct XXH3Stream: ~Copyable, @unchecked Sendable {
  private let state: OpaquePointer
  private let key: XXH3Key?

  /// An empty stream, under `key` or unseeded.
  /// - Throws: `CryptographyError.unavailable` when memory is short.
  package init(_ key: XXH3Key? = nil) throws(CryptographyError) {
    guard let state = unsafe XXH3_createState() else {
      throw .unavailable(algorithm: "XXH3", reason: "no memory")
    }
    unsafe self.state = unsafe state
    self.key = key
    reset()
  }

  deinit {
    unsafe XXH3_freeState(state)
  }

  /// Adds bytes; their division into calls has no influence on the digest.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count > 0 else { return }
    let code = unsafe XXH3_128bits_update(state, bytes.baseAddress, bytes.count)
    precondition(code == XXH_OK, "XXH3_128bits_update refused valid arguments")
  }

  /// The sum of the bytes so far; the stream can go on.
  package func digest() -> Digest128 {
    Digest128(canonical: unsafe XXH3_128bits_digest(state))
  }

  /// Forgets all bytes, keeps the memory and the key.
  package mutating func reset() {
    let code: XXH_errorcode
    if let key {
      code = unsafe XXH3_128bits_reset_withSecret(
        state, key.secret.borrowed.baseAddress, XXH3Key.secretLength)
    } else {
      code = unsafe XXH3_128bits_reset(state)
    }
    precondition(code == XXH_OK, "XXH3_128bits_reset refused valid arguments")
  }
}

extension Digest128 {
  /// The library's canonical form, high word first and big-endian, as `xxh128sum` prints it.
  fileprivate init(canonical hash: XXH128_hash_t) {
    self.init(first: hash.high64.byteSwapped, second: hash.low64.byteSwapped)
  }
}
