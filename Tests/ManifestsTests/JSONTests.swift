import Platform
import Testing

@Suite struct JSONTests {
  @Test(arguments: [
    ("null", JSONValue.null), (" true ", .bool(true)), ("-0", .integer(0)), ("12", .integer(12)),
    ("9223372036854775807", .integer(.max)), ("1.5", .double(1.5)), ("1e3", .double(1000)),
    ("9223372036854775808", .double(9_223_372_036_854_775_808)),
    ("\"a\\u00e9\\n\"", .string("aé\n")),
    ("\"\\ud83d\\ude00\"", .string("😀")), ("\"\\ud800\\udc00\"", .string("\u{10000}")),
    ("[]", .array([])), ("{}", .object([:])),
    ("[1,{\"a\":[null]}]", .array([.integer(1), .object(["a": .array([.null])])])),
  ])
  func reads(text: String, expected: JSONValue) throws {
    #expect(try JSONValue(parsing: text.utf8) == expected)
  }

  @Test(arguments: [
    "", " ", "nul", "truex", "01", "-", "+1", "1.", ".5", "1e", "0x1", "'a'", "\"a", "\"\\x\"",
    "\"\\u12\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\n\"", "[1,]", "[1 2]", "[",
    "{\"a\"}", "{\"a\":1,}", "{a:1}", "{\"a\":1,\"a\":2}", "1 2", "1e999", "{", "\u{feff}1", "NaN",
    "\"\\u+123\"", "[1}", "{\"a\":1]",
  ])
  func refuses(text: String) {
    #expect(throws: JSONError.self) { try JSONValue(parsing: text.utf8) }
  }

  @Test func refusesWhatIsNotUTF8() {
    #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0xff, 0x22]) }
    #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0xed, 0xa0, 0x80, 0x22]) }
  }

  @Test func boundsDepthAndSize() throws {
    let deep = String(repeating: "[", count: 65) + String(repeating: "]", count: 65)
    #expect(try JSONValue(parsing: deep.utf8) != .null)
    #expect(throws: JSONError.self) { try JSONValue(parsing: ("[" + deep + "]").utf8) }
    #expect(throws: JSONError.self) {
      try JSONValue(parsing: "[1,2]".utf8, limits: JSONLimits(sizeBytesMax: 4))
    }
  }

  @Test func everyPrefixIsRefusedWithoutATrap() throws {
    let text = Array(#"{"a":[1.5e1,"\u00e9x\\",true,null,{"b":{}}],"c":-1}"#.utf8)
    for count in 0..<text.count {
      #expect(throws: JSONError.self) { try JSONValue(parsing: text[..<count]) }
    }
    #expect(try JSONValue(parsing: text).objectValue?["c"] == .integer(-1))
  }

  @Test func writesWhatItReads() throws {
    let value: JSONValue = .object([
      "text": .string("q\" b\\ n\n t\t \u{1} é 😀 \u{7f}"), "n": .integer(-5), "d": .double(0.1),
      "list": .array([.null, .bool(false), .array([]), .object([:])]),
    ])
    for layout in [JSONLayout.compact, .indented] {
      #expect(try JSONValue(parsing: value.encoded(layout)) == value)
    }
    let small: JSONValue = .object(["a": .array([.integer(1)])])
    #expect(
      String(decoding: small.encoded(.indented), as: UTF8.self)
        == "{\n    \"a\": [\n        1\n    ]\n}")
  }

  @Test func membersKeepTheirOrder() {
    var object: JSONObject = ["b": .null, "a": .null]
    object["c"] = .null
    object["b"] = .integer(1)
    object["a"] = nil
    #expect(object.members.map(\.name) == ["b", "c"])
  }
}
