import Platform
import TestSupport
import Testing

@testable import Replication

/// The ways a tree may travel.
enum Way: String, CaseIterable, CustomTestStringConvertible {
  case standard, inPlace, checksum, wholeFile, uncompressed, level3, inPlaceChecksum, limited
  case checksumWhole

  var testDescription: String { rawValue }

  func apply(to run: inout SessionRun) {
    switch self {
    case .standard: break
    case .inPlace: run.send.inPlace = true
    case .checksum: run.send.checksum = true
    case .wholeFile: run.send.wholeFile = true
    case .uncompressed: run.send.compression = .none
    case .level3: run.send.compression = .level(3)
    case .inPlaceChecksum:
      run.send.inPlace = true
      run.send.checksum = true
    case .checksumWhole:
      run.send.checksum = true
      run.send.wholeFile = true
    case .limited: run.send.bandwidthLimitBytesPerSecond = 200 << 20
    }
  }
}

/// Whatever stands in the source stands in the destination after a run.
@Suite struct EqualityTests {
  @Test("A zoo, changed round by round, is replicated exactly", arguments: Way.allCases)
  func zooAndMutations(_ way: Way) throws {
    let trees = try TreePair()
    try MetadataZoo.make(at: trees.source, seed: 7)
    let first = try trees.run { way.apply(to: &$0) }
    let summary = try first.summary()
    #expect(first.warnings == [])
    #expect(try trees.differences() == "")
    #expect(summary.treeDigest != nil)
    for round in 1...SampledCounts.count(sampled: 2, full: 20) {
      let seed = UInt64(round) * 100 + UInt64(Way.allCases.firstIndex(of: way) ?? 0)
      let changes = try TreeMutator.mutate(at: trees.source, seed: seed)
      let outcome = try trees.run { way.apply(to: &$0) }
      _ = try outcome.summary()
      #expect(outcome.warnings == [])
      let differences = try trees.differences()
      #expect(differences == "", "seed \(seed): \(changes.joined(separator: "; "))")
      guard differences.isEmpty else { return }
    }
  }

  @Test("A run without changes sends next to nothing and changes nothing")
  func unchanged() throws {
    let trees = try TreePair()
    try MetadataZoo.make(at: trees.source, seed: 8)
    _ = try trees.run().summary()
    let again = try trees.run { $0.send.itemizeChanges = true }
    let summary = try again.summary()
    #expect(again.items == [])
    #expect(summary.fileCountTransferred == 0)
    #expect(summary.entryCountCreated == 0)
    #expect(summary.entryCountDeleted == 0)
    #expect(summary.literalBytes == 0)
    #expect(summary.wireBytesSent < 20_000)
    #expect(try trees.differences() == "")
  }

  @Test("A destination of other content becomes the source", arguments: [Way.standard, .inPlace])
  func unrelatedDestination(_ way: Way) throws {
    let trees = try TreePair()
    try MetadataZoo.make(at: trees.source, seed: 9)
    try MetadataZoo.make(at: trees.destination, seed: 10)
    try TreeMutator.mutate(at: trees.destination, seed: 11, count: 120)
    let outcome = try trees.run { way.apply(to: &$0) }
    _ = try outcome.summary()
    #expect(outcome.warnings == [])
    let differences = try trees.differences()
    #expect(differences == "")
  }

  @Test("Changes made in the destination are undone")
  func changedDestination() throws {
    let trees = try TreePair()
    try MetadataZoo.make(at: trees.source, seed: 12)
    _ = try trees.run().summary()
    for round in 1...SampledCounts.count(sampled: 2, full: 10) {
      let changes = try TreeMutator.mutate(at: trees.destination, seed: UInt64(round) + 500)
      _ = try trees.run().summary()
      let differences = try trees.differences()
      #expect(differences == "", "\(changes.joined(separator: "; "))")
    }
  }
}
