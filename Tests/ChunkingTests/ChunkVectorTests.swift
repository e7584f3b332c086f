import Chunking
import Platform
import TestSupport
import Testing

/// The ends of the chunks, with the file read in blocks of `blockSize` bytes.
func cuts(of bytes: [UInt8], _ cutter: inout ChunkCutter, blockSize: Int) -> [Int] {
  var ends: [Int] = []
  var chunkStart = 0
  bytes.withUnsafeBytes { whole in
    var offset = 0
    while offset < whole.count {
      let stop = min(whole.count, offset + blockSize)
      while let count = cutter.advance(UnsafeRawBufferPointer(rebasing: whole[offset..<stop])) {
        offset += count
        ends.append(offset)
        chunkStart = offset
      }
      offset = stop
    }
  }
  let last = cutter.finish()
  if last > 0 { ends.append(chunkStart + last) }
  return ends
}

/// The ends of the chunks, with segments searched by two threads and planned in order.
func cuts(
  of bytes: [UInt8], _ scanner: BoundaryScanner, segmentSize: Int
) throws -> [Int] {
  let starts = Array(stride(from: 0, to: bytes.count, by: segmentSize))
  let parts = (0..<2).map { part in
    Thread("scan") {
      starts.enumerated().filter { $0.offset % 2 == part }.map { _, start in
        segment(of: bytes, scanner, start..<min(bytes.count, start + segmentSize))
      }
    }
  }
  let found = try parts.map { try $0.join() }
  var planner = CutPlanner()
  var ends: [Int] = []
  for index in starts.indices {
    planner.add(found[index % 2][index / 2]) { ends.append(Int($0)) }
  }
  planner.finish { ends.append(Int($0)) }
  return ends
}

func segment(
  of bytes: [UInt8], _ scanner: BoundaryScanner, _ range: Range<Int>
) -> BoundaryCandidates {
  let overlap = min(63, range.lowerBound)
  return bytes.withUnsafeBytes { whole in
    let part = UnsafeRawBufferPointer(
      rebasing: whole[range.lowerBound - overlap..<range.upperBound])
    // Segments nearer than 63 bytes to the start are searched from the start.
    guard overlap == 63 || overlap == 0 else {
      preconditionFailure("a first segment has at least 63 bytes")
    }
    return scanner.candidates(in: part, overlap: overlap, at: Int64(range.lowerBound))
  }
}

@Suite struct ChunkVectorTests {
  @Test func thereAreTwoPolynomialsWithNineInputs() throws {
    #expect(ChunkVector.all.count == 18)
    #expect(Set(ChunkVector.all.map(\.polynomial)).count == 2)
    for vector in ChunkVector.all {
      #expect(try vector.bytes().count == vector.ends.last)
    }
  }

  @Test(arguments: ChunkVector.all)
  func cutsAsRealProgramsDo(_ vector: ChunkVector) throws {
    let bytes = try vector.bytes()
    var cutter = ChunkCutter(try vector.tables())
    // One cutter for all: a file leaves nothing behind for the next.
    for blockSize in [bytes.count, 1 << 20, 104_729, 4096, 33_280 + 64] {
      #expect(cuts(of: bytes, &cutter, blockSize: blockSize) == vector.ends, "\(blockSize)")
    }
    try vector.expectDigests(of: bytes, ends: vector.ends)
  }

  @Test(arguments: ChunkVector.all)
  func smallReadsCutAlike(_ vector: ChunkVector) throws {
    let bytes = try vector.bytes()
    guard SampledCounts.isFull || bytes.count < 1 << 20 else { return }
    var cutter = ChunkCutter(try vector.tables())
    for blockSize in [1, 2, 63, 64, 65, 127, 1009] {
      #expect(cuts(of: bytes, &cutter, blockSize: blockSize) == vector.ends, "\(blockSize)")
    }
  }

  @Test(arguments: ChunkVector.all)
  func segmentsOfSeveralThreadsCutAlike(_ vector: ChunkVector) throws {
    let bytes = try vector.bytes()
    let scanner = BoundaryScanner(try vector.tables())
    for segmentSize in [4 << 20, 1_000_003] {
      #expect(try cuts(of: bytes, scanner, segmentSize: segmentSize) == vector.ends)
    }
  }

  /// Small reads around the places where a cut may stand, in data with many candidates.
  @Test func everyReadSizeFindsPlantedCandidates() throws {
    let vector = try #require(ChunkVector.all.first { $0.input == "incompressible-20m" })
    let source = try vector.bytes()
    let window = Array(source[vector.ends[0] - 64..<vector.ends[0]])
    var generator = SeededGenerator(seed: 11)
    var bytes = generator.bytes(1_600_000)
    for near in [524_288, 2 * 524_288 + 100] {
      for distance in [-65, -1, 0, 1, 62, 63, 64, 130] {
        let end = near + distance * 67
        bytes.replaceSubrange(end - 64..<end, with: window)
      }
    }
    let reference = ReferenceFingerprint(try ChunkerPolynomial(hex: vector.polynomial).bits)
    let expected = reference.cuts(bytes)
    #expect(expected.count >= 3)
    var cutter = ChunkCutter(try vector.tables())
    for blockSize in [1, 63, 64, 65, 4096, 8191, bytes.count] {
      #expect(cuts(of: bytes, &cutter, blockSize: blockSize) == expected, "\(blockSize)")
    }
    for segmentSize in [64, 1009, 65_537] {
      let scanner = BoundaryScanner(try vector.tables())
      #expect(try cuts(of: bytes, scanner, segmentSize: segmentSize) == expected)
    }
  }
}
