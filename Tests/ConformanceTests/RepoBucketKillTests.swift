import Glibc
import Platform
import TestSupport
import Testing

/// A repository in OpenStack Swift with `kill -9` at any moment: restic finds it sound, nothing
/// that was stored is lost, and the next run completes.
@Suite(.serialized) struct RepoBucketKillTests {
  @Test func killsLoseNothingInABucket() throws {
    let server = try SwiftServer.shared
    let bench = try RepoBench(
      server, bucket: try server.makeFreshBucket(), prefix: "repository")
    try bench.droverChecked(["init"])
    var random = SeededGenerator(seed: 0x5317)
    let sizeBytes = SampledCounts.count(sampled: 8 << 20, full: 100 << 20)
    for number in 0..<40 {
      try ByteFiles.write(
        Array("\(bench.source)/\(number)".utf8), random.bytes(sizeBytes / 40))
    }
    try bench.droverChecked(["backup", bench.source])
    let first = try #require(try bench.snapshotIDs().first)
    let copy = bench.directory.path("first")
    try RsyncJudge.copy(source: bench.source, destination: copy)

    var hitCount = 0
    let killCount = SampledCounts.count(sampled: 2, full: 20)
    for round in 0..<killCount * 4 where hitCount < killCount {
      for _ in 0..<6 {
        try ByteFiles.write(
          Array("\(bench.source)/\(random.below(40))".utf8), random.bytes(sizeBytes / 40))
      }
      let isPrune = round % 3 == 2
      if isPrune { try bench.droverChecked(["backup", bench.source]) }
      let arguments =
        isPrune
        ? ["prune", "--max-unused", "0", "--limit-upload", "8192"]
        : ["backup", bench.source, "--limit-upload", "8192", "--pack-size", "4"]
      if isPrune {
        let gone = try bench.snapshotIDs().dropFirst().dropLast()
        if !gone.isEmpty { try bench.droverChecked(["forget"] + gone) }
      }
      let child = try bench.startDrover(arguments)
      SystemClock().sleep(seconds: Double.random(in: 0.2...2.5, using: &random))
      child.kill(SIGKILL)
      if child.wait() == 128 + SIGKILL { hitCount += 1 }
      try bench.droverChecked(arguments)
      #expect(try bench.complaints(readsData: round % 5 == 4) == "", "round \(round)")
      #expect(try bench.snapshotIDs().first == first)
    }
    #expect(hitCount == killCount)
    let last = try #require(try bench.snapshotIDs().last)
    try bench.droverChecked(["backup", bench.source])
    #expect(try bench.differences(first, from: copy) == "")
    #expect(try bench.snapshotIDs().last != last)
    #expect(try bench.differences(try bench.snapshotIDs().last ?? "", from: bench.source) == "")
    #expect(try bench.complaints(readsData: true) == "")
    #expect(try bench.restic(["list", "locks", "--no-lock"]).outputText == "")
  }
}
