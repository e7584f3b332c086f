import ObjectMirror
import Platform
import Remotes
import TestSupport
import Testing

/// Lists, sizes, ages and markers decide as those of real rclone decide.
@Suite struct FilterOptionTests {
  private static let names: [[UInt8]] = [
    "a", "b", "c.txt", "d.txt", ".keep-out", "e f", "g", "é",
  ].map { Array($0.utf8) }

  private func check(
    _ arguments: [String], _ change: (inout MirrorFilterOptions) throws -> Void
  ) throws {
    let tree = try FilterJudge(seed: 0x0971, names: FilterOptionTests.names)
    var options = MirrorFilterOptions()
    try change(&options)
    let filter = try MirrorFilter(options, now: WallTime(seconds: 0))
    let ours = try tree.list(filter)
    #expect(filter.isActive)
    #expect(ours.count < tree.entries.count)
    for judge in try RcloneJudge.all() {
      let (theirs, message) = try tree.list(judge, arguments)
      #expect(ours == theirs, "\(judge.version) \(message)")
    }
  }

  @Test func sizes() throws {
    try check(["--min-size", "1000b"]) { $0.minSize = try #require(SizeSuffix("1000b")) }
    try check(["--max-size", "1k"]) { $0.maxSize = try #require(SizeSuffix("1k")) }
    try check(["--min-size", "1", "--max-size", "2.5k", "--exclude", "a"]) {
      $0.minSize = try #require(SizeSuffix("1"))
      $0.maxSize = try #require(SizeSuffix("2.5k"))
      $0.exclude = ["a"]
    }
  }

  @Test func ages() throws {
    let date = "2023-11-14T22:20:00Z"
    try check(["--max-age", date]) { $0.maxAge = try #require(AgeText(date)) }
    try check(["--min-age", date]) { $0.minAge = try #require(AgeText(date)) }
  }

  @Test func markers() throws {
    try check(["--exclude-if-present", ".keep-out", "--exclude", "/g/**"]) {
      $0.excludeIfPresent = [".keep-out"]
      $0.exclude = ["/g/**"]
    }
    try check(["--exclude-if-present", "c.txt", "--exclude-if-present", "e f"]) {
      $0.excludeIfPresent = ["c.txt", "e f"]
    }
  }

  @Test func rulesFromFiles() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("rules")
    try ByteFiles.write(
      Array(path.utf8), Array("# no\n; no\n\n  - /a/** \r\n+ *.txt\n- e*\n+ /b/**\n- *\n".utf8))
    try check(["--filter-from", path]) { $0.filterFrom = [path] }
    try ByteFiles.write(Array(path.utf8), Array("*.txt\n/b/*\n".utf8))
    try check(["--include-from", path]) { $0.includeFrom = [path] }
    try check(["--exclude-from", path]) { $0.excludeFrom = [path] }
    try check(["--exclude-from", path, "--include", "/b/**", "--filter", "!", "--filter", "- é"]) {
      $0.excludeFrom = [path]
      $0.include = ["/b/**"]
      $0.filter = ["!", "- é"]
    }
  }

  @Test func listsTakeThePlaceOfAllRules() throws {
    let tree = try FilterJudge(seed: 0x0971, names: FilterOptionTests.names)
    let files = tree.entries.filter { $0.last != 0x2f }
    let path = tree.directory.path("list")
    let lines = files.enumerated().filter { $0.offset % 3 == 0 }.map(\.element)
    let text = Array([[UInt8(ascii: "#")], Array("/\u{20}".utf8)].joined(separator: [0x0a]))
    try ByteFiles.write(
      Array(path.utf8), text + [0x0a] + lines.flatMap { [0x20, 0x2f] + $0 + [0x0d, 0x0a] })
    var options = MirrorFilterOptions()
    options.filesFrom = [path]
    let ours = try tree.list(MirrorFilter(options, now: WallTime(seconds: 0)))
    #expect(ours.filter { $0.last != 0x2f } == Set(lines))
    #expect(ours.contains { $0.last == 0x2f })
    for judge in try RcloneJudge.all() {
      let (theirs, message) = try tree.list(judge, ["--files-from", path, "--files-only"])
      #expect(theirs == Set(lines), "\(message)")
    }
    options.exclude = ["a"]
    #expect(throws: MirrorFilterError.filesFromNotAlone(RuleOrigin(option: "files-from"))) {
      try MirrorFilter(options, now: WallTime(seconds: 0))
    }
  }

  @Test func rawListsKeepTheirLines() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("list")
    try ByteFiles.write(Array(path.utf8), Array("# a\n b \n".utf8))
    var options = MirrorFilterOptions()
    options.filesFromRaw = [path]
    let filter = try MirrorFilter(options, now: WallTime(seconds: 0))
    func includes(_ text: String) -> Bool {
      Array(text.utf8).withUnsafeBufferPointer { filter.includes(filePath: $0) }
    }
    #expect(includes("# a"))
    #expect(includes(" b "))
    #expect(!includes("b"))
    #expect(!includes(""))
  }

  @Test func nothingIsActiveWithoutOptions() throws {
    let filter = try MirrorFilter(MirrorFilterOptions(), now: WallTime(seconds: 0))
    #expect(!filter.isActive)
    let file = FilteredFile(sizeBytes: 0, modified: WallTime(seconds: 0))
    #expect([1].withUnsafeBufferPointer { filter.includes(file: $0, file) })
    #expect([1].withUnsafeBufferPointer { filter.includes(directory: $0) })
  }

  @Test func agesThatLeaveNothingAreRefused() throws {
    var options = MirrorFilterOptions()
    options.minAge = try #require(AgeText("2d"))
    options.maxAge = try #require(AgeText("1d"))
    #expect(throws: MirrorFilterError.emptySpan) {
      try MirrorFilter(options, now: WallTime(seconds: 1_000_000))
    }
  }

  @Test func aBadRuleIsNamedByFileAndLine() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("rules")
    try ByteFiles.write(Array(path.utf8), Array("- a\n\n- [b\n".utf8))
    var options = MirrorFilterOptions()
    options.filterFrom = [path]
    var error = #expect(throws: MirrorFilterError.self) {
      try MirrorFilter(options, now: WallTime(seconds: 0))
    }
    #expect(error?.message == "\(path):3: pattern \"[b\": a bracket is not closed")
    options.filterFrom = []
    options.filter = ["-a"]
    error = #expect(throws: MirrorFilterError.self) {
      try MirrorFilter(options, now: WallTime(seconds: 0))
    }
    #expect(error?.message.hasPrefix("--filter: \"-a\" is no rule") == true)
    options.filter = []
    options.includeFrom = [directory.path("none")]
    #expect(throws: MirrorFilterError.self) {
      try MirrorFilter(options, now: WallTime(seconds: 0))
    }
  }
}
