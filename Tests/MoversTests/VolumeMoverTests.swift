import Control
import Glibc
import Manifests
import Movers
import Platform
import TestSupport
import Testing
import Volumes

/// A mover that looks at the volume it is given.
private final class LookingMover: Mover, @unchecked Sendable {
  let name = "looking"
  private let body: () -> MoverOutcome
  private let atCancel: @Sendable () -> Void
  init(_ body: @escaping () -> MoverOutcome, atCancel: @escaping @Sendable () -> Void = {}) {
    self.body = body
    self.atCancel = atCancel
  }
  func synchronize() -> MoverOutcome { body() }
  func cleanUp() throws {}
  func cancel() { atCancel() }
}

/// What stands around the mover of an end: the copy that it reads.
@Suite struct VolumeMoverTests {
  private let directory: TemporaryDirectory
  private let volume: String

  init() throws {
    directory = try TemporaryDirectory()
    volume = try directory.makeDirectory("data")
    try DurableFile.replace("file", in: volume, with: Array("old".utf8), mode: 0o644)
  }

  var place: String { directory.path(".drover-copies") }

  var placeNames: [String] {
    get throws { access(place, F_OK) == 0 ? try DurableFile.names(in: place, countMax: 9) : [] }
  }

  func source(_ method: String, annotations: String = "") -> String {
    """
    apiVersion: v1
    kind: Secret
    metadata: {name: k, namespace: ns}
    stringData: {psk.txt: "id:00112233445566778899aabbccddeeff"}
    ---
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationSource
    metadata: {name: s, namespace: ns, annotations: {\(annotations)}}
    spec:
      sourcePVC: \(volume)
      trigger: {manual: a}
      rsyncTLS: {copyMethod: \(method), address: example.org, port: 9000, keySecret: k}

    """
  }

  /// Runs the source once; `body` is the mover, which gets its path.
  func run(
    _ text: String, _ body: @escaping @Sendable (String, Int) -> MoverOutcome
  ) throws -> (exit: Platform.ExitStatus, status: JSONObject) {
    let set = try ManifestLoader().decode([("p.yaml", Array(text.utf8))])
    let plan = try RunPlanner(set, served: ["rsyncTLS"]).plan()
    let attempts = Collected<String>()
    var registry = MoverRegistry<MoverRequest>()
    registry.register(section: "rsyncTLS") { request in
      let root = request.job.rsyncTLS?.root ?? ""
      attempts.add(root)
      return LookingMover { body(root, attempts.values.count) }
    }
    let session = RunSession(
      plan, movers: registry, stateDirectory: nil,
      retry: RetryPolicy(attemptCountMax: 2, firstDelaySeconds: 0.01)
    ) { _, _ in }
    let report = try session.run()
    let status = report.objects.first?.objectValue?["status"]?.objectValue
    return (report.exitStatus, status ?? JSONObject())
  }

  @Test(arguments: ["Clone", "Snapshot"])
  func aSourceReadsACopyThatGoesAwayWithTheRun(method: String) throws {
    let seen = Collected<String>()
    let result = try run(source(method)) { [volume, place] root, attempt in
      // What is changed now is not in the copy.
      _ = try? DurableFile.replace("file", in: volume, with: Array("new".utf8), mode: 0o644)
      let bytes = (try? SmallFile.read("\(root)/file", sizeBytesMax: 99)) ?? []
      seen.add("\(root == place + "/ns.volsync-s-src") \(String(decoding: bytes, as: UTF8.self))")
      return attempt == 1
        ? .failed(MoverFailure(.unreachable, "gone")) : .completed(MoverCompletion(logs: []))
    }
    #expect(result.exit == .done)
    // The second attempt reads what the first has read.
    #expect(seen.values == ["true old", "true old"])
    #expect(try placeNames == [])
    let copy = result.status["drover"]?.objectValue?["copy"]?.objectValue
    #expect(copy?["method"] == .string("copy"))
    #expect(copy?["consistency"] == .string("not atomic"))
    #expect(copy?["time"]?.stringValue.flatMap(WallTime.init(rfc3339:)) != nil)
  }

  @Test(arguments: ["Direct", "None"])
  func withoutACopyTheVolumeItselfIsRead(method: String) throws {
    let seen = Collected<String>()
    let result = try run(source(method)) { root, _ in
      seen.add(root)
      return .completed(MoverCompletion(logs: []))
    }
    #expect(result.exit == .done)
    #expect(seen.values == [volume])
    #expect(result.status["drover"] == nil)
  }

  @Test func aRunThatIsGivenUpLeavesNoCopy() throws {
    let result = try run(source("Clone")) { _, _ in .failed(MoverFailure(.corrupt, "bad")) }
    #expect(result.exit != .done)
    #expect(try placeNames == [])
  }

  @Test func aCopyThatCannotBeMadeIsTheFailureOfTheRun() throws {
    try #require(mkdir(place, 0o755) == 0 && chmod(place, 0o777) == 0)
    let result = try run(source("Clone")) { _, _ in .completed(MoverCompletion(logs: [])) }
    #expect(result.exit != .done)
    let logs = result.status["latestMoverStatus"]?.objectValue?["logs"]?.stringValue ?? ""
    #expect(logs.contains("\(place) cannot hold copies"), "\(logs)")
  }

  @Test func whatAKilledRunLeftGoesAtTheStart() throws {
    try #require(mkdir(place, 0o711) == 0)
    try #require(mkdir("\(place)/ns.volsync-old-src", 0o700) == 0)
    try DurableFile.replace("ns.volsync-old-src.making", in: place, with: [], mode: 0o600)
    let seen = Collected<[String]>()
    _ = try run(source("Clone")) { [place] _, _ in
      seen.add((try? DurableFile.names(in: place, countMax: 9)) ?? [])
      return .completed(MoverCompletion(logs: []))
    }
    #expect(seen.values == [["ns.volsync-s-src", "ns.volsync-s-src.making"]])
    #expect(try placeNames == [])
  }
}

/// What a destination keeps after a run: images, and volumes that are made.
@Suite struct DestinationVolumeTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func destination(_ section: String, annotations: String = "") -> String {
    """
    apiVersion: v1
    kind: Secret
    metadata: {name: k, namespace: ns}
    stringData: {psk.txt: "id:00112233445566778899aabbccddeeff"}
    ---
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationDestination
    metadata: {name: d, namespace: ns, annotations: {\(annotations)}}
    spec:
      trigger: {manual: a}
      rsyncTLS: {\(section), keySecret: k}

    """
  }

  private func plan(_ text: String) throws -> RunPlan {
    let set = try ManifestLoader().decode([("p.yaml", Array(text.utf8))])
    return try RunPlanner(set, served: ["rsyncTLS"], volumeRoot: directory.path("volumes")).plan()
  }

  /// Runs once with a mover that writes `text` to the volume; gives the status.
  private func run(
    _ manifests: String, writing text: String?
  ) throws -> (status: JSONObject, root: String) {
    let plan = try plan(manifests)
    let roots = Collected<String>()
    var registry = MoverRegistry<MoverRequest>()
    registry.register(section: "rsyncTLS") { request in
      let root = request.job.rsyncTLS?.root ?? ""
      roots.add(root)
      request.onEvent(.listening(HostPort(host: "127.0.0.1", port: 4321)))
      return LookingMover {
        guard let text else { return .failed(MoverFailure(.corrupt, "bad")) }
        do {
          try DurableFile.replace("file", in: root, with: Array(text.utf8), mode: 0o644)
          return .completed(MoverCompletion(logs: []))
        } catch {
          return .failed(MoverFailure(.failed, "\(error)"))
        }
      }
    }
    let report = try RunSession(plan, movers: registry, stateDirectory: nil) { _, _ in }.run()
    let status = report.objects.first?.objectValue?["status"]?.objectValue
    return (status ?? JSONObject(), roots.values.first ?? "")
  }

  private func image(_ status: JSONObject) -> String? {
    let image = status["latestImage"]?.objectValue
    guard image?["kind"] == .string("VolumeSnapshot"),
      image?["apiGroup"] == .string("snapshot.storage.k8s.io")
    else { return nil }
    return image?["name"]?.stringValue
  }

  private func names(_ path: String) throws -> [String] {
    try DurableFile.names(in: directory.path(path), countMax: 20)
  }

  @Test func aVolumeIsMadeAndTheNewestImagesAreKept() throws {
    let section = "copyMethod: Snapshot, capacity: 1Mi, accessModes: [ReadWriteOnce]"
    let text = destination(section, annotations: "drover.internal/image-retain: '2'")
    var made: [String] = []
    for number in 1...3 {
      let (status, root) = try run(text, writing: "\(number)")
      #expect(root == directory.path("volumes/ns.volsync-d-dst"))
      made.append(try #require(image(status)))
      #expect(made.last?.hasPrefix("volsync-d-dst-2") == true)
      let copy = status["drover"]?.objectValue?["copy"]?.objectValue
      #expect(copy?["consistency"] == .string("not atomic"))
    }
    #expect(Set(made).count == 3)
    #expect(
      try names("volumes/.drover-copies")
        == made.dropFirst().flatMap { ["ns.\($0)", "ns.\($0).image"] }.sorted())
    let file = directory.path("volumes/.drover-copies/ns.\(made[1])/file")
    #expect(try SmallFile.read(file, sizeBytesMax: 9) == Array("2".utf8))
  }

  @Test func aRunThatFailedLeavesTheImageOfTheLast() throws {
    let text = destination("copyMethod: Snapshot, capacity: 1Mi, accessModes: [ReadWriteOnce]")
    let first = try #require(image(try run(text, writing: "1").status))
    #expect(image(try run(text, writing: nil).status) == nil)
    #expect(
      try names("volumes/.drover-copies") == ["ns.\(first)", "ns.\(first).image"])
  }

  @Test func anImageThatIsToBeKeptStays() throws {
    let text = destination("copyMethod: Snapshot, capacity: 1Mi, accessModes: [ReadWriteOnce]")
    let first = try #require(image(try run(text, writing: "1").status))
    let label = """
      ---
      apiVersion: snapshot.storage.k8s.io/v1
      kind: VolumeSnapshot
      metadata: {name: \(first), namespace: ns, labels: {volsync.backube/do-not-delete: ''}}
      spec: {source: {persistentVolumeClaimName: volsync-d-dst}}

      """
    for number in 2...3 { _ = try run(text + label, writing: "\(number)") }
    let left = try names("volumes/.drover-copies").filter { $0.hasSuffix(".image") }
    #expect(left.count == 2)
    #expect(left.contains("ns.\(first).image"))
  }

  @Test func aTemporaryVolumeGoesAndItsImageStays() throws {
    let section =
      "copyMethod: Snapshot, cleanupTempPVC: true, capacity: 1Mi, accessModes: [ReadWriteOnce]"
    let name = try #require(image(try run(destination(section), writing: "1").status))
    #expect(try names("volumes") == [".drover-copies"])
    #expect(try names("volumes/.drover-copies/ns.\(name)") == ["file"])
  }

  @Test func directPublishesTheClaim() throws {
    let section = "copyMethod: Direct, capacity: 1Mi, accessModes: [ReadWriteOnce]"
    let (status, _) = try run(destination(section), writing: "1")
    #expect(
      status["latestImage"]
        == .object([
          "apiGroup": .string(""), "kind": .string("PersistentVolumeClaim"),
          "name": .string("volsync-d-dst"),
        ]))
    #expect(try names("volumes") == ["ns.volsync-d-dst"])
  }

  /// Planning looks and makes nothing.
  @Test func aBlockVolumeIsMadeWithItsCapacity() throws {
    let text = destination(
      "copyMethod: Snapshot, volumeMode: Block, capacity: 3Mi, accessModes: [ReadWriteOnce]")
    let end = try #require(try plan(text).destinations.first)
    #expect(end.volume?.bound.mode == .block)
    #expect(end.volume?.capacityBytes == 3 << 20)
    #expect(access(directory.path("volumes"), F_OK) != 0)
  }

  @Test func whatWouldLoseDataIsRefused() throws {
    let section =
      "copyMethod: Direct, cleanupTempPVC: true, capacity: 1Mi, accessModes: [ReadWriteOnce]"
    #expect { try plan(destination(section)) } throws: {
      "\($0)".contains(
        "spec.rsyncTLS.cleanupTempPVC: would remove what was received: with it, copyMethod must be"
          + " Snapshot")
    }
  }

  @Test func namesOfImagesOfPathsAreNames() throws {
    let volume = try directory.makeDirectory("My_Data.1")
    let text = destination("copyMethod: Snapshot, destinationPVC: \(volume)")
    let name = try #require(image(try run(text, writing: "1").status))
    #expect(name.hasPrefix("my-data-1-2"))
    #expect(ObjectName.problem(inName: name) == nil)
  }
}
