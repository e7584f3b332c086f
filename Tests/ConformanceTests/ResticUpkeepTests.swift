import Glibc
import Platform
import TestSupport
import Testing

/// What `drover run` does around a backup of the section `restic`, and what counts all the same.
@Suite struct ResticUpkeepTests {
  /// A `restic backup` that waits for its input, and so holds a lock.
  private static func lockByRestic(_ bench: MoverBench) throws -> ChildProcess {
    var variables = bench.repo.environment
    for (name, value) in variables where value.isEmpty { variables[name] = nil }
    let child = try ChildProcess(
      "restic", ["--no-cache", "backup", "--stdin", "--host", "other"], environment: variables)
    let locks = "\(bench.repo.repository)/locks"
    for _ in 0..<600 {
      // One that is still being written has a longer name.
      let names = try runChecked("ls", [locks]).outputText.split(separator: "\n")
      if names.contains(where: { $0.utf8.count == 64 }) { return child }
      usleep(50_000)
    }
    throw TestFailure("restic took no lock: \(child.errorOutput)")
  }

  private static func lockCount(_ bench: MoverBench) throws -> Int {
    try runChecked("ls", ["\(bench.repo.repository)/locks"]).outputText
      .split(separator: "\n").count
  }

  @Test func aBackupCountsWhenForgetAndPruneFail() throws {
    let bench = try MoverBench()
    try bench.runChecked(bench.source())
    let holder = try ResticUpkeepTests.lockByRestic(bench)
    let outcome = try bench.run(bench.source(", pruneIntervalDays: 0"))
    holder.kill(SIGINT)
    _ = holder.wait(timeoutSeconds: 60)
    #expect(outcome.result.status == 3, "\(outcome.log)")
    #expect(outcome.log.contains("forget failed: "), "\(outcome.log)")
    #expect(outcome.log.contains("prune failed: "), "\(outcome.log)")
    #expect(outcome.source?["latestMoverStatus"]?["result"] == .string("Successful"))
    let logs = try #require(outcome.source?["latestMoverStatus"]?["logs"]?.stringValue)
    #expect(logs.contains("incomplete: forget failed"))
    #expect(outcome.source?["lastSyncTime"] != nil)
    #expect(outcome.source?["restic"]?["lastPruned"] == nil)
    #expect(try bench.snapshots().count == 2)
    let next = try bench.runChecked(bench.source(", pruneIntervalDays: 0"))
    #expect(next.source?["restic"]?["lastPruned"] != nil)
    #expect(try bench.snapshots().count == 1)
  }

  @Test func unreadableFilesAreListedAndKeepWhatIsOlder() throws {
    let bench = try MoverBench()
    try bench.runChecked(bench.source())
    for name in ["secret", "folder/secret"] {
      try RepoBench.write("\(bench.volume)/\(name)", "hidden")
      chmod("\(bench.volume)/\(name)", 0)
    }
    let outcome = try bench.run(
      bench.source(),
      by: ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"])
    #expect(outcome.result.status == 3, "\(outcome.log)")
    #expect(outcome.log.contains("\(bench.volume)/secret: "))
    #expect(outcome.log.contains("\(bench.volume)/folder/secret: "))
    #expect(outcome.log.contains("2 files or directories could not be read"))
    #expect(outcome.source?["latestMoverStatus"]?["result"] == .string("Successful"))
    // What is lacking in the new snapshot may be in the older one.
    #expect(try bench.snapshots().count == 2)
    let names = try bench.repo.restic(["ls", "latest"]).outputText
    #expect(names.contains("/hello"))
    #expect(!names.contains("/secret"))
    try bench.repo.restic(["check"])
    try bench.runChecked(bench.source())
    #expect(try bench.snapshots().count == 1)
  }

  @Test func unlockIsDoneOncePerValue() throws {
    let bench = try MoverBench()
    try bench.runChecked(bench.source())
    let dead = try ResticUpkeepTests.lockByRestic(bench)
    dead.kill(SIGKILL)
    _ = dead.wait(timeoutSeconds: 60)
    #expect(try ResticUpkeepTests.lockCount(bench) == 1)
    let first = try bench.runChecked(bench.source(", unlock: a"))
    #expect(first.log.contains("stale locks removed: 1"), "\(first.log)")
    #expect(try ResticUpkeepTests.lockCount(bench) == 0)
    #expect(first.source?["restic"]?["lastUnlocked"] == .string("a"))
    // The status goes on from what was printed.
    let object = try #require(first.objects["ReplicationSource"])
    let printed = bench.secret() + "---\n" + String(decoding: object.encoded(), as: UTF8.self)
    let second = try bench.runChecked(printed)
    #expect(!second.log.contains("stale locks"))
    #expect(second.source?["restic"]?["lastUnlocked"] == .string("a"))
    let third = try bench.runChecked(printed.replacing(#""unlock":"a""#, with: #""unlock":"b""#))
    #expect(third.log.contains("stale locks removed: 0"))
    #expect(third.source?["restic"]?["lastUnlocked"] == .string("b"))
    let emptied = try bench.runChecked(printed.replacing(#""unlock":"a""#, with: #""unlock":"""#))
    #expect(emptied.source?["restic"]?["lastUnlocked"] == nil)
  }

  @Test func pruneIsDoneWhenItIsDue() throws {
    let bench = try MoverBench()
    func replaceContent(_ seed: UInt64) throws {
      var generator = SeededGenerator(seed: seed)
      let content = (0..<300_000).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
      try ByteFiles.write(Array("\(bench.volume)/content".utf8), content)
    }
    func packBytes() throws -> Int {
      let text = try runChecked("du", ["-sb", "\(bench.repo.repository)/data"]).outputText
      return Int(text.prefix { $0.isNumber }) ?? 0
    }
    try replaceContent(1)
    let first = try bench.runChecked(bench.source())
    // Without a time of creation, this run is the creation.
    #expect(first.source?["restic"] == nil)
    let one = try packBytes()
    try replaceContent(2)
    try bench.runChecked(bench.source())
    #expect(try packBytes() > one + 250_000)
    let created = ", creationTimestamp: '2020-01-01T00:00:00Z'"
    let due = try bench.runChecked(
      bench.source(", pruneIntervalDays: 14, retain: {last: '1'}", metadata: created))
    let pruned = try #require(due.source?["restic"]?["lastPruned"]?.stringValue)
    #expect(WallTime(rfc3339: pruned) != nil)
    #expect(try packBytes() < one + 250_000)
    try bench.repo.restic(["check", "--read-data"])
    let status = "status: {restic: {lastPruned: '2099-01-01T00:00:00Z'}}"
    let later = try bench.runChecked(bench.source(metadata: created, status: status))
    #expect(later.source?["restic"]?["lastPruned"] == .string("2099-01-01T00:00:00Z"))
    #expect(!later.log.contains("pruned"))
  }

  @Test func retainIsApplied() throws {
    let bench = try MoverBench()
    try bench.repo.restic(["init"])
    for day in 1...4 { try bench.backUpByRestic(["--time", "2024-03-0\(day) 12:00:00"]) }
    try bench.repo.restic(["backup", "--host", "other", bench.volume])
    try bench.runChecked(bench.source(", retain: {daily: 2, within: 1d}"))
    let times = try bench.snapshots().compactMap { snapshot in
      snapshot["hostname"] == .string("volsync") ? snapshot["time"]?.stringValue : nil
    }
    #expect(times.count == 2)
    #expect(times.first == "2024-03-04T12:00:00Z")
    #expect(try bench.snapshots().count == 3)
  }

  @Test func anEmptyVolumeIsRefused() throws {
    let bench = try MoverBench()
    for name in ["hello", "folder", "link"] {
      try runChecked("rm", ["-r", "\(bench.volume)/\(name)"])
    }
    let refused = try bench.run(bench.source())
    #expect(refused.result.status == 5, "\(refused.log)")
    #expect(refused.log.contains("is empty"))
    #expect(access(bench.repo.repository, F_OK) != 0)
    let annotation = ", annotations: {drover.internal/allow-empty-source: 'true'}"
    try bench.runChecked(bench.source(metadata: annotation))
    #expect(try bench.snapshots().count == 1)
    #expect(try bench.repo.restic(["ls", "latest", "-q"]).outputText.isEmpty)
    // Restored as it is asked for, an empty snapshot empties the volume.
    try RepoBench.write("\(bench.restored)/extra", "x")
    try bench.runChecked(bench.destination())
    #expect(access("\(bench.restored)/extra", F_OK) == 0)
    try bench.runChecked(bench.destination(", enableFileDeletion: true"))
    #expect(access("\(bench.restored)/extra", F_OK) != 0)
  }

  @Test func aCancelledRunKeepsTheSnapshotAndLeavesNoLock() throws {
    let bench = try MoverBench()
    try bench.runChecked(bench.source())
    let holder = try ResticUpkeepTests.lockByRestic(bench)
    let manifests = bench.repo.directory.path("source.yaml")
    try RepoBench.write(manifests, bench.source())
    let run = try ChildProcess(
      "sh",
      ["-c", #"exec "$@" 2>&1"#, "sh", try DroverBinary.path, "run", "-f", manifests, "--once"],
      environment: bench.repo.environment)
    while let line = run.nextLine(), !line.contains("locked by") {}
    run.kill(SIGTERM)
    #expect(run.wait(timeoutSeconds: 60) == 130)
    #expect(try ResticUpkeepTests.lockCount(bench) == 1)
    holder.kill(SIGINT)
    _ = holder.wait(timeoutSeconds: 60)
    #expect(try bench.snapshots().count == 2)
    try bench.repo.restic(["check"])
  }

  @Test func aFailedBackupKeepsTheRestoreFromRunning() throws {
    let bench = try MoverBench()
    try bench.runChecked(bench.source())
    try runChecked("sh", ["-c", #"rm -r "$1"/[!l]* "$1"/link"#, "sh", bench.volume])
    let outcome = try bench.run(
      bench.source() + bench.destination().replacing(bench.secret(), with: ""))
    #expect(outcome.result.status == 5, "\(outcome.log)")
    #expect(outcome.log.contains("not run: what it waited for has failed"))
    #expect(access("\(bench.restored)/hello", F_OK) != 0)
  }

  @Test func whatIsNotServedIsSaidBeforeAnythingStarts() throws {
    let bench = try MoverBench()
    let remote = bench.source().replacing(
      bench.repo.repository, with: "rest:http://127.0.0.1:9000/")
    let outcome = try bench.run(remote)
    #expect(outcome.result.status == 2)
    #expect(outcome.log.contains("a repository behind 'rest:' is not served yet"))
  }

  @Test func aWrongPasswordFailsWithoutARepositoryOfItsOwn() throws {
    let bench = try MoverBench()
    try bench.runChecked(bench.source())
    let outcome = try bench.run(bench.source().replacing(bench.repo.password, with: "another"))
    #expect(outcome.result.status == 6, "\(outcome.log)")
    #expect(!outcome.log.contains("another"))
    #expect(try bench.snapshots().count == 1)
    #expect(try ResticUpkeepTests.lockCount(bench) == 0)
  }
}
