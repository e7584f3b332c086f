import Presentation
import Testing

@Suite struct ResourceWordsTests {
  private func read(_ words: String) throws -> [String] {
    let words = words.split(separator: " ").map { String($0) }
    return try ResourceWords().requests(words).map { "\($0.kind) \($0.name ?? "*")" }
  }

  @Test(arguments: [
    ("rs", ["ReplicationSource *"]),
    ("rs,rd", ["ReplicationSource *", "ReplicationDestination *"]),
    ("all", ["ReplicationSource *", "ReplicationDestination *"]),
    ("rs,all,rs", ["ReplicationSource *", "ReplicationDestination *"]),
    ("rs a b", ["ReplicationSource a", "ReplicationSource b"]),
    ("rs,rd a", ["ReplicationSource a", "ReplicationDestination a"]),
    ("rs/a pvc/b", ["ReplicationSource a", "PersistentVolumeClaim b"]),
    ("replicationsource.volsync.backube/a", ["ReplicationSource a"]),
    ("restores.velero.io", ["Restore.velero.io *"]),
    (
      "restore.cluster.open-cluster-management.io/a",
      ["Restore.cluster.open-cluster-management.io a"]
    ),
    ("Secrets", ["Secret *"]), ("sc,vsclass", ["StorageClass *", "VolumeSnapshotClass *"]),
  ])
  func areKubectls(words: String, expected: [String]) throws {
    #expect(try read(words) == expected)
  }

  @Test(arguments: [
    ("", "say what"), ("pods", "doesn't have a resource type \"pods\""),
    ("rs, a", "resource type \"\""),
    ("rs/a b", "\"b\" is not KIND/NAME"), ("rs/a/b", "is not KIND/NAME"),
    ("/a", "is not KIND/NAME"),
    ("rs/", "\"\" is not a name"), ("rs/..", "\"..\" is not a name"),
    ("rs ../x", "is not KIND/NAME"),
    ("rs A", "\"A\" is not a name"), ("restore a", "a kind of several groups"),
    ("rs,rd/a", "one kind has one name"),
  ])
  func othersAreRefused(words: String, message: String) {
    do {
      _ = try read(words)
      Issue.record("accepted")
    } catch {
      let error = error as? OutputError
      #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    }
  }

  @Test func aNameAloneIsOfAReplication() throws {
    let both = try ResourceWords().candidates(["data"])
    #expect(both.map(\.kind) == ["ReplicationSource", "ReplicationDestination"])
    #expect(try ResourceWords().candidates(["rd/data"]).map(\.kind) == ["ReplicationDestination"])
    #expect(try ResourceWords().candidates(["rd", "data"]).map(\.name) == ["data"])
    #expect(throws: OutputError.self) { try ResourceWords().candidates(["rs/a", "rs/b"]) }
    #expect(throws: OutputError.self) { try ResourceWords().candidates(["a b"]) }
    #expect(throws: OutputError.self) { try ResourceWords().candidates([]) }
  }

  @Test(arguments: [
    ("wide", OutputFormat.wide), ("yaml", .yaml), ("json", .json), ("name", .name),
  ])
  func formatsAreRead(text: String, expected: OutputFormat) throws {
    #expect(try OutputFormat(text) == expected)
  }

  @Test(
    arguments: [
      ("yml", "is not an output format", "did you mean -o yaml?"),
      ("jsonpath", "needs a value", nil), ("jsonpath={.a", "a { is not closed", "for instance"),
      ("custom-columns", "needs a value", nil),
      ("custom-columns=NAME", "\"NAME\" is not NAME:.path", "-o custom-columns="),
      ("custom-columns=A:.x[", "column A: jsonpath", nil),
      ("go-template=x", "is not an output format", nil),
      ("wide=x", "is not an output format", nil), ("", "is not an output format", nil),
    ] as [(String, String, String?)])
  func otherFormatsAreRefused(text: String, message: String, hint: String?) {
    do {
      _ = try OutputFormat(text)
      Issue.record("accepted")
    } catch {
      #expect(error.message.contains(message), "\(error.message)")
      if let hint { #expect(error.hint?.contains(hint) == true, "\(error.hint ?? "")") }
    }
  }
}
