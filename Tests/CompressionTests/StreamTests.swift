import Compression
import Platform
import Testing

func message(
  _ bytes: [UInt8], with stream: inout ZstdStreamCompressor, level: Int
) throws -> [UInt8] {
  var output = [UInt8](repeating: 0, count: ZstdStreamCompressor.bound(bytes.count))
  let count = try output.withUnsafeMutableBytes { output in
    try bytes.withUnsafeBytes { try stream.compress($0, into: output, level: level) }
  }
  return Array(output.prefix(count))
}

func opened(
  _ bytes: [UInt8], with stream: inout ZstdStreamDecompressor, limit: Int
) throws -> [UInt8] {
  var output = [UInt8](repeating: 0xee, count: limit + 8)
  let count = try output.withUnsafeMutableBytes { output in
    try bytes.withUnsafeBytes {
      try stream.decompress($0, into: .init(rebasing: output[..<limit]))
    }
  }
  guard output.suffix(8).allSatisfy({ $0 == 0xee }) else { throw WroteBeyond() }
  return Array(output.prefix(count))
}

@Suite struct StreamTests {
  @Test(arguments: [-5, 1, 3, 9, 19])
  func messagesArriveOneByOne(level: Int) throws {
    var compressor = try ZstdStreamCompressor()
    var decompressor = try ZstdStreamDecompressor()
    for (index, size) in [0, 1, 100, 0, 5000, 200_000, 3, 3_000_000, 64].enumerated() {
      for bytes in [
        Samples.text(size, seed: UInt64(index)), Samples.random(size), Samples.zeros(size),
      ] {
        let packed = try message(bytes, with: &compressor, level: level)
        #expect(try opened(packed, with: &decompressor, limit: size) == bytes)
      }
    }
  }

  @Test func theLevelMayChangeBetweenMessages() throws {
    var compressor = try ZstdStreamCompressor()
    var decompressor = try ZstdStreamDecompressor()
    for (index, level) in [1, 3, 3, -1, 19, 19, 1].enumerated() {
      let bytes = Samples.text(10_000, seed: UInt64(index))
      let packed = try message(bytes, with: &compressor, level: level)
      #expect(try opened(packed, with: &decompressor, limit: 20_000) == bytes)
    }
  }

  @Test func sharedHistoryBeatsSeparateFrames() throws {
    var stream = try ZstdStreamCompressor()
    var frames = try ZstdCompressor()
    var together = 0
    var apart = 0
    for index in 0..<200 {
      let bytes = Array("drwxr-xr-x 1000 1000 2026-07-02T10:00:00Z volume/replica-\(index)".utf8)
      together += try message(bytes, with: &stream, level: 3).count
      apart += try compressed(bytes, with: &frames, level: 3).count
    }
    #expect(together * 2 < apart)
  }

  @Test func aShortTargetLeavesTheStreamUsable() throws {
    var compressor = try ZstdStreamCompressor()
    var decompressor = try ZstdStreamDecompressor()
    let bytes = Samples.text(1000)
    var short = [UInt8](repeating: 0, count: 1000)
    #expect(throws: CompressionError.self) {
      try short.withUnsafeMutableBytes { short in
        try bytes.withUnsafeBytes { try compressor.compress($0, into: short, level: 1) }
      }
    }
    let packed = try message(bytes, with: &compressor, level: 1)
    #expect(try opened(packed, with: &decompressor, limit: 1000) == bytes)
  }

  @Test(arguments: [0, 1, 999, 65535])
  func moreThanAgreedIsRefused(limit: Int) throws {
    var compressor = try ZstdStreamCompressor()
    for bytes in [Samples.zeros(limit + 1), Samples.random(limit + 1), Samples.zeros(1_000_000)] {
      var decompressor = try ZstdStreamDecompressor()
      let packed = try message(bytes, with: &compressor, level: 3)
      #expect(throws: CompressionError.tooLarge(announced: nil, limit: limit)) {
        try opened(packed, with: &decompressor, limit: limit)
      }
      compressor = try ZstdStreamCompressor()
    }
  }

  @Test func aLargerWindowIsRefused() throws {
    var decompressor = try ZstdStreamDecompressor()
    // Frame header: no content size, window descriptor exponent 21 (2 MiB), then a raw block "a".
    let large: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 11 << 3, 0x09, 0, 0, 0x61]
    #expect(throws: CompressionError.self) {
      try opened(large, with: &decompressor, limit: 1)
    }
    var fitting = try ZstdStreamDecompressor()
    var small = large
    small[5] = 10 << 3
    #expect(try opened(small, with: &fitting, limit: 1) == [0x61])
  }

  @Test func aFailedStreamStaysFailed() throws {
    var compressor = try ZstdStreamCompressor()
    var decompressor = try ZstdStreamDecompressor()
    #expect(throws: CompressionError.corrupt(reason: "no zstd frame")) {
      try opened([1, 2, 3, 4, 5], with: &decompressor, limit: 10)
    }
    let packed = try message([1], with: &compressor, level: 1)
    #expect(throws: CompressionError.self) { try opened(packed, with: &decompressor, limit: 10) }
  }

  @Test func garbageNeverTraps() throws {
    for seed in 1...300 {
      var decompressor = try ZstdStreamDecompressor()
      let frame = [0x28, 0xb5, 0x2f, 0xfd] + Samples.random(seed % 80, seed: UInt64(seed))
      do {
        #expect(try opened(frame, with: &decompressor, limit: 1000).count <= 1000)
      } catch let error as CompressionError {
        #expect(error.kind == .corrupt)
      }
    }
  }
}
