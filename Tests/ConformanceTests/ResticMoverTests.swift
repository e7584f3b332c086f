import Glibc
import Platform
import TestSupport
import Testing

/// `drover run` with the section `restic`: what it stores and restores, with restic as the judge.
@Suite struct ResticMoverTests {
  private static func addOddities(_ volume: String) throws {
    try MetadataZoo.make(at: try makeDirectory("\(volume)/zoo"), seed: 11)
    // What restic 0.14 does not keep: sockets, hard links of what is no file, attributes of links,
    // and targets that are not UTF-8.
    try runChecked("find", ["\(volume)/zoo", "-type", "s", "-delete"])
    try runChecked(
      "find", ["\(volume)/zoo", "!", "-type", "d", "!", "-type", "f", "-links", "+1", "-delete"])
    for name in ["dangling", "invalid"] { unlink("\(volume)/zoo/symlinks/\(name)") }
  }

  private static func makeDirectory(_ path: String) throws -> String {
    guard mkdir(path, 0o755) == 0 else { throw PlatformError.last("mkdir", path) }
    return path
  }

  @Test func aBackupIsThatOfVolSync() throws {
    let bench = try MoverBench()
    try ResticMoverTests.addOddities(bench.volume)
    let first = try bench.runChecked(bench.source())
    let snapshot = try #require(try bench.snapshots().first)
    #expect(snapshot["hostname"] == .string("volsync"))
    #expect(snapshot["paths"] == .array([.string("/data")]))
    #expect(snapshot["excludes"] == .array([.string("lost+found")]))
    #expect(snapshot["tags"] == nil)
    let names = try bench.repo.restic(["ls", "latest"]).outputText.split(separator: "\n")
    #expect(names.contains("/hello"))
    #expect(!names.contains { $0.hasPrefix("/data") || $0.hasSuffix("lost+found") })
    try bench.repo.restic(["check", "--read-data"])
    let target = bench.repo.directory.path("by-restic")
    try bench.repo.restic(["restore", "latest", "--target", target])
    try bench.expectEqual(target)
    #expect(first.source?["latestMoverStatus"]?["result"] == .string("Successful"))
    #expect(first.source?["lastManualSync"] == .string("once"))
    let logs = try #require(first.source?["latestMoverStatus"]?["logs"]?.stringValue)
    #expect(logs.contains("created repository"))
    #expect(logs.contains("snapshot \(snapshot["short_id"]?.stringValue ?? "?") saved"))
    let blobs = try bench.dataBlobs()
    let second = try bench.runChecked(bench.source())
    #expect(second.log.contains("using parent snapshot"))
    #expect(try bench.dataBlobs() == blobs)
    // Without `retain` the last snapshot alone stays.
    #expect(try bench.snapshots().count == 1)
    #expect(try bench.snapshots().first?["id"] != snapshot["id"])
  }

  @Test func aRepositoryOfVolSyncIsRestoredAndContinued() throws {
    let bench = try MoverBench()
    try ResticMoverTests.addOddities(bench.volume)
    try bench.repo.restic(["init"])
    try bench.backUpByRestic()
    let theirs = try #require(try bench.snapshots().first)
    #expect(theirs["paths"] == .array([.string("/data")]))
    let outcome = try bench.runChecked(bench.destination())
    try bench.expectEqual(bench.restored)
    #expect(outcome.destination?["latestMoverStatus"]?["result"] == .string("Successful"))
    let blobs = try bench.dataBlobs()
    try bench.runChecked(bench.source(", retain: {last: '2'}"))
    #expect(try bench.dataBlobs() == blobs)
    let snapshots = try bench.snapshots()
    #expect(snapshots.count == 2)
    #expect(snapshots.last?["parent"] == theirs["id"])
    #expect(snapshots.last?["tree"] == theirs["tree"])
    try bench.repo.restic(["check", "--read-data"])
  }

  @Test func theExampleBacksUpAndRestores() throws {
    let bench = try MoverBench()
    let path = RepoBench.fixturePath("../specs/drover/restic-on-a-host.yaml")
    let bytes = try SmallFile.read(path, sizeBytesMax: 1 << 16)
    var text = String(decoding: bytes, as: UTF8.self)
    for (old, new) in [
      ("/srv/backup/data", bench.repo.repository), ("/srv/data", bench.volume),
      ("/srv/restored", bench.restored),
    ] { text = text.replacing(old, with: new) }
    let outcome = try bench.runChecked(text)
    try bench.expectEqual(bench.restored)
    #expect(
      outcome.destination?["latestImage"]
        == .object([
          "apiGroup": .string(""), "kind": .string("PersistentVolumeClaim"),
          "name": .string("restored"),
        ]))
  }

  /// The examples as published, but for the place of the store, and the copy, which is not served
  /// yet.
  @Test func volSyncsExamplesRun() throws {
    let bench = try MoverBench()
    func example(_ name: String) throws -> String {
      let path = RepoBench.fixturePath("../specs/volsync/\(name).yaml")
      let bytes = try SmallFile.read(path, sizeBytesMax: 1 << 16)
      return String(decoding: bytes, as: UTF8.self)
        .replacing("s3:http://127.0.0.1:9000/restic-repo", with: bench.repo.repository)
        .replacing("copyMethod: Clone", with: "copyMethod: Direct")
    }
    func volume(_ claim: String, at path: String) -> String {
      """
      apiVersion: v1
      kind: PersistentVolume
      metadata: {name: of-\(claim)}
      spec:
        capacity: {storage: 3Gi}
        accessModes: [ReadWriteOnce]
        claimRef: {namespace: default, name: \(claim)}
        hostPath: {path: '\(path)'}
      """
    }
    let claim = String(try example("restic-restore").split(separator: "---")[0])
      .replacing("pvc-name", with: "source")
    try bench.runChecked(
      [
        try example("restic-config"), try example("restic-source"), claim,
        volume("source", at: bench.volume), try example("restic-restore"),
        volume("pvc-name", at: bench.restored),
      ].joined(separator: "\n---\n"))
    try bench.expectEqual(bench.restored)
  }

  @Test func manualTriggersNeedNoOnce() throws {
    let bench = try MoverBench()
    try bench.runChecked(bench.source())
    let manifests = bench.repo.directory.path("restore.yaml")
    try RepoBench.write(manifests, bench.destination())
    try runChecked(
      try DroverBinary.path, ["run", "-f", manifests], environment: bench.repo.environment)
    try bench.expectEqual(bench.restored)
  }

  @Test func theRepositoryMayBeInAVolumeOfTheMover() throws {
    let bench = try MoverBench()
    let shelf = try bench.repo.directory.makeDirectory("shelf")
    let volumes =
      ", moverVolumes: [{mountPath: shelf, volumeSource: {persistentVolumeClaim:"
      + " {claimName: '\(shelf)'}}}]"
    let text = bench.source(volumes).replacing(bench.repo.repository, with: "/mnt/shelf/repository")
    try bench.runChecked(text)
    try runChecked("test", ["-f", "\(shelf)/repository/config"])
  }

  @Test func settingsOfTheSecretAreTaken() throws {
    let bench = try MoverBench()
    try RepoBench.write("\(bench.volume)/zeros", String(repeating: "0", count: 1 << 20))
    let settings = """
      RESTIC_COMPRESSION: 'off'
        RESTIC_PACK_SIZE: '8'
        AWS_ACCESS_KEY_ID: of no use to a directory
      """
    let text = bench.source().replacing(bench.secret(), with: bench.secret(settings))
    let added = try #require(
      try bench.runChecked(text).log.split(separator: "\n").first { $0.contains("Added to") })
    #expect(added.contains("1.0"), "\(added)")
    #expect(added.contains("MiB"), "\(added)")
  }

  @Test func excludedCachesAreLeftOut() throws {
    let bench = try MoverBench()
    let cache = try ResticMoverTests.makeDirectory("\(bench.volume)/cache")
    try RepoBench.write("\(cache)/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n")
    try RepoBench.write("\(cache)/content", "can be made again")
    try bench.runChecked(bench.source(", exclude: {caches: true}"))
    let names = try bench.repo.restic(["ls", "latest"]).outputText.split(separator: "\n")
    #expect(names.contains("/cache/CACHEDIR.TAG"))
    #expect(!names.contains("/cache/content"))
  }

  // MARK: which snapshot

  @Test func restoreAsOfAndPreviousChoose() throws {
    let bench = try MoverBench()
    try bench.repo.restic(["init"])
    for day in 1...3 {
      try RepoBench.write("\(bench.volume)/day", "\(day)")
      try bench.backUpByRestic(["--time", "2024-03-0\(day) 12:00:00"])
    }
    let cases: [(section: String, day: String?)] = [
      ("", "3"), (", previous: 1", "2"), (", previous: 2", "1"), (", previous: 3", nil),
      (", restoreAsOf: '2024-03-02T12:00:00Z'", "2"),
      (", restoreAsOf: '2024-03-02T12:59:59+01:00'", "1"),
      (", restoreAsOf: '2024-03-03T00:00:00Z', previous: 1", "1"),
      (", restoreAsOf: '2024-03-01T11:59:59Z'", nil),
    ]
    for (section, day) in cases {
      unlink("\(bench.restored)/day")
      let outcome = try bench.run(bench.destination(section))
      let path = "\(bench.restored)/day"
      let found = (try? SmallFile.read(path, sizeBytesMax: 10)).map {
        String(decoding: $0, as: UTF8.self)
      }
      #expect(found == day, "\(section): \(outcome.log)")
      #expect((outcome.result.status == 0) == (day != nil), "\(section): \(outcome.log)")
      guard day == nil else { continue }
      for snapshot in try bench.snapshots() {
        #expect(outcome.log.contains(snapshot["short_id"]?.stringValue ?? "?"))
      }
      #expect(outcome.destination?["latestMoverStatus"]?["result"] == .string("Failed"))
    }
  }

  @Test func aRestoreThatFindsNothingFails() throws {
    let bench = try MoverBench()
    let missing = try bench.run(bench.destination())
    #expect(missing.result.status == 1)
    #expect(missing.log.contains("there is no repository"))
    #expect(access(bench.repo.repository, F_OK) != 0)
    try bench.repo.restic(["init"])
    try bench.repo.restic(["backup", "--host", "other", bench.volume])
    let other = try #require(try bench.snapshots().first?["short_id"]?.stringValue)
    let outcome = try bench.run(bench.destination())
    #expect(outcome.result.status == 1)
    #expect(outcome.log.contains("no snapshot found (paths [/data])"))
    #expect(outcome.log.contains("\(other) of"))
    #expect(outcome.destination?["latestImage"] == nil)
  }

  @Test func deletionIsAskedForAndSparesTheFileSystem() throws {
    let bench = try MoverBench()
    try bench.runChecked(bench.source())
    try RepoBench.write("\(bench.restored)/extra", "x")
    try runChecked("mkdir", ["\(bench.restored)/lost+found"])
    try bench.runChecked(bench.destination())
    #expect(access("\(bench.restored)/extra", F_OK) == 0)
    try bench.runChecked(bench.destination(", enableFileDeletion: true"))
    #expect(access("\(bench.restored)/extra", F_OK) != 0)
    #expect(access("\(bench.restored)/lost+found", F_OK) == 0)
    try bench.expectEqual(bench.restored)
  }
}
