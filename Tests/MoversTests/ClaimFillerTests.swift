import Control
import Glibc
import Manifests
import Movers
import Platform
import StateStore
import TestSupport
import Testing

/// Claims that a daemon fills from images, with scripted movers.
@Suite struct ClaimFillerTests {
  private let fixture: DaemonFixture

  init() throws { fixture = try DaemonFixture() }

  private var volumes: String { ControlDaemon.volumeRoot(of: fixture.path) }

  private func destination(_ method: String = "Snapshot") -> String {
    """
    apiVersion: v1
    kind: Secret
    metadata: {name: r}
    stringData:
      {RESTIC_REPOSITORY: \(fixture.temporary.path("repository")), RESTIC_PASSWORD: secret}
    ---
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationDestination
    metadata: {name: d}
    spec:
      trigger: {manual: one}
      restic:
        {copyMethod: \(method), capacity: 1Mi, accessModes: [ReadWriteOnce], repository: r}

    """
  }

  private func claim(_ size: String = "1Mi") -> String {
    """
    apiVersion: v1
    kind: PersistentVolumeClaim
    metadata: {name: c}
    spec:
      accessModes: [ReadWriteOnce]
      resources: {requests: {storage: \(size)}}
      dataSourceRef: {apiGroup: volsync.backube, kind: ReplicationDestination, name: d}

    """
  }

  private var claimKey: ObjectKey { fixture.key("c", kind: "PersistentVolumeClaim") }

  private func events() throws -> [String] {
    try fixture.client.events(of: claimKey).map(\.reason)
  }

  private func content(_ path: String) -> String {
    // What is not there has no content.
    String(decoding: (try? SmallFile.read(path, sizeBytesMax: 99)) ?? [], as: UTF8.self)
  }

  /// Lets each run of the destination write the number of its run.
  private func writeAtEachRun() {
    let runs = Collected<Int>()
    fixture.script.atStart = { [volumes] name in
      guard name == "d" else { return }
      runs.add(1)
      let text = Array("\(runs.values.count)".utf8)
      _ = try? DurableFile.replace(
        "file", in: "\(volumes)/default.volsync-d-dest", with: text, mode: 0o644)
    }
  }

  @Test func aClaimIsFilledWhenThereIsAnImageAndOnlyOnce() throws {
    try fixture.start()
    writeAtEachRun()
    let source = fixture.source("s", "manual: one").replacing(
      "sourcePVC: \(fixture.temporary.path("volume"))", with: "sourcePVC: c")
    try fixture.apply(claim(), DaemonFixture.secret, source)
    fixture.wait(for: "the claim waits") {
      (try? events())?.contains("VolSyncPopulatorReplicationDestinationMissing") == true
    }
    fixture.wait(for: "its source waits") {
      fixture.condition("s").message.contains("is not filled yet")
    }
    #expect(fixture.starts("s") == 0)
    // It is a guard that holds it up, and one that nobody can release.
    let trip = fixture.status("s")?["drover"]?.objectValue?["guard"]?.objectValue
    #expect(trip?["name"] == .string("image-not-ready"))
    #expect { try fixture.client.release(fixture.key("s"), by: "me") } throws: {
      "\($0)".contains("the guard image-not-ready is not released")
    }
    #expect(
      try fixture.client.events(of: fixture.key("s")).filter { $0.reason == "GuardTripped" }.count
        == 1)
    try fixture.apply(destination())
    fixture.wait(for: "the source reads it") { fixture.starts("s") > 0 }
    #expect(content("\(volumes)/default.c/file") == "1")
    #expect(fixture.script.starts(of: "s").first?.job.rsyncTLS?.root == "\(volumes)/default.c")
    fixture.wait(for: "the end of the guard") {
      fixture.status("s")?["drover"]?.objectValue?["guard"] == nil
    }
    let reasons = try events()
    #expect(reasons.suffix(2) == ["VolSyncPopulatorPVCCreated", "VolSyncPopulatorFinished"])
    let document = try fixture.client.object(claimKey).document
    #expect(document["status"]?.objectValue?["phase"] == .string("Bound"))
    let image = try #require(
      document["metadata"]?.objectValue?["annotations"]?.objectValue?[
        "volsync.backube/populated-from"]?.stringValue)
    #expect(image.hasPrefix("default/volsync-d-dest-2"))
    // A later image changes nothing of it.
    try fixture.apply(destination().replacing("manual: one", with: "manual: two"))
    fixture.wait(for: "a second run") {
      let status =
        (try? fixture.client.object(
          fixture.key("d", kind: "ReplicationDestination")))?.document["status"]?.objectValue
      return status?["lastManualSync"] == .string("two")
    }
    #expect(content("\(volumes)/default.volsync-d-dest/file") == "2")
    #expect(content("\(volumes)/default.c/file") == "1")
  }

  @Test func whatCannotBeFilledSaysWhy() throws {
    try fixture.start()
    try fixture.apply(destination("Direct"), claim())
    fixture.wait(for: "the claim says why") {
      (try? fixture.client.events(of: claimKey))?.contains {
        $0.reason == "VolSyncPopulatorError" && $0.message.contains("set copyMethod: Snapshot")
      } == true
    }
    try fixture.apply(claim("1Ki"))
    try fixture.apply(
      destination("Snapshot").replacing("manual: one", with: "manual: two"))
    fixture.wait(for: "it is too small") {
      (try? fixture.client.events(of: claimKey))?.contains {
        $0.reason == "VolSyncPopulatorPVCCreationError"
          && $0.message.contains("asks for 1024 bytes")
      } == true
    }
    #expect(access("\(volumes)/default.c", F_OK) != 0)
    try fixture.apply(claim("2Mi"))
    fixture.wait(for: "it is filled") { access("\(volumes)/default.c", F_OK) == 0 }
  }

  /// The images of a destination are objects that can be looked at, and go with them.
  @Test func imagesAreObjects() throws {
    try fixture.start()
    writeAtEachRun()
    func snapshots() -> [StoredObject] {
      (try? fixture.client.list(kind: "VolumeSnapshot"))?.objects ?? []
    }
    try fixture.apply(destination())
    // The object is there before its status.
    fixture.wait(for: "an image") { snapshots().first?.document["status"] != nil }
    let status = snapshots().first?.document["status"]?.objectValue
    #expect(status?["readyToUse"] == .bool(true))
    #expect(status?["restoreSize"] == .string("1048576"))
    #expect(status?["drover"]?.objectValue?["consistency"] == .string("not atomic"))
    for tag in ["two", "three"] {
      try fixture.apply(destination().replacing("manual: one", with: "manual: \(tag)"))
      fixture.wait(for: "run \(tag)") {
        let status =
          (try? fixture.client.object(
            fixture.key("d", kind: "ReplicationDestination")))?.document["status"]?.objectValue
        return status?["lastManualSync"] == .string(tag)
          && status?["lastSyncStartTime"] == nil && snapshots().count == 1
      }
    }
    fixture.wait(for: "one object") { snapshots().count == 1 }
  }
}
