import CZstd
package import Platform

/// Failures of compressing and decompressing.
package enum CompressionError: DroverError, Equatable {
  /// The output buffer is smaller than the result; nothing usable was written.
  case noRoom(needed: Int?, available: Int)
  /// A frame announces, or yields, more bytes than the receiver agreed to take.
  case tooLarge(announced: UInt64?, limit: Int)
  /// The bytes are not one well-formed zstd frame, or not the next part of the stream.
  case corrupt(reason: String)
  /// A level outside ``Zstd/levels``.
  case level(Int)
  /// The library gave out no memory, or refused a parameter that it documents.
  case library(reason: String)

  package var kind: FailureKind {
    switch self {
    case .noRoom, .level: .internalFault
    case .tooLarge, .corrupt: .corrupt
    case .library: .failed
    }
  }

  package var message: String {
    switch self {
    case .noRoom(let needed?, let available):
      "the compressed form may need \(needed) bytes, the buffer has \(available)"
    case .noRoom(nil, let available):
      "the compressed form does not fit into \(available) bytes"
    case .tooLarge(let announced?, let limit):
      "a compressed frame announces \(announced) bytes, at most \(limit) are expected"
    case .tooLarge(nil, let limit):
      "a compressed frame yields more than the \(limit) bytes that are expected"
    case .corrupt(let reason):
      "compressed data is damaged: \(reason)"
    case .level(let level):
      "compression level \(level) does not exist"
    case .library(let reason):
      "zstd failed: \(reason)"
    }
  }

  package var hint: String? {
    switch self {
    case .level:
      "Use a level from \(Zstd.levels.lowerBound) (fast) to \(Zstd.levels.upperBound) (small)."
    default: nil
    }
  }
}
