import COpenSSL

/// One `EVP_CIPHER_CTX` whose key schedule is made once; one owner, one thread.
///
/// After `init` has succeeded the calls fail only on wrong use: AES in these modes allocates
/// nothing.
@safe
final class CipherContext {
  /// What one call of the library may take: its counts are `Int32`. A multiple of the block.
  private static let callByteCountMax = 1 << 30

  private let context: OpaquePointer

  private init(
    _ algorithm: OpaquePointer?, name: String, key: [UInt8], byteCount: Int
  ) throws(CryptographyError) {
    guard key.count == byteCount else {
      throw .keyLength(name: name, expected: byteCount, actual: key.count)
    }
    guard let algorithm = unsafe algorithm, let context = unsafe EVP_CIPHER_CTX_new() else {
      throw .fromQueue(name)
    }
    unsafe self.context = unsafe context
    guard unsafe EVP_EncryptInit_ex2(context, algorithm, key, nil, nil) == 1,
      unsafe EVP_CIPHER_CTX_set_padding(context, 0) == 1
    else { throw .fromQueue(name) }
  }

  deinit {
    unsafe EVP_CIPHER_CTX_free(context)
  }

  /// AES-256 in counter mode; ``begin(counter:)`` comes before the first ``update(_:into:)``.
  static func aes256Counter(_ key: [UInt8]) throws(CryptographyError) -> CipherContext {
    try unsafe CipherContext(fetchedCounterMode, name: "AES-256-CTR", key: key, byteCount: 32)
  }

  /// AES-128 on single blocks.
  static func aes128Block(_ key: [UInt8]) throws(CryptographyError) -> CipherContext {
    try unsafe CipherContext(fetchedBlockMode, name: "AES-128-ECB", key: key, byteCount: 16)
  }

  /// Starts a message at the counter block of 16 bytes, which counts as one big-endian number.
  func begin(counter: UnsafeRawPointer) {
    let code = unsafe EVP_EncryptInit_ex2(
      context, nil, nil, counter.assumingMemoryBound(to: UInt8.self), nil)
    precondition(code == 1, "EVP_EncryptInit_ex2 failed on a context in use")
  }

  /// Encrypts `input` to the same number of bytes at `output`, which is `input` itself or does not
  /// overlap it. In counter mode this decrypts too.
  func update(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawPointer) {
    guard let base = input.baseAddress else { return }
    var done = 0
    while done < input.count {
      let piece = min(input.count - done, CipherContext.callByteCountMax)
      var written: Int32 = 0
      let code = unsafe EVP_EncryptUpdate(
        context, (output + done).assumingMemoryBound(to: UInt8.self), &written,
        (base + done).assumingMemoryBound(to: UInt8.self), Int32(piece))
      precondition(
        code == 1 && Int(written) == piece, "EVP_EncryptUpdate failed on a context in use")
      done += piece
    }
  }
}

/// The algorithms, looked up once for the process and never freed.
private nonisolated(unsafe) let fetchedCounterMode = unsafe EVP_CIPHER_fetch(
  nil, "AES-256-CTR", nil)
private nonisolated(unsafe) let fetchedBlockMode = unsafe EVP_CIPHER_fetch(nil, "AES-128-ECB", nil)
