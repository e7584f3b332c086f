import CZstd

/// Compresses a series of messages that share their history; each call ends on a flush, so the
/// other side can read the message at once.
///
/// Small listings shrink far better this way than as frames of their own. One owner, used by one
/// thread at a time; ``ZstdStreamDecompressor`` reads the messages in the same order.
@safe
package struct ZstdStreamCompressor: ~Copyable, @unchecked Sendable {
  /// 1 MiB of history: enough for thousands of listing entries, and the bound of what a peer can
  /// make the decompressor hold.
  package static let windowLog = 20

  private let context: OpaquePointer
  private var level: Int?
  private var failed = false

  /// Makes the context.
  /// - Throws: `CompressionError.library` when memory is short.
  package init() throws(CompressionError) {
    guard let context = unsafe ZSTD_createCCtx() else { throw .library(reason: "no memory") }
    let result = unsafe ZSTD_CCtx_setParameter(
      context, ZSTD_c_windowLog, Int32(ZstdStreamCompressor.windowLog))
    guard ZSTD_isError(result) == 0 else {
      unsafe ZSTD_freeCCtx(context)
      throw .library(reason: Zstd.reason(result))
    }
    unsafe self.context = unsafe context
  }

  deinit {
    unsafe ZSTD_freeCCtx(context)
  }

  /// The room that ``compress(_:into:level:)`` asks for: the frame bound and the end of the frame
  /// before, if the level changed.
  package static func bound(_ count: Int) -> Int {
    ZSTD_compressBound(count) + 64
  }

  /// Compresses one message completely and returns the number of bytes written to `target`.
  ///
  /// A new level begins a new frame and loses the history, so keep it for many messages.
  /// - Throws: `CompressionError.noRoom` unless `target` has ``bound(_:)`` bytes (the stream is
  ///   then unchanged), `.level`, `.library`.
  package mutating func compress(
    _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer, level: Int
  ) throws(CompressionError) -> Int {
    guard !failed else { throw .library(reason: "the stream has failed before") }
    try Zstd.check(level: level)
    let needed = ZstdStreamCompressor.bound(source.count)
    guard target.count >= needed else { throw .noRoom(needed: needed, available: target.count) }
    failed = true
    var output = unsafe ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
    if level != self.level {
      if self.level != nil {
        var nothing = unsafe ZSTD_inBuffer(src: nil, size: 0, pos: 0)
        try unsafe step(&output, &nothing, ZSTD_e_end)
      }
      let result = unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Int32(level))
      guard ZSTD_isError(result) == 0 else { throw .library(reason: Zstd.reason(result)) }
      self.level = level
    }
    var input = unsafe ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: 0)
    try unsafe step(&output, &input, ZSTD_e_flush)
    failed = false
    return unsafe output.pos
  }

  /// Runs the library until the directive is carried out completely.
  private func step(
    _ output: inout ZSTD_outBuffer, _ input: inout ZSTD_inBuffer, _ directive: ZSTD_EndDirective
  ) throws(CompressionError) {
    while true {
      let left = unsafe ZSTD_compressStream2(context, &output, &input, directive)
      guard ZSTD_isError(left) == 0 else { throw .library(reason: Zstd.reason(left)) }
      if left == 0 { return }
      guard unsafe output.pos < output.size else {
        throw unsafe .noRoom(needed: nil, available: output.size)
      }
    }
  }
}

/// Decompresses the messages of a ``ZstdStreamCompressor``, in order. One owner, used by one thread
/// at a time. Holds at most the window and one block, about 1.3 MiB; frames that ask for more are
/// refused.
@safe
package struct ZstdStreamDecompressor: ~Copyable, @unchecked Sendable {
  private let context: OpaquePointer
  private var atFrameStart = true
  private var failed = false

  /// Makes the context.
  /// - Throws: `CompressionError.library` when memory is short.
  package init() throws(CompressionError) {
    guard let context = unsafe ZSTD_createDCtx() else { throw .library(reason: "no memory") }
    let result = unsafe ZSTD_DCtx_setParameter(
      context, ZSTD_d_windowLogMax, Int32(ZstdStreamCompressor.windowLog))
    guard ZSTD_isError(result) == 0 else {
      unsafe ZSTD_freeDCtx(context)
      throw .library(reason: Zstd.reason(result))
    }
    unsafe self.context = unsafe context
  }

  deinit {
    unsafe ZSTD_freeDCtx(context)
  }

  /// Decompresses one whole message and returns the number of bytes written to `target`.
  ///
  /// Never writes beyond `target`. After a failure the stream cannot go on.
  /// - Throws: `CompressionError.tooLarge`, `.corrupt`.
  package mutating func decompress(
    _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> Int {
    guard !failed else { throw .corrupt(reason: "the stream has failed before") }
    failed = true
    var input = unsafe ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: 0)
    var output = unsafe ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
    while unsafe input.pos < input.size {
      if atFrameStart {
        let rest = unsafe UnsafeRawBufferPointer(rebasing: source[input.pos...])
        guard unsafe Zstd.startsWithFrame(rest) else { throw .corrupt(reason: "no zstd frame") }
      }
      let before = unsafe (input.pos, output.pos)
      try unsafe step(&output, &input)
      guard unsafe (input.pos, output.pos) != before else {
        throw .tooLarge(announced: nil, limit: target.count)
      }
    }
    try unsafe checkDrained(&output)
    failed = false
    return unsafe output.pos
  }

  private mutating func step(
    _ output: inout ZSTD_outBuffer, _ input: inout ZSTD_inBuffer
  ) throws(CompressionError) {
    let result = unsafe ZSTD_decompressStream(context, &output, &input)
    guard ZSTD_isError(result) == 0 else { throw .corrupt(reason: Zstd.reason(result)) }
    atFrameStart = result == 0
  }

  /// A full output buffer may hide bytes that the library still holds: they would be more than
  /// agreed.
  private mutating func checkDrained(_ output: inout ZSTD_outBuffer) throws(CompressionError) {
    guard unsafe output.pos == output.size, !atFrameStart else { return }
    var spill: UInt8 = 0
    let limit = unsafe output.size
    let written = try unsafe withUnsafeMutableBytes(of: &spill) {
      buffer throws(CompressionError) -> Int in
      var extra = unsafe ZSTD_outBuffer(dst: buffer.baseAddress, size: 1, pos: 0)
      var nothing = unsafe ZSTD_inBuffer(src: nil, size: 0, pos: 0)
      try unsafe step(&extra, &nothing)
      return unsafe extra.pos
    }
    guard written == 0 else { throw .tooLarge(announced: nil, limit: limit) }
  }
}
