import Glibc
import Platform
import TestSupport
import Testing

/// Reading around holes gives what plain reading gives.
@Suite struct SparseReadingTests {
  private static let sizeBytes = 3 << 20

  private func withSparseFile(_ body: (Int32) throws -> Void) throws {
    let directory = try TemporaryDirectory()
    let raw = open(directory.path("sparse"), O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    defer { close(raw) }
    try FileIO.truncate(raw, to: Int64(SparseReadingTests.sizeBytes))
    var random = SeededGenerator(seed: 7)
    for offset in [4096, 70_000, 524_288, 1_000_001, 2_600_000] {
      try FileIO.write(raw, random.bytes(5000), at: Int64(offset))
    }
    try body(raw)
  }

  @Test(arguments: [1, 511, 4096, 65_536, 262_144, 4 << 20])
  func equalsPlainReading(pieceSize: Int) throws {
    try withSparseFile { raw in
      #expect(FileIO.prepareForSparseReading(raw))
      let step = max(pieceSize, 40_000)
      for offset in stride(from: 0, to: SparseReadingTests.sizeBytes + step, by: step) {
        var plain = [UInt8](repeating: 1, count: pieceSize)
        var around = [UInt8](repeating: 2, count: pieceSize)
        let plainCount = try plain.withUnsafeMutableBytes {
          try FileIO.read(raw, into: $0, at: Int64(offset))
        }
        let aroundCount = try around.withUnsafeMutableBytes {
          try FileIO.readAroundHoles(raw, into: $0, at: Int64(offset))
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
    #expect(!FileIO.prepareForSparseReading(raw))
  }
}
