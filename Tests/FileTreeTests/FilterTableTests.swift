import FileTree
import Testing

/// What single patterns match, row by row from rsync(1).
@Suite struct FilterTableTests {
  struct Row: Sendable, CustomTestStringConvertible {
    var pattern: String
    var path: String
    var isDirectory = false
    var matches: Bool
    var testDescription: String {
      "\(pattern) \(matches ? "matches" : "leaves") \(path)\(isDirectory ? "/" : "")"
    }
    init(_ pattern: String, _ path: String, _ matches: Bool) {
      self.pattern = pattern
      isDirectory = path.hasSuffix("/")
      self.path = isDirectory ? String(path.dropLast()) : path
      self.matches = matches
    }
  }

  static let names: [Row] = [
    Row("foo", "foo", true), Row("foo", "a/b/foo", true), Row("foo", "foobar", false),
    Row("foo", "a/foo/b", false), Row("*.o", "a/b/x.o", true), Row("*.o", "x.o.c", false),
    Row("foo/", "foo", false), Row("foo/", "a/foo/", true), Row("foo/bar", "x/foo/bar", true),
    Row("foo/bar", "xfoo/bar", false), Row("foo/bar", "foo/bar/x", false),
    Row("/foo", "foo", true), Row("/foo", "a/foo", false), Row("/foo/bar", "foo/bar", true),
    Row("/", "foo", false), Row("?", "a/b", true), Row("?", "ab", false), Row("*", "a/b", true),
  ]

  static let crossing: [Row] = [
    Row("foo/*/bar", "x/foo/y/bar", true), Row("foo/*/bar", "foo/a/b/bar", false),
    Row("/foo/**/bar", "foo/a/b/bar", true), Row("/foo/**/bar", "foo/bar", false),
    Row("/foo/**", "foo/", false), Row("/foo/**", "foo/a/b", true),
    Row("foo/***", "x/foo/", true), Row("foo/***", "x/foo", false), Row("foo/***", "foo/a", true),
    Row("/foo/***", "foo/", true), Row("**/foo", "foo", true), Row("**/foo", "a/b/foo", true),
    Row("**foo", "a/xfoo", true), Row("a**z", "a/b/c/z", true), Row("a**z", "x/a/b/z", true),
    Row("a**z", "xa/b/z", false), Row("**", "a", true), Row("**/a*/b", "x/aa/b", true),
    Row("**/a*/b", "x/aa/c/b", false), Row("a/*.c", "x/a/y.c", true), Row("/*/", "a/", true),
    Row("/*/", "a/b/", false),
  ]

  static let sets: [Row] = [
    Row("[a-c]x", "bx", true), Row("[a-c]x", "dx", false), Row("[!a-c]x", "dx", true),
    Row("[^a-c]x", "ax", false), Row("[]x]", "]", true), Row("[[:alpha:]]1", "z1", true),
    Row("[[:alpha:]]1", "11", false), Row("[[:digit:][:upper:]]", "Q", true),
    Row("[[:nonsense:]]", "n", false), Row("[abc", "a", false), Row("[a-]", "-", true),
    Row("[\\]]", "]", true), Row("[--0]", ".", true), Row("a[/]b", "a/b", false),
    Row("[[:space:]]", " ", true), Row("[[:xdigit:]]", "f", true), Row("[[:punct:]]", "!", true),
  ]

  static let escapes: [Row] = [
    Row("foo\\bar", "foo\\bar", true), Row("foo\\bar", "foobar", false),
    Row("foo\\bar*", "foobar", true), Row("foo\\bar*", "foo\\bar", false),
    Row("foo\\\\bar*", "foo\\bar", true), Row("\\*", "*", true), Row("\\*", "x", false),
    Row("\\[a]", "[a]", true), Row("*\\", "x\\", false), Row("\\?x", "ax", false),
  ]

  @Test(arguments: names + crossing + sets + escapes)
  func patternMatchesAsDocumented(row: Row) throws {
    let rules = FilterRules(rules: [try FilterRule(.exclude, row.pattern)])
    let decision = rules.decision(path: Array(row.path.utf8), isDirectory: row.isDirectory)
    #expect(decision == (row.matches ? .excluded : .included))
  }

  @Test func firstMatchDecides() throws {
    let rules = FilterRules(rules: [
      try FilterRule(.include, "*/"), try FilterRule(.include, "*.c"),
      try FilterRule(.exclude, "*"),
    ])
    #expect(rules.decision(path: Array("a".utf8), isDirectory: true) == .included)
    #expect(rules.decision(path: Array("a/x.c".utf8), isDirectory: false) == .included)
    #expect(rules.decision(path: Array("a/x.h".utf8), isDirectory: false) == .excluded)
  }

  @Test func namesAreBytes() throws {
    let rules = FilterRules(rules: [try FilterRule(.exclude, [0xff, UInt8(ascii: "?")])])
    #expect(rules.decision(path: [0xff, 0xfe], isDirectory: false) == .excluded)
    // One question mark is one byte, not one character.
    #expect(rules.decision(path: [0xff, 0xc3, 0xa9], isDirectory: false) == .included)
  }

  @Test func emptyRulesAndTheRootExcludeNothing() throws {
    #expect(FilterRules().decision(path: [1], isDirectory: false) == .included)
    let all = FilterRules(rules: [try FilterRule(.exclude, "**")])
    #expect(all.decision(path: [], isDirectory: true) == .included)
  }

  @Test func manyStarsComeToAnEnd() throws {
    let pattern = String(repeating: "*a", count: 60) + "b"
    let rules = FilterRules(rules: [try FilterRule(.exclude, pattern)])
    let path = [UInt8](repeating: UInt8(ascii: "a"), count: 255)
    #expect(rules.decision(path: path, isDirectory: false) == .included)
  }
}
