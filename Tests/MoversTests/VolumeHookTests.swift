import Control
import Glibc
import Manifests
import Movers
import Platform
import StateStore
import TestSupport
import Testing

/// Commands of the user around a copy, and applications that say when it may be made.
@Suite struct VolumeHookTests {
  private let bench: VolumeMoverTests
  private let directory: TemporaryDirectory

  init() throws {
    bench = try VolumeMoverTests()
    directory = try TemporaryDirectory()
  }

  private var journal: String { directory.path("journal") }

  private var lines: [String] {
    // Without a file nothing has been written.
    let bytes = (try? SmallFile.read(journal, sizeBytesMax: 9999)) ?? []
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  private func hooks(before: String = "true", after: String = "true", more: String = "") -> String {
    "drover.internal/hook-before: 'echo before $DROVER_OBJECT >> \(journal); \(before)', "
      + "drover.internal/hook-after: 'echo after >> \(journal); \(after)'\(more)"
  }

  private func run(
    _ method: String, _ annotations: String, outcome: MoverOutcome? = nil
  ) throws -> (exit: Platform.ExitStatus, logs: String) {
    let result = try bench.run(bench.source(method, annotations: annotations)) { [journal] _, _ in
      let raw = open(journal, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
      let descriptor = Descriptor(owning: raw)
      // One that cannot be written shows as a line that is missing.
      try? SmallFile.write(Array("mover\n".utf8), to: descriptor.raw, subject: journal)
      return outcome ?? .completed(MoverCompletion(logs: []))
    }
    let logs = result.status["latestMoverStatus"]?.objectValue?["logs"]?.stringValue ?? ""
    return (result.exit, logs)
  }

  @Test func commandsRunAroundTheCopyAndAroundARunWithoutOne() throws {
    #expect(try run("Clone", hooks()).exit == .done)
    #expect(lines == ["before ns/s", "after", "mover"])
    try #require(unlink(journal) == 0)
    #expect(try run("Direct", hooks()).exit == .done)
    #expect(lines == ["before ns/s", "mover", "after"])
  }

  @Test(arguments: ["Clone", "Direct"])
  func theCommandAfterRunsWhateverHappens(method: String) throws {
    // The command before it fails: nothing is copied or moved.
    let failed = try run(method, hooks(before: "exit 3"))
    #expect(failed.exit != .done)
    #expect(failed.logs.contains("the command hook-before ended with code 3"))
    #expect(lines == ["before ns/s", "after"])
    // The copy or the mover fails.
    try #require(unlink(journal) == 0)
    if method == "Clone" {
      try #require(mkdir(bench.place, 0o755) == 0 || errno == EEXIST)
      try #require(chmod(bench.place, 0o777) == 0)
    }
    let second = try run(method, hooks(), outcome: .failed(MoverFailure(.corrupt, "bad")))
    #expect(second.exit != .done)
    #expect(lines.last == "after" && lines.count == (method == "Clone" ? 2 : 3))
  }

  @Test func aCommandThatFailsMayBePassedOver() throws {
    let on = ", drover.internal/hook-on-error: Continue"
    #expect(try run("Clone", hooks(before: "exit 3", after: "exit 4", more: on)).exit == .done)
    #expect(lines == ["before ns/s", "after", "mover"])
    let strict = try run("Clone", hooks(after: "exit 4"))
    #expect(strict.exit != .done)
    #expect(strict.logs.contains("the command hook-after ended with code 4"))
    #expect(try bench.placeNames == [])
  }

  @Test func aCommandThatTakesTooLongIsEnded() throws {
    let result = try run(
      "Clone", hooks(before: "sleep 300", more: ", drover.internal/hook-timeout: 1s"))
    #expect(result.logs.contains("the command hook-before took longer than 1 s and was ended"))
    #expect(lines == ["before ns/s", "after"])
  }
}

/// An application that says by annotations of its claim when the volume may be copied.
@Suite struct CopyTriggerTests {
  private let fixture: DaemonFixture
  init() throws { fixture = try DaemonFixture() }

  private func claim(_ annotations: String) -> String {
    """
    apiVersion: v1
    kind: PersistentVolume
    metadata: {name: v}
    spec: {hostPath: {path: \(fixture.temporary.path("volume"))}}
    ---
    apiVersion: v1
    kind: PersistentVolumeClaim
    metadata: {name: c, annotations: {\(annotations)}}
    spec: {volumeName: v}

    """
  }

  private let use = "volsync.backube/use-copy-trigger: ''"

  private func source(_ method: String = "Clone") -> String {
    fixture.source("s").replacing(
      "sourcePVC: \(fixture.temporary.path("volume"))", with: "sourcePVC: c"
    ).replacing("copyMethod: Direct", with: "copyMethod: \(method)")
  }

  private func annotation(_ name: String) -> String? {
    let key = fixture.key("c", kind: "PersistentVolumeClaim")
    // One that cannot be read has none.
    return (try? fixture.client.object(key))?.document["metadata"]?.objectValue?["annotations"]?
      .objectValue?["volsync.backube/\(name)"]?.stringValue
  }

  private func reasons() throws -> [String] {
    try fixture.client.events(of: fixture.key("s")).map(\.reason)
  }

  @Test func aCopyWaitsForEachNewValue() throws {
    try fixture.start()
    try fixture.apply(DaemonFixture.secret, claim(use), source())
    fixture.wait(for: "it waits") { annotation("latest-copy-status") == "WaitingForTrigger" }
    #expect(annotation("latest-copy-trigger-waiting-since") != nil)
    // Ten minutes pass quickly here; it waits on.
    fixture.wait(for: "it is told that this takes long") {
      (fixture.status("s")?["latestMoverStatus"]?.objectValue?["logs"]?.stringValue ?? "")
        .contains("Timed out waiting for copy-trigger to be modified for pvc c")
    }
    #expect(fixture.condition("s").reason == "SyncInProgress")
    #expect(fixture.starts("s") == 0)
    for value in ["one", "two"] {
      let before = fixture.starts("s")
      try fixture.apply(claim("\(use), volsync.backube/copy-trigger: \(value)"))
      fixture.wait(for: "a run of \(value)") {
        fixture.starts("s") > before && annotation("latest-copy-trigger") == value
      }
      fixture.wait(for: "it waits again") {
        annotation("latest-copy-status") == "WaitingForTrigger"
      }
      // One run for each value, though the schedule was due more often.
      #expect(fixture.starts("s") == before + 1)
    }
    let found = try reasons()
    for reason in [
      "SrcPVCWaitingForCopyTrigger", "SrcPVCTimeoutWaitingForCopyTrigger",
      "SrcPVCCopyTriggerReceived", "SrcPVCCopyUsingCopyTriggerCompleted",
    ] {
      #expect(found.contains(reason), "\(reason)")
    }
    // What the last copy was made by outlives the daemon.
    fixture.stop()
    let count = fixture.starts("s")
    try fixture.start()
    fixture.wait(for: "it waits") { annotation("latest-copy-status") == "WaitingForTrigger" }
    SystemClock().sleep(seconds: 0.3)
    #expect(fixture.starts("s") == count)
  }

  /// What means nothing on a host is accepted, and told once.
  @Test func fieldsWithoutEffectAreToldOnce() throws {
    let text = fixture.source("s").replacing(
      "keySecret: k}", with: "keySecret: k, storageClassName: fast, moverResources: {}}")
    func events() throws -> [EventRecord] {
      try fixture.client.events(of: fixture.key("s")).filter { $0.reason == "FieldsWithoutEffect" }
    }
    for _ in 0..<2 {
      try fixture.start()
      let count = fixture.starts("s")
      try fixture.apply(DaemonFixture.secret, text)
      fixture.wait(for: "a run") { fixture.starts("s") > count }
      fixture.stop()
    }
    let found = try events()
    #expect(found.map(\.count) == [1])
    #expect(
      found.first?.message
        == "accepted, and without effect on a host: spec.rsyncTLS.storageClassName, "
        + "spec.rsyncTLS.moverResources")
  }

  @Test func directNeedsNoTrigger() throws {
    try fixture.start()
    try fixture.apply(DaemonFixture.secret, claim(use), source("Direct"))
    fixture.wait(for: "a run") { fixture.starts("s") > 0 }
    #expect(annotation("latest-copy-status") == nil)
  }

  /// A paused source takes no copy, and calls no command.
  @Test func pausedComesBeforeTheCopy() throws {
    try fixture.start()
    let text = source().replacing(
      "name: s}",
      with:
        "name: s, annotations: {drover.internal/hook-before: 'touch "
        + "\(fixture.temporary.path("called"))'}}"
    ).replacing("spec:\n", with: "spec:\n  paused: true\n")
    try fixture.apply(DaemonFixture.secret, claim(""), text, fixture.source("other"))
    fixture.wait(for: "runs of another") { fixture.starts("other") > 3 }
    #expect(fixture.starts("s") == 0)
    #expect(access(fixture.temporary.path("called"), F_OK) != 0)
    #expect(access(fixture.temporary.path(".drover-copies"), F_OK) != 0)
    try fixture.apply(text.replacing("paused: true", with: "paused: false"))
    fixture.wait(for: "a run") { fixture.starts("s") > 0 }
    #expect(access(fixture.temporary.path("called"), F_OK) == 0)
  }

  /// A command that a killed daemon had still to run is run by the next.
  @Test func theCommandAfterIsRunByTheNextDaemon() throws {
    try FileMaking.directory(fixture.path)
    try FileMaking.directory("\(fixture.path)/_run")
    let document: JSONObject = [
      "name": .string("hook-after"), "command": .string("echo $A > \(fixture.temporary.path("x"))"),
      "timeoutSeconds": .double(10), "variables": .object(["A": .string("late")]),
    ]
    try DurableFile.replace(
      "hook-ReplicationSource.default.gone.lock", in: "\(fixture.path)/_run",
      with: JSONValue.object(document).encoded(), mode: 0o600)
    try fixture.start()
    let bytes = try SmallFile.read(fixture.temporary.path("x"), sizeBytesMax: 99)
    #expect(bytes == Array("late\n".utf8))
    #expect(try DurableFile.names(in: "\(fixture.path)/_run", countMax: 9) == [])
  }
}
