import CZstd

/// Compresses buffers into independent frames. One owner, used by one thread at a time; the context
/// and its tables are kept between calls.
@safe
package struct ZstdCompressor: ~Copyable, @unchecked Sendable {
  private let context: OpaquePointer

  /// Makes the context; its tables come with the first call (about 1 MiB at level 3).
  /// - Throws: `CompressionError.library` when memory is short.
  package init() throws(CompressionError) {
    guard let context = unsafe ZSTD_createCCtx() else { throw .library(reason: "no memory") }
    unsafe self.context = unsafe context
  }

  deinit {
    unsafe ZSTD_freeCCtx(context)
  }

  /// Compresses `source` into one frame that announces its size, and returns the frame's length.
  ///
  /// `target` may be shorter than ``Zstd/compressBound(_:)``: a caller that only wants a gain gives
  /// a buffer a little shorter than the source and takes `noRoom` as "send it as it is".
  /// - Throws: `CompressionError.noRoom`, `.level`, `.library`.
  package mutating func compress(
    _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer, level: Int
  ) throws(CompressionError) -> Int {
    try Zstd.check(level: level)
    let result = unsafe ZSTD_compressCCtx(
      context, target.baseAddress, target.count, source.baseAddress, source.count, Int32(level))
    guard ZSTD_isError(result) != 0 else { return result }
    guard ZSTD_getErrorCode(result) != ZSTD_error_dstSize_tooSmall else {
      throw .noRoom(needed: nil, available: target.count)
    }
    throw .library(reason: Zstd.reason(result))
  }
}

/// Decompresses independent frames. One owner, used by one thread at a time.
@safe
package struct ZstdDecompressor: ~Copyable, @unchecked Sendable {
  private let context: OpaquePointer

  /// Makes the context, about 160 KiB; output goes straight to the caller's buffer, so that no
  /// frame can make it allocate more.
  /// - Throws: `CompressionError.library` when memory is short.
  package init() throws(CompressionError) {
    guard let context = unsafe ZSTD_createDCtx() else { throw .library(reason: "no memory") }
    unsafe self.context = unsafe context
  }

  deinit {
    unsafe ZSTD_freeDCtx(context)
  }

  /// Decompresses exactly one frame and returns the number of bytes written to `target`.
  ///
  /// Never writes beyond `target`, and refuses a frame that announces more before it decodes a
  /// byte.
  /// - Throws: `CompressionError.tooLarge`, `.corrupt`.
  package mutating func decompress(
    _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> Int {
    guard unsafe Zstd.startsWithFrame(source) else { throw .corrupt(reason: "no zstd frame") }
    let announced = unsafe ZSTD_getFrameContentSize(source.baseAddress, source.count)
    guard announced != UInt64.max - 1, unsafe announced != UInt64.max || !Zstd.tellsSize(source)
    else { throw .corrupt(reason: "bad frame header") }
    guard announced == UInt64.max || announced <= UInt64(target.count) else {
      throw .tooLarge(announced: announced, limit: target.count)
    }
    let length = unsafe ZSTD_findFrameCompressedSize(source.baseAddress, source.count)
    guard ZSTD_isError(length) == 0, length == source.count else {
      throw .corrupt(reason: "not exactly one frame")
    }
    let result = unsafe ZSTD_decompressDCtx(
      context, target.baseAddress, target.count, source.baseAddress, source.count)
    guard ZSTD_isError(result) != 0 else { return result }
    guard ZSTD_getErrorCode(result) != ZSTD_error_dstSize_tooSmall else {
      throw .tooLarge(announced: nil, limit: target.count)
    }
    throw .corrupt(reason: Zstd.reason(result))
  }
}
