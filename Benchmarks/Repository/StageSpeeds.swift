import Chunking
import Compression
import Cryptography
import Glibc
import Platform

/// What each stage of a backup and of its way back costs on one core, measured on a sample of the
/// very data: seconds for each byte of content.
struct StageSpeeds {
  enum Stage: String, CaseIterable {
    /// Open, read from the page cache, close.
    case read
    case cut
    case hash = "SHA-256"
    case compress = "zstd"
    case seal
    /// SHA-256 of what is stored.
    case hashStored = "SHA-256 of packs"
    case open
    case decompress = "zstd back"
  }

  private static let sampleBytes = 48 << 20
  private static let pieceBytesMax = 2 << 20
  private static let compressionLevel: Int32 = 3
  private static let rounds = 3

  private(set) var secondsPerByte: [Stage: Double] = [:]
  private(set) var sampledBytes = 0
  private(set) var storedBytes = 0

  /// Measures on `files`: path and length of each, holes included.
  init(sampling files: [(path: String, byteCount: Int)]) throws {
    let pieces = try StageSpeeds.pieces(of: files)
    let blobs = try pieces.map { try $0.load() }
    sampledBytes = blobs.reduce(0) { $0 + $1.count }
    guard sampledBytes > 0 else { return }
    try time(.read) {
      for piece in pieces { _ = try piece.load() }
    }
    try timeCut(blobs)
    try timeHash(.hash, blobs)
    let frames = try timeCompression(blobs)
    storedBytes = frames.reduce(0) { $0 + $1.bytes.count }
    try timeHash(.hashStored, frames.map(\.bytes))
    try timeSealing(frames.map(\.bytes))
    try timeDecompression(frames, blobs)
  }

  func seconds(_ stage: Stage, bytes: Int) -> Double {
    (secondsPerByte[stage] ?? 0) * Double(bytes)
  }

  /// The stages as figures, in MB of content a second on one core.
  func figures(of data: RepositoryData) -> [Figure] {
    Stage.allCases.compactMap { stage in
      guard let seconds = secondsPerByte[stage], seconds > 0 else { return nil }
      var note = "one core, MB of content"
      if stage == .compress, storedBytes > 0 {
        note += ", ratio \(decimal(Double(sampledBytes) / Double(storedBytes), 2))"
      }
      return Figure(
        name: "\(data.rawValue): \(stage.rawValue)", perSecond: 1e-6 / seconds, unit: "MB",
        note: note)
    }
  }

  private mutating func time(_ stage: Stage, _ body: () throws -> Void) throws {
    let seconds = try medianSeconds(rounds: StageSpeeds.rounds, body)
    secondsPerByte[stage] = seconds / Double(sampledBytes)
  }

  private mutating func timeCut(_ blobs: [[UInt8]]) throws {
    var generator = SeededGenerator(seed: 6)
    let tables = ChunkerTables(ChunkerPolynomial.random { generator.next() })
    var cutter = ChunkCutter(tables)
    var cuts = 0
    try time(.cut) {
      // A shorter file is one chunk, and is not searched.
      for blob in blobs where blob.count >= ChunkLimits.byteCountMin {
        blob.withUnsafeBytes { bytes in
          var rest = bytes
          while let cut = cutter.advance(rest) {
            cuts += 1
            rest = UnsafeRawBufferPointer(rebasing: rest[cut...])
          }
        }
        cuts += cutter.finish() > 0 ? 1 : 0
      }
    }
  }

  private mutating func timeHash(_ stage: Stage, _ blobs: [[UInt8]]) throws {
    try time(stage) {
      for blob in blobs { _ = try SHA256.digest(blob) }
    }
  }

  /// What a repository keeps of a blob: a frame, or the blob as it is.
  private struct Frame {
    var bytes: [UInt8]
    var isCompressed: Bool
  }

  private mutating func timeCompression(_ blobs: [[UInt8]]) throws -> [Frame] {
    let compressor = try BlobCompressor(level: StageSpeeds.compressionLevel)
    var target = [UInt8](
      repeating: 0, count: BlobCompressor.bound(StageSpeeds.pieceBytesMax))
    var frames: [Frame] = []
    try time(.compress) {
      frames.removeAll(keepingCapacity: true)
      for blob in blobs {
        frames.append(try StageSpeeds.compress(blob, compressor, &target))
      }
    }
    return frames
  }

  private static func compress(
    _ blob: [UInt8], _ compressor: BlobCompressor, _ target: inout [UInt8]
  ) throws -> Frame {
    let isHopeless = blob.withUnsafeBytes { Compressibility.looksIncompressible($0) }
    if isHopeless { return Frame(bytes: blob, isCompressed: false) }
    let count = try blob.withUnsafeBytes { input in
      try target.withUnsafeMutableBytes { try compressor.compress(input, into: $0) }
    }
    let isShorter = count < blob.count
    return Frame(bytes: isShorter ? Array(target[..<count]) : blob, isCompressed: isShorter)
  }

  private mutating func timeSealing(_ blobs: [[UInt8]]) throws {
    var generator = SeededGenerator(seed: 5)
    let sealer = try Sealer(
      SealingKey(
        encryption: generator.bytes(SealingKey.encryptionByteCount),
        macK: generator.bytes(SealingKey.macByteCount),
        macR: generator.bytes(SealingKey.macByteCount)))
    var sealed = blobs.map { [UInt8](repeating: 0, count: $0.count + Sealer.overheadByteCount) }
    try time(.seal) {
      for index in blobs.indices {
        try blobs[index].withUnsafeBytes { input in
          try sealed[index].withUnsafeMutableBytes { try sealer.seal(input, into: $0) }
        }
      }
    }
    var opened = [UInt8](repeating: 0, count: StageSpeeds.pieceBytesMax)
    try time(.open) {
      for index in blobs.indices {
        try sealed[index].withUnsafeBytes { input in
          try opened.withUnsafeMutableBytes { target in
            let room = UnsafeMutableRawBufferPointer(rebasing: target[..<blobs[index].count])
            try sealer.open(input, into: room)
          }
        }
      }
    }
  }

  private mutating func timeDecompression(_ frames: [Frame], _ blobs: [[UInt8]]) throws {
    guard frames.contains(where: \.isCompressed) else { return }
    let decompressor = try BlobDecompressor()
    var target = [UInt8](repeating: 0, count: StageSpeeds.pieceBytesMax)
    try time(.decompress) {
      for index in frames.indices where frames[index].isCompressed {
        let count = try frames[index].bytes.withUnsafeBytes { input in
          try target.withUnsafeMutableBytes { try decompressor.decompress(input, into: $0) }
        }
        guard count == blobs[index].count else { throw BenchmarkError("zstd lost bytes") }
      }
    }
  }

  // MARK: - The sample

  private struct Piece {
    var path: String
    var offset: Int
    var byteCount: Int

    func load() throws -> [UInt8] {
      let raw = Glibc.open(path, O_RDONLY | O_CLOEXEC)
      guard raw >= 0 else { throw PlatformError.last("open", path) }
      let file = Descriptor(owning: raw)
      return try [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, filled in
        let got = retryingOnInterrupt {
          pread(file.raw, buffer.baseAddress, byteCount, off_t(offset))
        }
        guard got >= 0 else { throw PlatformError.last("pread", path) }
        filled = got
      }
    }
  }

  /// Pieces spread evenly over all files. Holes are left out: little is computed for them.
  private static func pieces(of files: [(path: String, byteCount: Int)]) throws -> [Piece] {
    var all: [Piece] = []
    for file in files where file.byteCount > 0 {
      for offset in stride(from: 0, to: file.byteCount, by: pieceBytesMax) {
        let count = min(pieceBytesMax, file.byteCount - offset)
        all.append(Piece(path: file.path, offset: offset, byteCount: count))
      }
    }
    let total = all.reduce(0) { $0 + $1.byteCount }
    let step = max(1, total / sampleBytes)
    return try stride(from: 0, to: all.count, by: step).map { all[$0] }
      .filter { piece in try piece.load().contains { $0 != 0 } }
  }
}
