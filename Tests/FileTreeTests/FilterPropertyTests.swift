import FileTree
import Platform
import TestSupport
import Testing

/// Random rules decide as real rsync decides.
@Suite struct FilterPropertyTests {
  @Test func randomRulesDecideAsRsync() throws {
    let directory = try TemporaryDirectory()
    let root = try directory.makeDirectory("tree")
    var random = SeededGenerator(seed: 0xf117e5)
    try makeTree(Array(root.utf8), depth: 0, &random)
    let entries = try ByteFiles.walk(Array(root.utf8))
    #expect(entries.count > 150)
    let list = directory.path("rules")
    var excludedCount = 0
    for round in 0..<SampledCounts.count(sampled: 400, full: 4000) {
      let lines = (0..<(1 + random.below(5))).map { _ in randomRule(&random) }
      try ByteFiles.write(Array(list.utf8), lines.flatMap { $0 + [0x0a] })
      let expected = try rsyncList(root, list)
      let rules = try FilterRules(commandLine: [.excludeFrom(list)])
      let decided = try included(entries, below: Array(root.utf8), rules)
      excludedCount += entries.count - decided.count
      if decided != expected {
        let only = decided.symmetricDifference(expected).map { printable($0) }.sorted()
        Issue.record(
          """
          round \(round): rules \(lines.map { printable($0) }) decide otherwise about \
          \(only.prefix(10))
          """)
        return
      }
    }
    // Rules that exclude nothing would prove nothing.
    #expect(excludedCount > 1000)
  }

  private func included(
    _ entries: [[UInt8]], below root: [UInt8], _ rules: FilterRules
  ) throws -> Set<[UInt8]> {
    var result: Set<[UInt8]> = []
    var hidden: [UInt8]?
    for path in entries {
      if let hidden, path.starts(with: hidden) { continue }
      hidden = nil
      let isDirectory = try ByteFiles.kind(ByteFiles.join(root, path)) == 0o040000
      let isExcluded = path.withUnsafeBufferPointer {
        rules.excludes(path: $0, isDirectory: isDirectory)
      }
      if !isExcluded {
        result.insert(path)
      } else if isDirectory {
        hidden = path + [UInt8(ascii: "/")]
      }
    }
    return result
  }

  private func rsyncList(_ root: String, _ rules: String) throws -> Set<[UInt8]> {
    let result = try runChecked(
      "rsync",
      [
        "-n", "-r", "-l", "-8", "--exclude-from=\(rules)", "--out-format=%n", "\(root)/",
        "\(root)-none/",
      ],
      environment: ["LC_ALL": "C"])
    var names: Set<[UInt8]> = []
    for line in result.output.split(separator: 0x0a) where !line.isEmpty {
      var name = Array(line)
      if name.last == UInt8(ascii: "/") { name.removeLast() }
      names.insert(name)
    }
    // The root itself and rsync's note that it would make it are no entries.
    names.remove([UInt8(ascii: ".")])
    return names.filter { !$0.starts(with: "created directory ".utf8) }
  }

  private static let names: [[UInt8]] =
    [
      "a", "b", "ab", "aab", "foo", "bar", "foobar", "x.c", "x.o", "A1", "z-", "]", "[a]", "a*b",
      "q?", "-", "!", "a b", ".h", "back+slash",
    ].map { Array($0.utf8) } + [[0xc3, 0xa9], [0xff]]

  private func makeTree(
    _ directory: [UInt8], depth: Int, _ random: inout SeededGenerator
  ) throws {
    for name in FilterPropertyTests.names where random.chance(depth == 0 ? 0.8 : 0.5) {
      let path = ByteFiles.join(directory, name)
      if depth < 3, random.chance(0.35) {
        try ByteFiles.makeDirectory(path)
        try makeTree(path, depth: depth + 1, &random)
      } else {
        try ByteFiles.write(path, [])
      }
    }
  }

  /// A line of a rule file, made of pieces that rsync's language gives a meaning to.
  private func randomRule(_ random: inout SeededGenerator) -> [UInt8] {
    let special = [
      "*", "**", "***", "?", "/", "/", "[a-f]", "[!a]", "[^b-z]", "[[:alpha:]]", "[[:punct:]]",
      "[]a]", "[a", "\\", "\\*", "\\[", "[\\]]", "[[:nope:]]", "[[:digit:]-]", "[a\\-z]", "[[:x]",
      "*/", "/**", "**/", "[--z]",
    ].map { Array($0.utf8) }
    var rule: [UInt8] = []
    if random.chance(0.3) { rule += random.pick(["+ ", "- "]).utf8 }
    if random.chance(0.25) { rule.append(UInt8(ascii: "/")) }
    for _ in 0..<(1 + random.below(5)) {
      rule += random.chance(0.5) ? random.pick(FilterPropertyTests.names) : random.pick(special)
    }
    if random.chance(0.15) { rule += "/***".utf8 }
    if random.chance(0.2) { rule.append(UInt8(ascii: "/")) }
    return rule
  }
}
