import COpenSSL

/// Digests that formats of others ask for; new formats take SHA-256 or a keyed hash.
package enum DigestAlgorithm: Sendable, CaseIterable {
  /// RFC 1321; finds accidents, not forgeries.
  case md5
  /// FIPS 180-4; the same.
  case sha1
  case sha256

  package var byteCount: Int {
    switch self {
    case .md5: 16
    case .sha1: 20
    case .sha256: 32
    }
  }
}

/// A digest over bytes that arrive in pieces. One owner, one thread.
@safe
package struct MessageDigest: ~Copyable, @unchecked Sendable {
  private let context: OpaquePointer
  private let algorithm: DigestAlgorithm

  /// An empty digest.
  /// - Throws: `CryptographyError.unavailable`.
  package init(_ algorithm: DigestAlgorithm) throws(CryptographyError) {
    let fetched =
      switch algorithm {
      case .md5: unsafe fetchedMD5
      case .sha1: unsafe fetchedSHA1
      case .sha256: unsafe fetchedSHA256
      }
    guard let fetched = unsafe fetched, let context = unsafe EVP_MD_CTX_new() else {
      throw .fromQueue("\(algorithm)")
    }
    guard unsafe EVP_DigestInit_ex2(context, fetched, nil) == 1 else {
      unsafe EVP_MD_CTX_free(context)
      throw .fromQueue("\(algorithm)")
    }
    self.algorithm = algorithm
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

  /// The digest; it starts anew.
  package mutating func finish() -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: algorithm.byteCount)
    var length: UInt32 = 0
    let code = unsafe EVP_DigestFinal_ex(context, &digest, &length)
    precondition(code == 1 && length == digest.count, "EVP_DigestFinal_ex failed in use")
    let again = unsafe EVP_DigestInit_ex2(context, nil, nil)
    precondition(again == 1, "EVP_DigestInit_ex2 failed on a context in use")
    return digest
  }

  /// The digest of one message.
  /// - Throws: `CryptographyError.unavailable`.
  package static func of(
    _ bytes: [UInt8], _ algorithm: DigestAlgorithm
  ) throws(CryptographyError) -> [UInt8] {
    var digest = try MessageDigest(algorithm)
    unsafe bytes.withUnsafeBytes { unsafe digest.update($0) }
    return digest.finish()
  }
}

/// The algorithms, looked up once for the process and never freed.
private nonisolated(unsafe) let fetchedMD5 = unsafe EVP_MD_fetch(nil, "MD5", nil)
private nonisolated(unsafe) let fetchedSHA1 = unsafe EVP_MD_fetch(nil, "SHA1", nil)
private nonisolated(unsafe) let fetchedSHA256 = unsafe EVP_MD_fetch(nil, "SHA256", nil)
