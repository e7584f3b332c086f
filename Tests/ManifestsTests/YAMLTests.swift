import Manifests
import Platform
import Testing

private func value(_ text: String) throws -> JSONValue {
  try #require(try parseYAML(Array(text.utf8), file: "y").first).jsonValue
}

@Suite struct YAMLTests {
  @Test func refusesAnAliasBomb() {
    var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in 1...8 {
      let alias = "*a\(level - 1)"
      let items = Array(repeating: alias, count: 10).joined(separator: ", ")
      text += "a\(level): &a\(level) [\(items)]\n"
    }
    #expect(throws: ManifestError.self) { try parseYAML(Array(text.utf8), file: "y") }
    #expect(problems(of: text).first?.contains("aliases counted") == true)
  }

  @Test(arguments: [63, 64, 65, 2000])
  func boundsTheDepth(depth: Int) throws {
    let text = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    let refused = problems(of: text).contains { $0.contains("deeper") || $0.contains("not valid") }
    #expect(refused == (depth > 64))
  }

  @Test func boundsTheSize() {
    let text = "a: " + String(repeating: "x", count: ManifestLimits.fileSizeBytesMax)
    #expect(
      problems(of: text) == [
        "a.yaml:1: the file is larger than 8 MiB: is it a manifest? Split it if it is"
      ])
  }

  @Test(arguments: [
    ("a: [", "y:2: not valid YAML"), ("a: 'x", "y:1: not valid YAML"), ("a: *b", "y:1: no anchor"),
    ("<<: {a: 1}", "merge keys"), ("? [a]\n: b", "a key must be a plain name"),
    ("a: !ruby/object x", "tag"), ("a: b\n\tc: d", "y:2: not valid YAML"),
  ])
  func namesTheLineOfASyntaxError(text: String, expected: String) {
    do {
      _ = try parseYAML(Array(text.utf8), file: "y")
      Issue.record("accepted")
    } catch {
      #expect(error.message.contains(expected))
    }
  }

  @Test func refusesWhatIsNotText() {
    #expect(throws: ManifestError.self) { try parseYAML([0x61, 0x3a, 0x20, 0xff], file: "y") }
    #expect(throws: ManifestError.self) { try parseYAML([0], file: "y") }
  }

  @Test(arguments: [
    ("x: yes", JSONValue.bool(true)), ("x: 'yes'", .string("yes")), ("x: 12", .integer(12)),
    ("x: 1.5", .double(1.5)), ("x: 2Gi", .string("2Gi")), ("x: ~", .null), ("x:", .null),
    ("x: 0777", .string("0777")), ("x: !!str 12", .string("12")),
    ("x: |\n  a\n  b\n", .string("a\nb\n")),
    ("x: 1.2.3", .string("1.2.3")), ("x: \"*/3 * * * *\" #/*", .string("*/3 * * * *")),
  ])
  func resolvesScalars(text: String, expected: JSONValue) throws {
    #expect(try value(text).objectValue?["x"] == expected)
  }

  @Test(arguments: [
    "", "plain", "yes", "null", "12", "1.5", "0777", "-", "- a", "a: b", "a #b", " lead", "trail ",
    "two\nlines", "two\nlines\n", "\nstart", "end\n\n", "tab\there", "bell\u{7}", "quote\"s",
    "it's",
    "#x", "&x", "*x", "!x", "%x", "@x", "2Gi", "10.0.0.1", "1e5", "1m50.209297869s", "{}", "[]",
    "2026-07-02T10:00:00Z", "=", "<<", "~", "é", "\u{85}x", "\u{2028}", "\u{feff}x", "a\\b", "y",
    "a:",
    "😀", "  two\n leading",
  ])
  func writesTextThatReadsBackTheSame(text: String) throws {
    let object: JSONValue = .object(["k": .string(text), "l": .array([.string(text)])])
    #expect(try value(object.yamlText) == object)
    #expect(try JSONValue(parsing: object.encoded(.indented)) == object)
  }

  @Test func writesBlockStyle() {
    let object: JSONValue = .object([
      "kind": .string("X"),
      "list": .array([.object(["a": .integer(1), "b": .array([])]), .string("two")]),
      "map": .object(["on": .bool(true), "t": .string("true")]),
      "logs": .string("one\ntwo"),
    ])
    let expected = """
      kind: X
      list:
      - a: 1
        b: []
      - two
      map:
        "on": true
        t: "true"
      logs: |-
        one
        two

      """
    #expect(object.yamlText == expected)
  }

  @Test func readsBackNestedValues() throws {
    let object: JSONValue = .object([
      "a": .array([
        .array([.integer(1), .array([.null, .bool(false)])]), .object(["x": .object([:])]),
        .string("m\nn"),
      ]),
      "b": .object(["c": .object(["d": .array([.object(["e": .string("")])])])]),
    ])
    #expect(try value(object.yamlText) == object)
  }
}
