import Manifests
import Movers
import Platform
import StateStore
import Supervision
import TestSupport
import Testing

/// A volume that a mover of an earlier process may still write to, and a promotion.
@Suite struct HandOutTests {
  private let fixture: DaemonFixture
  private var key: ObjectKey { fixture.key("d", kind: "ReplicationDestination") }

  init() throws { fixture = try DaemonFixture() }

  private func destination(port: Int = 9000) -> String {
    """
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationDestination
    metadata: {name: d, annotations: {drover.internal/listen: '127.0.0.1:\(port)'}}
    spec:
      rsyncTLS:
        copyMethod: Direct
        destinationPVC: \(fixture.temporary.path("volume"))
        keySecret: k

    """
  }

  private func status() throws -> JSONObject? {
    try fixture.client.object(key).document["status"]?.objectValue
  }

  private func promotedText() throws -> String? {
    try status()?["rsyncTLS"]?.objectValue?["promoted"]?.stringValue
  }

  /// What a mover holds while it lives.
  private func holdVolume() throws -> RunLock {
    try FileMaking.directory("\(fixture.path)/_run")
    return try RunLock(taking: "\(fixture.path)/_run/ReplicationDestination.default.d.lock")
  }

  @Test func aDaemonHandsOutNoVolumeThatIsWrittenTo() throws {
    try fixture.start(lockSecondsMax: 0.05)
    try fixture.apply(DaemonFixture.secret, destination())
    fixture.wait(for: "it listens") { fixture.starts("d") > 0 }
    var held: RunLock? = try holdVolume()
    _ = try fixture.client.promote(key, isForced: true)
    fixture.wait(for: "the refusal") {
      // One that cannot be read says nothing.
      let condition = (try? status())??["conditions"]?.arrayValue?.first?.objectValue
      return condition?["message"]?.stringValue?.contains("still writes to its volume") == true
    }
    #expect(try promotedText() == nil)
    #expect(held != nil)
    held = nil
    // A changed spec is a reason to look again at once.
    try fixture.apply(destination(port: 9001))
    fixture.wait(for: "the volume") { (try? promotedText())??.contains("handed out") == true }
  }

  @Test func withoutADaemonItIsRefusedToo() throws {
    let directory = try #require(try StateDirectory.open(fixture.path))
    let service = StateService(directory)
    for text in [DaemonFixture.secret, destination()] {
      let file = ManifestFile(name: "a.yaml", text: Array(text.utf8))
      guard case .changes = service.answer(.apply([file], namespace: "default")) else {
        Issue.record("it is not applied")
        return
      }
    }
    try directory.updateRelation(of: key) { $0.promote(at: WallTime(seconds: 1_800_000_000)) }
    func handOut() throws {
      try HandOut.perform(key, in: directory, served: ["rsyncTLS"], lockSecondsMax: 0.05)
    }
    var held: RunLock? = try holdVolume()
    #expect(throws: StateError.self) { try handOut() }
    #expect(held != nil)
    held = nil
    try handOut()
    let status = try directory.object(key)?.own.status
    let text = status?["rsyncTLS"]?.objectValue?["promoted"]?.stringValue
    #expect(text?.contains("handed out") == true)
  }
}
