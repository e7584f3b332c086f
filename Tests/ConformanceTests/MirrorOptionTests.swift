import Glibc
import Platform
import TestSupport
import Testing

/// With the same options on the same trees, Drover and rclone end at the same place.
@Suite struct MirrorOptionTests {
  /// Options of a run, and whether they are for `sync` alone.
  struct Case: Sendable, CustomTestStringConvertible {
    var options: [String]
    var syncOnly = false
    var testDescription: String { options.joined(separator: " ") }
  }

  private static let cases = [
    Case(options: ["--max-depth", "1"]), Case(options: ["--max-depth", "2"]),
    Case(options: ["--exclude-if-present", ".nobackup"]),
    Case(options: ["--exclude-if-present", ".nobackup", "--exclude-if-present", "mark"]),
    Case(options: ["--delete-before"], syncOnly: true),
    Case(options: ["--delete-during"], syncOnly: true),
    Case(options: ["--delete-after", "--max-delete", "100"], syncOnly: true),
    Case(options: ["--max-delete-size", "100M"], syncOnly: true),
    Case(options: ["--min-age", "1000d"]), Case(options: ["--max-age", "1000d"]),
    Case(options: ["--min-size", "2k", "--max-size", "7k"]),
    Case(options: ["--backup-dir", "BACKUP"]),
    Case(options: ["--backup-dir", "BACKUP", "--suffix", ".old", "--suffix-keep-extension"]),
    Case(options: ["--suffix", ".old"]),
    Case(options: ["--track-renames"], syncOnly: true),
    Case(
      options: ["--track-renames", "--backup-dir", "BACKUP", "--delete-during"], syncOnly: true),
  ]

  @Test(arguments: MirrorOptionTests.cases, [RcloneClient.Version.current])
  func bothEndAtTheSamePlace(_ one: Case, _ version: RcloneClient.Version) throws {
    let bench = try OptionBench(version)
    // A sample: one way for each, but not the same one.
    let place = MirrorOptionTests.cases.firstIndex { $0.options == one.options } ?? 0
    let commands = one.syncOnly ? ["sync"] : ["sync", "copy"]
    for (number, command) in commands.enumerated() {
      let ways = OptionBench.Way.allCases
      for way in SampledCounts.isFull ? ways : [ways[(place + number) % ways.count]] {
        let (theirs, ours) = try bench.both(command, one.options, way)
        #expect(theirs == ours, "\(command) \(way)")
        #expect(theirs.contains("a.txt") || one.options.contains("--min-size"))
      }
    }
  }

  /// What has only another name at the source is not sent.
  @Test(arguments: OptionBench.Way.allCases)
  func whatWasRenamedIsMoved(_ way: OptionBench.Way) throws {
    let bench = try OptionBench(.current)
    let (from, to) = try bench.prepare(way)
    let result = try bench.mirror.droverChecked(
      ["sync", "--json", "--track-renames", from, to], bench.client)
    #expect(result.outputText.contains("\"renames\":2,"), "\(result.outputText)")
    let again = try bench.mirror.droverChecked(["sync", "--json", from, to], bench.client)
    #expect(again.outputText.contains("\"transfers\":0"), "\(again.outputText)")
    #expect(again.outputText.contains("\"timesSet\":0"), "\(again.outputText)")
  }

  /// What is known and has no effect is told once, without values.
  @Test func whatHasNoEffectIsTold() throws {
    let mirror = try MirrorBench.rclone()
    try mirror.fill()
    let client = try mirror.client(
      .current, ["no_system_metadata = true", "shared_credentials_file = /secret"])
    let result = try mirror.droverChecked(
      ["sync", mirror.source, mirror.remote("told")], client,
      ["RCLONE_COMPARE_DEST": "/secret", "RCLONE_NO_SUCH_THING": "1"])
    for text in [
      "option no_system_metadata of s3", "shared_credentials_file of", "RCLONE_COMPARE_DEST has",
    ] {
      #expect(result.errorText.split(separator: text).count == 2, "\(text): \(result.errorText)")
    }
    #expect(!result.errorText.contains("secret") && !result.errorText.contains("NO_SUCH_THING"))
  }

  /// The limits of deletions hold back all of them, and end with rclone's code.
  @Test(arguments: [["--max-delete", "1"], ["--max-delete-size", "1k"]])
  func tooManyDeletionsAreNone(_ options: [String]) throws {
    let bench = try OptionBench(.current)
    for mode in ["--delete-before", "--delete-after"] {
      for way in [OptionBench.Way.localToLocal, .localToStore] {
        let (from, to) = try bench.prepare(way)
        let before = try bench.state(to, way)
        let result = try bench.mirror.drover(["sync", from, to, mode] + options, bench.client)
        #expect(result.status == 7)
        let after = try bench.state(to, way)
        for line in before.split(separator: "\n") where line.contains("extra") {
          #expect(after.contains(line), "\(mode) \(way)")
        }
      }
    }
    let (from, to) = try bench.prepare(.localToStore)
    let result = try bench.mirror.drover(
      ["sync", from, to, "--delete-during"] + options, bench.client)
    #expect(result.status == 7)
  }

  /// As long as nothing of the source is known, nothing is deleted.
  @Test(arguments: ["--delete-before", "--delete-during", "--delete-after"])
  func anEmptySourceDeletesNothing(_ mode: String) throws {
    let bench = try OptionBench(.current)
    let empty = try bench.mirror.directory.makeDirectory("empty")
    let (_, to) = try bench.prepare(.localToStore)
    let before = try bench.state(to, .localToStore)
    #expect(try bench.mirror.drover(["sync", empty, to, mode], bench.client).status == 7)
    #expect(try bench.state(to, .localToStore) == before)
  }
}

/// A source, and destinations that are alike, for both programs.
final class OptionBench {
  enum Way: CaseIterable {
    case localToLocal
    case localToStore
    case storeToLocal
  }

  let mirror: MirrorBench
  let client: RcloneClient
  private let source: String
  private let old: String
  private var count = 0

  init(_ version: RcloneClient.Version) throws {
    mirror = try MirrorBench.rclone()
    client = try mirror.client(version)
    source = mirror.source
    old = try mirror.directory.makeDirectory("old")
    var random = SeededGenerator(seed: 9)
    func write(_ root: String, _ name: String, _ seconds: Int, _ size: Int? = nil) throws {
      let path = Array("\(root)/\(name)".utf8)
      let parent = "\(root)/\(name)".split(separator: "/").dropLast().joined(separator: "/")
      try runChecked("mkdir", ["-p", "/\(parent)"])
      try ByteFiles.write(path, random.bytes(size ?? random.below(9000)))
      try ByteFiles.setTime(path, seconds: seconds, nanoseconds: 0)
    }
    let now = Int(WallTime.now().seconds)
    let names = [
      "a.txt", "b", "d/a.txt", "d/e/a.txt", "d/e/f/deep", "marked/.nobackup", "marked/a.txt",
      "marked/below/x", "other/mark", "other/x", "new/one/two",
    ]
    for (number, name) in names.enumerated() {
      // Half of it is old.
      try write(source, name, number % 2 == 0 ? 1_000_000_000 + number : now - 1000)
    }
    for (one, other) in [("new/moved", "gone/moved"), ("d/e/moved2", "moved1")] {
      let content = random.bytes(5000 + other.utf8.count)
      for (root, name) in [(source, one), (old, other)] {
        try write(root, name, 0)
        try ByteFiles.write(Array("\(root)/\(name)".utf8), content)
        try ByteFiles.setTime(
          Array("\(root)/\(name)".utf8), seconds: 1_100_000_000, nanoseconds: 0)
      }
    }
    for name in [
      "a.txt", "d/a.txt", "d/e/a.txt", "marked/a.txt", "extra1", "d/extra2",
      "d/e/f/extra3", "gone/extra4", "marked/extra5", "other/mark", "other/extra6",
    ] {
      try write(old, name, name.contains("1") ? now - 2000 : 900_000_000)
    }
  }

  /// A fresh pair of source and destination.
  func prepare(_ way: Way) throws -> (from: String, to: String) {
    count += 1
    let path = "run-\(count)"
    switch way {
    case .localToLocal:
      try runChecked("cp", ["-a", old, mirror.directory.path(path)])
      return (source, mirror.directory.path(path))
    case .localToStore:
      try client.runChecked(["sync", old, mirror.remote(path)])
      return (source, mirror.remote(path))
    case .storeToLocal:
      try client.runChecked(["sync", source, mirror.remote("source")])
      try runChecked("cp", ["-a", old, mirror.directory.path(path)])
      return (mirror.remote("source"), mirror.directory.path(path))
    }
  }

  /// What each program makes of the same beginning.
  func both(
    _ command: String, _ given: [String], _ way: Way
  ) throws -> (theirs: String, ours: String) {
    let (from, to) = try prepare(way)
    func options(_ to: String) -> [String] {
      given.map { $0 == "BACKUP" ? "\(to)-backup" : $0 }
    }
    func whole(_ to: String) throws -> String {
      let state = try state(to, way)
      guard given.contains("BACKUP") else { return state }
      return try "\(state)\nbackup:\n\(self.state("\(to)-backup", way))"
    }
    try client.runChecked([command, from, to] + options(to))
    let theirs = try whole(to)
    let (again, ours) = try prepare(way)
    try mirror.droverChecked([command, again, ours] + options(ours), client)
    return (theirs, try whole(ours))
  }

  /// Paths, sizes, times and sums.
  func state(_ place: String, _ way: Way) throws -> String {
    try client.runChecked(["lsf", "-R", "--files-only", "--format", "psth", "--hash", "MD5", place])
      .outputText.split(separator: "\n").sorted().joined(separator: "\n")
  }
}
