import Compression

/// Data of known kinds.
enum Samples {
  static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

  static func random(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 33)
    }
  }

  /// Words from a small vocabulary in random order.
  static func text(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    let words = [
      "volume", "block", "the", "of", "snapshot", "and", "replica", "a", "directory", "in", "sync",
      "journal", "is", "restored", "from", "2026-07-02", "10:00:00", "error", "=", "0x7f",
    ]
    var bytes: [UInt8] = []
    for byte in random(count, seed: seed) where bytes.count < count {
      bytes += Array(words[Int(byte) % words.count].utf8) + [0x20]
    }
    return Array(bytes.prefix(count))
  }
}

func compressed(
  _ bytes: [UInt8], with compressor: inout ZstdCompressor, level: Int
) throws -> [UInt8] {
  var output = [UInt8](repeating: 0, count: Zstd.compressBound(bytes.count))
  let count = try output.withUnsafeMutableBytes { output in
    try bytes.withUnsafeBytes { try compressor.compress($0, into: output, level: level) }
  }
  return Array(output.prefix(count))
}

func decompressed(
  _ bytes: [UInt8], with decompressor: inout ZstdDecompressor, limit: Int
) throws -> [UInt8] {
  var output = [UInt8](repeating: 0xee, count: limit + 8)
  let count = try output.withUnsafeMutableBytes { output in
    try bytes.withUnsafeBytes {
      try decompressor.decompress($0, into: .init(rebasing: output[..<limit]))
    }
  }
  guard output.suffix(8).allSatisfy({ $0 == 0xee }) else { throw WroteBeyond() }
  return Array(output.prefix(count))
}

struct WroteBeyond: Error {}
