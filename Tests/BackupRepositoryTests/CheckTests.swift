import Glibc
import ObjectStorage
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// Each kind of damage is found and named, with the command that helps.
@Suite struct CheckTests {
  @Test(arguments: ["repo-v1", "repo-v2", "repo-v2-r014"])
  func realRepositoriesAreSound(name: String) throws {
    let report = try MaintainedFixture(name).check(.all)
    #expect(report.findings.filter { $0.severity == .error }.isEmpty, "\(report.findings)")
    #expect(report.readPackCount == report.packCount)
    #expect(report.readBytes > 5000 && report.usedBlobCount > 10)
    #expect(report.snapshotCount >= 2)
  }

  @Test func aSubsetReadsSomePacksOnly() throws {
    let fixture = try MaintainedFixture()
    let report = try fixture.check(.subset(.percent(20)))
    #expect(report.readPackCount == 1)
    #expect(report.isSound)
  }

  @Test(arguments: [BlobType.data, .tree])
  func missingPacks(type: BlobType) throws {
    let fixture = try MaintainedFixture()
    let pack = try fixture.pack(type)
    try fixture.store.delete(try fixture.key(pack.id))
    let report = try fixture.check(.none)
    #expect(report.has(.error, .pack, pack.id.short, "missing", "repair index"))
    if type == .tree { #expect(report.findings.contains { $0.part == .tree }) }
  }

  @Test func shortenedPacks() throws {
    let fixture = try MaintainedFixture()
    let pack = try fixture.pack(.data)
    try fixture.change(try fixture.key(pack.id)) { $0.removeLast(1000) }
    #expect(
      try fixture.check(.none).has(.error, .pack, pack.id.short, "cut short", "repair index"))
    let report = try fixture.check(.all)
    #expect(report.has(.error, .packHeader, pack.id.short, "", "repair packs"))
  }

  @Test func lengthenedPacks() throws {
    let fixture = try MaintainedFixture()
    let pack = try fixture.pack(.data)
    try fixture.change(try fixture.key(pack.id)) { $0 += [0, 0, 0] }
    #expect(
      try fixture.check(.none).has(.error, .pack, pack.id.short, "instead of", "repair index"))
  }

  @Test func aFlippedBitInEveryPartOfAPackIsFoundByReading() throws {
    let base = try MaintainedFixture()
    for type in BlobType.allCases {
      let pack = try base.pack(type)
      let size = try base.store.stat(base.key(pack.id)).sizeBytes
      let blob = try #require(pack.blobs.last)
      // In the nonce, the middle and the tag of a blob; in the header, its tag and its length.
      let places = [
        Int(blob.offset), Int(blob.offset + blob.sealedLength / 2),
        Int(blob.offset + blob.sealedLength - 1), Int(size) - 30, Int(size) - 5, Int(size) - 4,
      ]
      for (number, place) in places.enumerated() {
        let fixture = try MaintainedFixture()
        try fixture.change(try fixture.key(pack.id)) { $0[place] ^= 4 }
        let structure = try fixture.check(.none)
        if type == .data { #expect(structure.isSound, "structure says nothing of contents") }
        let report = try fixture.check(.all)
        #expect(report.has(.error, .pack, pack.id.short, "SHA-256", "repair packs"))
        if number < 3 {
          let part: RepositoryPart = type == .tree ? .tree : .data
          #expect(
            report.has(.error, part, blob.blob.id.short, "pack \(pack.id.short)", "repair packs"))
        } else {
          #expect(report.has(.error, .packHeader, pack.id.short, "", "repair packs"))
        }
      }
    }
  }

  @Test func wrongIndexes() throws {
    let fixture = try MaintainedFixture()
    let pack = try fixture.pack(.data)
    // Past the end, with a gap, and other lengths than the header says.
    let first = pack.blobs[0]
    let wrong: [(String, PackedBlob)] = [
      ("gap", first.with(offset: 40_000_000)), ("gap", first.with(offset: 5)),
      ("instead of", first.with(sealedLength: first.sealedLength &+ 100_000_000)),
    ]
    for (reason, blob) in wrong {
      let fixture = try MaintainedFixture()
      for id in try fixture.repository.list(IndexID.self) { try fixture.repository.remove(id) }
      let codec = try fixture.repository.makeCodec()
      try fixture.repository.saveIndex([StoredPack(id: pack.id, blobs: [blob])], codec)
      let report = try fixture.check(.all)
      let all = report.findings.map { "\($0.message) \($0.remedy)" }
      #expect(all.contains { $0.contains(reason) && $0.contains("repair index") }, "\(all)")
      #expect(
        report.findings.contains { $0.reason.contains("cannot be") || $0.part == .packHeader },
        "\(all)")
    }
  }

  @Test func missingAndDamagedIndexFiles() throws {
    let fixture = try MaintainedFixture()
    for id in try fixture.repository.list(IndexID.self) { try fixture.repository.remove(id) }
    let report = try fixture.check(.none)
    #expect(report.has(.error, .tree, "", "no index lists it", "repair index"))
    #expect(report.has(.hint, .pack, "", "no index lists it", "repair index"))

    for change in [{ (bytes: inout [UInt8]) in bytes[100] ^= 1 }, { $0 = [] }] {
      let fixture = try MaintainedFixture()
      let id = try #require(try fixture.repository.list(IndexID.self).first)
      try fixture.change(try fixture.repository.path(id), change)
      #expect(try fixture.check(.none).has(.error, .index, id.short, "SHA-256", "repair index"))
    }
    // Sealed with the right key, but no index.
    let strange = try MaintainedFixture()
    let codec = try strange.repository.makeCodec()
    let id = try strange.repository.save(Array("{\"packs\":[3]}".utf8), as: IndexID.self, codec)
    #expect(try strange.check(.none).has(.error, .index, id.short, "", "repair index"))
  }

  @Test func packsThatTwoIndexFilesList() throws {
    let fixture = try MaintainedFixture()
    let pack = try fixture.pack(.data)
    let codec = try fixture.repository.makeCodec()
    let id = try fixture.repository.saveIndex([pack], codec)
    let report = try fixture.check(.all)
    #expect(report.isSound, "\(report.findings)")
    #expect(report.has(.hint, .pack, pack.id.short, "list it", "prune"))
    try fixture.repository.remove(id)
    try fixture.repository.saveIndex(
      [StoredPack(id: pack.id, blobs: Array(pack.blobs.dropLast()))], codec)
    #expect(
      try fixture.check(.none).has(
        .error, .pack, pack.id.short, "different blobs", "repair index"))
  }

  @Test func damagedSnapshotsAndKeys() throws {
    let fixture = try MaintainedFixture()
    let snapshot = try #require(try fixture.repository.list(SnapshotID.self).first)
    try fixture.change(try fixture.repository.path(snapshot)) { $0[40] ^= 1 }
    let key = try #require(
      try fixture.repository.list(KeyID.self).first { $0 != fixture.repository.keyID })
    try fixture.change(try fixture.repository.path(key)) { $0[40] ^= 1 }
    let report = try fixture.check(.none)
    #expect(report.has(.error, .snapshot, snapshot.short, "SHA-256", "Forget this snapshot"))
    #expect(report.has(.error, .key, key.short, "SHA-256", "key"))
  }

  @Test func treesThatNoProgramMayWrite() throws {
    let fixture = try MaintainedFixture()
    let content = String(repeating: "ab", count: 32)
    let trees = [
      #"{"nodes":[{"name":"..","type":"file","content":[]}]}"#,
      #"{"nodes":[{"name":"a","type":"file","content":null}]}"#,
      #"{"nodes":[{"name":"a","type":"dir","content":null}]}"#,
      #"{"nodes":[{"name":"a","type":"strange","content":null}]}"#,
      #"{"nodes":[{"name":"a","type":"fifo"},{"name":"a","type":"fifo"}]}"#,
      #"{"nodes":["#,
    ]
    for tree in trees {
      let fixture = try MaintainedFixture()
      let id = try fixture.addSnapshot(tree: Array(tree.utf8))
      let report = try fixture.check(.none)
      #expect(report.has(.error, .tree, id.short, "", "repair packs"), "\(tree)")
    }
    try fixture.addSnapshot(
      tree: Array(#"{"nodes":[{"name":"a","type":"file","content":["\#(content)"]}]}"#.utf8))
    #expect(
      try fixture.check(.none).has(.error, .data, "abababab", "no index lists", "repair index"))
  }

  @Test func aStoreThatFailsEndsTheCheck() throws {
    let base = try MaintainedFixture()
    for number in 1...400 {
      let store = FaultInjectingStore(base.store, .at(number, .fail()))
      let repository = base.repository.behind(store)
      var options = CheckOptions()
      options.reading = .all
      do {
        let report = try Check(repository, options).run()
        #expect(report.isSound)
        if !store.hasStruck { return }
        Issue.record("operation \(number) failed unnoticed: \(store.calls.suffix(3))")
      } catch {
        #expect(error.kind == .unreachable)
      }
    }
    Issue.record("a check of more than 400 operations")
  }
}

/// A real repository in memory, to be damaged.
struct MaintainedFixture {
  let store: MemoryStore
  let repository: Repository

  init(_ name: String = "repo-v2") throws {
    let local = try LocalStore(at: "\(FormatFixture.root)/\(name)")
    store = try ResticBench.copy(of: local, into: MemoryStore())
    repository = try Repository.open(store, password: Array("drover-fixture".utf8))
  }

  func key(_ id: PackID) throws -> ObjectKey { try repository.path(id) }

  func change(_ key: ObjectKey, _ body: (inout [UInt8]) -> Void) throws {
    var bytes = try store.load(key, sizeBytesMax: 1 << 30)
    body(&bytes)
    try store.put(key, bytes)
  }

  /// The pack with the most blobs of a type.
  func pack(_ type: BlobType) throws -> StoredPack {
    var found: StoredPack?
    try repository.loadIndex().forEachPackWithEntries { pack, blobs in
      guard blobs.first?.blob.type == type, blobs.count > found?.blobs.count ?? 0 else { return }
      found = StoredPack(id: pack.id, blobs: blobs)
    }
    return try #require(found)
  }

  func check(_ reading: CheckOptions.Reading) throws -> CheckReport {
    var options = CheckOptions()
    options.reading = reading
    return try Check(repository, options).run()
  }

  /// Stores a snapshot with these bytes as its tree.
  @discardableResult
  func addSnapshot(tree: [UInt8]) throws -> BlobID {
    let codec = try repository.makeCodec()
    let writer = PackWriter(repository)
    let id = try tree.withUnsafeBytes { bytes in
      let id = codec.identifier(of: bytes, BlobID.self)
      let blob = try codec.compressed(bytes, isCompressed: true)
      try writer.add(
        sealing: blob.content, by: codec, BlobHandle(.tree, id),
        plaintextLength: blob.plaintextLength)
      return id
    }
    try writer.finish(codec)
    let record = SnapshotRecord(time: GoTime(seconds: 1), tree: id, paths: ["/"])
    try repository.save(record.encoded(), as: SnapshotID.self, codec)
    return id
  }
}

extension Repository {
  /// The same repository on another store.
  func behind(_ store: any ObjectStore) -> Repository {
    Repository(
      store: store, config: config, key: key, keyID: keyID, options: RepositoryOptions())
  }
}

extension PackedBlob {
  fileprivate func with(offset: UInt32? = nil, sealedLength: UInt32? = nil) -> PackedBlob {
    PackedBlob(
      blob: blob, offset: offset ?? self.offset, sealedLength: sealedLength ?? self.sealedLength,
      plaintextLength: plaintextLength)
  }
}

extension CheckReport {
  /// Whether there is such a finding; texts have to contain what is given.
  func has(
    _ severity: CheckFinding.Severity, _ part: RepositoryPart, _ place: String, _ reason: String,
    _ remedy: String
  ) -> Bool {
    findings.contains {
      $0.severity == severity && $0.part == part && (place.isEmpty || $0.place == place)
        && (reason.isEmpty || $0.reason.contains(reason)) && $0.remedy.contains(remedy)
    }
  }
}
