import Platform
import Testing

@testable import Transport

@Suite struct KeyRingTests {
  private static let hex32 = String(repeating: "aB", count: 16)

  @Test(arguments: [
    ("a:\(hex32)", ["a"]),
    ("a:\(hex32)\n", ["a"]),
    ("a:\(hex32)\r\n\r\n\nb:\(hex32)\r\n", ["a", "b"]),
    ("\n\n  \nvolsync:\(keyHex("0f"))  \n", ["volsync"]),
    ("with space:\(hex32)", ["with space"]),
    ("ü:\(hex32)", ["ü"]),
    ("\(String(repeating: "i", count: 255)):\(hex32)", [String(repeating: "i", count: 255)]),
    ("a:\(String(repeating: "00", count: 512))", ["a"]),
    // stunnel knows no comments either: this names the identity "# a".
    ("# a:\(hex32)", ["# a"]),
  ])
  func goodFiles(text: String, identities: [String]) throws {
    let ring = try keyRing(text)
    #expect(ring.keys.map(\.name) == identities)
    for identity in identities {
      #expect(try ring.clientKey(identity: identity).name == identity)
    }
    #expect(try ring.clientKey().name == identities[0])
  }

  @Test(
    arguments: [
      ("", nil, "no key"),
      ("\n\r\n", nil, "no key"),
      ("a", 1, "no colon"),
      ("\n# comment\n", 2, "no comments"),
      (":\(hex32)", 1, "identity is empty"),
      ("\(String(repeating: "i", count: 256)):\(hex32)", 1, "longer than 255"),
      ("a\u{1}:\(hex32)", 1, "control character"),
      ("a:", 1, "at least 32"),
      ("a:\(String(repeating: "ab", count: 15))", 1, "at least 32"),
      ("a:\(hex32)a", 1, "odd number"),
      ("a:\(String(repeating: "ab", count: 513))", 1, "at most 1024"),
      ("a:\(String(repeating: "xy", count: 20))", 1, "not hexadecimal"),
      ("a: \(hex32) \(hex32)", 1, "not hexadecimal"),
      ("a:\(hex32):\(hex32)x", 1, "not hexadecimal"),
      ("a:\(hex32)\nb:\(hex32)\n\na:\(hex32)", 4, "line 1 already"),
    ] as [(String, Int?, String)])
  func badFiles(text: String, line: Int?, problem: String) throws {
    let error = transportError { _ = try keyRing(text) }
    guard case .keyFileInvalid(let file, let foundLine, let found) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(file == "keys")
    #expect(foundLine == line)
    #expect(found.contains(problem))
    #expect(error?.message.contains("aBaB") == false, "a message never quotes a key")
    #expect(error?.message.hasPrefix(line.map { "keys:\($0): " } ?? "keys: ") == true)
    #expect(error?.kind == .usage)
  }

  @Test func decodesTheKeyOfEitherCase() throws {
    let key = try keyRing("a:00fF10Ab\(String(repeating: "7e", count: 12))").clientKey()
    let bytes = key.secret.withBytes { Array($0) }
    #expect(bytes == [0x00, 0xff, 0x10, 0xab] + [UInt8](repeating: 0x7e, count: 12))
  }

  @Test func readsAFileAndWarnsWhenOthersCanReadIt() throws {
    let directory = try TemporaryDirectory()
    let text = "a:\(Self.hex32)"
    let closed = try KeyRing(file: directory.write("closed", text))
    #expect(closed.warnings.isEmpty)
    let open = try KeyRing(file: directory.write("open", text, mode: 0o644))
    #expect(open.warnings.count == 1)
    #expect(open.keys.count == 1)
  }

  @Test func namesAFileThatIsMissingOrTooLarge() throws {
    let directory = try TemporaryDirectory()
    let missing = transportError { _ = try KeyRing(file: "\(directory.path)/none") }
    #expect(missing?.kind == .notFound)
    #expect(missing?.description.contains("\(directory.path)/none") == true)
    let large = try directory.write("large", String(repeating: "\n", count: (1 << 20) + 1))
    #expect(transportError { _ = try KeyRing(file: large) }?.message.contains("1 MiB") == true)
  }

  @Test func anIdentityThatIsNotInTheFileIsNamed() throws {
    let ring = try keyRing("a:\(Self.hex32)")
    let error = transportError { _ = try ring.clientKey(identity: "b") }
    #expect(error?.message == "keys: no line for identity 'b'")
  }

  @Test func generatesLinesThatAreReadBack() throws {
    let line = try PreSharedKey.generateKeyLine(identity: "volsync")
    #expect(line.utf8.count == "volsync:".utf8.count + 128)
    let key = try keyRing(line).clientKey()
    #expect(key.name == "volsync")
    #expect(key.secret.count == 64)
    #expect(try PreSharedKey.generateKeyLine(identity: "volsync") != line)
    for identity in ["", "a:b", "a\nb", String(repeating: "i", count: 256)] {
      #expect(
        transportError { _ = try PreSharedKey.generateKeyLine(identity: identity) } != nil)
    }
  }

  @Test func dumpsShowNoKey() throws {
    let ring = try keyRing("a:\(keyHex("5a"))")
    var text = ""
    dump(ring, to: &text)
    #expect(!text.contains("5a5a") && !text.contains("90"))
  }
}
