import FileTree
import Platform
import TestSupport
import Testing

/// How options and pattern files become rules.
@Suite struct FilterOptionTests {
  private func file(_ content: String, _ body: (String) throws -> Void) throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("patterns")
    try ByteFiles.write(Array(path.utf8), Array(content.utf8))
    try body(path)
  }

  private func rules(_ list: (FilterRule.Action, String)...) throws -> FilterRules {
    FilterRules(rules: try list.map { try FilterRule($0.0, $0.1) })
  }

  @Test func prefixesOverruleTheOption() throws {
    let parsed = try FilterRules(commandLine: [
      .exclude("+ a"), .include("- b"), .include("c"), .exclude("-d"), .exclude("+e"),
    ])
    #expect(
      try parsed
        == rules(
          (.include, "a"), (.exclude, "b"), (.include, "c"), (.exclude, "-d"), (.exclude, "+e")))
  }

  @Test func loneExclamationMarkForgetsEarlierRules() throws {
    let parsed = try FilterRules(commandLine: [.exclude("a"), .include("!"), .exclude("!b")])
    #expect(try parsed == rules((.exclude, "!b")))
  }

  @Test func filesSkipCommentsAndBlankLines() throws {
    try file("# one\n; two\n\n*.o\n+ keep.o\r\n- /tmp/\n #not a comment\nlast") { path in
      let parsed = try FilterRules(commandLine: [.excludeFrom(path)])
      #expect(
        try parsed
          == rules(
            (.exclude, "*.o"), (.include, "keep.o"), (.exclude, "/tmp/"),
            (.exclude, " #not a comment"), (.exclude, "last")))
    }
  }

  @Test func includeFilesIncludeAndMayClear() throws {
    try file("x\n!\ny\n") { path in
      let parsed = try FilterRules(commandLine: [.exclude("*"), .includeFrom(path)])
      #expect(try parsed == rules((.include, "y")))
    }
  }

  @Test func errorNamesOptionFileAndLine() throws {
    try file("a\r\nb\r\n\r\n+ \n") { path in
      let error = #expect(throws: FilterError.self) {
        try FilterRules(commandLine: [.excludeFrom(path)])
      }
      #expect(
        error == .emptyPattern(FilterOrigin(option: "--exclude-from", file: path, line: 4)))
      #expect(error?.message.hasPrefix("--exclude-from \(path), line 4: ") == true)
      #expect(error?.kind == .usage)
    }
  }

  @Test func missingFileIsAUsageError() {
    let error = #expect(throws: FilterError.self) {
      try FilterRules(commandLine: [.includeFrom("/nonexistent/patterns")])
    }
    #expect(error?.kind == .usage)
    #expect(error?.description.contains("--include-from /nonexistent/patterns") == true)
  }

  @Test func tooLongPatternIsRefused() {
    let text = String(repeating: "x", count: FilterRule.patternSizeBytesMax + 1)
    let error = #expect(throws: FilterError.self) {
      try FilterRules(commandLine: [.exclude(text)])
    }
    #expect(
      error
        == .patternTooLong(
          FilterOrigin(option: "--exclude"), sizeBytes: FilterRule.patternSizeBytesMax + 1))
  }

  @Test func tooManyRulesAreRefused() throws {
    let lines = String(repeating: "x\n", count: FilterRules.ruleCountMax + 1)
    try file(lines) { path in
      let error = #expect(throws: FilterError.self) {
        try FilterRules(commandLine: [.excludeFrom(path)])
      }
      #expect(
        error
          == .tooManyRules(
            FilterOrigin(
              option: "--exclude-from", file: path, line: FilterRules.ruleCountMax + 1)))
    }
  }
}
