import ObjectMirror
import Platform
import TestSupport
import Testing

/// Rules decide as those of real rclone decide.
@Suite struct FilterDifferenceTests {
  private static let names: [[UInt8]] =
    [
      "a", "b", "ab", "aab", "foo", "Bar", "foobar", "x.jpg", "x.JPG", "A1", "z-", "]", "[a]",
      "a*b",
      "q?", "-", "!", "a b", ".h", "back\\s", "é", "É", "{a}", "a,b", "$", "^a", "\n", "1", "a+",
      "(b)",
      "ſ", "K",
    ].map { Array($0.utf8) } + [[0xff], [0x61, 0xfe]]

  private static let pieces = [
    "*", "*", "**", "?", "/", "/", "[a-f]", "[!a]", "[^b-z]", "[[:alpha:]]", "[^[:punct:]]", "\\*",
    "\\[", "\\?", "\\\\", "\\d", "\\W", "{a,b}", "{foo,*.jpg}", "{a,b/c}", "{x*,[a-b]}", "{,a}",
    "{{a+}}", "{{[ab]|foo}}", "{{.*\\.(?i:jpe?g)}}", "{{(?i)a}}", "{{a{1,2}}}", "{{\\w+}}", "{{.}}",
    "{{(a|b)*}}", "{{[^/]*?b?}}", "***", "[", "]", "{", "}", ",", ".", "+", "(", "|", "^", "$",
    "*/", "/**", "**/", "{a,{b,f*}}", "é", "[é-ÿ]", "[\\d]", "[a\\-z]", "{{\\x61|\\141}}", "[K]",
  ]

  @Test func randomRulesDecideAsRclone() throws {
    let tree = try FilterJudge(seed: 0xf117e5, names: FilterDifferenceTests.names)
    #expect(tree.entries.count > 200)
    let judges = try RcloneJudge.all()
    var random = SeededGenerator(seed: 0x6105)
    var (left, refused, hiddenDirectories) = (0, 0, 0)
    for round in 0..<SampledCounts.count(sampled: 150, full: 4000) {
      let (options, arguments) = randomOptions(&random)
      let ours = try list(options, tree)
      left += tree.entries.count - (ours?.count ?? tree.entries.count)
      if ours == nil { refused += 1 }
      if let ours, ours.filter({ $0.last == 0x2f }).count < tree.directoryCount {
        hiddenDirectories += 1
      }
      for judge in judges {
        let (theirs, message) = try tree.list(judge, arguments)
        // The older version knows no braces in braces.
        if theirs == nil, message.contains("can't nest") { continue }
        guard ours != theirs else { continue }
        let only = (ours ?? []).symmetricDifference(theirs ?? []).map { printable($0) }.sorted()
        Issue.record(
          """
          round \(round), \(judge.version): \(arguments) \(options.filter) \(options.exclude) \
          \(options.include): ours \(ours == nil ? "refuses" : "decides"): \(only.prefix(8)) \
          \(message)
          """)
        return
      }
    }
    // Rules that leave out nothing, or that are all refused, would prove nothing.
    #expect(left > 1000)
    #expect(refused > 5)
    #expect(hiddenDirectories > 10)
  }

  /// Nil when the options are refused.
  private func list(_ options: MirrorFilterOptions, _ tree: FilterJudge) throws -> Set<[UInt8]>? {
    let filter: MirrorFilter
    do {
      filter = try MirrorFilter(options, now: WallTime(seconds: 0))
    } catch {
      return nil
    }
    return try tree.list(filter)
  }

  private func randomOptions(
    _ random: inout SeededGenerator
  ) -> (MirrorFilterOptions, [String]) {
    var options = MirrorFilterOptions()
    var arguments: [String] = []
    for _ in 0..<(1 + random.below(4)) {
      let glob = randomGlob(&random)
      switch random.below(8) {
      case 0:
        options.include.append(glob)
        arguments += ["--include=\(glob)"]
      case 1, 2:
        options.exclude.append(glob)
        arguments += ["--exclude=\(glob)"]
      default:
        let rule = random.chance(0.04) ? "!" : random.pick(["+ ", "- "]) + glob
        options.filter.append(rule)
        arguments += ["--filter=\(rule)"]
      }
    }
    if random.chance(0.3) {
      options.filter.append("- *")
      arguments += ["--filter=- *"]
    }
    if random.chance(0.25) {
      options.ignoresCase = true
      arguments.append("--ignore-case")
    }
    return (options, arguments)
  }

  private func randomGlob(_ random: inout SeededGenerator) -> String {
    var glob = random.chance(0.3) ? "/" : ""
    for _ in 0..<(1 + random.below(4)) {
      if random.chance(0.5) {
        let name = random.pick(FilterDifferenceTests.names)
        glob += String(validating: name, as: UTF8.self) ?? "?"
      } else {
        glob += random.pick(FilterDifferenceTests.pieces)
      }
    }
    return glob + (random.chance(0.15) ? "/" : "")
  }
}
