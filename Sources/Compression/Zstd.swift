import CZstd

/// Facts and helpers of the linked zstd.
package enum Zstd {
  /// The levels Drover uses. Above 19 the library's windows grow to 128 MiB; below -50 it only
  /// copies faster.
  package static let levels = -50...19

  /// First four bytes of a frame, little-endian. Older formats of the library have others and are
  /// refused, because their decoders are not worth the risk.
  static let frameMagic: UInt32 = 0xFD2F_B528

  /// The version of the linked library, such as `1.5.4`.
  package static var libraryVersion: String {
    guard let text = unsafe ZSTD_versionString() else { return "?" }
    return unsafe String(cString: text)
  }

  /// The room that one frame of `count` bytes needs at most.
  package static func compressBound(_ count: Int) -> Int {
    ZSTD_compressBound(count)
  }

  static func reason(_ result: Int) -> String {
    guard let text = unsafe ZSTD_getErrorName(result) else { return "error" }
    return unsafe String(cString: text)
  }

  static func check(level: Int) throws(CompressionError) {
    // Level 0 would silently mean the library's default.
    guard levels.contains(level), level != 0 else { throw .level(level) }
  }

  /// The size that a frame announces; nil when it announces none, or is no frame.
  static func contentSize(of bytes: UnsafeRawBufferPointer) -> Int? {
    guard unsafe startsWithFrame(bytes) else { return nil }
    let announced = unsafe ZSTD_getFrameContentSize(bytes.baseAddress, bytes.count)
    // The two highest values mean "unknown" and "no frame header".
    return Int(exactly: announced)
  }

  /// Whether the header of a frame has a field for the size of its content: one of 2^64 - 1 looks
  /// like none to the library, which would not compare it then.
  static func tellsSize(_ frame: UnsafeRawBufferPointer) -> Bool {
    guard frame.count > 4 else { return false }
    return unsafe frame[4] & 0b1110_0000 != 0
  }

  static func startsWithFrame(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count >= 4 else { return false }
    return unsafe UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self)) == frameMagic
  }
}
