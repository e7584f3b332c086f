import Chunking
import TestSupport
import Testing

@Suite struct CutPlannerTests {
  @Test func emptyFilesHaveNoChunk() throws {
    var planner = CutPlanner()
    planner.finish { Issue.record("a chunk up to \($0)") }
    var cutter = ChunkCutter(ChunkerTables(.random()))
    #expect(cutter.finish() == 0)
    #expect(cutter.advance(UnsafeRawBufferPointer(start: nil, count: 0)) == nil)
    #expect(cutter.finish() == 0)
  }

  @Test(arguments: [1, 63, 64, 524_287, 524_288, 524_289, 1_048_576, 1_048_577])
  func holesCutAtTheLeastLength(count: Int) throws {
    let bytes = [UInt8](repeating: 0, count: count)
    var expected = Array(stride(from: 524_288, through: count, by: 524_288))
    if expected.last != count { expected.append(count) }
    let tables = ChunkerTables(.random())
    var cutter = ChunkCutter(tables)
    for blockSize in [count, 65_536, 524_288, 524_287] {
      #expect(cuts(of: bytes, &cutter, blockSize: blockSize) == expected)
    }
    let scanner = BoundaryScanner(tables)
    #expect(try cuts(of: bytes, scanner, segmentSize: 65_536) == expected)
  }

  @Test func chunksEndAtTheGreatestLength() throws {
    let bytes = try VectorInput.bytes("ff-9m")
    let tables = ChunkerTables(try ChunkerPolynomial(hex: "2ffa4d937099b3"))
    let exact = Array(bytes[..<ChunkLimits.byteCountMax])
    var cutter = ChunkCutter(tables)
    for blockSize in [1 << 20, ChunkLimits.byteCountMax, ChunkLimits.byteCountMax - 1] {
      #expect(cuts(of: exact, &cutter, blockSize: blockSize) == [ChunkLimits.byteCountMax])
      #expect(
        cuts(of: bytes, &cutter, blockSize: blockSize) == [ChunkLimits.byteCountMax, 9 << 20])
    }
    #expect(
      try cuts(of: exact, BoundaryScanner(tables), segmentSize: 1 << 20)
        == [ChunkLimits.byteCountMax])
  }

  @Test func aPlannerServesOneFileAfterTheOther() throws {
    let scanner = BoundaryScanner(ChunkerTables(.random()))
    let bytes = [UInt8](repeating: 0, count: 600_000)
    var planner = CutPlanner()
    for _ in 0..<2 {
      var ends: [Int64] = []
      planner.add(segment(of: bytes, scanner, 0..<bytes.count)) { ends.append($0) }
      #expect(planner.chunkStart == 524_288 && planner.plannedEnd == 600_000)
      planner.finish { ends.append($0) }
      #expect(ends == [524_288, 600_000])
    }
  }
}
