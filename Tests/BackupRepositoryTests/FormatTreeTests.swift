import Cryptography
import Platform
import TestSupport
import Testing

@testable import BackupRepository

private func encoded(_ tree: Tree) throws -> [UInt8] {
  var encoder = TreeEncoder()
  for node in tree.nodes { try encoder.append(node, of: tree) }
  encoder.finish()
  return encoder.bytes
}

private func decoded(_ text: String, _ tolerance: TreeTolerance = .strict) throws -> Tree {
  try TreeDecoder().decode(Array(text.utf8), tolerance)
}

private let times =
  #""mtime":"2024-01-15T10:00:00Z","atime":"2024-01-15T10:00:00Z","ctime":"2024-01-15T10:00:00Z""#

private func file(_ name: String, _ more: String = "") -> String {
  #"{"name":"\#(name)","type":"file","mode":420,\#(times),"uid":0,"gid":0\#(more),"content":[]}"#
}

private func tree(_ nodes: String...) -> String {
  #"{"nodes":["# + nodes.joined(separator: ",") + "]}\n"
}

@Suite struct FormatTreeTests {
  @Test(arguments: FormatFixture.all)
  func everyTreeOfTheFixturesIsEncodedByteForByte(fixture: FormatFixture) throws {
    let decoder = try TreeDecoder()
    for item in try fixture.items("tree") {
      let tree = try decoder.decode(item.bytes, .strict)
      #expect(text(try encoded(tree)) == text(item.bytes), "tree \(item.name)")
      #expect(tree.damageCount == 0)
    }
  }

  @Test func theEncoderIsReusedFromTreeToTree() throws {
    let decoder = try TreeDecoder()
    var encoder = TreeEncoder()
    for item in try FormatFixture.all[1].items("tree") {
      encoder.restart()
      let tree = try decoder.decode(item.bytes, .strict)
      for node in tree.nodes { try encoder.append(node, of: tree) }
      encoder.finish()
      #expect(encoder.withBytes { Array($0) } == item.bytes)
      #expect(encoder.nodeCount == tree.nodes.count)
    }
  }

  @Test func aTreeTellsWhatRestoresNeed() throws {
    let decoder = try TreeDecoder()
    var found: Set<String> = []
    for item in try FormatFixture.all[1].items("tree") {
      let tree = try decoder.decode(item.bytes, .strict)
      for node in tree.nodes {
        let name = Array(tree.name(of: node))
        #expect(name.withUnsafeBytes { tree.index(of: $0) } != nil)
        let facts = node.facts
        switch name {
        case Array("before-1970".utf8):
          let nanoseconds =
            facts.modified.seconds * 1_000_000_000
            + Int64(facts.modified.nanoseconds)
          #expect(nanoseconds == -34_559_999_876_543_211)
          found.insert("time")
        case Array("setuid-tool".utf8):
          #expect(facts.mode.statMode == 0o104755)
          found.insert("setuid")
        case Array("acl-file".utf8):
          var position = 0
          let list = tree.withBytes(node.attributes) {
            NodeAttributes.next($0, &position)?.name.count
          }
          #expect(list == "system.posix_acl_access".utf8.count)
          found.insert("acl")
        default:
          if String(validating: name, as: UTF8.self) == nil { found.insert("raw name") }
          let target = Array(tree.bytes(node.linkTarget))
          if String(validating: target, as: UTF8.self) == nil { found.insert("raw target") }
        }
      }
      #expect([UInt8]("no such name".utf8).withUnsafeBytes { tree.index(of: $0) } == nil)
    }
    #expect(found == ["time", "setuid", "acl", "raw name", "raw target"])
  }

  @Test func restic014LosesTargetsAndTheLossIsKnown() throws {
    let decoder = try TreeDecoder()
    func damaged(_ fixture: FormatFixture) throws -> Int {
      try fixture.items("tree").reduce(0) { count, item in
        try decoder.decode(item.bytes, .strict).nodes.reduce(count) {
          $0 + ($1.isTargetDamaged ? 1 : 0)
        }
      }
    }
    #expect(try damaged(FormatFixture.all[0]) > 0)
    #expect(try damaged(FormatFixture.all[1]) == 0)
  }

  @Test(arguments: [
    ("{\"nodes\":[]}\n", 0), ("{\"nodes\":null}", 0),
    ("{\"older\":[{\"a\":[1,2]}],\"nodes\":[],\"newer\":{\"nodes\":[1]}}", 0),
    (tree(file("a"), file("b", #","colour":{"name":[null]},"user":null"#)), 2),
  ])
  func whatTheFormatAllowsIsRead(text: String, count: Int) throws {
    #expect(try decoded(text).nodes.count == count)
  }

  @Test func attributesOfOtherSystemsAndNullsStay() throws {
    let blob = tree(
      file(
        "a",
        #","extended_attributes":[{"name":"user.b","value":null},{"name":"user.a","value":""}]"#
          + #","generic_attributes":{"windows.creation_time":"q83vASNFZ4k=","x":[1,{"y":2}]}"#))
    #expect(text(try encoded(decoded(blob))) == blob)
  }

  @Test(arguments: [
    ("", "JSON"), ("[]", "type"), ("{}", "no list"), ("{\"nodes\":[]}{", "JSON"),
    ("{\"nodes\":[],\"nodes\":[]}", "more than one"), ("{\"nodes\":{}}", "type"),
    (tree(file("a/b")), "slash"), (tree(file("..")), "the name .."),
    (tree(file(".")), "the name ."),
    (tree(file("")), "empty"), (tree(file("a\\\\x00b")), "NUL"), (tree(file("a\\u0000b")), "NUL"),
    (tree(file("a\\\\qb")), "escape"), (tree(file("a\\\\x2fb")), "slash"),
    (tree(file(String(repeating: "a", count: 1025))), "1025"),
    (tree(file("b"), file("a")), "order"), (tree(file("a"), file("a")), "order"),
    (tree(#"{"name":"a","type":"door"}"#), "type"),
    (tree(#"{"name":"a","type":"dir"}"#), "without a tree"),
    (tree(#"{"name":"a","type":"file","content":null}"#), "contents"),
    (tree(#"{"name":"a","type":"symlink"}"#), "target"),
    (tree(#"{"name":"a","type":"file","content":["ab"]}"#), "identifier"),
    (tree(#"{"name":"a","type":"file","content":[],"uid":4294967296}"#), "owner"),
    (tree(#"{"name":"a","type":"file","content":[],"size":-1}"#), "another type"),
    (tree(#"{"name":"a","type":"file","content":[],"size":1.5}"#), "another type"),
    (tree(#"{"name":"a","type":"file","content":[],"size":1e400}"#), "another type"),
    (tree(#"{"name":"a","type":"file","content":[],"mtime":"yesterday"}"#), "time"),
    (
      tree(#"{"name":"a","type":"file","content":["\#(String(repeating: "0", count: 64))"]}"#),
      "without identifier"
    ),
    (
      tree(#"{"name":"a","type":"dir","subtree":"\#(String(repeating: "0", count: 64))"}"#),
      "without identifier"
    ),
  ])
  func whatTheFormatForbidsIsRefused(blob: String, reason: String) throws {
    let error = #expect(throws: RepositoryError.self) { try decoded(blob) }
    #expect(error?.kind == .corrupt)
    #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
  }

  @Test func faultyNodesAreLeftOutWhenThatIsWanted() throws {
    let blob = tree(
      file("b"), file("../x"), file("a"), file("c"), file("b", #","size":7"#), file(".."))
    let result = try decoded(blob, .tolerant)
    #expect(result.nodes.map { text(result.name(of: $0)) } == ["a", "b", "c"])
    #expect(result.nodes[1].facts.size == 0)
    #expect(result.damageCount == 4)
    #expect(result.damage.map(\.name) == ["../x", "a", "..", "b"])
  }

  @Test func theEncoderRefusesWhatNoTreeHolds() throws {
    let source = try decoded(tree(file("a"), file("b")))
    var encoder = TreeEncoder()
    try encoder.append(source.nodes[1], of: source)
    #expect(throws: RepositoryError.self) { try encoder.append(source.nodes[0], of: source) }
    #expect(throws: RepositoryError.self) { try encoder.append(source.nodes[1], of: source) }
    let slash = Array("c/d".utf8)
    slash.withUnsafeBytes { name in
      let fields = NodeFields(NodeFacts(), name: name)
      #expect(throws: RepositoryError.self) { try encoder.append(fields) }
    }
    encoder.finish()
    #expect(text(encoder.bytes) == tree(file("b")))
  }

  @Test(arguments: FormatFixture.all)
  func damagedTreesAreRefusedOrReadAndNeverTrap(fixture: FormatFixture) throws {
    let decoder = try TreeDecoder()
    var refused = 0
    for (index, item) in try fixture.items("tree").enumerated() {
      forEachDamage(of: item.bytes, seed: UInt64(index), count: 60) { bytes in
        do {
          let tree = try decoder.decode(bytes, .tolerant)
          let again = try decoder.decode(encoded(tree), .strict)
          #expect(again.nodes.count == tree.nodes.count)
        } catch {
          refused += 1
        }
      }
    }
    #expect(refused > 0)
  }
}
