import Compression
import Platform
import TestSupport
import Testing

private func blobFrame(_ bytes: [UInt8], _ compressor: BlobCompressor) throws -> [UInt8] {
  var frame = [UInt8](repeating: 0, count: BlobCompressor.bound(bytes.count))
  let count = try bytes.withUnsafeBytes { input in
    try frame.withUnsafeMutableBytes { try compressor.compress(input, into: $0) }
  }
  return Array(frame[..<count])
}

private func blob(
  _ frame: [UInt8], room: Int, _ decompressor: BlobDecompressor
) throws -> [UInt8] {
  var bytes = [UInt8](repeating: 0xee, count: room + 64)
  let count = try frame.withUnsafeBytes { input in
    try bytes.withUnsafeMutableBytes { output in
      try decompressor.decompress(
        input, into: UnsafeMutableRawBufferPointer(rebasing: output[..<room]))
    }
  }
  guard bytes.suffix(64).allSatisfy({ $0 == 0xee }) else { throw WroteBeyond() }
  return Array(bytes[..<count])
}

private func whole(
  _ frame: [UInt8], max: Int, _ decompressor: BlobDecompressor
) throws -> [UInt8] {
  try frame.withUnsafeBytes { try decompressor.decompress($0, byteCountMax: max) }
}

private func contentSize(_ frame: [UInt8]) -> Int? {
  frame.withUnsafeBytes { BlobDecompressor.contentSize(of: $0) }
}

/// A frame as streaming programs write it: its length is nowhere.
private func frameWithoutSize(_ bytes: [UInt8]) throws -> [UInt8] {
  var stream = try ZstdStreamCompressor()
  var output = [UInt8](repeating: 0, count: ZstdStreamCompressor.bound(bytes.count))
  let count = try bytes.withUnsafeBytes { input in
    try output.withUnsafeMutableBytes { try stream.compress(input, into: $0, level: 3) }
  }
  // An empty last block.
  return Array(output[..<count]) + [1, 0, 0]
}

@Suite struct BlobFrameTests {
  @Test(arguments: [Int32(-5), 1, 3, 9, 19])
  func roundTripsWithSizeAndWithoutChecksum(level: Int32) throws {
    let compressor = try BlobCompressor(level: level)
    let decompressor = try BlobDecompressor()
    for size in [0, 1, 255, 256, 65_791, 65_792, 300_000, 1] {
      for bytes in [Samples.zeros(size), Samples.random(size), Samples.text(size)] {
        let frame = try blobFrame(bytes, compressor)
        #expect(contentSize(frame) == size)
        #expect(frame[4] & 0b100 == 0, "the header has no checksum flag")
        #expect(try blob(frame, room: size, decompressor) == bytes)
        #expect(try whole(frame, max: size, decompressor) == bytes)
      }
    }
  }

  @Test(arguments: [Int32(0), 20, Int32.min])
  func unknownLevelsAreRefused(level: Int32) {
    #expect(throws: CompressionError.level(Int(level))) { try BlobCompressor(level: level) }
  }

  @Test func aShortBufferMeansNoGain() throws {
    let compressor = try BlobCompressor(level: 3)
    let random = Samples.random(100_000)
    var frame = [UInt8](repeating: 0, count: 99_999)
    #expect(throws: CompressionError.noRoom(needed: nil, available: 99_999)) {
      try random.withUnsafeBytes { input in
        try frame.withUnsafeMutableBytes { try compressor.compress(input, into: $0) }
      }
    }
    let decompressor = try BlobDecompressor()
    let text = Samples.text(100_000)
    #expect(try blob(blobFrame(text, compressor), room: 100_000, decompressor) == text)
  }

  @Test func framesWithoutSizeAreRead() throws {
    let decompressor = try BlobDecompressor()
    for bytes in [Samples.text(1), Samples.text(700_000), Samples.zeros(3_000_000)] {
      let frame = try frameWithoutSize(bytes)
      #expect(contentSize(frame) == nil)
      #expect(try whole(frame, max: bytes.count, decompressor) == bytes)
      #expect(try whole(frame, max: 100_000_000, decompressor) == bytes)
      #expect(throws: CompressionError.tooLarge(announced: nil, limit: bytes.count - 1)) {
        try whole(frame, max: bytes.count - 1, decompressor)
      }
    }
  }

  @Test func bombsAreRefused() throws {
    let compressor = try BlobCompressor(level: 19)
    let decompressor = try BlobDecompressor()
    let bomb = try blobFrame(Samples.zeros(50_000_000), compressor)
    let expected = CompressionError.tooLarge(announced: 50_000_000, limit: 1 << 20)
    #expect(throws: expected) { try blob(bomb, room: 1 << 20, decompressor) }
    #expect(throws: expected) { try whole(bomb, max: 1 << 20, decompressor) }
  }

  @Test func liesAboutTheSizeAreRefused() throws {
    let decompressor = try BlobDecompressor()
    // A size of one byte in the header, then 100 zeros by a repeated-byte block.
    func frame(announcing size: UInt8) -> [UInt8] {
      [0x28, 0xb5, 0x2f, 0xfd, 0x20, size, 0x23, 0x03, 0x00, 0x00]
    }
    #expect(try whole(frame(announcing: 100), max: 1000, decompressor) == Samples.zeros(100))
    for size in [UInt8(0), 1, 99, 101, 255] {
      #expect(contentSize(frame(announcing: size)) == Int(size))
      #expect(throws: CompressionError.self) {
        try blob(frame(announcing: size), room: 1000, decompressor)
      }
      #expect(throws: CompressionError.self) {
        try whole(frame(announcing: size), max: 1000, decompressor)
      }
    }
    // The largest sizes that a header can hold.
    for last in [UInt8(0x7f), 0xff] {
      let huge: [UInt8] =
        [0x28, 0xb5, 0x2f, 0xfd, 0xe0] + [UInt8](repeating: 0xff, count: 7) + [last, 3, 0, 0, 0]
      #expect(throws: CompressionError.self) { try whole(huge, max: 1 << 20, decompressor) }
      #expect(throws: CompressionError.self) { try blob(huge, room: 1 << 20, decompressor) }
    }
  }

  @Test func damageNeverTraps() throws {
    let compressor = try BlobCompressor(level: 3)
    let decompressor = try BlobDecompressor()
    let frame = try blobFrame(Samples.text(5000), compressor)
    for index in frame.indices {
      for mask in [UInt8(0x01), 0x80, 0xff] {
        var bad = frame
        bad[index] ^= mask
        do {
          #expect(try blob(bad, room: 5000, decompressor).count <= 5000)
          #expect(try whole(bad, max: 5000, decompressor).count <= 5000)
        } catch let error as CompressionError {
          #expect(error.kind == .corrupt)
        }
      }
      #expect(throws: CompressionError.self) {
        try whole(Array(frame[..<index]), max: 5000, decompressor)
      }
    }
    #expect(contentSize([]) == nil)
    #expect(contentSize(Array("{\"a\":1}".utf8)) == nil)
  }
}
