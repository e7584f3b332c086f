import FileTree
import Platform
import TestSupport
import Testing

@Suite struct TreeDigestTests {
  private func expected(_ name: String) throws -> String {
    let text = String(decoding: try Fixture.bytes("digests.txt"), as: UTF8.self)
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("\(name) ") })
    return String(line.dropFirst(name.count + 1))
  }

  private func directoryDigest(
    _ listing: DirectoryListing, _ profile: TreeDigestProfile
  ) throws -> [UInt8] {
    var digester = try DirectoryDigester(profile: profile)
    digester.reset()
    for (index, entry) in listing.entries.enumerated() {
      digester.update(entry, in: listing)
      guard profile.hasContent, DirectoryDigester.needsContent(entry) else { continue }
      let text = index == 0 ? "content of a" : ""
      let sum = try runChecked("sha256sum", [], stdin: Array(text.utf8)).outputText
      let content = try #require(bytes(hex: sum.prefix(64)))
      content.withUnsafeBytes { digester.update($0) }
    }
    return digester.finish()
  }

  @Test(arguments: [TreeDigestProfile.quick, .full])
  func digestsAreThoseOfTheWrittenFormat(profile: TreeDigestProfile) throws {
    let listing = try Fixture.listing()
    let digest = try directoryDigest(listing, profile)
    #expect(hex(digest) == (try expected("\(profile.name)-directory")))
    let root = DirectoryListing(path: [])
    root.directory.kind = .directory
    root.directory.mode = 0o2751
    root.directory.userID = 1234
    root.directory.groupID = 4321
    root.directory.modifiedSeconds = 1_600_000_000
    root.directory.modifiedNanoseconds = 123_456_789
    var tree = try TreeDigester()
    tree.add(path: [], digest: try directoryDigest(root.ownEntryListing(), profile))
    tree.add(path: [], digest: try directoryDigest(root, profile))
    tree.add(path: listing.path, digest: digest)
    #expect(hex(tree.finish()) == (try expected("\(profile.name)-tree")))
  }

  @Test func profileWithoutOwnersLeavesThemOut() throws {
    let listing = try Fixture.listing()
    let other = try Fixture.listing()
    for index in other.entries.indices { other.entries[index].userID += 1 }
    let profile = TreeDigestProfile(hasContent: false, hasOwners: false)
    #expect(profile.name == "quick-without-owners")
    #expect(try directoryDigest(listing, profile) == directoryDigest(other, profile))
    #expect(try directoryDigest(listing, .quick) != directoryDigest(other, .quick))
    #expect(try directoryDigest(listing, .quick) != directoryDigest(listing, profile))
  }

  @Test func twoWalksGiveTheSameAndAnyChangeAnother() throws {
    let directory = try TemporaryDirectory()
    try MetadataZoo.make(at: directory.path, seed: 4)
    let before = try quickDigest(directory.path)
    #expect(try quickDigest(directory.path) == before)
    var seen: Set<[UInt8]> = [before]
    for command in [
      "chmod 0601 text", "touch -d @5 text", "chown 77 text", "chgrp 77 text", "printf x >> text",
      "touch -d @5 text; setfattr -n user.n -v x text", "setfacl -m u:9:r text", "mv text text3",
      "ln text3 links-0/x", "rm special/fifo", "chmod 0700 .",
    ] {
      try runChecked("sh", ["-c", "cd \"$1\" && \(command)", "sh", directory.path])
      #expect(seen.insert(try quickDigest(directory.path)).inserted, "\(command)")
    }
    // A leftover of an interrupted run does not count, but it touches the time of its directory.
    let aside = try TemporaryDirectory()
    let script =
      "cd \"$1\" && touch -r . \"$2\" && touch \(TemporaryName.make(5)) && touch -r \"$2\" ."
    try runChecked(
      "sh", ["-c", script, "sh", "\(directory.path)/empty", aside.path("reference")])
    #expect(!seen.insert(try quickDigest(directory.path)).inserted)
  }

  private func quickDigest(_ path: String) throws -> [UInt8] {
    let listings = try walk(path).listings
    var tree = try TreeDigester()
    var digester = try DirectoryDigester()
    tree.add(path: [], digest: digester.digest(listings[0].ownEntryListing()))
    for listing in listings { tree.add(path: listing.path, digest: digester.digest(listing)) }
    return tree.finish()
  }
}
