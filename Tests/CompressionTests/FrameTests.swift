import Compression
import Platform
import Testing

@Suite struct FrameTests {
  @Test(arguments: [-50, -5, -1, 1, 3, 6, 9, 12, 15, 19])
  func roundTrips(level: Int) throws {
    var compressor = try ZstdCompressor()
    var decompressor = try ZstdDecompressor()
    for size in [0, 1, 2, 100, 4096, 65536, 300_000] {
      for bytes in [Samples.zeros(size), Samples.random(size), Samples.text(size)] {
        let frame = try compressed(bytes, with: &compressor, level: level)
        #expect(frame.count <= Zstd.compressBound(size))
        #expect(try decompressed(frame, with: &decompressor, limit: size) == bytes)
      }
    }
  }

  @Test func textShrinks() throws {
    var compressor = try ZstdCompressor()
    let bytes = Samples.text(100_000)
    #expect(try compressed(bytes, with: &compressor, level: 3).count < bytes.count / 2)
  }

  @Test(arguments: [0, 20, -51, 22, Int.max, Int.min])
  func unknownLevelsAreRefused(level: Int) throws {
    var compressor = try ZstdCompressor()
    #expect(throws: CompressionError.level(level)) {
      try compressed([1, 2, 3], with: &compressor, level: level)
    }
  }

  @Test func aShortTargetIsNoRoom() throws {
    var compressor = try ZstdCompressor()
    let bytes = Samples.random(10_000)
    var output = [UInt8](repeating: 0, count: 9_999)
    #expect(throws: CompressionError.noRoom(needed: nil, available: 9_999)) {
      try output.withUnsafeMutableBytes { output in
        try bytes.withUnsafeBytes { try compressor.compress($0, into: output, level: 1) }
      }
    }
    // The context is still good.
    var decompressor = try ZstdDecompressor()
    let frame = try compressed(bytes, with: &compressor, level: 1)
    #expect(try decompressed(frame, with: &decompressor, limit: 10_000) == bytes)
  }

  @Test func aBombIsRefusedByItsHeader() throws {
    var compressor = try ZstdCompressor()
    var decompressor = try ZstdDecompressor()
    let frame = try compressed(Samples.zeros(50_000_000), with: &compressor, level: 19)
    #expect(throws: CompressionError.tooLarge(announced: 50_000_000, limit: 65536)) {
      try decompressed(frame, with: &decompressor, limit: 65536)
    }
  }

  @Test func aBombWithoutSizeIsCutAtTheLimit() throws {
    // A stream's first message has no content size; an empty last block ends the frame.
    var stream = try ZstdStreamCompressor()
    let bytes = Samples.zeros(1_000_000)
    let message = try message(bytes, with: &stream, level: 3)
    var decompressor = try ZstdDecompressor()
    #expect(throws: CompressionError.tooLarge(announced: nil, limit: 1000)) {
      try decompressed(message + [1, 0, 0], with: &decompressor, limit: 1000)
    }
    #expect(
      try decompressed(message + [1, 0, 0], with: &decompressor, limit: 1_000_000) == bytes)
  }

  @Test func damagedFramesThrow() throws {
    var compressor = try ZstdCompressor()
    var decompressor = try ZstdDecompressor()
    let bytes = Samples.text(5000)
    let frame = try compressed(bytes, with: &compressor, level: 3)
    for length in 0..<frame.count {
      #expect(throws: CompressionError.self) {
        try decompressed(Array(frame.prefix(length)), with: &decompressor, limit: 5000)
      }
    }
    #expect(throws: CompressionError.self) {
      try decompressed(frame + [0], with: &decompressor, limit: 5000)
    }
    #expect(throws: CompressionError.self) {
      try decompressed(frame + frame, with: &decompressor, limit: 10_000)
    }
    // Flipped bits either throw or give something within the limit; they never write beyond it.
    for position in frame.indices {
      var bad = frame
      bad[position] ^= 0x10
      do {
        #expect(try decompressed(bad, with: &decompressor, limit: 5000).count <= 5000)
      } catch let error as CompressionError {
        #expect(error.kind == .corrupt)
      }
    }
  }

  @Test(arguments: [UInt8(0x22), 0x23, 0x24, 0x25, 0x26, 0x27, 0x1e])
  func olderFormatsAreRefused(first: UInt8) throws {
    var decompressor = try ZstdDecompressor()
    let frame: [UInt8] = [first, 0xb5, 0x2f, 0xfd] + [UInt8](repeating: 0, count: 40)
    #expect(throws: CompressionError.corrupt(reason: "no zstd frame")) {
      try decompressed(frame, with: &decompressor, limit: 100)
    }
  }

  @Test func garbageNeverTraps() throws {
    var decompressor = try ZstdDecompressor()
    for seed in 1...500 {
      let body = Samples.random(seed % 60, seed: UInt64(seed))
      let frame = [0x28, 0xb5, 0x2f, 0xfd] + body
      do {
        #expect(try decompressed(frame, with: &decompressor, limit: 1000).count <= 1000)
      } catch let error as CompressionError {
        #expect(error.kind == .corrupt)
      }
    }
  }

  @Test func theLibraryHasAVersion() {
    #expect(Zstd.libraryVersion.split(separator: ".").count == 3)
  }
}
