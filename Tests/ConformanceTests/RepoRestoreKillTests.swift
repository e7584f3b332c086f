import Glibc
import Platform
import TestSupport
import Testing

/// `kill -9` of a restore: under the name of a file stands what was there before, or all of what
/// the snapshot has, or nothing; never a part. The next run completes.
@Suite(.serialized) struct RepoRestoreKillTests {
  /// Ends in a state that is equal to the snapshot, after any number of kills.
  @Test func aKilledRestoreLeavesNoTornFileAndTheNextCompletes() throws {
    let bench = try RepoBench()
    var random = SeededGenerator(seed: 0x7e57)
    try bench.droverChecked(["init"])
    for index in 0..<120 {
      try ByteFiles.write(
        Array("\(bench.source)/folder/small-\(index)".utf8), random.bytes(random.below(200_000)))
    }
    // Of many blobs, so that what is right of the earlier file is kept.
    let large = Array("\(bench.source)/large".utf8)
    try ByteFiles.write(large, random.bytes(24 << 20))
    try bench.droverChecked(["backup", bench.source])
    // Slow enough that most of the time goes into writing.
    let arguments = [
      "restore", "latest:\(bench.source)", "--target", bench.directory.path("target"), "--delete",
      "--limit-download", "16384",
    ]
    let whole = try timed { try bench.droverChecked(arguments) }
    _ = try prepare(0, bench, large, &random)
    let partial = try timed { try bench.droverChecked(arguments) }
    var hits = 0
    var unfinished = 0
    let roundCount = SampledCounts.count(sampled: 6, full: 40)
    for round in 0..<roundCount {
      let before = try prepare(round, bench, large, &random)
      let seconds = before == nil ? whole : partial
      let child = try bench.startDrover(arguments)
      let delay = Double.random(in: 0...seconds, using: &random)
      SystemClock().sleep(seconds: delay)
      child.kill(SIGKILL)
      if child.wait() != 0 { hits += 1 }
      let found = try judge(bench, before: before)
      #expect(found.torn == [], "round \(round), killed after \(delay) s of \(seconds) s")
      if found.isUnfinished { unfinished += 1 }
      try bench.droverChecked(arguments)
      let differences = try self.differences(bench)
      #expect(differences == "", "round \(round)")
      if differences != "" || !found.torn.isEmpty { return }
    }
    // Kills that come too late, or before anything is written, would prove nothing.
    #expect(hits * 2 >= roundCount)
    #expect(unfinished > 0)
    if SampledCounts.isFull { print("killed restores: \(hits) hit, \(unfinished) while writing") }
  }

  private func timed(_ body: () throws -> Void) throws -> Double {
    let start = MonotonicTime.now()
    try body()
    return MonotonicTime.now().seconds(since: start)
  }

  /// Makes a target that differs, and gives a copy of it: in every third round there is none.
  private func prepare(
    _ round: Int, _ bench: RepoBench, _ large: [UInt8], _ random: inout SeededGenerator
  ) throws -> String? {
    let target = bench.directory.path("target")
    if round % 3 == 2 {
      removeTree(target)
      return nil
    }
    for index in 0..<120 where random.chance(0.5) {
      let path = Array("\(target)/folder/small-\(index)".utf8)
      try ByteFiles.write(path, random.bytes(random.below(200_000)))
    }
    let path = Array("\(target)/large".utf8)
    for _ in 0..<4 {
      try ByteFiles.overwrite(path, random.bytes(400_000), at: random.below(23 << 20))
    }
    try ByteFiles.write(Array("\(target)/extra".utf8), random.bytes(1000))
    let before = bench.directory.path("before")
    try RsyncJudge.copy(source: target, destination: before)
    return before
  }

  /// Files whose content is neither what the snapshot has nor what was there before, and whether
  /// unfinished ones stand beside them.
  private func judge(
    _ bench: RepoBench, before: String?
  ) throws -> (torn: [String], isUnfinished: Bool) {
    let target = Array(bench.directory.path("target").utf8)
    guard access(bench.directory.path("target"), F_OK) == 0 else { return ([], false) }
    let names = Set(try ByteFiles.walk(Array(bench.source.utf8)))
    let old = before.map { Array($0.utf8) }
    var torn: [String] = []
    var isUnfinished = false
    for (path, kind) in try ByteFiles.tree(target) where kind == S_IFREG {
      guard names.contains(path) else {
        isUnfinished = isUnfinished || !path.elementsEqual("extra".utf8)
        continue
      }
      let content = try ByteFiles.read(ByteFiles.join(target, path))
      if try ByteFiles.read(ByteFiles.join(Array(bench.source.utf8), path)) == content { continue }
      if let old, try ByteFiles.read(ByteFiles.join(old, path)) == content { continue }
      torn.append(printable(path))
    }
    return (torn, isUnfinished)
  }

  /// The attributes of the target itself are not part of what is restored.
  private func differences(_ bench: RepoBench) throws -> String {
    let target = bench.directory.path("target")
    try runChecked("rsync", ["-aAX", "--exclude=*", "\(bench.source)/", "\(target)/"])
    return try RsyncJudge.differences(source: bench.source, destination: target)
  }
}
