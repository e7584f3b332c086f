/// Compresses the blobs of a repository at one level: one frame each, with the size of the content
/// and without a checksum, because everything stored is authenticated. Used by one thread at a
/// time; the context and its tables are kept between calls.
package final class BlobCompressor {
  private var compressor: ZstdCompressor
  private let level: Int

  /// Makes the context; its tables come with the first call (about 1 MiB at level 3, 80 MiB at 19).
  /// - Throws: `CompressionError.level` outside ``Zstd/levels``, `.library` when memory is short.
  package init(level: Int32) throws(CompressionError) {
    try Zstd.check(level: Int(level))
    self.level = Int(level)
    compressor = try ZstdCompressor()
  }

  /// The room that the frame of `byteCount` bytes needs at most.
  package static func bound(_ byteCount: Int) -> Int { Zstd.compressBound(byteCount) }

  /// Compresses one blob and returns the length of its frame.
  ///
  /// `frame` may be shorter than ``bound(_:)``: a caller that only wants a gain gives a little less
  /// than the length of the blob and takes `noRoom` as "store it as it is". Whether the attempt is
  /// worth its time, ``Compressibility/looksIncompressible(_:)`` tells before.
  /// - Throws: `CompressionError.noRoom`, `.library`.
  package func compress(
    _ blob: UnsafeRawBufferPointer, into frame: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> Int {
    try unsafe compressor.compress(blob, into: frame, level: level)
  }
}

/// Decompresses the blobs and the listings of a repository, whichever program compressed them. Used
/// by one thread at a time.
package final class BlobDecompressor {
  /// The first buffer for a frame that does not tell its size, as a multiple of the frame.
  private static let firstGuess = 8

  private var decompressor: ZstdDecompressor

  /// Makes the context, about 160 KiB; no frame can make it allocate more.
  /// - Throws: `CompressionError.library` when memory is short.
  package init() throws(CompressionError) { decompressor = try ZstdDecompressor() }

  /// The size that a frame announces; nil when it announces none, or is no frame.
  ///
  /// Written by whoever wrote the frame: check it against a limit before it sizes a buffer.
  package static func contentSize(of frame: UnsafeRawBufferPointer) -> Int? {
    unsafe Zstd.contentSize(of: frame)
  }

  /// Decompresses exactly one frame and returns the number of bytes written to `blob`.
  ///
  /// Never writes beyond `blob`. A frame that announces another size than it yields is refused.
  /// - Throws: `CompressionError.tooLarge` when the content does not fit, `.corrupt`.
  package func decompress(
    _ frame: UnsafeRawBufferPointer, into blob: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> Int {
    try unsafe decompressor.decompress(frame, into: blob)
  }

  /// Decompresses exactly one frame whose size nobody else has recorded, of at most `byteCountMax`
  /// bytes: an index, a snapshot, a lock.
  ///
  /// Some programs stream these files and announce no size; the buffer then grows by doubling.
  /// - Throws: `CompressionError.tooLarge`, `.corrupt`.
  package func decompress(
    _ frame: UnsafeRawBufferPointer, byteCountMax: Int
  ) throws(CompressionError) -> [UInt8] {
    if let announced = unsafe BlobDecompressor.contentSize(of: frame) {
      guard announced <= byteCountMax else {
        throw .tooLarge(announced: UInt64(announced), limit: byteCountMax)
      }
      return try unsafe attempt(frame, capacity: announced).get()
    }
    let (guess, overflow) = frame.count.multipliedReportingOverflow(by: BlobDecompressor.firstGuess)
    var capacity = min(byteCountMax, overflow ? byteCountMax : max(4096, guess))
    while true {
      switch unsafe attempt(frame, capacity: capacity) {
      case .success(let bytes): return bytes
      case .failure(.tooLarge(announced: nil, limit: _)) where capacity < byteCountMax:
        capacity = capacity > byteCountMax / 2 ? byteCountMax : capacity * 2
      case .failure(let error): throw error
      }
    }
  }

  private func attempt(
    _ frame: UnsafeRawBufferPointer, capacity: Int
  ) -> Result<[UInt8], CompressionError> {
    var failure: CompressionError?
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
      do throws(CompressionError) {
        count = try unsafe decompress(frame, into: UnsafeMutableRawBufferPointer(buffer))
      } catch {
        failure = error
      }
    }
    if let failure { return .failure(failure) }
    return .success(bytes)
  }
}
