import FileTree
import Platform
import TestSupport
import Testing

/// The bytes of `fixtures/filetree`.
enum Fixture {
  static func bytes(_ name: String) throws -> [UInt8] {
    let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
    return try ByteFiles.read(Array("\(root)/fixtures/filetree/\(name)".utf8))
  }

  /// A listing of the path `sub` with the nine entries.
  static func listing() throws -> DirectoryListing {
    try decode(try bytes("entries.bin"), path: Array("sub".utf8))
  }

  static func decode(_ bytes: [UInt8], path: [UInt8] = []) throws -> DirectoryListing {
    let listing = DirectoryListing(path: path)
    try bytes.withUnsafeBytes { buffer in
      var reader = ByteReader(buffer)
      while reader.remaining > 0 { try EntryCodec.decode(&reader, into: listing) }
    }
    return listing
  }

  static func encode(_ listing: DirectoryListing) -> [UInt8] {
    listing.entries.flatMap { entry -> [UInt8] in
      let size = EntryCodec.encodedSize(entry)
      return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        guard let base = UnsafeMutableRawPointer(buffer.baseAddress) else { return }
        count = EntryCodec.encode(entry, in: listing, into: base)
      }
    }
  }
}

@Suite struct EntryCodecTests {
  @Test func goldenBytesAreReadAndWrittenAlike() throws {
    let golden = try Fixture.bytes("entries.bin")
    let listing = try Fixture.listing()
    #expect(Fixture.encode(listing) == golden)
    #expect(
      listing.entries.map(\.kind) == [
        .regular, .directory, .symbolicLink, .fifo, .socket, .characterDevice, .blockDevice,
        .regular, .regular,
      ])
    let first = listing.entries[0]
    #expect(first.mode == 0o4755)
    #expect(first.userID == 1000)
    #expect(first.groupID == 4_000_000_000)
    #expect(first.modifiedSeconds == -2)
    #expect(first.modifiedNanoseconds == 1)
    #expect(first.size == (1 << 40) + 3)
    #expect([UInt8](listing.bytes(listing.entries[2].target)) == Array("../x\n".utf8))
    #expect(listing.entries[5].deviceMajor == 511)
    #expect(listing.entries[6].deviceMinor == 70_000)
    #expect([UInt8](listing.bytes(listing.entries[7].linkPath)) == Array("sub/a".utf8))
    #expect([UInt8](listing.name(of: listing.entries[8])) == [0xff, 0x0a])
  }

  @Test func whatAWalkFindsSurvivesTheCodec() throws {
    let directory = try TemporaryDirectory()
    try MetadataZoo.make(at: directory.path, seed: 3)
    var count = 0
    for listing in try walk(directory.path).listings {
      let bytes = Fixture.encode(listing)
      let decoded = try Fixture.decode(bytes, path: listing.path)
      #expect(Fixture.encode(decoded) == bytes)
      #expect(decoded.entries.count == listing.entries.count)
      count += listing.entries.count
    }
    #expect(count > 2000)
  }

  @Test func everyTruncationIsRefused() throws {
    let golden = try Fixture.bytes("entries.bin")
    let ends = try Fixture.listing().entries.reduce(into: [0]) {
      $0.append(($0.last ?? 0) + EntryCodec.encodedSize($1))
    }
    for count in golden.indices where !ends.contains(count) {
      #expect(throws: TreeError.self) { try Fixture.decode(Array(golden[..<count])) }
    }
  }

  /// Any bytes are decoded or refused; what is decoded is canonical.
  @Test func damagedBytesNeverTrap() throws {
    let golden = try Fixture.bytes("entries.bin")
    var random = SeededGenerator(seed: 9)
    var refused = 0
    for _ in 0..<SampledCounts.count(sampled: 5_000, full: 100_000) {
      var bytes = golden
      for _ in 0...random.below(3) { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
      do throws(TreeError) {
        let listing = try decode(bytes)
        // Only the mode of a symbolic link is not kept.
        #expect(Fixture.encode(listing).count == bytes.count)
      } catch {
        refused += 1
      }
    }
    #expect(refused > 500)
  }

  private func decode(_ bytes: [UInt8]) throws(TreeError) -> DirectoryListing {
    let result = Result { try Fixture.decode(bytes) }
    switch result {
    case .success(let listing): return listing
    case .failure(let error as TreeError): throw error
    case .failure(let error): preconditionFailure("\(error)")
    }
  }

  /// One field of a good entry is made bad.
  @Test(
    arguments: [
      (0, [8], "kind"), (1, [4], "flags"), (4, [0xff, 0xff], "permission bits"),
      (22, [0, 0xca, 0x9a, 0x3b], "nanoseconds"), (33, [0x80], "size"),
      (34, [0x2f], "name"), (34, [0], "name"), (34, [0x2e], "name"),
    ] as [(Int, [UInt8], String)])
  func badFieldIsNamed(offset: Int, bytes: [UInt8], word: String) throws {
    var entry = Array(try Fixture.bytes("entries.bin")[..<35])
    #expect(try Fixture.decode(entry).entries.count == 1)
    entry.replaceSubrange(offset..<offset + bytes.count, with: bytes)
    let error = #expect(throws: TreeError.self) { try Fixture.decode(entry) }
    #expect(error?.message.contains(word) == true, "\(error?.message ?? "")")
    #expect(error?.kind == .corrupt)
  }

  @Test(arguments: [
    ["user.b", "user.a"], ["user.a", "user.a"], ["trusted.SGI_ACL_FILE"], ["system.nfs4_acl"],
    ["user."], ["other.a"],
  ])
  func attributesOutOfOrderOrOfOtherKindsAreRefused(names: [String]) throws {
    func block(_ names: [String]) -> [UInt8] {
      names.flatMap { name -> [UInt8] in
        [UInt8(name.utf8.count), 0] + Array(name.utf8) + [1, 0, 0, 0, 7]
      }
    }
    try block(["security.x", "system.posix_acl_access", "trusted.x", "user.x"])
      .withUnsafeBytes { try AttributeBlock.validate($0) }
    #expect(throws: TreeError.self) {
      try block(names).withUnsafeBytes { try AttributeBlock.validate($0) }
    }
  }
}

@Suite struct RelativePathTests {
  private func isSafe(_ path: String) -> Bool {
    Array(path.utf8).withUnsafeBytes(RelativePath.isSafe)
  }

  @Test func safePathsStayBelow() {
    for path in ["a", "a/b", "...", "a/..b", ".a/b.", " ", "-", String(repeating: "n", count: 255)]
    {
      #expect(isSafe(path), "\(path)")
    }
    for path in [
      "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/./b", "a/../b", "a\0b",
      String(repeating: "n", count: 256), String(repeating: "a/", count: 2048),
    ] {
      #expect(!isSafe(path), "\(path)")
    }
  }

  @Test func longestPathIsSafe() {
    let longest = String(repeating: "a/", count: 2047) + "a"
    #expect(longest.utf8.count == TreeLimits.pathBytesMax)
    #expect(isSafe(longest))
    #expect(!isSafe(longest + "b"))
  }

  @Test func temporaryNamesAreKnown() {
    func matches(_ name: String) -> Bool {
      Array(name.utf8).withUnsafeBytes(TemporaryName.matches)
    }
    for number in [0, 1, .max, 0x0123_4567_89ab_cdef] as [UInt64] {
      #expect(matches(TemporaryName.make(number)))
      #expect(matches(TemporaryName.makeUndo(number)))
      #expect(TemporaryName.make(number).utf8.count == TemporaryName.prefix.utf8.count + 16)
      #expect(!matches(TemporaryName.make(number) + "0"))
      #expect(!matches(String(TemporaryName.make(number).dropLast())))
      #expect(!matches("x" + TemporaryName.make(number)))
    }
    #expect(!matches(TemporaryName.prefix + "0123456789abcdeF"))
    #expect(!matches(TemporaryName.prefix + "0123456789abcdeg"))
    let undo = Array(TemporaryName.makeUndo(1).utf8).withUnsafeBytes(TemporaryName.isUndo)
    let plain = Array(TemporaryName.make(1).utf8).withUnsafeBytes(TemporaryName.isUndo)
    #expect(undo && !plain)
  }
}
