import Chunking
import Platform
import TestSupport
import Testing

/// All candidates that a segment lists, one by one.
private func all(_ candidates: BoundaryCandidates) -> [Int] {
  var ends: [Int] = []
  var offset = candidates.start
  while let next = candidates.first(atOrAfter: offset) {
    ends.append(Int(next))
    offset = next + 1
  }
  return ends
}

private struct Sample {
  let scanner: BoundaryScanner
  let reference: ReferenceFingerprint
  /// 64 bytes that are a candidate, found in a real file.
  let window: [UInt8]

  init() throws {
    let vector = try #require(ChunkVector.all.first { $0.input == "incompressible-5m" })
    scanner = BoundaryScanner(try vector.tables())
    reference = ReferenceFingerprint(try ChunkerPolynomial(hex: vector.polynomial).bits)
    window = Array(try vector.bytes()[vector.ends[0] - 64..<vector.ends[0]])
  }

  /// Random data with candidates, holes and repetitions strewn in.
  func data(_ generator: inout SeededGenerator, count: Int) -> [UInt8] {
    var bytes = generator.bytes(count)
    for _ in 0..<generator.below(12) where count > 64 {
      let start = generator.below(count - 64)
      bytes.replaceSubrange(start..<start + 64, with: window)
    }
    for _ in 0..<generator.below(3) {
      let start = generator.below(count)
      let end = min(count, start + generator.below(100_000))
      let fill: UInt8 = generator.chance(0.7) ? 0 : 0xff
      for index in start..<end { bytes[index] = fill }
    }
    return bytes
  }
}

@Suite struct BoundaryScannerTests {
  @Test func lanesFindWhatSingleBytesFind() throws {
    let sample = try Sample()
    var generator = SeededGenerator(seed: 5)
    for _ in 0..<SampledCounts.count(sampled: 25, full: 500) {
      let count = 1 + generator.below(150_000)
      let bytes = sample.data(&generator, count: count)
      let expected = sample.reference.candidates(bytes)
      #expect(all(segment(of: bytes, sample.scanner, 0..<count)) == expected)
      guard count > 64 else { continue }
      // The same from any first end, and up to any last.
      for _ in 0..<10 {
        let lower = 64 + generator.below(count - 63)
        let upper = lower + generator.below(count + 2 - lower)
        let found = bytes.withUnsafeBytes {
          sample.scanner.firstCandidate(in: $0, ends: lower..<upper)
        }
        #expect(found == expected.first { (lower..<upper).contains($0) })
      }
    }
  }

  @Test func segmentsFindWhatTheWholeFinds() throws {
    let sample = try Sample()
    var generator = SeededGenerator(seed: 6)
    for _ in 0..<SampledCounts.count(sampled: 10, full: 200) {
      let bytes = sample.data(&generator, count: 1000 + generator.below(150_000))
      let expected = sample.reference.candidates(bytes)
      var found: [Int] = []
      var start = 0
      while start < bytes.count {
        let end = min(bytes.count, start + 63 + generator.below(50_000))
        found += all(segment(of: bytes, sample.scanner, start..<end))
        start = end
      }
      #expect(found == expected)
    }
  }

  /// A window at every distance to the borders of lanes, groups and blocks.
  @Test func placesAtAllBordersAreFound() throws {
    let sample = try Sample()
    let blocks = [33_280, 4160, 4608, 576, 2 * 33_280, 33_280 + 4608]
    let size = 2 * 33_280 + 2 * 4608 + 300
    var generator = SeededGenerator(seed: 7)
    let plain = generator.bytes(size)
    let base = Set(sample.reference.candidates(plain))
    for border in blocks {
      for distance in [-2, -1, 0, 1, 2, 63, 64, 65, 66] {
        let end = 64 + border + distance
        var bytes = plain
        bytes.replaceSubrange(end - 64..<end, with: sample.window)
        let found = all(segment(of: bytes, sample.scanner, 0..<size))
        #expect(found.contains(end) && found.count <= base.count + 2, "\(end)")
      }
    }
    for end in [64, 65, size - 1, size] {
      var bytes = plain
      bytes.replaceSubrange(end - 64..<end, with: sample.window)
      #expect(all(segment(of: bytes, sample.scanner, 0..<size)).contains(end))
    }
  }

  @Test func denseCandidatesStayInBounds() throws {
    let sample = try Sample()
    // One real candidate in each period of 64 bytes, then many neighbours.
    var bytes: [UInt8] = []
    for _ in 0..<3000 { bytes += sample.window }
    bytes += [UInt8](repeating: 0, count: 20_000)
    var generator = SeededGenerator(seed: 8)
    for _ in 0..<50 {
      bytes += generator.bytes(70) + [UInt8](repeating: 0, count: 66 + generator.below(5))
    }
    let expected = sample.reference.candidates(bytes)
    #expect(expected.count > 20_000)
    #expect(all(segment(of: bytes, sample.scanner, 0..<bytes.count)) == expected)
  }

  @Test func tooFewBytesHaveNoCandidate() throws {
    let sample = try Sample()
    for count in [0, 1, 63] {
      let bytes = [UInt8](repeating: 0, count: count)
      #expect(all(segment(of: bytes, sample.scanner, 0..<count)).isEmpty)
    }
    let zeros = [UInt8](repeating: 0, count: 64)
    #expect(all(segment(of: zeros, sample.scanner, 0..<64)) == [64])
    #expect(zeros.withUnsafeBytes { sample.scanner.firstCandidate(in: $0, ends: 64..<64) } == nil)
  }
}
