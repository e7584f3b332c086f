import FileTree
import Glibc
import Platform
import TestSupport
import Testing

@testable import Replication

/// What the options of a sender make a session do, and leave alone.
@Suite struct OptionTests {
  private func filter(_ patterns: [String]) throws -> FilterRules {
    try FilterRules(commandLine: patterns.map { .exclude($0) })
  }

  @Test("Excluded entries are neither sent nor deleted")
  func excludes() throws {
    let trees = try TreePair()
    try trees.write("kept", [1])
    try trees.write("skipped.tmp", [2])
    _ = try trees.directory.makeDirectory("source/cache")
    try trees.write("cache/x", [3])
    let there = Array(trees.destination.utf8)
    try ByteFiles.write(ByteFiles.join(there, "mine.tmp"), [4])
    try ByteFiles.write(ByteFiles.join(there, "extra"), [5])
    _ = try trees.directory.makeDirectory("destination/old")
    try ByteFiles.write(ByteFiles.join(there, "old/inside.tmp"), [6])
    try ByteFiles.write(ByteFiles.join(there, "old/inside"), [7])
    let rules = try filter(["*.tmp", "/cache/"])
    let outcome = try trees.run { $0.send.filter = rules }
    _ = try outcome.summary()
    #expect(try trees.read("kept") == [1])
    #expect(try trees.read("mine.tmp") == [4])
    #expect(try trees.read("old/inside.tmp") == [6])
    let names = try ByteFiles.walk(there).map { printable($0) }
    #expect(names == ["kept", "mine.tmp", "old", "old/inside.tmp"])
    // The directory that holds it stays, as with rsync.
    #expect(outcome.warnings == [])
  }

  @Test(
    "A dry run tells what it would do and changes nothing",
    arguments: [Way.standard, .inPlace, .checksum])
  func dryRun(_ way: Way) throws {
    let trees = try TreePair()
    try MetadataZoo.make(at: trees.source, seed: 31)
    try MetadataZoo.make(at: trees.destination, seed: 32)
    let before = try trees.directory.makeDirectory("before")
    try RsyncJudge.copy(source: trees.destination, destination: before)
    let outcome = try trees.run {
      way.apply(to: &$0)
      $0.send.dryRun = true
      $0.send.itemizeChanges = true
    }
    let summary = try outcome.summary()
    #expect(summary.literalBytes == 0)
    #expect(!outcome.items.isEmpty)
    let differences = try RsyncJudge.differences(source: before, destination: trees.destination)
    #expect(differences == "")
  }

  @Test("Without deletion what only the destination has stays")
  func noDeletion() throws {
    let trees = try TreePair()
    try trees.write("a", [1])
    let there = Array(trees.destination.utf8)
    try ByteFiles.write(ByteFiles.join(there, "b"), [2])
    let outcome = try trees.run { $0.send.delete = false }
    #expect(try outcome.summary().entryCountDeleted == 0)
    #expect(try trees.read("a") == [1])
    #expect(try trees.read("b") == [2])
  }

  @Test("Deletions beyond the limit are left undone and told", arguments: [0, 2, 5])
  func deletionLimit(_ limit: Int) throws {
    let trees = try TreePair()
    try trees.write("a", [1])
    let there = Array(trees.destination.utf8)
    for index in 0..<5 { try ByteFiles.write(ByteFiles.join(there, "extra-\(index)"), [2]) }
    let outcome = try trees.run { $0.send.deleteCountMax = limit }
    let summary = try outcome.summary()
    #expect(summary.entryCountDeleted == limit)
    #expect(try ByteFiles.names(in: there).count == 1 + 5 - limit)
    #expect((summary.warningCount > 0) == (limit < 5))
  }

  @Test("Each entry in a directory counts as a deletion, as with rsync", arguments: 0...8)
  func deletionLimitInDirectories(_ limit: Int) throws {
    let trees = try TreePair()
    try trees.write("a", [1])
    let there = Array(trees.destination.utf8)
    for name in ["old", "old/deep", "old/deep/deeper"] {
      _ = try trees.directory.makeDirectory("destination/\(name)")
    }
    for name in ["old/1", "old/deep/2", "old/deep/deeper/3", "top"] {
      try ByteFiles.write(ByteFiles.join(there, name), [2])
    }
    let byRsync = try trees.directory.makeDirectory("rsync")
    try RsyncJudge.copy(source: trees.destination, destination: byRsync)
    let judge = try runProcess(
      "rsync", ["-a", "--delete", "--max-delete=\(limit)", "\(trees.source)/", "\(byRsync)/"])
    let outcome = try trees.run {
      $0.send.deleteCountMax = limit
      $0.send.itemizeChanges = true
    }
    let summary = try outcome.summary()
    // Seven entries are too many there.
    #expect(summary.entryCountDeleted == min(limit, 7))
    #expect(outcome.items.count { $0.hasPrefix("*deleting") } == min(limit, 7))
    #expect((summary.warningCount > 0) == (judge.status == 25))
    let left = try ByteFiles.walk(there).count
    #expect(left == (try ByteFiles.walk(Array(byRsync.utf8)).count))
  }

  @Test("A comparison by content sends only the files whose content differs, also whole ones")
  func checksumWhole() throws {
    let trees = try TreePair()
    var random = SeededGenerator(seed: 3)
    for (name, size) in [("empty", 0), ("small", 900), ("middle", 90_000), ("large", 700_000)] {
      try trees.write(name, random.bytes(size))
      try trees.write("other-\(name)", random.bytes(size))
    }
    try trees.write("longer", random.bytes(5000))
    func run(_ itemize: Bool = true) throws -> SessionOutcome {
      try trees.run {
        $0.send.checksum = true
        $0.send.wholeFile = true
        $0.send.itemizeChanges = itemize
      }
    }
    _ = try run().summary()
    let again = try run()
    #expect(try again.summary().fileCountTransferred == 0)
    #expect(try again.summary().literalBytes == 0)
    #expect(again.items == [])
    // Other content under the same size and time, another size, another time alone.
    for name in ["other-small", "other-middle", "other-large"] {
      let size = try trees.read(name).count
      try trees.write(name, random.bytes(size))
    }
    try trees.write("longer", random.bytes(5001))
    try ByteFiles.setTime(
      Array("\(trees.source)/small".utf8), seconds: 1_600_000_000, nanoseconds: 5)
    let changed = try run()
    let summary = try changed.summary()
    #expect(summary.literalBytes == 900 + 90_000 + 700_000 + 5001)
    #expect(summary.fileCountTransferred == 4)
    #expect(
      changed.items.filter { $0.hasPrefix(">f") }.map { $0.dropFirst(12) }.sorted()
        == ["longer", "other-large", "other-middle", "other-small"])
    #expect(try trees.differences(["--checksum"]) == "")
    #expect(try trees.leftovers() == [])
  }

  @Test("An empty source does not empty a destination unless it is meant to")
  func emptySource() throws {
    let trees = try TreePair()
    let there = Array(trees.destination.utf8)
    try ByteFiles.write(ByteFiles.join(there, "precious"), [1])
    let refused = try trees.run()
    #expect((refused.senderError as? any DroverError)?.kind == .refused)
    #expect((refused.receiverError as? any DroverError)?.kind == .refused)
    #expect(try trees.read("precious") == [1])
    let allowed = try trees.run { $0.send.allowEmptySource = true }
    #expect(try allowed.summary().entryCountDeleted == 1)
    #expect(try trees.differences() == "")
  }

  @Test("A filter that leaves nothing counts as an empty source")
  func filteredToNothing() throws {
    let trees = try TreePair()
    try trees.write("a.tmp", [1])
    let there = Array(trees.destination.utf8)
    try ByteFiles.write(ByteFiles.join(there, "precious"), [1])
    let rules = try filter(["*.tmp"])
    let outcome = try trees.run { $0.send.filter = rules }
    #expect((outcome.senderError as? any DroverError)?.kind == .refused)
    #expect(try trees.read("precious") == [1])
  }

  @Test("Itemized changes name each entry once")
  func items() throws {
    let trees = try TreePair()
    try trees.write("new", [1])
    try trees.write("same", [2])
    _ = try trees.run().summary()
    try trees.write("newer", [3])
    try trees.write("same", [2, 2], seconds: 1_700_000_100)
    let there = Array(trees.destination.utf8)
    try ByteFiles.write(ByteFiles.join(there, "extra"), [4])
    let outcome = try trees.run { $0.send.itemizeChanges = true }
    _ = try outcome.summary()
    let files = outcome.items.filter { !$0.hasSuffix(" ") && !$0.contains(" .") }
    #expect(files.sorted() == ["*deleting   extra", ">f+++++++++ newer", ">f.st...... same"])
  }
}
