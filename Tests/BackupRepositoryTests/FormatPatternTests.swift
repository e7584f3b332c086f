import Platform
import TestSupport
import Testing

@testable import BackupRepository

private func excludes(_ patterns: [String], _ path: String) throws -> Bool {
  try PathPatterns(patterns.map { try PathPattern($0) }).excludes(Array(path.utf8))
}

private func component(_ pattern: String, _ text: [UInt8]) -> Bool? {
  ComponentPattern(Array(pattern.utf8)).map { pattern in
    text.withUnsafeBytes { pattern.matches($0) }
  }
}

@Suite struct FormatPatternTests {
  @Test(
    arguments: [
      ("*.go", "/foo/bar/test.go", true), ("*.c", "/foo/bar/test.go", false), ("*", "/foo", true),
      ("foo*", "/foo/bar/baz", true), ("bar", "/foo/bar/baz", true),
      ("bar/baz", "/foo/bar/baz", true),
      ("foo/baz", "/foo/bar/baz", false), ("ba", "/foo/bar", false), ("/foo", "/foo/bar", true),
      ("/bar", "/foo/bar", false), ("/foo/*test.*", "/foo/bar/test.go", false),
      ("/foo/*/test.*", "/foo/bar/test.go", true), ("/foo/*/bar/test.*", "/foo/bar/test.go", false),
      ("/*/*/bar/test.*", "/foo/bar/test.go", false),
      ("/*/*/bar/test.*", "/foo/x/bar/test.go", true),
      ("/*/*/bar/test.*", "/foo/bar/bar/bar/test.go", false), ("/**", "/foo/bar", true),
      ("**", "/foo", true), ("**/test.go", "/foo/bar/test.go", true), ("/foo/**", "/foo", true),
      ("foo/**/bar", "/x/foo/bar", true), ("foo/**/bar", "/foo/a/b/c/bar/d", true),
      ("foo/**/bar", "/foo/a/b", false), ("/foo/**/bar/*.go", "/foo/a/bar/b/bar/x.go", true),
      ("/**/foo/**/x", "/a/foo/b/c/x/d", true),
      ("user/**/hidden*", "/users/user/a/b/.hidden", false),
      ("/", "/anything", true), ("/foo/", "/foo/bar", true),
      ("foo//./bar/../baz", "/x/foo/baz", true),
      ("/../foo", "/foo", true), ("../foo", "/x/foo", false), (".", "/foo", false),
      ("a**b", "/axxb", true), ("a**b", "/a/b", false), ("[", "/foo", nil), ("f[o-]o", "/foo", nil),
      ("foo/[a", "/foo", nil), ("foo\\", "/foo", nil), ("", "/foo", nil),
      ("FOO", "/foo", false), ("\\*", "/*", true), ("\\*", "/a", false), ("日?語", "/日本語", true),
    ] as [(String, String, Bool?)])
  func onePattern(pattern: String, path: String, expected: Bool?) throws {
    guard let expected else {
      let error = #expect(throws: RepositoryError.self) { try PathPattern(pattern) }
      #expect(error?.kind == .usage)
      return
    }
    #expect(try excludes([pattern], path) == expected)
  }

  @Test(arguments: [
    (["*.go", "!keep.go"], "/a/keep.go", false), (["*.go", "!keep.go"], "/a/other.go", true),
    (["!keep.go", "*.go"], "/a/keep.go", true), (["/a/*", "!/a/b", "/a/b/c"], "/a/b/c", true),
    (["/a/*", "!/a/b", "/a/b/c"], "/a/b/d", false), (["!x"], "/x", false), ([], "/x", false),
  ])
  func laterPatternsTakeBack(patterns: [String], path: String, expected: Bool) throws {
    #expect(try excludes(patterns, path) == expected)
  }

  @Test(arguments: [
    ("/users/user/x", "/users", false, true), ("/users/user/x", "/etc", false, false),
    ("/users/user/x", "/users/user/x/y", true, true), ("/users/**/x", "/users/a/b", false, true),
    ("/users/**/x", "/etc/a", false, false), ("x", "/etc/a", false, true),
    ("/users/u*/x", "/users/user", false, true), ("/users/u*/x", "/users/root", false, false),
  ])
  func whatIsBelowMayMatch(pattern: String, path: String, isMatch: Bool, mayHold: Bool) throws {
    let answer = PathPatterns([try PathPattern(pattern)]).includes(Array(path.utf8))
    #expect(answer == (isMatch, mayHold))
  }

  @Test func caseIsIgnoredOnlyWhereThatIsAsked() throws {
    let patterns = PathPatterns([
      try PathPattern("*.JPG", ignoringCase: true), try PathPattern("*.Tmp"),
      try PathPattern("ÄÖ*", ignoringCase: true),
    ])
    for (path, expected) in [
      ("/a.jpg", true), ("/A.JpG", true), ("/a.Tmp", true), ("/a.tmp", false), ("/äöü", true),
    ] {
      #expect(patterns.excludes(Array(path.utf8)) == expected, "\(path)")
    }
  }

  @Test(
    arguments: [
      ("abc", "abc", true), ("*", "", true), ("*c", "abc", true), ("a*", "ab", true),
      ("a*b*c*d*e*", "axbxcxdxe", true), ("a*b*c*d*e*/f", "axbxcxdxe", false),
      ("a*b?c*x", "abxbbxdbxebxczzx", true), ("a*b?c*x", "abxbbxdbxebxczzy", false),
      ("ab[c]", "abc", true), ("ab[b-d]", "abc", true), ("ab[e-g]", "abc", false),
      ("ab[^c]", "abc", false), ("ab[^e-g]", "abc", true), ("a\\*b", "a*b", true),
      ("a\\*b", "ab", false), ("a?b", "a☺b", true), ("a[^a]b", "a☺b", true),
      ("a???b", "a☺b", false),
      ("[a-ζ]*", "α", true), ("*[a-ζ]", "A", false), ("[\\]a]", "]", true), ("[\\-]", "-", true),
      ("[x\\-]", "x", true), ("[x\\-]", "-", true), ("[x\\-]", "z", false), ("[z-a]", "b", false),
      ("[!a]", "!", true), ("[]a]", "]", nil), ("[-]", "-", nil), ("[x-]", "x", nil),
      ("[-x]", "x", nil), ("[a-b-c]", "a", nil), ("[", "a", nil), ("[^", "a", nil),
      ("[^bc", "a", nil), ("a[", "a", nil), ("a[", "ab", nil), ("*x", "xxx", true),
      ("\\", "a", nil),
    ] as [(String, String, Bool?)])
  func componentsMatchAsInGo(pattern: String, text: String, expected: Bool?) {
    #expect(component(pattern, Array(text.utf8)) == expected)
  }

  @Test func bytesThatAreNotTextCountAsOneCharacter() {
    #expect(component("a?b", [0x61, 0xff, 0x62]) == true)
    #expect(component("a??b", [0x61, 0xc3, 0xff, 0x62]) == true)
    #expect(component("*b", [0xff, 0xfe, 0x62]) == true)
    #expect(component("[^x]", [0xff]) == true)
  }

  @Test func hostilePatternsAreQuick() throws {
    let stars = String(repeating: "a*", count: 400) + "b"
    #expect(component(stars, [UInt8](repeating: 0x61, count: 4000)) == false)
    let deep = String(repeating: "/a", count: 2000)
    #expect(try !excludes([String(repeating: "a/**/", count: 300) + "b"], deep))
    #expect(throws: RepositoryError.self) { try PathPattern(String(repeating: "a", count: 20_000)) }
  }

  @Test func filesOfPatternsAreReadLineByLine() {
    let contents = "\u{feff}  *.o \r\n\n# note\n\t$HOME/x\n${HOME}s/$$a$NO/$\n#\n!y\n$-z\n"
    let patterns = PatternFile.patterns(in: Array(contents.utf8)) { $0 == "HOME" ? "/h" : nil }
    #expect(patterns == ["*.o", "/h/x", "/hs/$a/$", "!y", "$-z"])
  }
}
