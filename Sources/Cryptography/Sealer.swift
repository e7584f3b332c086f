import COpenSSL
import Platform

/// Seals and opens what a repository stores: AES-256-CTR, then Poly1305-AES over the ciphertext.
///
/// | offset | size | meaning |
/// | --- | --- | --- |
/// | 0 | 16 | nonce: random, never all zero, the first counter block |
/// | 16 | n | ciphertext of n bytes |
/// | 16 + n | 16 | tag over the ciphertext |
///
/// The tag is Poly1305 under the one-time key `macR || AES-128(macK, nonce)`. Confined to one
/// thread; key schedules are made once, and no call allocates.
/// Source: D. J. Bernstein, "The Poly1305-AES message-authentication code"; the repository format,
/// "Crypto".
@safe
package final class Sealer {
  /// How much longer the sealed form is.
  package static let overheadByteCount = nonceByteCount + tagByteCount

  static let nonceByteCount = 16
  static let tagByteCount = Digest128.byteCount

  /// Sealing encrypts and authenticates piece by piece, so that the tag reads from the cache what
  /// the cipher has just written; half of a small second-level cache.
  private static let pieceByteCount = 128 << 10

  private let counterMode: CipherContext
  private let blockMode: CipherContext
  /// r of the key, and behind it the encrypted nonce of the message in hand.
  private let oneTimeKey: SecretBytes
  private let mac: PolyContext

  /// Expands the keys; they are copied, and wiped with the object.
  /// - Throws: `CryptographyError.keyLength`, `.unavailable`.
  package init(_ key: SealingKey) throws(CryptographyError) {
    guard key.macR.count == SealingKey.macByteCount else {
      throw .keyLength(
        name: "Poly1305-AES", expected: SealingKey.macByteCount, actual: key.macR.count)
    }
    counterMode = try .aes256Counter(key.encryption)
    blockMode = try .aes128Block(key.macK)
    oneTimeKey = SecretBytes(key.macR + [UInt8](repeating: 0, count: SealingKey.macByteCount))
    mac = try PolyContext(oneTimeKey)
  }

  /// Seals `plaintext` under a fresh nonce.
  ///
  /// `sealed` has ``overheadByteCount`` bytes more than `plaintext`, which may stand in it already,
  /// at offset 16, and otherwise does not overlap it.
  /// - Throws: `CryptographyError.room`.
  package func seal(
    _ plaintext: UnsafeRawBufferPointer, into sealed: UnsafeMutableRawBufferPointer
  ) throws(CryptographyError) {
    guard let base = sealed.baseAddress, sealed.count >= Sealer.overheadByteCount else {
      throw .room(expected: plaintext.count + Sealer.overheadByteCount, actual: sealed.count)
    }
    let nonce = unsafe UnsafeMutableRawBufferPointer(start: base, count: Sealer.nonceByteCount)
    repeat { unsafe SecureRandom.fill(nonce) } while unsafe isAllZero(UnsafeRawBufferPointer(nonce))
    try unsafe sealAfterNonce(plaintext, into: sealed)
  }

  /// Seals under the nonce that stands in `sealed`: for known answers only, because a nonce that is
  /// used twice betrays both plaintexts and the key of the tag.
  func sealAfterNonce(
    _ plaintext: UnsafeRawBufferPointer, into sealed: UnsafeMutableRawBufferPointer
  ) throws(CryptographyError) {
    guard let base = sealed.baseAddress, sealed.count >= Sealer.overheadByteCount,
      sealed.count - Sealer.overheadByteCount == plaintext.count
    else {
      throw .room(expected: plaintext.count + Sealer.overheadByteCount, actual: sealed.count)
    }
    unsafe begin(nonce: base)
    let body = unsafe base + Sealer.nonceByteCount
    var offset = 0
    while offset < plaintext.count {
      let end = min(plaintext.count, offset + Sealer.pieceByteCount)
      let piece = unsafe UnsafeRawBufferPointer(rebasing: plaintext[offset..<end])
      unsafe counterMode.update(piece, into: body + offset)
      unsafe mac.update(UnsafeRawBufferPointer(start: body + offset, count: piece.count))
      offset = end
    }
    unsafe mac.finish().write(to: body + plaintext.count)
  }

  /// Opens `sealed` after its tag has been proved.
  ///
  /// `plaintext` has ``overheadByteCount`` bytes less than `sealed`; it may be the memory of
  /// `sealed` at offset 16, and otherwise does not overlap it. Nothing is written before the proof.
  /// - Throws: `CryptographyError.room`, `.sealedTooShort`, `.zeroNonce`, `.authenticationFailed`.
  package func open(
    _ sealed: UnsafeRawBufferPointer, into plaintext: UnsafeMutableRawBufferPointer
  ) throws(CryptographyError) {
    guard let base = sealed.baseAddress, sealed.count >= Sealer.overheadByteCount else {
      throw .sealedTooShort(byteCount: sealed.count)
    }
    let count = sealed.count - Sealer.overheadByteCount
    guard plaintext.count == count else { throw .room(expected: count, actual: plaintext.count) }
    let nonce = unsafe UnsafeRawBufferPointer(rebasing: sealed[..<Sealer.nonceByteCount])
    guard unsafe !isAllZero(nonce) else { throw .zeroNonce }
    unsafe begin(nonce: base)
    let body = unsafe UnsafeRawBufferPointer(start: base + Sealer.nonceByteCount, count: count)
    unsafe mac.update(body)
    let tag = mac.finish()
    let stored = unsafe Digest128(loadingFrom: base + Sealer.nonceByteCount + count)
    // One comparison of both words: it takes the same time wherever they differ.
    guard (tag.first ^ stored.first) | (tag.second ^ stored.second) == 0 else {
      throw .authenticationFailed
    }
    guard let target = plaintext.baseAddress else { return }
    unsafe counterMode.update(body, into: target)
  }

  private func begin(nonce: UnsafeRawPointer) {
    unsafe counterMode.begin(counter: nonce)
    unsafe blockMode.update(
      UnsafeRawBufferPointer(start: nonce, count: Sealer.nonceByteCount),
      into: oneTimeKey.unshared.baseAddress.unsafelyUnwrapped + SealingKey.macByteCount)
    mac.begin()
  }
}
