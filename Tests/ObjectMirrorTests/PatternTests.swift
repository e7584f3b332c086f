import ObjectMirror
import Platform
import TestSupport
import Testing

/// What single patterns match, and which are refused.
@Suite struct PatternTests {
  private func leavesOut(
    _ pattern: String, _ path: String, ignoringCase: Bool = false
  ) throws -> Bool {
    var options = MirrorFilterOptions()
    options.exclude = [pattern]
    options.ignoresCase = ignoringCase
    let filter = try MirrorFilter(options, now: WallTime(seconds: 0))
    let isDirectory = path.hasSuffix("/")
    let bytes = Array(path.utf8)[..<(path.utf8.count - (isDirectory ? 1 : 0))]
    return Array(bytes).withUnsafeBufferPointer {
      isDirectory ? !filter.includes(directory: $0) : !filter.includes(filePath: $0)
    }
  }

  @Test(arguments: [
    ("foo", "foo", true), ("foo", "a/b/foo", true), ("foo", "afoo", false), ("foo", "foo/x", false),
    ("/foo", "foo", true), ("/foo", "a/foo", false), ("*.o", "a/x.o", true), ("*", "a/b", true),
    ("/*", "a/b", false), ("/**", "a/b", true), ("a/**/b", "a/x/y/b", true),
    ("a**b", "xa/b", false),
    ("a/**/b", "a/b", false), ("?", "é", true), ("?", "ab", false), ("[a-c]x", "bx", true),
    ("[^a-c]x", "dx", true), ("{a,b/c}", "x/b/c", true), ("{a,b/c}", "b", false),
    ("a\\*", "a*", true), ("a\\*", "ab", false), ("dir/", "dir/x/y", true), ("dir/", "dir/", true),
    ("dir/", "dir", false), ("dir/", "a/dir/", true), ("*.{{jpe?g}}", "x.jpeg", true),
    ("*.{{jpe?g}}", "x.jpg2", false), ("{{a{2}}}", "aa", true), ("{{a{2}}}", "aaa", false),
    ("{{(?i)W}}", "w", true), ("{{[[:upper:]]+}}", "ABC", true), ("*", "dir/", true),
    ("a", "a/", false), ("**", "x/", true), ("n?l", "n\nl", true), ("n**l", "n\nl", true),
    ("{{(?s).\\.(?-s).}}", "a.b", true),
  ])
  func matches(pattern: String, path: String, isMatch: Bool) throws {
    #expect(try leavesOut(pattern, path) == isMatch)
  }

  @Test(arguments: [
    ("FOO", "foo", true), ("ß", "ẞ", true), ("k", "\u{212a}", true), ("S", "ſ", true),
    ("[a-c]", "B", true), ("[^a]", "A", false), ("ı", "I", false), ("σ", "ς", true),
    ("µ", "Μ", true), ("é", "É", true), ("\\w", "\u{212a}", true),
  ])
  func ignoresCase(pattern: String, path: String, isMatch: Bool) throws {
    #expect(try leavesOut(pattern, path, ignoringCase: true) == isMatch)
  }

  @Test(arguments: [
    "***", "[a", "a]", "{a", "a}", "{{a", "a\\", "{{^a}}", "{{a$}}", "{{\\ba}}", "{{\\Qa\\E}}",
    "{{\\pL}}", "{{\\1}}", "{{(?=a)}}", "{{a**}}", "{{*}}", "{{a{1001}}}", "{{a{2,1}}}", "{{(a}}",
    "{{a)}}", "{{[b-a]}}", "{{[[:nope:]]}}", "{{\\q}}", "{{(?i}}", "{{(?z)a}}", "{{\\x{110000}}}",
    "{{((a{1000}){1000}){1000}}}", "{{(?-)a}}",
  ])
  func isRefused(pattern: String) {
    #expect(throws: MirrorFilterError.self) { try leavesOut(pattern, "x") }
  }

  @Test func noPatternIsSlow() throws {
    // Each of these takes the age of the world where alternatives are tried one after the other.
    let name = String(repeating: "a", count: 255)
    for pattern in [
      String(repeating: "*a", count: 100) + "b", "{{(a*)*b}}", "{{(a|aa)+b}}", "{{(.*)(.*)(.*)x}}",
      "{{(a?){200}a{200}b}}",
    ] {
      #expect(try !leavesOut(pattern, name))
    }
    #expect(try leavesOut("{{(a?){200}a{200}}}", name))
  }

  @Test func longPatternsMatchLikeShortOnes() throws {
    var random = SeededGenerator(seed: 0x1096)
    for _ in 0..<300 {
      let name = (0..<(60 + random.below(60))).map { _ in random.pick(["a", "b", "é", "."]) }
      var pattern = name
      for _ in 0..<4 {
        pattern[random.below(pattern.count)] = random.pick(["?", "*", "{a,é}", "."])
      }
      let expected = try leavesOut(
        "{{" + pattern.map { PatternTests.expression($0) }.joined() + "}}", name.joined())
      #expect(try leavesOut(pattern.joined(), name.joined()) == expected)
      #expect(try leavesOut(name.joined(), "x/" + name.joined()))
      #expect(try !leavesOut(name.joined() + "x", name.joined()))
    }
  }

  private static func expression(_ piece: String) -> String {
    switch piece {
    case "?": "[^/]"
    case "*": "[^/]*"
    case "{a,é}": "(?:a|é)"
    case ".": "\\."
    default: piece
    }
  }
}
