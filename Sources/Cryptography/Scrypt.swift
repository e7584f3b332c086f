import COpenSSL

/// What ``scrypt(password:salt:n:r:p:byteCount:)`` accepts: its parameters come from key files,
/// which anybody with access to the store can write.
package enum ScryptLimits {
  /// 1 GiB of memory: 16 times what repository programs spend when they make a key.
  package static let memoryByteCountMax = 1 << 30
  /// 16 GiB of memory written in all, about a minute: 500 times the usual cost of a key.
  package static let workByteCountMax = 1 << 34
  /// Derived bytes; a sealing key takes 64.
  package static let outputByteCountMax = 1 << 10
}

/// Derives `byteCount` bytes from a password, slowly. Calls `EVP_PBE_scrypt`.
///
/// `n` is the cost, a power of two above 1; `r` the block size in units of 128 bytes; `p` the
/// number of independent passes. Blocks for about half a second and takes 128·n·r bytes with the
/// usual parameters.
/// - Throws: `CryptographyError.derivationParameters` outside ``ScryptLimits``, `.unavailable`.
/// Source: RFC 7914.
package func scrypt(
  password: [UInt8], salt: [UInt8], n: Int, r: Int, p: Int, byteCount: Int
) throws(CryptographyError) -> [UInt8] {
  try checkScrypt(n: n, r: r, p: p, byteCount: byteCount)
  var derived = [UInt8](repeating: 0, count: byteCount)
  let code = unsafe password.withUnsafeBytes { secret in
    unsafe EVP_PBE_scrypt(
      secret.baseAddress?.assumingMemoryBound(to: CChar.self), secret.count, salt, salt.count,
      UInt64(n), UInt64(r), UInt64(p), UInt64(ScryptLimits.memoryByteCountMax), &derived,
      byteCount)
  }
  guard code == 1 else { throw .fromQueue("scrypt") }
  return derived
}

private func checkScrypt(n: Int, r: Int, p: Int, byteCount: Int) throws(CryptographyError) {
  let reason: String
  // Below 2^32 each, so that the products of three that follow are checked one by one.
  let factors = [n, r, p]
  if !factors.allSatisfy({ (1...Int(UInt32.max)).contains($0) }) || n < 2 || n & (n - 1) != 0 {
    reason = "N must be a power of two above 1, r and p positive"
  } else if !(1...ScryptLimits.outputByteCountMax).contains(byteCount) {
    reason = "1 to \(ScryptLimits.outputByteCountMax) bytes can be derived"
  } else if exceeds(128 * r, n + p + 2, ScryptLimits.memoryByteCountMax) {
    reason = "more than \(ScryptLimits.memoryByteCountMax >> 20) MiB of memory"
  } else if exceeds(128 * r * n, p, ScryptLimits.workByteCountMax) {
    reason = "more work than anybody waits for"
  } else {
    return
  }
  throw .derivationParameters(reason: "N=\(n) r=\(r) p=\(p): \(reason)")
}

private func exceeds(_ a: Int, _ b: Int, _ limit: Int) -> Bool {
  let (product, overflow) = a.multipliedReportingOverflow(by: b)
  return overflow || product > limit
}
