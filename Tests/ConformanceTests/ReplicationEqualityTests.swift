import Glibc
import Platform
import TestSupport
import Testing

/// After a run both sides are equal by real rsync, in content and in every attribute.
@Suite(.serialized) struct ReplicationEqualityTests {
  @Test(arguments: [
    [], ["--inplace"], ["--whole-file"], ["--checksum"], ["--no-compress"], ["--compress=19"],
  ])
  func zooReplicates(options: [String]) throws {
    let bench = try ReplicationBench(options)
    try MetadataZoo.make(at: bench.source, seed: 11)
    try bench.run.runToSuccess()
    #expect(try bench.differences() == "")
    #expect(try sparseFilesStaySparse(bench))
  }

  @Test(arguments: [[], ["--inplace"]])
  func everyRoundOfChangesReplicates(options: [String]) throws {
    let bench = try ReplicationBench(options)
    try MetadataZoo.make(at: bench.source, seed: 12)
    try bench.run.runToSuccess()
    for round in 1...SampledCounts.count(sampled: 6, full: 20) {
      let changes = try TreeMutator.mutate(at: bench.source, seed: UInt64(round))
      try bench.run.runToSuccess("round \(round): \(changes)")
      let differences = try bench.differences()
      #expect(differences == "", "round \(round): \(changes)")
      if !differences.isEmpty { return }
    }
  }

  @Test(arguments: [LoopMount.FileSystem.xfs, .btrfs])
  func changesReplicateToAnotherFileSystem(kind: LoopMount.FileSystem) throws {
    var bench = try ReplicationBench()
    let mount = try LoopMount(kind, sizeBytes: 512 << 20)
    bench.run.destination = mount.path
    try MetadataZoo.make(at: bench.source, seed: 13)
    // Longer than XFS can keep.
    try ByteFiles.remove(Array("\(bench.source)/symlinks/longest".utf8))
    // XFS shows its access control lists a second time under these names.
    let options = ["FILE", "DEFAULT"].map { "--filter=-x trusted.SGI_ACL_\($0)" }
    func differences() throws -> String {
      try RsyncJudge.differences(
        source: bench.source, destination: mount.path, options: options)
    }
    try bench.run.runToSuccess()
    #expect(try differences() == "")
    let changes = try TreeMutator.mutate(at: bench.source, seed: 13)
    try bench.run.runToSuccess()
    #expect(try differences() == "", "\(changes)")
  }

  @Test func secondRunWithoutChangesTransfersNothing() throws {
    var bench = try ReplicationBench(["--itemize-changes"])
    try MetadataZoo.make(at: bench.source, seed: 14)
    let first = try bench.run.runToSuccess(isRelayed: true)
    #expect((first.summary?.number("filesTransferred") ?? 0) > 1000)
    let second = try bench.run.runToSuccess(isRelayed: true)
    let summary = try #require(second.summary)
    #expect(summary.number("filesTransferred") == 0)
    #expect(summary.number("literalBytes") == 0)
    #expect(summary.number("deleted") == 0)
    #expect(summary.number("attributesChanged") == 0)
    #expect(!second.events.contains { $0.name == "item" })
    #expect(second.relayedBytes < 16 << 10)
    #expect(try bench.differences() == "")
    bench.run.sendOptions = ["--checksum"]
    let third = try bench.run.runToSuccess()
    #expect(third.summary?.number("literalBytes") == 0)
  }

  @Test func destinationOfAnotherShapeBecomesEqual() throws {
    let bench = try ReplicationBench()
    try MetadataZoo.make(at: bench.source, seed: 15)
    try MetadataZoo.make(at: bench.destination, seed: 16)
    try TreeMutator.mutate(at: bench.destination, seed: 16)
    #expect(try bench.differences() != "")
    try bench.run.runToSuccess()
    #expect(try bench.differences() == "")
  }

  @Test func verifyAgreesWithRsync() throws {
    let bench = try ReplicationBench()
    try MetadataZoo.make(at: bench.source, seed: 17)
    try RsyncJudge.copy(source: bench.source, destination: bench.destination)
    let arguments = ["verify", bench.source, bench.destination]
    let equal = try runProcess(DroverBinary.path, arguments)
    #expect(equal.status == 0, "\(equal.outputText) \(equal.errorText)")
    try bench.write(bench.destination, "text", [1])
    let different = try runProcess(DroverBinary.path, arguments)
    #expect(different.status == 4)
    #expect((different.outputText + different.errorText).contains("text"))
  }

  /// Whether no sparse file of the zoo takes much more room at the destination than at the source.
  private func sparseFilesStaySparse(_ bench: ReplicationBench) throws -> Bool {
    for name in try ByteFiles.names(in: Array("\(bench.source)/sparse".utf8)) {
      let source = try ByteFiles.status(
        ByteFiles.join(Array("\(bench.source)/sparse".utf8), name))
      let destination = try ByteFiles.status(
        ByteFiles.join(Array("\(bench.destination)/sparse".utf8), name))
      if destination.st_blocks > 2 * source.st_blocks + 512 { return false }
    }
    return true
  }
}
