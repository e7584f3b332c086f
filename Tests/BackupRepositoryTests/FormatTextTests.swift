import Glibc
import Platform
import TestSupport
import Testing

@testable import BackupRepository

private func quoted(_ name: [UInt8]) -> [UInt8] {
  var result: [UInt8] = []
  name.withUnsafeBytes { NameQuoting.append($0, to: &result) }
  return result
}

private func unquoted(_ text: [UInt8]) -> [UInt8]? {
  var result: [UInt8] = []
  return text.withUnsafeBytes { NameQuoting.append(unquoting: $0, to: &result) } ? result : nil
}

private func json(_ bytes: [UInt8]) -> String {
  var json = GoJSON()
  bytes.withUnsafeBytes { json.string($0) }
  return text(json.bytes)
}

@Suite struct FormatTextTests {
  @Test(arguments: [
    ("plain name.txt", "plain name.txt"), ("<a>&b'", "<a>&b'"), ("ümlaut 漢字 🎉", "ümlaut 漢字 🎉"),
    ("q\"b\\", #"q\"b\\"#), ("\u{7}\u{8}\u{c}\n\r\t\u{b}", #"\a\b\f\n\r\t\v"#),
    ("\u{1}\u{1f}\u{7f}", #"\x01\x1f\x7f"#),
    ("\u{80}\u{a0}\u{ad}\u{2028}", #"\u0080\u00a0\u00ad\u2028"#),
    ("\u{feff}\u{e000}\u{fffd}", #"\ufeff\ue000"# + "\u{fffd}"),
    ("\u{e0001}\u{10ffff}", #"\U000e0001\U0010ffff"#),
    // Unicode 13 has U+1FAD6; U+1FAE0 is of 14.
    ("\u{1fad6}\u{1fae0}", "\u{1fad6}" + #"\U0001fae0"#),
  ])
  func namesAreQuotedAsGoDoes(name: String, expected: String) {
    #expect(text(quoted(Array(name.utf8))) == expected)
    #expect(unquoted(Array(expected.utf8)) == Array(name.utf8))
    let isPlain = Array(name.utf8).withUnsafeBytes { NameQuoting.isPlain($0) }
    #expect(isPlain == (name == expected))
  }

  @Test(
    arguments: [
      ([0xff, 0x61], #"\xffa"#), ([0xc3], #"\xc3"#), ([0xc0, 0xaf], #"\xc0\xaf"#),
      ([0xed, 0xa0, 0x80], #"\xed\xa0\x80"#), ([0xf4, 0x90, 0x80, 0x80], #"\xf4\x90\x80\x80"#),
      ([0xe2, 0x82], #"\xe2\x82"#), ([0xf0, 0x9f, 0x8e], #"\xf0\x9f\x8e"#),
    ] as [([UInt8], String)])
  func bytesThatAreNotTextAreQuoted(name: [UInt8], expected: String) {
    #expect(text(quoted(name)) == expected)
    #expect(unquoted(Array(expected.utf8)) == name)
  }

  @Test(arguments: [
    #"\"#, #"\x"#, #"\x1"#, #"\xg1"#, #"\q"#, #"\400"#, #"\18"#, #"\ud800"#, #"\U00110000"#,
    #"\u12"#,
    "a\"b", "a\nb",
  ])
  func wrongEscapesAreRefused(text: String) {
    #expect(unquoted(Array(text.utf8)) == nil)
  }

  @Test func escapesThatNobodyWritesAreRead() {
    #expect(unquoted(Array(#"\101\'\u0041\U00000042"#.utf8)) == Array("A'AB".utf8))
  }

  @Test func everyScalarAndEveryTwoBytesComeBack() {
    for value in UInt32(0)...0x10ffff {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let name = Array(String(Character(scalar)).utf8)
      guard unquoted(quoted(name)) == name else {
        Issue.record("U+\(String(value, radix: 16))")
        return
      }
    }
    for pair in UInt16(0)...UInt16.max {
      let name = [UInt8(pair >> 8), UInt8(pair & 255)]
      guard unquoted(quoted(name)) == name else {
        Issue.record("\(name)")
        return
      }
    }
  }

  /// The whole table against Swift's: what both versions of Unicode know has one category.
  @Test func printableScalarsAreThoseOfUnicode13() {
    var checked = 0
    for value in UInt32(0x80)...0x10ffff {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let properties = scalar.properties
      guard let age = properties.age, age.major < 13 || (age.major == 13 && age.minor == 0) else {
        // Assigned later, or never.
        if NameQuoting.isPrintable(value) { Issue.record("U+\(String(value, radix: 16))") }
        continue
      }
      let isPrintable: Bool
      switch properties.generalCategory {
      case .control, .format, .privateUse, .surrogate, .unassigned, .spaceSeparator,
        .lineSeparator, .paragraphSeparator:
        isPrintable = false
      default: isPrintable = true
      }
      checked += 1
      if NameQuoting.isPrintable(value) != isPrintable {
        Issue.record("U+\(String(value, radix: 16))")
      }
    }
    #expect(checked > 140_000)
    #expect(!NameQuoting.isPrintable(0x1fae0) && !NameQuoting.isPrintable(0x10ffff))
  }

  @Test(arguments: [
    ("a\"\\/b", #""a\"\\/b""#),
    ("\n\r\t\u{0}\u{8}\u{c}\u{1f}", #""\n\r\t\u0000\u0008\u000c\u001f""#),
    ("<>&\u{2028}\u{2029}\u{7f}", #""\u003c\u003e\u0026\u2028\u2029"# + "\u{7f}\""),
    ("é\u{2027}\u{202a}\u{fffd}", "\"é\u{2027}\u{202a}\u{fffd}\""), ("", "\"\""),
  ])
  func stringsAreWrittenAsGoDoes(string: String, expected: String) {
    #expect(json(Array(string.utf8)) == expected)
  }

  @Test func bytesThatAreNotTextBecomeReplacements() {
    #expect(json([0x61, 0xff, 0xe2, 0x80, 0x62]) == #""a\ufffd\ufffd\ufffdb""#)
  }

  @Test(
    arguments: [
      (0, "0"), (9, "9"), (10, "10"), (18_446_744_073_709_551_615, "18446744073709551615"),
      (9_007_199_254_740_993, "9007199254740993"),
    ] as [(UInt64, String)])
  func numbersAreWholeAndExact(number: UInt64, expected: String) {
    var json = GoJSON()
    json.number(number)
    #expect(text(json.bytes) == expected)
  }

  @Test func modesAreThoseOfGo() {
    #expect(FileMode(statMode: S_IFREG | 0o4755).rawValue == 0x8001ed)
    #expect(FileMode(statMode: S_IFDIR | 0o1777).rawValue == 0x8010_01ff)
    #expect(FileMode(statMode: S_IFLNK | 0o777).rawValue == 134_218_239)
    #expect(FileMode(statMode: S_IFCHR | 0o600).rawValue == 1 << 26 | 1 << 21 | 0o600)
    for type in [S_IFREG, S_IFDIR, S_IFLNK, S_IFBLK, S_IFCHR, S_IFIFO, S_IFSOCK, 0] {
      for permissions in UInt32(0)...0o7777 {
        let mode = FileMode(statMode: type | permissions)
        guard mode.statMode == type | permissions, mode.permissions == permissions else {
          Issue.record("\(String(type | permissions, radix: 8))")
          return
        }
      }
    }
    for type in NodeType.allCases { #expect(FileMode(type, permissions: 0o644).type == type) }
  }
}
