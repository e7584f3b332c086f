import Platform
import Presentation
import Testing

/// Templates of kubectl's `-o jsonpath`, with kubectl's answers.
@Suite struct JSONPathTests {
  private let root: JSONValue = .object([
    "kind": .string("List"),
    "items": .array([
      .object([
        "metadata": .object([
          "name": .string("a"),
          "labels": .object(["app.kubernetes.io/name": .string("web"), "tier": .string("front")]),
        ]),
        "spec": .object(["port": .integer(8000), "paused": .bool(true), "weight": .double(0.5)]),
        "status": .object([
          "conditions": .array([
            .object(["type": .string("Ready"), "status": .string("False")]),
            .object(["type": .string("Synchronizing"), "status": .string("True")]),
          ])
        ]),
      ]),
      .object([
        "metadata": .object(["name": .string("b")]), "spec": .object(["port": .integer(22)]),
      ]),
      .object(["metadata": .object(["name": .string("c")]), "spec": .null]),
    ]),
  ])

  @Test(arguments: [
    ("{.kind}", "List"), ("plain", "plain"), ("kind is {.kind}", "kind is List"),
    ("{.items[0].metadata.name}", "a"), ("{.items[-1].metadata.name}", "c"),
    ("{.items[7].metadata.name}", ""), ("{.items[*].metadata.name}", "a b c"),
    ("{.items[0:2].metadata.name}", "a b"), ("{.items[1:].metadata.name}", "b c"),
    ("{.items[:-1].metadata.name}", "a b"), ("{.items[::2].metadata.name}", "a c"),
    ("{.items[0,2].metadata.name}", "a c"), ("{.items[2:1].metadata.name}", ""),
    ("{.items[0]['metadata']['name']}", "a"), ("{$.kind}", "List"), ("{@.kind}", "List"),
    ("{['kind']}", "List"), ("{.items[0].metadata['name','labels'].tier}", "front"),
    ("{.items[0].metadata.labels.app\\.kubernetes\\.io/name}", "web"),
    ("{.items[0].metadata.labels['app.kubernetes.io/name']}", "web"),
    ("{.items[0].metadata.labels.*}", "web front"), ("{.items[0].spec.port}", "8000"),
    ("{.items[0].spec.paused}", "true"), ("{.items[0].spec.weight}", "0.5"),
    ("{.items[2].spec}", ""), ("{.items[1].spec}", #"{"port":22}"#),
    ("{.items[0].spec['port','paused']}", "8000 true"), ("{.nothing.at.all}", ""),
    ("{..name}", "a b c"), ("{.items[*]..port}", "8000 22"),
    (#"{.items[?(@.metadata.name=="b")].spec.port}"#, "22"),
    ("{.items[?(@.metadata.name=='b')].spec.port}", "22"),
    (#"{.items[?(@.metadata.name!="b")].metadata.name}"#, "a c"),
    ("{.items[?(@.spec.port>100)].metadata.name}", "a"),
    ("{.items[?(@.spec.port<=22)].metadata.name}", "b"),
    ("{.items[?(@.spec.port >= 22)].metadata.name}", "a b"),
    ("{.items[?(@.spec.port < 22)].metadata.name}", ""),
    ("{.items[?(@.spec.paused==true)].metadata.name}", "a"),
    ("{.items[?(@.metadata.labels)].metadata.name}", "a"),
    (#"{.items[0].status.conditions[?(@.type=="Synchronizing")].status}"#, "True"),
    (#"{.items[?(@.metadata.name==$.items[1].metadata.name)].spec.port}"#, "22"),
    (#"{range .items[*]}{.metadata.name}{"\t"}{.spec.port}{"\n"}{end}"#, "a\t8000\nb\t22\nc\t\n"),
    ("{range .items[*]}[{.metadata.name}]{end} of {.kind}", "[a][b][c] of List"),
    (
      "{range .items[0:1]}{.metadata.name}:{range .status.conditions[*]} {.type}{end}{end}",
      "a: Ready Synchronizing"
    ),
    ("{range .items[*]}{$.kind}{end}", "ListListList"), ("{'it''s'}", "its"),
    (#"{"a \"quoted\" one"}"#, #"a "quoted" one"#), ("{ .kind }", "List"), ("{}", ""), ("", ""),
    ("{.kind .items[0].metadata.name}", "Lista"), ("{range .none[*]}x{ end }", ""),
    (#"{"{"}{.kind}{"}"}"#, "{List}"),
  ])
  func prints(template: String, expected: String) throws {
    #expect(try JSONPath(template).text(of: root) == expected)
  }

  @Test(arguments: [
    ("{", "character 2: a { is not closed"), ("{.kind", "a { is not closed"),
    ("{kind}", "character 2: \"k\" does not begin a path"),
    ("{.items[}", "character 9: write a position"),
    ("{.items[0}", "character 8: a [ is not closed"), ("{.items[?(@.a)}", "a [ is not closed"),
    ("{.items[?@.a]}", "write a filter as ?(@.field"), ("{.items[?(@.a==b)]}", "\"b\" is no value"),
    ("{.items[?(@.a==\"b\" && @.c)]}", "a filter has one comparison"),
    ("{range .a}x", "{range} without {end}"),
    ("{end}", "{end} without {range}"), ("x{end}", "{end} without {range}"),
    ("{\"abc}", "a quote is not closed"), ("{.a.!}", "a field is missing"),
    ("{.items[1:2:0]}", "the step of a slice must be above 0"),
    ("{.items[99999999999]}", "is no position"), ("{.items[a]}", "write a position"),
    ("{.items[?(@.a=={})]}", "is no value"),
  ])
  func saysWhatIsWrong(template: String, message: String) {
    do {
      _ = try JSONPath(template)
      Issue.record("accepted")
    } catch {
      #expect(error.message.contains(message), "\(error.message)")
      #expect(error.kind == .usage)
    }
  }

  @Test(arguments: [
    (".metadata.name", "a"), ("metadata.name", "a"), ("{.metadata.name}", "a"),
    ("['metadata'].name", "a"), ("$.spec.port", "8000"),
  ])
  func aSinglePathNeedsNoBraces(text: String, expected: String) throws {
    let item = try #require(root.objectValue?["items"]?.arrayValue?.first)
    #expect(try JSONPath(relaxed: text).text(of: item) == expected)
    #expect(try JSONPath(relaxed: text).values(of: item).map(JSONPath.text(of:)) == [expected])
  }

  @Test(arguments: ["", ".a b", ".a}", "."]) func othersAreNoPath(text: String) {
    // An empty path, and a dot alone, are the value itself.
    if text.isEmpty || text == "." {
      #expect(throws: Never.self) { try JSONPath(relaxed: text) }
    } else {
      #expect(throws: JSONPathError.self) { try JSONPath(relaxed: text) }
    }
  }

  @Test func templatesAreBounded() {
    #expect(throws: JSONPathError.self) { try JSONPath(String(repeating: "x", count: 20_000)) }
    let ranges =
      String(repeating: "{range .a[*]}", count: 40) + String(repeating: "{end}", count: 40)
    #expect(throws: JSONPathError.self) { try JSONPath(ranges) }
    let filters =
      "{" + String(repeating: ".a[?(@", count: 40) + String(repeating: ")]", count: 40) + "}"
    #expect(throws: JSONPathError.self) { try JSONPath(filters) }
  }

  @Test func valuesAndOutputAreBounded() throws {
    // Each step multiplies; the bound is met before memory is.
    let wide: JSONValue = .array(
      Array(repeating: .array(Array(repeating: .integer(1), count: 300)), count: 300))
    let deep: JSONValue = .array(Array(repeating: wide, count: 20))
    #expect(throws: JSONPathError.self) { try JSONPath("{[*][*][*]}").text(of: deep) }
    #expect(throws: JSONPathError.self) { try JSONPath("{..}").text(of: deep) }
    let text: JSONValue = .array(
      Array(repeating: .string(String(repeating: "x", count: 1000)), count: 1000))
    let nested = String(repeating: "{range $[*]}", count: 2) + "{@}{end}{end}"
    #expect(throws: JSONPathError.self) { try JSONPath(nested).text(of: text) }
  }

  @Test func anyTextIsReadOrRefused() {
    let alphabet = Array("{}[]().?@$*:,'\"\\=!<>ab0 -")
    var state: UInt64 = 7
    for _ in 0..<20_000 {
      var text = ""
      for _ in 0..<12 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        text.append(alphabet[Int(state >> 33) % alphabet.count])
      }
      // Whatever comes of it is fine, but for a trap.
      if let path = try? JSONPath("{" + text + "}") { _ = try? path.text(of: root) }
    }
  }
}
