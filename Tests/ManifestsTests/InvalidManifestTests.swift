import Manifests
import Platform
import TestSupport
import Testing

/// Files that are refused, each with the message that people get, word for word.
///
/// `UPDATE_FIXTURES=1` writes `expected.txt` anew; the difference is for a reader.
@Suite struct InvalidManifestTests {
  private static let folder = fixturesFolder + "/manifests/invalid"

  private static func cases() throws -> [String] {
    try ByteFiles.names(in: Array(folder.utf8)).map { String(decoding: $0, as: UTF8.self) }
      .filter { $0.hasSuffix(".yaml") }.sorted()
  }

  /// The messages of every case below its name.
  private static func messages() throws -> String {
    var text = ""
    for name in try cases() {
      let content = try SmallFile.read("\(folder)/\(name)", sizeBytesMax: 1 << 20)
      text += "== \(name)\n"
      for line in problems(in: content, file: name) { text += line + "\n" }
    }
    return text
  }

  /// What the program tells of a file, in its order.
  private static func problems(in content: [UInt8], file: String) -> [String] {
    do {
      let set = try ManifestLoader().decode([(file, content)])
      let list = ProblemList()
      ReferenceCheck(set, problems: list).checkAll()
      return list.sorted.map(\.description)
    } catch {
      return error.problems.map(\.description)
    }
  }

  @Test func eachIsRefusedInTheseWords() throws {
    let found = try Self.messages()
    let path = Self.folder + "/expected.txt"
    if environmentValue("UPDATE_FIXTURES") == "1" {
      try ByteFiles.write(Array(path.utf8), Array(found.utf8))
    }
    let expected = String(
      decoding: try SmallFile.read(path, sizeBytesMax: 1 << 20), as: UTF8.self)
    // Case by case: a difference names the file.
    let (foundCases, expectedCases) = (Self.split(found), Self.split(expected))
    #expect(foundCases.map(\.name) == expectedCases.map(\.name))
    for (found, expected) in zip(foundCases, expectedCases) {
      #expect(found.lines == expected.lines, "\(found.name)")
    }
  }

  private static func split(_ text: String) -> [(name: String, lines: [String])] {
    var cases: [(name: String, lines: [String])] = []
    for line in text.split(separator: "\n") {
      if line.hasPrefix("== ") {
        cases.append((String(line.dropFirst(3)), []))
      } else if !cases.isEmpty {
        cases[cases.count - 1].lines.append(String(line))
      }
    }
    return cases
  }

  @Test func thereAreEnoughAndEachIsRefused() throws {
    let cases = Self.split(try Self.messages())
    #expect(cases.count >= 80)
    for (name, lines) in cases {
      #expect(!lines.isEmpty, "\(name) is accepted")
      for line in lines {
        // A place, and no remains of a file system or of the program's own types.
        #expect(line.hasPrefix("\(name):"), "\(line)")
        #expect(!line.contains("Optional("), "\(line)")
      }
    }
  }

  @Test func aSecretIsNotRepeated() throws {
    let found = try Self.messages()
    for value in ["not base64!", "12345", "0011"] { #expect(!found.contains("\"\(value)\"")) }
  }

  @Test func aFileOfTenMebibytesIsRefusedUnread() throws {
    let directory = try TemporaryDirectory()
    let path = "\(directory.path)/big.yaml"
    var content = Array("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: big}\ndata:\n".utf8)
    let line = Array("  key: \(String(repeating: "x", count: 1000))\n".utf8)
    while content.count < 10 << 20 { content += line }
    try ByteFiles.write(Array(path.utf8), content)
    do {
      _ = try ManifestLoader().load([path])
      Issue.record("accepted")
    } catch {
      #expect(
        error.message
          == "\(path):1: the file is larger than 8 MiB: is it a manifest? Split it if it is")
      #expect(error.kind == .usage)
    }
  }

  @Test func aFileOfManyNodesIsRefused() {
    let items = Array(repeating: "a", count: 120_000).joined(separator: ",")
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: big}\ndata: [\(items)]\n"
    let found = Self.problems(in: Array(text.utf8), file: "many.yaml")
    #expect(found.count == 1)
    #expect(found.first?.contains("more than 100000 nodes") == true)
  }

  @Test func anyPrefixOfAFileIsReadOrRefused() throws {
    for name in ["backup-hook-on-error.yaml", "secret-without-password.yaml"] {
      let content = try SmallFile.read("\(Self.folder)/\(name)", sizeBytesMax: 1 << 20)
      for count in content.indices {
        _ = Self.problems(in: Array(content[..<count]), file: name)
      }
    }
  }
}

/// The folder `fixtures` of the package.
let fixturesFolder =
  #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" } + "/fixtures"
