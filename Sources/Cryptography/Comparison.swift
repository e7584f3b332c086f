import COpenSSL
import Glibc

/// Whether two secrets are equal, in a time that depends on their lengths only.
package func constantTimeEquals(_ a: [UInt8], _ b: [UInt8]) -> Bool {
  guard a.count == b.count else { return false }
  return unsafe CRYPTO_memcmp(a, b, a.count) == 0
}

/// Whether every byte is zero; true for no bytes.
///
/// Data fails on the first word; a zero buffer costs one pass of the C library's `memcmp` of the
/// buffer with itself, shifted by 16 bytes.
package func isAllZero(_ bytes: UnsafeRawBufferPointer) -> Bool {
  guard let base = bytes.baseAddress else { return true }
  let count = bytes.count
  guard count >= 16 else { return unsafe bytes.allSatisfy { $0 == 0 } }
  let head = unsafe base.loadUnaligned(as: UInt64.self)
  let next = unsafe base.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
  guard head | next == 0 else { return false }
  return unsafe memcmp(base, base + 16, count - 16) == 0
}
