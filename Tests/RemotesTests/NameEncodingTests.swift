import Platform
import Remotes
import TestSupport
import Testing

/// Names of Linux become keys as real rclone makes them, and come back byte for byte.
@Suite struct NameEncodingTests {
  private static let quote = "\u{201b}"

  private func encode(_ name: [UInt8]) -> [UInt8] {
    var key: [UInt8] = []
    name.withUnsafeBufferPointer { NameEncoding.s3.append($0, to: &key) }
    return key
  }

  private func decode(_ element: [UInt8]) -> [UInt8]? {
    var name: [UInt8] = []
    let isName = element.withUnsafeBufferPointer {
      NameEncoding.s3.append(decoding: $0, to: &name)
    }
    return isName ? name : nil
  }

  @Test(
    arguments: [
      ([0xff, 0xfe], "‛FF‛FE"), ([0x61, 0xff, 0x62], "a‛FFb"), ([0xed, 0xa0, 0x80], "‛ED‛A0‛80"),
      ([0xc0, 0xaf], "‛C0‛AF"), ([0xf4, 0x90, 0x80, 0x80], "‛F4‛90‛80‛80"),
      ([0xe2, 0x80], "‛E2‛80"), ([0xc3], "‛C3"), ([0xc3, 0xa9], "é"),
    ] as [([UInt8], String)])
  func bytesOutsideUTF8AreEscaped(name: [UInt8], key: String) {
    #expect(encode(name) == Array(key.utf8))
    #expect(decode(Array(key.utf8)) == name)
  }

  @Test(arguments: [
    "plain", "．", "．．", "／", "‛", "‛‛", "‛‛FF", "‛41", "‛ff", "‛．", "␀", "\u{1}", "\n", "\u{7f}",
    " x ", "...", "e\u{301}", "a\\b", "\u{fffd}",
  ])
  func otherNamesStayAsTheyAre(name: String) {
    #expect(encode(Array(name.utf8)) == Array(name.utf8))
    #expect(decode(Array(name.utf8)) == Array(name.utf8))
  }

  @Test func aNameThatLooksLikeAnEscapeIsNotOne() {
    #expect(encode(Array("‛FF".utf8)) == Array("‛E2‛80‛9BFF".utf8))
    #expect(decode(Array("‛E2‛80‛9BFF".utf8)) == Array("‛FF".utf8))
    #expect(encode(Array("‛".utf8) + [0xff]) == Array("‛E2‛80‛9B‛FF".utf8))
    // What nobody writes is told apart: these would be é, and a quote that needs no escape.
    #expect(decode(Array("‛C3‛A9".utf8)) == nil)
    #expect(decode(Array("‛E2‛80‛9B".utf8)) == nil)
    #expect(decode([0xff]) == nil)
  }

  @Test func anyBytesComeBackAndNoTwoNamesMeet() {
    var random = SeededGenerator(seed: 0x201b)
    var names: [[UInt8]: [UInt8]] = [:]
    var escapeCount = 0
    for _ in 0..<SampledCounts.count(sampled: 20_000, full: 500_000) {
      let name = randomName(&random)
      let key = encode(name)
      #expect(String(validating: key, as: UTF8.self) != nil)
      #expect(decode(key) == name)
      if let other = names[key], other != name { Issue.record("\(other) and \(name) meet") }
      names[key] = name
      if key != name { escapeCount += 1 }
      // Any bytes as a key: either no name, or one that gives the key again.
      if let decoded = decode(name) { #expect(encode(decoded) == name) }
    }
    #expect(escapeCount > 1000)
  }

  /// Without the names that rclone 1.60 and 1.75 cannot read themselves.
  @Test func keysAreThoseOfRclone() throws {
    let directory = try TemporaryDirectory()
    var random = SeededGenerator(seed: 0x5eed)
    for judge in try RcloneJudge.all() {
      let source = try directory.makeDirectory("source-\(judge.version)")
      let target = try directory.makeDirectory("target-\(judge.version)")
      let back = try directory.makeDirectory("back-\(judge.version)")
      var names: Set<[UInt8]> = []
      while names.count < SampledCounts.count(sampled: 200, full: 1000) {
        let name = randomName(&random)
        if name.starts(with: ".".utf8) || name.count > 50 || hasQuote(name) { continue }
        names.insert(name)
      }
      for name in names { try ByteFiles.write(ByteFiles.join(Array(source.utf8), name), [1]) }
      // A local directory with the encoding of S3 shows the keys as names.
      let store = ":local,encoding='Slash,InvalidUtf8,Dot':"
      _ = try judge.runChecked(["copy", source, store + target])
      #expect(Set(try ByteFiles.names(in: Array(target.utf8))) == Set(names.map(encode)))
      _ = try judge.runChecked(["copy", store + target, back])
      #expect(Set(try ByteFiles.names(in: Array(back.utf8))) == names)
    }
  }

  private func hasQuote(_ name: [UInt8]) -> Bool {
    name.indices.contains { name[$0...].starts(with: NameEncodingTests.quote.utf8) }
  }

  private func randomName(_ random: inout SeededGenerator) -> [UInt8] {
    let pieces: [[UInt8]] =
      [
        "a", "é", "‛", "‛", "FF", "80", "C3", "A9", "E2", "9B", "．", "／", "␁", "\u{1f600}", "4",
        "f",
        "\n", "\u{301}",
      ].map { Array($0.utf8) } + [[0xff], [0xc3], [0xa9], [0xe2], [0x80], [0x9b], [0xf4], [0xed]]
    return (0..<(1 + random.below(8))).flatMap { _ in random.pick(pieces) }
  }
}

/// Keys of a listing become paths below the root, or nothing.
@Suite struct KeyPathTests {
  private let paths = KeyPaths(path: "base/x", encoding: .s3)

  @Test func pathsBecomeKeysAndComeBack() throws {
    let path = Array("a/b".utf8) + [0xff]
    let key = try paths.key(of: path)
    #expect(key == Array("base/x/a/b‛FF".utf8))
    #expect(paths.read(key) == .file(path))
    let marker = try paths.key(of: path, isDirectory: true)
    #expect(paths.read(marker) == .directory(path))
    #expect(paths.read(Array("base/x/".utf8)) == .directory([]))
  }

  @Test(
    arguments: [
      ("base/x/../../etc/passwd", .dots), ("base/x/a/../b", .dots), ("base/x/.", .dots),
      ("base/x//a", .emptyElement), ("base/x/a//b", .emptyElement), ("base/x/a//", .emptyElement),
      ("base/x", .outsidePrefix), ("base/xa", .outsidePrefix), ("", .outsidePrefix),
      ("/base/x/a", .outsidePrefix), ("base/x/a\0b", .nul), ("base/x/‛C3‛A9", .foreignEncoding),
      ("base/x/" + String(repeating: "n", count: 256), .elementTooLong),
    ] as [(String, KeyPaths.Problem)])
  func otherKeysAreNoPaths(key: String, problem: KeyPaths.Problem) {
    #expect(paths.read(Array(key.utf8)) == .unusable(problem))
  }

  @Test(
    arguments: [("", .emptyElement), ("/", .emptyElement), ("/x", .emptyElement), ("..", .dots)]
      as [(String, KeyPaths.Problem)])
  func withoutAPrefix(key: String, problem: KeyPaths.Problem) {
    let whole = KeyPaths(path: "", encoding: .s3)
    #expect(whole.prefix.isEmpty)
    #expect(whole.read(Array(key.utf8)) == .unusable(problem))
  }

  @Test func longKeysAreRefused() throws {
    let name = [UInt8](repeating: 0x61, count: 250)
    let path = Array([name, name, name, name].joined(separator: [0x2f]))
    #expect(try paths.key(of: path).count == 1010)
    #expect(throws: KeyPaths.Problem.keyTooLong) { try paths.key(of: path + path) }
  }

  @Test func noKeyLeadsOutOfTheRoot() {
    var random = SeededGenerator(seed: 0xdada)
    let pieces: [[UInt8]] =
      ["..", ".", "/", "a", "\0", "‛", "2E", "2F", "‛2E", "‛AE", "．", "\\"].map { Array($0.utf8) }
      + [[0xff], [0xc0, 0xae]]
    var usable = 0
    for _ in 0..<SampledCounts.count(sampled: 20_000, full: 500_000) {
      let key = (0..<random.below(9)).flatMap { _ in random.pick(pieces) }
      let whole = KeyPaths(path: "", encoding: .s3)
      switch whole.read(key) {
      case .unusable: continue
      case .file(let path), .directory(let path):
        usable += 1
        let elements = path.split(separator: 0x2f, omittingEmptySubsequences: false)
        let isSafe = elements.allSatisfy {
          !$0.isEmpty && !$0.contains(0) && !$0.elementsEqual(".".utf8)
            && !$0.elementsEqual("..".utf8)
        }
        #expect(isSafe, "\(printable(key))")
      }
    }
    #expect(usable > 500)
  }
}
