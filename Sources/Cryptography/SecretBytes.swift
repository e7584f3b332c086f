import COpenSSL

/// Bytes of a key, wiped when the last owner lets go; fixed after creation unless they have one
/// owner on one thread.
@safe
final class SecretBytes: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<UInt8>
  let count: Int

  init(_ bytes: [UInt8]) {
    count = bytes.count
    unsafe pointer = .allocate(capacity: max(1, bytes.count))
    for (index, byte) in bytes.enumerated() { unsafe pointer[index] = byte }
  }

  deinit {
    unsafe OPENSSL_cleanse(pointer, count)
    unsafe pointer.deallocate()
  }
}
