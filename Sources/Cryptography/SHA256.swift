import COpenSSL
import Glibc

/// SHA-256 over bytes that arrive in pieces. One owner, one thread, reused by ``reset()``.
/// Source: FIPS 180-4.
@safe
package struct SHA256: ~Copyable, @unchecked Sendable {
  /// Length of a digest.
  package static let byteCount = 32

  private let context: OpaquePointer

  /// An empty hash.
  /// - Throws: `CryptographyError.unavailable`.
  package init() throws(CryptographyError) {
    guard let algorithm = unsafe fetchedSHA256, let context = unsafe EVP_MD_CTX_new() else {
      throw .fromQueue("SHA-256")
    }
    guard unsafe EVP_DigestInit_ex2(context, algorithm, nil) == 1 else {
      unsafe EVP_MD_CTX_free(context)
      throw .fromQueue("SHA-256")
    }
    unsafe self.context = unsafe context
  }

  deinit {
    unsafe EVP_MD_CTX_free(context)
  }

  /// Adds bytes; their division into calls has no influence on the digest.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    let code = unsafe EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    precondition(code == 1, "EVP_DigestUpdate failed on a context in use")
  }

  /// The 32 bytes of the digest; the hash starts anew.
  package mutating func finish() -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: SHA256.byteCount) { buffer, count in
      unsafe finish(into: UnsafeMutableRawBufferPointer(buffer))
      count = SHA256.byteCount
    }
  }

  /// Writes the digest to the first 32 bytes of `digest` without allocating; the hash starts anew.
  package mutating func finish(into digest: UnsafeMutableRawBufferPointer) {
    precondition(digest.count >= SHA256.byteCount, "a digest needs 32 bytes")
    var length: UInt32 = 0
    let code = unsafe EVP_DigestFinal_ex(
      context, digest.baseAddress?.assumingMemoryBound(to: UInt8.self), &length)
    precondition(code == 1 && length == 32, "EVP_DigestFinal_ex failed on a context in use")
    reset()
  }

  /// Forgets the bytes so far.
  package mutating func reset() {
    // A nil algorithm restarts the one in the context, without a look-up.
    let code = unsafe EVP_DigestInit_ex2(context, nil, nil)
    precondition(code == 1, "EVP_DigestInit_ex2 failed on a context in use")
  }

  /// The digest of one message.
  /// - Throws: `CryptographyError.unavailable`.
  package static func digest(_ bytes: UnsafeRawBufferPointer) throws(CryptographyError) -> [UInt8] {
    var hash = try SHA256()
    unsafe hash.update(bytes)
    return hash.finish()
  }

  /// The digest of an array.
  /// - Throws: `CryptographyError.unavailable`.
  package static func digest(_ bytes: [UInt8]) throws(CryptographyError) -> [UInt8] {
    var hash = try SHA256()
    hash.add(bytes)
    return hash.finish()
  }

  fileprivate mutating func add(_ bytes: [UInt8]) {
    unsafe bytes.withUnsafeBytes { unsafe update($0) }
  }
}

/// HMAC-SHA-256 of one message, RFC 2104.
/// - Throws: `CryptographyError.unavailable`.
package func hmacSHA256(key: [UInt8], _ message: [UInt8]) throws(CryptographyError) -> [UInt8] {
  let result = unsafe key.withUnsafeBytes { (key) in
    Result { () throws(CryptographyError) in try unsafe hmacSHA256(key: key, message) }
  }
  return try result.get()
}

/// The same with a key that is only lent.
/// - Throws: `CryptographyError.unavailable`.
package func hmacSHA256(
  key: UnsafeRawBufferPointer, _ message: [UInt8]
) throws(CryptographyError) -> [UInt8] {
  let blockLength = 64
  var hash = try SHA256()
  return unsafe withUnsafeTemporaryAllocation(byteCount: blockLength, alignment: 16) { block in
    unsafe block.initializeMemory(as: UInt8.self, repeating: 0)
    if key.count > blockLength {
      unsafe hash.update(key)
      unsafe hash.finish(into: block)
    } else {
      unsafe block.copyMemory(from: key)
    }
    for index in 0..<blockLength { unsafe block[index] ^= 0x36 }
    unsafe hash.update(UnsafeRawBufferPointer(block))
    hash.add(message)
    let inner = hash.finish()
    for index in 0..<blockLength { unsafe block[index] ^= 0x36 ^ 0x5c }
    unsafe hash.update(UnsafeRawBufferPointer(block))
    hash.add(inner)
    unsafe explicit_bzero(block.baseAddress.unsafelyUnwrapped, blockLength)
    return hash.finish()
  }
}

/// Derives `count` bytes for one purpose from a secret: HKDF-SHA-256 without salt, `label` as info.
///
/// Different labels give independent keys. `count` is at most 8160 (255 blocks of 32), the limit of
/// RFC 5869.
/// - Throws: `CryptographyError.keyLength` for a count outside 1…8160, `.unavailable`.
package func deriveKey(
  secret: [UInt8], label: String, count: Int
) throws(CryptographyError) -> [UInt8] {
  try deriveKey(secret: secret, salt: [], info: Array(label.utf8), count: count)
}

func deriveKey(
  secret: [UInt8], salt: [UInt8], info: [UInt8], count: Int
) throws(CryptographyError) -> [UInt8] {
  let limit = 255 * SHA256.byteCount
  guard (1...limit).contains(count) else {
    throw .keyLength(name: "derivation", expected: limit, actual: count)
  }
  let noSalt = [UInt8](repeating: 0, count: SHA256.byteCount)
  let root = try hmacSHA256(key: salt.isEmpty ? noSalt : salt, secret)
  var output: [UInt8] = []
  var block: [UInt8] = []
  var index: UInt8 = 0
  while output.count < count {
    index += 1
    block = try hmacSHA256(key: root, block + info + [index])
    output += block
  }
  return Array(output.prefix(count))
}

/// The algorithm, looked up once for the process and never freed.
private nonisolated(unsafe) let fetchedSHA256 = unsafe EVP_MD_fetch(nil, "SHA256", nil)
