import Glibc
import Platform
import TestSupport
import Testing

/// What `drover repo` tells of a repository is what restic tells of it.
@Suite struct RepoReadingTests {
  private static func document(_ name: String) throws -> JSONValue {
    try JSONValue(
      parsing: try ByteFiles.read(Array(RepoBench.fixturePath(name).utf8)),
      limits: JSONLimits(sizeBytesMax: 16 << 20))
  }

  /// The members of an object, those aside that newer versions of restic add.
  private static func members(
    _ value: JSONValue?, without names: Set<String> = []
  ) -> [String: JSONValue] {
    let members = (value?.objectValue?.members ?? []).filter { !names.contains($0.name) }
    return Dictionary(uniqueKeysWithValues: members.map { ($0.name, $0.value) })
  }

  @Test(arguments: ["repo-v1", "repo-v2-r014", "repo-v2"])
  func snapshotsAreThoseOfRestic(name: String) throws {
    let bench = try RepoBench(fixture: name)
    let expected = try RepoReadingTests.document("expected.json")["repos"]?[name]
    let output = try bench.droverChecked(["snapshots", "--json"]).output
    let found = try JSONValue(parsing: output.dropLast()).arrayValue ?? []
    let wanted = expected?["snapshots_json"]?.arrayValue ?? []
    #expect(!wanted.isEmpty)
    #expect(
      found.map { RepoReadingTests.members($0) } == wanted.map { RepoReadingTests.members($0) })
  }

  @Test(arguments: ["repo-v1", "repo-v2-r014", "repo-v2"])
  func listingsAreThoseOfRestic(name: String) throws {
    let bench = try RepoBench(fixture: name)
    let wanted = try RepoReadingTests.document("ls-\(name).json").objectValue?.members ?? []
    #expect(!wanted.isEmpty)
    // What restic 0.18 tells and 0.14 does not.
    let newer: Set<String> = name == "repo-v2" ? [] : ["message_type", "inode"]
    for listing in wanted {
      let found = try RepoBench.lines(
        try bench.droverChecked(["ls", "--json", listing.name]).output)
      #expect(
        found.map { RepoReadingTests.members($0, without: newer) }
          == (listing.value.arrayValue ?? []).map { RepoReadingTests.members($0) })
    }
  }

  @Test func tablesAreThoseOfRestic() throws {
    let bench = try RepoBench(fixture: "repo-v1")
    for options in [
      [], ["--compact"], ["--latest", "1"], ["--tag", "first,full"], ["--host", "x"],
    ] {
      let found = try bench.droverChecked(["snapshots"] + options).outputText
      #expect(found == (try bench.restic(["snapshots"] + options).outputText))
    }
    for options in [["ls", "-l", "latest"], ["ls", "latest", "/srv/drover-fixture"]] {
      let found = try bench.droverChecked(options).outputText.split(separator: "\n").dropFirst()
      let wanted = try bench.restic(options).outputText.split(separator: "\n").dropFirst()
      // Names that are not printable differ: restic prints them as they are.
      let plain = wanted.filter { line in
        line.utf8.allSatisfy { (0x20..<0x7f).contains($0) && $0 != 0x5c }
          && line.contains("/srv") && !line.hasSuffix("/new")
      }
      #expect(plain.count > 10)
      #expect(Set(plain).isSubset(of: Set(found)))
    }
  }

  @Test func groupsAreThoseOfRestic() throws {
    let bench = try RepoBench(fixture: "repo-v2-r014")
    let options = ["snapshots", "--json", "--group-by", "host,tags"]
    func groups(_ output: [UInt8]) throws -> Set<String> {
      let groups = try JSONValue(parsing: output).arrayValue ?? []
      return Set(groups.map { String(decoding: $0.encoded(), as: UTF8.self) })
    }
    #expect(
      try groups(try bench.droverChecked(options).output)
        == (try groups(try bench.restic(options).output)))
  }

  @Test(arguments: ["repo-v1", "repo-v2"])
  func partsAreThoseOfRestic(name: String) throws {
    let bench = try RepoBench(fixture: name)
    let repository = try RepoReadingTests.document("expected.json")["repos"]?[name]
    func names(_ list: String) -> [String] {
      (repository?["list"]?[list]?.arrayValue ?? []).compactMap(\.stringValue)
    }
    for key in names("keys") {
      #expect(
        try bench.droverChecked(["cat", "key", key]).output
          == (try bench.restic(["cat", "key", key]).output))
    }
    for index in names("index") {
      let found = try JSONValue(parsing: try bench.droverChecked(["cat", "index", index]).output)
      #expect(found == (try JSONValue(parsing: try bench.restic(["cat", "index", index]).output)))
    }
    for pack in names("packs").prefix(3) {
      #expect(
        try bench.droverChecked(["cat", "pack", String(pack.prefix(12))]).output
          == (try bench.restic(["cat", "pack", pack]).output))
    }
    for blob in (repository?["blobs"]?.arrayValue ?? []).compactMap(\.stringValue).suffix(6) {
      let id = String(blob.suffix(64))
      #expect(
        try bench.droverChecked(["cat", "blob", id]).output
          == (try bench.restic(["cat", "blob", id]).output))
    }
    #expect(
      try bench.droverChecked(["cat", "config"]).output
        == (try bench.restic(["cat", "config"]).output))
  }

  @Test func aFolderOfASnapshotIsATree() throws {
    let bench = try RepoBench(fixture: "repo-v1")
    let top = try bench.droverChecked(["cat", "tree", "latest"]).output
    let below = try bench.droverChecked(["cat", "tree", "latest:/srv/drover-fixture"]).output
    #expect(try JSONValue(parsing: top)["nodes"]?.arrayValue?.first?["name"] == .string("srv"))
    #expect(try JSONValue(parsing: below)["nodes"]?.arrayValue?.count ?? 0 > 5)
    #expect(try bench.drover(["cat", "tree", "latest:/srv/nothing"]).status == 1)
  }
}
