import Platform
import TestSupport
import Testing

/// Options that choose what is sent, deleted and shown.
@Suite(.serialized) struct ReplicationOptionTests {
  private func makeTree(_ bench: ReplicationBench) throws {
    for name in ["a.c", "a.o", "keep.o", "b.tmp"] { try bench.write(bench.source, name, [1]) }
    for name in ["sub", "sub/cache"] {
      try ByteFiles.makeDirectory(Array("\(bench.source)/\(name)".utf8))
    }
    try bench.write(bench.source, "sub/cache/x", [2])
    try bench.write(bench.source, "sub/y.o", [3])
  }

  @Test func excludedEntriesAreLeftOutAndProtected() throws {
    let rules = ["--include=keep.o", "--exclude=*.o", "--exclude=/sub/cache/"]
    let bench = try ReplicationBench(rules)
    try makeTree(bench)
    try bench.write(bench.destination, "old.o", [9])
    try bench.write(bench.destination, "old.c", [9])
    for name in ["sub", "sub/cache", "gone"] {
      try ByteFiles.makeDirectory(Array("\(bench.destination)/\(name)".utf8))
    }
    try bench.write(bench.destination, "sub/cache/mine", [9])
    try bench.write(bench.destination, "gone/file.o", [9])
    try bench.write(bench.destination, "gone/file.c", [9])
    try bench.run.runToSuccess()
    for name in ["a.c", "keep.o", "b.tmp", "old.o", "sub/cache/mine", "gone/file.o"] {
      #expect(bench.exists(bench.destination, name), "\(name) is missing")
    }
    for name in ["a.o", "sub/y.o", "sub/cache/x", "old.c", "gone/file.c"] {
      #expect(!bench.exists(bench.destination, name), "\(name) is there")
    }
    // rsync with the same rules agrees, but for the directory that it cannot remove either.
    #expect(try bench.differences(rules + ["--exclude=/gone"]) == "")
  }

  @Test func patternFilesWorkAsInRsync() throws {
    var bench = try ReplicationBench()
    try makeTree(bench)
    let list = bench.directory.path("list")
    try ByteFiles.write(Array(list.utf8), Array("# rules\n+ keep.o\n*.o\n\nsub/**\n".utf8))
    bench.run.sendOptions = ["--exclude-from=\(list)"]
    try bench.run.runToSuccess()
    #expect(bench.exists(bench.destination, "keep.o"))
    #expect(bench.exists(bench.destination, "sub"))
    #expect(!bench.exists(bench.destination, "sub/cache"))
    #expect(try bench.differences(["--exclude-from=\(list)"]) == "")
  }

  @Test func noDeleteKeepsWhatTheSourceLacks() throws {
    let bench = try ReplicationBench(["--no-delete"])
    try makeTree(bench)
    try bench.write(bench.destination, "extra", [9])
    try bench.run.runToSuccess()
    #expect(bench.exists(bench.destination, "extra"))
    try ByteFiles.remove(Array("\(bench.destination)/extra".utf8))
    try RsyncJudge.copy(source: bench.source, destination: bench.destination)
    #expect(try bench.differences() == "")
  }

  @Test func deletionsBeyondTheLimitAreNotDoneAndEndAsPartial() throws {
    var bench = try ReplicationBench(["--max-delete=2"])
    try makeTree(bench)
    for index in 0..<5 { try bench.write(bench.destination, "extra-\(index)", [9]) }
    let outcome = try bench.run.run()
    #expect(outcome.sendStatus == 3, "\(outcome.outputText)")
    let left = (0..<5).count { bench.exists(bench.destination, "extra-\($0)") }
    #expect(left == 3)
    #expect(bench.exists(bench.destination, "sub/cache/x"))
    bench.run.sendOptions = ["--max-delete=3"]
    try bench.run.runToSuccess()
    #expect(try bench.differences() == "")
  }

  @Test(arguments: [[], ["--inplace"], ["--checksum"]])
  func dryRunChangesNothing(options: [String]) throws {
    let bench = try ReplicationBench(options + ["--dry-run", "--itemize-changes"])
    try MetadataZoo.make(at: bench.source, seed: 51)
    try MetadataZoo.make(at: bench.destination, seed: 52)
    let before = try bench.directory.makeDirectory("before")
    try RsyncJudge.copy(source: bench.destination, destination: before)
    let outcome = try bench.run.runToSuccess()
    #expect(outcome.events.contains { $0.name == "item" })
    #expect(try RsyncJudge.differences(source: before, destination: bench.destination) == "")
  }

  @Test func otherFileSystemsAreLeftOutOnRequest() throws {
    let bench = try ReplicationBench(["--one-file-system"])
    try makeTree(bench)
    let mount = try LoopMount(.ext4, sizeBytes: 8 << 20)
    try bench.write(mount.path, "inside", [1])
    let point = try BindMount(bound: mount.path, to: "\(bench.source)/mounted")
    try bench.run.runToSuccess()
    #expect(bench.exists(bench.destination, "mounted"))
    #expect(!bench.exists(bench.destination, "mounted/inside"))
    withExtendedLifetime(point) {}
  }
}

/// A bind mount that goes away with its holder.
private final class BindMount {
  private let path: String

  init(bound source: String, to path: String) throws {
    self.path = path
    try ByteFiles.makeDirectory(Array(path.utf8))
    try runChecked("mount", ["--bind", source, path])
  }

  deinit {
    // A failure shows when the directory below cannot be removed.
    _ = try? runProcess("umount", [path])
  }
}
