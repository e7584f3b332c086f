import COpenSSL
import Platform

/// Poly1305 as a universal hash: one key for many tags inside one session.
///
/// Two different messages of at most L bytes have equal tags with probability at most
/// 8·⌈L/16⌉ / 2^106 over the choice of the key, as long as nobody who chooses the messages has seen
/// the key or a tag. Used in this way the tags are **no** message authentication: they must travel
/// only inside the encrypted tunnel, because two tags of known messages betray the key.
///
/// Confined to one thread (it keeps one context of the library); a worker makes its own from the
/// same key bytes, which takes about a microsecond.
/// Source: RFC 8439 §2.5; bound: D. J. Bernstein, "The Poly1305-AES message-authentication code",
/// theorem 3.3.
@safe
package final class Poly1305Key {
  /// r and s, 16 bytes each; the library clamps r.
  package static let keyLength = 32

  /// Sizes of all-zero messages whose tags are kept; a session uses two or three.
  private static let zeroTagLimit = 8

  fileprivate let key: SecretBytes
  private let context: PolyContext
  private var zeroTags: [(count: Int, tag: Digest128)] = []

  /// Takes the 32 bytes of the key; they are copied, and wiped with the object.
  /// - Throws: `CryptographyError.keyLength`, `.unavailable`.
  package init(_ key: [UInt8]) throws(CryptographyError) {
    guard key.count == Poly1305Key.keyLength else {
      throw .keyLength(name: "Poly1305", expected: Poly1305Key.keyLength, actual: key.count)
    }
    self.key = SecretBytes(key)
    context = try PolyContext(self.key)
  }

  /// The tag of one message.
  package func tag(_ bytes: UnsafeRawBufferPointer) -> Digest128 {
    context.begin()
    unsafe context.update(bytes)
    return context.finish()
  }

  /// The tag of `count` zero bytes; computed once for each size, then remembered.
  package func tagOfZeros(count: Int) -> Digest128 {
    for known in zeroTags where known.count == count { return known.tag }
    context.begin()
    unsafe withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 64) { zeros in
      _ = unsafe zeros.initializeMemory(as: UInt8.self, repeating: 0)
      var left = count
      while left > 0 {
        let piece = min(left, zeros.count)
        unsafe context.update(UnsafeRawBufferPointer(rebasing: zeros[..<piece]))
        left -= piece
      }
    }
    let tag = context.finish()
    if zeroTags.count == Poly1305Key.zeroTagLimit { zeroTags.removeFirst() }
    zeroTags.append((count, tag))
    return tag
  }
}

/// A Poly1305 tag over bytes that arrive in pieces. One owner, one thread, reused by ``reset()``.
package struct Poly1305Stream: ~Copyable, @unchecked Sendable {
  private let context: PolyContext

  /// An empty stream under the key of `key`, with a context of its own.
  /// - Throws: `CryptographyError.unavailable`.
  package init(_ key: Poly1305Key) throws(CryptographyError) {
    context = try PolyContext(key.key)
    context.begin()
  }

  /// Adds bytes; their division into calls has no influence on the tag.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    unsafe context.update(bytes)
  }

  /// The tag of the bytes since creation or the last end; the stream starts anew.
  package mutating func finish() -> Digest128 {
    let tag = context.finish()
    context.begin()
    return tag
  }

  /// Forgets the bytes so far.
  package mutating func reset() {
    context.begin()
  }
}

/// One `EVP_MAC_CTX` and its key, started again for each message.
///
/// The calls fail only on wrong use once `init` has succeeded: Poly1305 allocates nothing and has
/// no further parameters.
@safe
final class PolyContext {
  private let context: OpaquePointer
  private let key: SecretBytes

  init(_ key: SecretBytes) throws(CryptographyError) {
    guard let algorithm = unsafe fetchedPoly1305, let context = unsafe EVP_MAC_CTX_new(algorithm)
    else { throw .fromQueue("Poly1305") }
    unsafe self.context = unsafe context
    self.key = key
    guard start() else { throw .fromQueue("Poly1305") }
  }

  deinit {
    unsafe EVP_MAC_CTX_free(context)
  }

  func begin() {
    let isStarted = start()
    precondition(isStarted, "EVP_MAC_init failed on a context in use")
  }

  private func start() -> Bool {
    let bytes = unsafe key.borrowed.assumingMemoryBound(to: UInt8.self)
    return unsafe EVP_MAC_init(context, bytes.baseAddress, bytes.count, nil) == 1
  }

  func update(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress, bytes.count > 0 else { return }
    let code = unsafe EVP_MAC_update(
      context, base.assumingMemoryBound(to: UInt8.self), bytes.count)
    precondition(code == 1, "EVP_MAC_update failed on a context in use")
  }

  func finish() -> Digest128 {
    unsafe withUnsafeTemporaryAllocation(byteCount: 16, alignment: 16) { tag in
      var count = 0
      guard let base = tag.baseAddress else { preconditionFailure("16 bytes of stack") }
      let code = unsafe EVP_MAC_final(
        context, base.assumingMemoryBound(to: UInt8.self), &count, tag.count)
      precondition(code == 1 && count == 16, "EVP_MAC_final failed on a context in use")
      return unsafe Digest128(loadingFrom: base)
    }
  }
}

/// The algorithm, looked up once for the process and never freed.
private nonisolated(unsafe) let fetchedPoly1305 = unsafe EVP_MAC_fetch(nil, "POLY1305", nil)
