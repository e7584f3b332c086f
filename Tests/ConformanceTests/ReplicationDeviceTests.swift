import Glibc
import Platform
import TestSupport
import Testing

/// Block devices replicate, and complete after interruptions.
@Suite(.serialized) struct ReplicationDeviceTests {
  @Test func deviceReplicatesAndCompletesAfterKills() throws {
    let sizeBytes = SampledCounts.count(sampled: 64 << 20, full: 1 << 30)
    let directory = try TemporaryDirectory()
    let source = try LoopDevice(backingFile: directory.path("source"), sizeBytes: sizeBytes)
    let destination = try LoopDevice(
      backingFile: directory.path("destination"), sizeBytes: sizeBytes)
    var random = SeededGenerator(seed: 31)
    // Three quarters data, the rest zeros.
    try fill(source.path, sizeBytes: sizeBytes / 4 * 3, &random)
    let run = ReplicationRun(
      source: source.path, destination: destination.path,
      keyFile: try ReplicationRun.makeKeyFile(in: directory))
    try run.runToSuccess()
    try expectEqual(source, destination, "first run")
    var clean = try change(source, sizeBytes, run, nil, &random)
    try expectEqual(source, destination, "one percent changed")
    // One percent of the pages travels, and not much more.
    #expect(clean.bytes < sizeBytes / 100 * 2)
    var interruptedCount = 0
    let roundCount = SampledCounts.count(sampled: 4, full: 50)
    for round in 0..<roundCount {
      let interruption = ReplicationRun.Interruption.random(
        seconds: clean.seconds, bytes: clean.bytes, using: &random)
      let committed = try digest(destination)
      try rewritePages(source.path, sizeBytes, &random)
      let outcome = try run.run(interruption: interruption)
      if outcome.sendStatus != 0 || outcome.receiveStatus != 0 { interruptedCount += 1 }
      // Every other time the destination goes back before it goes on.
      if round.isMultiple(of: 2) {
        try runChecked(DroverBinary.path, ["replicate", "rollback", destination.path])
        let state = try digest(destination)
        // A receiver that was killed after its commit has nothing to put back.
        let isCommitted = state == (try digest(source))
        #expect(state == committed || isCommitted, "round \(round): \(interruption)")
      }
      clean = try change(source, sizeBytes, run, round, &random)
      try expectEqual(source, destination, "round \(round): \(interruption)")
    }
    #expect(interruptedCount > 0)
  }

  @Test func smallerTargetIsRefusedUntouched() throws {
    let directory = try TemporaryDirectory()
    let source = try LoopDevice(backingFile: directory.path("source"), sizeBytes: 2 << 20)
    let destination = try LoopDevice(backingFile: directory.path("destination"), sizeBytes: 1 << 20)
    var random = SeededGenerator(seed: 32)
    try fill(source.path, sizeBytes: 2 << 20, &random)
    let outcome = try ReplicationRun(
      source: source.path, destination: destination.path,
      keyFile: try ReplicationRun.makeKeyFile(in: directory)
    ).run()
    #expect(outcome.sendStatus != 0)
    let zeros = [UInt8](repeating: 0, count: 1 << 20)
    #expect(try ByteFiles.read(Array(destination.path.utf8)) == zeros)
  }

  /// Changes one percent of the pages, replicates, and measures.
  private func change(
    _ source: LoopDevice, _ sizeBytes: Int, _ run: ReplicationRun, _ round: Int?,
    _ random: inout SeededGenerator
  ) throws -> (seconds: Double, bytes: Int) {
    // After an interruption the same changes go on; they are not made again.
    if round == nil { try rewritePages(source.path, sizeBytes, &random) }
    let start = MonotonicTime.now()
    let outcome = try run.runToSuccess(isRelayed: true)
    return (MonotonicTime.now().seconds(since: start), outcome.relayedBytes)
  }

  private func rewritePages(
    _ device: String, _ sizeBytes: Int, _ random: inout SeededGenerator
  ) throws {
    let pageCount = sizeBytes / 4096
    for _ in 0..<(pageCount / 100) {
      try ByteFiles.overwrite(
        Array(device.utf8), random.bytes(4096), at: random.below(pageCount) * 4096)
    }
  }

  private func fill(
    _ device: String, sizeBytes: Int, _ random: inout SeededGenerator
  ) throws {
    for offset in stride(from: 0, to: sizeBytes, by: 1 << 20) {
      try ByteFiles.overwrite(
        Array(device.utf8), random.bytes(min(1 << 20, sizeBytes - offset)), at: offset)
    }
  }

  private func digest(_ device: LoopDevice) throws -> String {
    let output = try runChecked("sha256sum", [device.path]).outputText
    return String(output.prefix(64))
  }

  private func expectEqual(
    _ source: LoopDevice, _ destination: LoopDevice, _ comment: Comment
  ) throws {
    let result = try runProcess("cmp", [source.path, destination.path])
    #expect(result.status == 0, "\(comment.rawValue): \(result.outputText)\(result.errorText)")
  }
}
