import Compression
import Platform

private let pieceBytes = 1 << 20
private let pieceCount = 32

/// zstd on text and on random bytes, on one core, in frames of 1 MiB.
func measureCompression(rounds: Int) throws -> [Figure] {
  var generator = SeededGenerator(seed: 2)
  let random = generator.bytes(pieceBytes * pieceCount)
  let text = makeText(&generator, count: pieceBytes * pieceCount)
  var figures: [Figure] = []
  for level in [-5, -1, 1, 3, 9] {
    figures.append(try compress(text, "text", level, rounds))
  }
  for level in [-5, 1, 3] {
    figures.append(try compress(random, "random", level, rounds))
  }
  figures.append(try decompress(text, level: 3, rounds))
  return figures
}

private func compress(
  _ data: [UInt8], _ kind: String, _ level: Int, _ rounds: Int
) throws -> Figure {
  var compressor = try ZstdCompressor()
  var target = [UInt8](repeating: 0, count: Zstd.compressBound(pieceBytes))
  var compressedBytes = 0
  let seconds = try medianSeconds(rounds: rounds) {
    compressedBytes = 0
    for start in stride(from: 0, to: data.count, by: pieceBytes) {
      compressedBytes += try compressPiece(data, start, &compressor, &target, level)
    }
  }
  let ratio = Double(data.count) / Double(compressedBytes)
  return Figure(
    name: "zstd \(level), \(kind)", perSecond: Double(data.count) / seconds / 1e6, unit: "MB",
    note: "one core, ratio \(decimal(ratio, 2))")
}

private func compressPiece(
  _ data: [UInt8], _ start: Int, _ compressor: inout ZstdCompressor, _ target: inout [UInt8],
  _ level: Int
) throws -> Int {
  try data.withUnsafeBytes { bytes in
    let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<start + pieceBytes])
    return try target.withUnsafeMutableBytes { output in
      try compressor.compress(piece, into: output, level: level)
    }
  }
}

private func decompress(_ data: [UInt8], level: Int, _ rounds: Int) throws -> Figure {
  var compressor = try ZstdCompressor()
  var target = [UInt8](repeating: 0, count: Zstd.compressBound(pieceBytes))
  var frames: [[UInt8]] = []
  for start in stride(from: 0, to: data.count, by: pieceBytes) {
    let count = try compressPiece(data, start, &compressor, &target, level)
    frames.append(Array(target[..<count]))
  }
  var decompressor = try ZstdDecompressor()
  let seconds = try medianSeconds(rounds: rounds) {
    for frame in frames {
      let count = try frame.withUnsafeBytes { input in
        try target.withUnsafeMutableBytes { try decompressor.decompress(input, into: $0) }
      }
      guard count == pieceBytes else { throw BenchmarkError("zstd gave \(count) bytes back") }
    }
  }
  return Figure(
    name: "zstd \(level), text, back", perSecond: Double(data.count) / seconds / 1e6, unit: "MB",
    note: "one core")
}

/// Lines of words drawn by a skewed choice, which compress about as source code does.
private func makeText(_ generator: inout SeededGenerator, count: Int) -> [UInt8] {
  let words = (0..<2048).map { _ in
    (0..<2 + generator.next(below: 9)).map { _ in UInt8(0x61 + generator.next(below: 26)) }
  }
  var text: [UInt8] = []
  text.reserveCapacity(count + 16)
  while text.count < count {
    let bound = 1 + generator.next(below: 1 + generator.next(below: words.count))
    text += words[generator.next(below: bound)]
    text.append(generator.next(below: 9) == 0 ? 10 : 32)
  }
  return Array(text.prefix(count))
}
