import CSHA256

/// SHA-256 of a message, of which two are hashed side by side in two thirds of the time.
///
/// With the processor's SHA instructions the rounds of one message wait for each other, those of
/// two do not; 3.1 GB/s of both together instead of 2.1 on a core of 2025. Without the instructions
/// OpenSSL hashes one after the other. One owner, one thread.
/// Source: FIPS 180-4.
@safe
package struct SHA256Lane: ~Copyable {
  private var lane = drover_sha256()
  private var fallback: SHA256

  /// An empty hash.
  /// - Throws: `CryptographyError.unavailable`.
  package init() throws(CryptographyError) {
    fallback = try SHA256()
    unsafe drover_sha256_init(&lane)
  }

  /// Adds bytes; their division into calls has no influence on the digest.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard hasInstructions else { return unsafe fallback.update(bytes) }
    unsafe drover_sha256_update(&lane, bytes.baseAddress, bytes.count)
  }

  /// Adds to two hashes at once, quickest when both parts have about the same length.
  package static func update(
    _ first: inout SHA256Lane, _ firstBytes: UnsafeRawBufferPointer,
    _ second: inout SHA256Lane, _ secondBytes: UnsafeRawBufferPointer
  ) {
    guard hasInstructions else {
      unsafe first.fallback.update(firstBytes)
      unsafe second.fallback.update(secondBytes)
      return
    }
    unsafe drover_sha256_update_pair(
      &first.lane, firstBytes.baseAddress, firstBytes.count,
      &second.lane, secondBytes.baseAddress, secondBytes.count)
  }

  /// Writes the digest to the first 32 bytes of `digest`; the hash starts anew.
  package mutating func finish(into digest: UnsafeMutableRawBufferPointer) {
    precondition(digest.count >= SHA256.byteCount, "a digest needs 32 bytes")
    guard hasInstructions else { return unsafe fallback.finish(into: digest) }
    unsafe drover_sha256_finish(
      &lane, digest.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self))
  }

  /// Forgets the bytes so far.
  package mutating func reset() {
    fallback.reset()
    unsafe drover_sha256_init(&lane)
  }
}

private let hasInstructions = drover_sha256_is_available() != 0
