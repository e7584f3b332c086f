import Glibc
import Platform
import TestSupport
import Testing

/// Reading around holes gives what plain reading gives.
@Suite struct SparseFileTests {
  private static let sizeBytes = 3 << 20

  private func withSparseFile(_ body: (Int32) throws -> Void) throws {
    let directory = try TemporaryDirectory()
    let raw = open(directory.path("sparse"), O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    defer { close(raw) }
    try FileIO.truncate(raw, to: Int64(SparseFileTests.sizeBytes))
    var random = SeededGenerator(seed: 7)
    for offset in [4096, 70_000, 524_288, 1_000_001, 2_600_000] {
      try FileIO.write(raw, random.bytes(5000), at: Int64(offset))
    }
    try body(raw)
  }

  @Test(arguments: [1, 511, 4096, 65_536, 262_144, 4 << 20], [false, true])
  func equalsPlainReading(pieceSize: Int, isPrepared: Bool) throws {
    try withSparseFile { raw in
      let sparse = SparseFile(descriptor: raw)
      if isPrepared { sparse.readAheadOfDataOnly() }
      let step = max(pieceSize, 40_000)
      for offset in stride(from: 0, to: SparseFileTests.sizeBytes + step, by: step) {
        var plain = [UInt8](repeating: 1, count: pieceSize)
        var around = [UInt8](repeating: 2, count: pieceSize)
        let plainCount = try plain.withUnsafeMutableBytes {
          try FileIO.read(raw, into: $0, at: Int64(offset))
        }
        let aroundCount = try around.withUnsafeMutableBytes {
          try sparse.read(into: $0, at: Int64(offset))
        }
        #expect(plainCount == aroundCount)
        #expect(plain[..<plainCount] == around[..<plainCount])
      }
    }
  }

  @Test func fileWithoutHolesIsNotSparse() throws {
    let directory = try TemporaryDirectory()
    let raw = open(directory.path("dense"), O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    defer { close(raw) }
    try FileIO.write(raw, [UInt8](repeating: 5, count: 100_000), at: 0)
    try FileIO.synchronizeData(raw)
    #expect(!SparseFile.hasHoles(try status(of: raw)))
  }

  private func status(of raw: Int32) throws -> stat {
    var status = stat()
    guard fstat(raw, &status) == 0 else { throw PlatformError.last("fstat") }
    return status
  }

  /// The whole file, read through `sparse` piece by piece.
  private func content(_ sparse: SparseFile) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 9, count: SparseFileTests.sizeBytes)
    for offset in stride(from: 0, to: bytes.count, by: 65_536) {
      let count = try bytes[offset...].withUnsafeMutableBytes {
        try sparse.read(
          into: UnsafeMutableRawBufferPointer(rebasing: $0[..<min(65_536, $0.count)]),
          at: Int64(offset))
      }
      #expect(count == min(65_536, bytes.count - offset))
    }
    return bytes
  }

  private func plainContent(_ raw: Int32) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 9, count: SparseFileTests.sizeBytes)
    let count = try bytes.withUnsafeMutableBytes { try FileIO.read(raw, into: $0, at: 0) }
    return Array(bytes[..<count])
  }

  /// What is known of a file does not hide what happens to it.
  @Test func changesOfTheFileAreSeen() throws {
    try withSparseFile { raw in
      #expect(SparseFile.hasHoles(try status(of: raw)))
      let sparse = SparseFile(descriptor: raw)
      #expect(try content(sparse) == plainContent(raw))
      for offset in [4096, 524_288, 2_600_960] {
        #expect(FileSystem.punchHole(raw, offset: Int64(offset), length: 4096) == 0)
      }
      try FileIO.write(raw, [UInt8](repeating: 3, count: 9000), at: 1_500_001)
      try FileIO.write(raw, [1], at: Int64(SparseFileTests.sizeBytes) - 1)
      #expect(try content(sparse) == plainContent(raw))
    }
  }

  @Test func runsOfDataAreFoundInOrder() throws {
    try withSparseFile { raw in
      let sparse = SparseFile(descriptor: raw)
      var seen: [Range<Int64>] = []
      var offset: Int64 = 0
      while let run = sparse.data(from: offset) {
        #expect(run.lowerBound >= offset)
        // What is known of the run answers for every place in it.
        #expect(sparse.data(from: run.lowerBound + 1) == run.lowerBound + 1..<run.upperBound)
        seen.append(run)
        offset = run.upperBound
      }
      for written in [4096, 70_000, 524_288, 1_000_001, 2_600_000] as [Int64] {
        #expect(seen.contains { $0.contains(written) && $0.contains(written + 4999) })
      }
      #expect(sparse.data(from: Int64(SparseFileTests.sizeBytes)) == nil)
    }
  }
}
