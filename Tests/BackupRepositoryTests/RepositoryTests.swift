import Cryptography
import ObjectStorage
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// Opening, making and filling repositories, with restic as the judge.
@Suite struct RepositoryTests {
  private static let password = Array("drover-fixture".utf8)
  private static let now = GoTime(seconds: 1_700_000_000, nanoseconds: 5)

  private static func fixture(_ name: String) -> String {
    var parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    parts.removeLast(3)
    return parts.joined(separator: "/") + "/fixtures/restic/\(name)"
  }

  @Test(arguments: ["repo-v1", "repo-v2", "repo-v2-r014"])
  func opensRealRepositoriesAndReadsEveryBlobOfTheirIndex(name: String) throws {
    let store = try LocalStore(at: RepositoryTests.fixture(name))
    let repository = try Repository.open(store, password: RepositoryTests.password)
    let codec = try repository.makeCodec()
    let snapshots = try repository.snapshots(codec) { id, error in
      Issue.record("\(id.short): \(error.message)")
    }
    #expect(snapshots.count >= 2)
    let index = try repository.loadIndex()
    let reader = try BlobReader(repository, index)
    var count = 0
    for type in BlobType.allCases {
      var handles: [BlobHandle] = []
      try index.forEachEntry(type) { id, _ in handles.append(BlobHandle(type, id)) }
      for handle in handles {
        _ = try reader.read(handle)
        count += 1
      }
    }
    #expect(count > 20)
    let decoder = try TreeDecoder()
    for snapshot in snapshots {
      #expect(try reader.tree(snapshot.record.tree, decoder, .strict).nodes.count == 1)
    }
  }

  @Test func wrongPasswordAndMissingRepositoryAreTold() throws {
    let store = try LocalStore(at: RepositoryTests.fixture("repo-v2"))
    #expect(throws: RepositoryError.self) {
      try Repository.open(store, password: Array("wrong".utf8))
    }
    do {
      _ = try Repository.open(store, password: Array("wrong".utf8))
    } catch {
      #expect(error.kind == .wrongKey)
    }
    do {
      _ = try Repository.open(MemoryStore(), password: [1])
      Issue.record("opened nothing")
    } catch {
      #expect(error.kind == .notFound)
    }
  }

  @Test(arguments: [RepositoryVersion.v1, .v2])
  func resticFindsWhatTheWriterStoredSound(version: RepositoryVersion) throws {
    let directory = try TemporaryDirectory()
    let store = try LocalStore.create(
      at: directory.path("repo"), folders: RepositoryLayout.directories.map { try ObjectKey($0) })
    var creation = Repository.Creation()
    creation.version = version
    let repository = try Repository.create(
      store, password: Array("test".utf8), creation, now: RepositoryTests.now)
    let codec = try repository.makeCodec()
    let writer = PackWriter(repository, sizeBytes: 4 << 20)
    var random = SeededGenerator(seed: 3)
    for index in 0..<400 {
      let bytes =
        index % 3 == 0
        ? [UInt8](repeating: UInt8(index % 251), count: 1 + index * 100)
        : random.bytes(1 + index * 150)
      try bytes.withUnsafeBytes { bytes in
        let id = codec.identifier(of: bytes, BlobID.self)
        let blob = try codec.compressed(bytes, isCompressed: true)
        try writer.add(
          sealing: blob.content, by: codec, BlobHandle(.data, id),
          plaintextLength: blob.plaintextLength)
      }
    }
    var tree = TreeEncoder()
    tree.finish()
    let root = tree.withBytes { codec.identifier(of: $0, BlobID.self) }
    try tree.bytes.withUnsafeBytes { bytes in
      let blob = try codec.compressed(bytes, isCompressed: true)
      try writer.add(
        sealing: blob.content, by: codec, BlobHandle(.tree, root),
        plaintextLength: blob.plaintextLength)
    }
    try writer.finish(codec)
    try repository.save(
      SnapshotRecord(time: RepositoryTests.now, tree: root, paths: ["/nothing"]).encoded(),
      as: SnapshotID.self, codec)
    let result = try runProcess(
      "restic", ["-r", directory.path("repo"), "--no-cache", "check", "--read-data"],
      environment: ["RESTIC_PASSWORD": "test", "PATH": "/usr/bin:/bin"])
    #expect(result.status == 0, "\(result.outputText)\(result.errorText)")
    #expect(result.outputText.contains("no errors were found"))
    #expect(writer.totals.packCount >= 3)
  }
}
