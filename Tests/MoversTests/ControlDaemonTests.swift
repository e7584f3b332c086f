import Control
import Glibc
import Manifests
import Movers
import Platform
import StateStore
import TestSupport
import Testing

/// A daemon on a state directory of its own, with scripted movers and a fast clock.
final class DaemonFixture: @unchecked Sendable {
  let temporary: TemporaryDirectory
  let script = ServiceScript()
  private var daemon: ControlDaemon?
  private var thread: Thread<Result<Void, any Error>>?
  let notices = Collected<String>()
  /// One for each look at the whole directory.
  let looks = Collected<Bool>()

  init() throws {
    temporary = try TemporaryDirectory()
    _ = try temporary.makeDirectory("volume")
  }

  deinit { stop() }

  var path: String { temporary.path("state") }
  var client: StateClient {
    StateClient(
      path: path,
      check: ControlDaemon.check(
        served: script.registry.sections, volumeRoot: ControlDaemon.volumeRoot(of: path)))
  }

  func start(
    slotCount: Int = 4, lockSecondsMax: Double = HandOut.lockSecondsStandard
  ) throws {
    var options = ControlDaemon.Options()
    options.lookSecondsMax = 0.002
    options.slotCount = slotCount
    options.lockSecondsMax = lockSecondsMax
    options.retry = RetryPolicy(attemptCountMax: 2, firstDelaySeconds: 0.01)
    let (notices, looks) = (notices, looks)
    let daemon = try ControlDaemon(
      path: path, movers: script.registry, options: options, clock: script.clock
    ) { notice in
      switch notice {
      case .problem(let problem): notices.add("problem: \(problem)")
      case .trouble(let text): notices.add("trouble: \(text)")
      case .serving: looks.add(true)
      case .run: break
      }
    }
    self.daemon = daemon
    let ready = Collected<Bool>()
    thread = Thread("daemon") {
      Result { try daemon.run { ready.add(true) } }
    }
    script.wait(for: "the daemon") { !ready.values.isEmpty }
  }

  func stop() {
    daemon?.stop()
    // A failure shows where something is waited for.
    _ = try? thread?.join()
    thread = nil
    daemon = nil
  }

  func source(
    _ name: String, _ trigger: String = "schedule: '* * * * *'", more: String = ""
  ) -> String {
    """
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationSource
    metadata: {name: \(name)}
    spec:
      sourcePVC: \(temporary.path("volume"))
      trigger: {\(trigger)}
      rsyncTLS: {copyMethod: Direct, address: example.org, port: 9000, keySecret: k}
      \(more)

    """
  }

  func backup(_ name: String, repository: String) -> String {
    """
    apiVersion: v1
    kind: Secret
    metadata: {name: \(name)-config}
    stringData: {RESTIC_REPOSITORY: \(temporary.path(repository)), RESTIC_PASSWORD: secret}
    ---
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationSource
    metadata: {name: \(name)}
    spec:
      sourcePVC: \(temporary.path("volume"))
      trigger: {schedule: '* * * * *'}
      restic: {copyMethod: Direct, repository: \(name)-config}

    """
  }

  static let secret = """
    apiVersion: v1
    kind: Secret
    metadata: {name: k}
    stringData: {psk.txt: "id:0123456789abcdef0123456789abcdef"}

    """

  @discardableResult
  func apply(_ texts: String...) throws -> [ChangeOutcome] {
    let text = texts.joined(separator: "---\n")
    return try client.apply([ManifestFile(name: "test.yaml", text: Array(text.utf8))])
      .map(\.outcome)
  }

  func key(_ name: String, kind: String = "ReplicationSource") -> ObjectKey {
    ObjectKey(kind: kind, namespace: "default", name: name)
  }

  func status(_ name: String) -> JSONObject? {
    // One that is gone has none.
    (try? client.object(key(name)))?.document["status"]?.objectValue
  }

  func condition(_ name: String) -> (reason: String, message: String) {
    let condition = status(name)?["conditions"]?.arrayValue?.first?.objectValue
    return (
      condition?["reason"]?.stringValue ?? "", condition?["message"]?.stringValue ?? ""
    )
  }

  func write(_ name: String, _ text: String) throws {
    let path = "\(path)/\(name)"
    let raw = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard raw >= 0 else { throw PlatformError.last("open", path) }
    let descriptor = Descriptor(owning: raw)
    try SmallFile.write(Array(text.utf8), to: descriptor.raw, subject: path)
  }

  func wait(for what: String, _ holds: () -> Bool) { script.wait(for: what, holds) }
  func starts(_ name: String) -> Int { script.starts(of: name).count }
}

@Suite("Control daemon")
struct ControlDaemonTests {
  private let fixture: DaemonFixture
  init() throws { fixture = try DaemonFixture() }

  @Test("Objects come, change and go while others run")
  func comesAndGoes() throws {
    try fixture.start()
    #expect(try fixture.apply(DaemonFixture.secret, fixture.source("a")) == [.created, .created])
    fixture.wait(for: "two runs") { fixture.starts("a") >= 2 }
    try fixture.apply(fixture.source("b"))
    fixture.wait(for: "a run of another") { fixture.starts("b") >= 1 }
    try fixture.client.delete([fixture.key("a")]).forEach { #expect($0.outcome == .deleted) }
    let before = fixture.starts("b")
    fixture.wait(for: "further runs") { fixture.starts("b") >= before + 3 }
    // It may have begun one while it was deleted.
    let count = fixture.starts("a")
    fixture.wait(for: "further runs") { fixture.starts("b") >= before + 6 }
    #expect(fixture.starts("a") == count)
    #expect(fixture.condition("b").reason != "")
  }

  @Test("A changed spec is in force with the next run, and does not disturb one under way")
  func changes() throws {
    try fixture.start()
    fixture.script.block("a")
    try fixture.apply(DaemonFixture.secret, fixture.source("a", "manual: one"))
    fixture.wait(for: "a start") { fixture.starts("a") == 1 }
    let changed = fixture.source("a", "manual: two").replacing("port: 9000", with: "port: 9001")
    #expect(try fixture.apply(changed) == [.configured])
    fixture.script.unblock("a")
    fixture.wait(for: "the end") { fixture.status("a")?["lastManualSync"] == .string("two") }
    try fixture.apply(changed.replacing("manual: two", with: "manual: three"))
    fixture.wait(for: "the end") { fixture.status("a")?["lastManualSync"] == .string("three") }
    let ports = fixture.script.starts(of: "a").map { $0.job.rsyncTLS?.port }
    #expect(ports.first == 9000)
    // The second tag may have come with the end of the first run or after it.
    #expect([[9001], [9001, 9001]].contains(Array(ports.dropFirst())), "\(ports)")
    let outcomes = try fixture.client.runs(of: fixture.key("a")).map(\.outcome)
    #expect(outcomes.allSatisfy { $0 == .successful }, "\(outcomes)")
  }

  @Test("A deleted object cancels its run, and another of its name starts after it")
  func deletes() throws {
    try fixture.start()
    fixture.script.block("a")
    try fixture.apply(DaemonFixture.secret, fixture.source("a", "manual: one"))
    fixture.wait(for: "a start") { fixture.starts("a") == 1 }
    _ = try fixture.client.delete([fixture.key("a")])
    try fixture.apply(fixture.source("a", "manual: two"))
    fixture.wait(for: "the other's start") { fixture.starts("a") == 2 }
    fixture.script.unblock("a")
    fixture.wait(for: "its end") { fixture.status("a")?["lastManualSync"] == .string("two") }
    #expect(fixture.script.starts(of: "a").map(\.runningCount).max() == 1)
    // The status is stored first; the record of the run follows.
    fixture.wait(for: "the record") {
      (try? fixture.client.runs(of: fixture.key("a")))?.isEmpty == false
    }
    #expect(try fixture.client.runs(of: fixture.key("a")).count == 1)
  }

  @Test("What stands against one object is its condition; others run")
  func problems() throws {
    try fixture.start()
    try fixture.apply(DaemonFixture.secret, fixture.source("a"), fixture.source("b"))
    fixture.wait(for: "runs of both") { fixture.starts("a") > 0 && fixture.starts("b") > 0 }
    // By hand: nobody refuses it.
    let name = "default/replicationsource/a.yaml"
    try fixture.write(name, fixture.source("a").replacing("keySecret: k", with: "keySecret: kk"))
    fixture.wait(for: "the error") { fixture.condition("a").reason == "Error" }
    #expect(fixture.condition("a").message.contains("a.yaml:7: ReplicationSource/a"))
    #expect(fixture.condition("a").message.contains("no Secret \"kk\""))
    let (a, b) = (fixture.starts("a"), fixture.starts("b"))
    fixture.wait(for: "more runs of the other") { fixture.starts("b") > b + 3 }
    #expect(fixture.starts("a") == a)
    try fixture.write(name, fixture.source("a"))
    fixture.wait(for: "runs again") { fixture.starts("a") > a }
    fixture.wait(for: "no error") { fixture.condition("a").reason != "Error" }
    // A file that is no YAML at all leaves the rest alone, and comes back.
    try fixture.write(name, "spec: [")
    fixture.wait(for: "the report") {
      fixture.notices.values.contains { $0.contains("a.yaml") }
    }
    try fixture.write(name, fixture.source("a"))
    let again = fixture.starts("a")
    fixture.wait(for: "runs again") { fixture.starts("a") > again }
  }

  @Test("A file half written is read again before anything is told")
  func halfWritten() throws {
    try fixture.start()
    try fixture.apply(DaemonFixture.secret)
    try FileMaking.directory("\(fixture.path)/default/replicationsource")
    let text = fixture.source("h", "manual: one")
    let begin = MonotonicTime.now()
    for count in stride(from: 20, to: text.count, by: 40) {
      try fixture.write("default/replicationsource/h.yaml", String(text.prefix(count)))
    }
    try fixture.write("default/replicationsource/h.yaml", text)
    let seconds = MonotonicTime.now().seconds(since: begin)
    fixture.wait(for: "a run") { fixture.starts("h") == 1 }
    // Where this process was held up for longer, half a file was all there was to see.
    if seconds < 0.4 { #expect(fixture.notices.values.isEmpty, "\(fixture.notices.values)") }
  }

  @Test("The status is stored before a run begins, and again when it is over")
  func storedFirst() throws {
    try fixture.start()
    fixture.script.block("a")
    let path = "\(fixture.path)/default/replicationsource/a.status.yaml"
    fixture.script.atStart = { [notices = fixture.notices] name in
      let text = (try? SmallFile.read(path, sizeBytesMax: 1 << 20)) ?? []
      if !String(decoding: text, as: UTF8.self).contains("lastSyncStartTime") {
        notices.add("\(name) began before its status was stored")
      }
    }
    try fixture.apply(DaemonFixture.secret, fixture.source("a", "manual: one"))
    fixture.wait(for: "a start") { fixture.starts("a") == 1 }
    fixture.script.unblock("a")
    fixture.wait(for: "the end") { fixture.status("a")?["lastManualSync"] == .string("one") }
    #expect(fixture.status("a")?["lastSyncStartTime"] == nil)
    #expect(fixture.notices.values.isEmpty, "\(fixture.notices.values)")
    // The status is stored first; what is told of the run follows.
    fixture.wait(for: "the record") {
      (try? fixture.client.log(of: fixture.key("a"), sizeBytesMax: 4096).contains("ended: done"))
        == true
    }
    let runs = try fixture.client.runs(of: fixture.key("a"))
    #expect(runs.map(\.outcome) == [.successful])
    #expect(runs.map(\.cause) == ["manual tag one"])
    #expect(runs.first?.phases.map(\.name).contains("mover") == true)
    let reasons = try fixture.client.events(of: fixture.key("a")).map(\.reason)
    #expect(reasons == ["TransferStarted"])
  }

  @Test("A restart goes on: a run under way is run again once, and what was missed is told")
  func restarts() throws {
    fixture.script.block("a")
    try fixture.start()
    try fixture.apply(DaemonFixture.secret, fixture.source("a"), fixture.source("b"))
    fixture.wait(for: "starts") { fixture.starts("a") == 1 && fixture.starts("b") >= 2 }
    fixture.stop()
    let began = fixture.status("a")?["lastSyncStartTime"]
    #expect(began != nil)
    let (a, b) = (fixture.starts("a"), fixture.starts("b"))
    // Some minutes pass.
    let then = fixture.script.clock.wallTime().seconds + 600
    fixture.wait(for: "ten minutes") { fixture.script.clock.wallTime().seconds > then }
    fixture.script.unblock("a")
    try fixture.start()
    fixture.wait(for: "runs again") { fixture.starts("a") > a && fixture.starts("b") > b }
    // The status is stored first; the record of the run follows.
    fixture.wait(for: "the end") {
      let runs = (try? fixture.client.runs(of: fixture.key("a"))) ?? []
      return runs.contains { $0.outcome == .successful }
    }
    #expect(fixture.status("a")?["lastSyncTime"] != nil)
    let runs = try fixture.client.runs(of: fixture.key("a"))
    #expect(runs.first?.outcome == .interrupted)
    #expect(runs.dropFirst().contains { $0.outcome == .successful })
    let missed = try fixture.client.runs(of: fixture.key("b")).filter { $0.outcome == .missed }
    #expect(missed.compactMap(\.missedCount).reduce(0, +) >= 8, "\(missed)")
  }

  @Test("A run that is asked for comes once, beside the schedule")
  func requests() throws {
    try fixture.start()
    try fixture.apply(DaemonFixture.secret, fixture.source("a", "schedule: '0 0 1 1 *'"))
    fixture.wait(for: "the first run") { fixture.status("a")?["lastSyncTime"] != nil }
    #expect(fixture.starts("a") == 1)
    for number in 0..<3 {
      _ = try fixture.client.trigger(fixture.key("a"), tag: "t\(number)")
      fixture.wait(for: "run \(number)") {
        fixture.status("a")?["lastManualSync"] == .string("t\(number)")
      }
      #expect(fixture.starts("a") == number + 2)
      #expect(fixture.status("a")?["nextSyncTime"] != nil)
    }
    // Asked for while one goes on: another follows.
    fixture.script.block("a")
    _ = try fixture.client.trigger(fixture.key("a"), tag: "x")
    fixture.wait(for: "its start") { fixture.starts("a") == 5 }
    _ = try fixture.client.trigger(fixture.key("a"), tag: "y")
    fixture.script.unblock("a")
    fixture.wait(for: "the last") { fixture.status("a")?["lastManualSync"] == .string("y") }
    #expect(fixture.starts("a") == 6)
    // Paused ones do not start, and resumed ones are due.
    _ = try fixture.client.setPaused(fixture.key("a"), true)
    #expect(throws: StateError.self) { try fixture.client.trigger(fixture.key("a"), tag: "z") }
    _ = try fixture.client.setPaused(fixture.key("a"), false)
    _ = try fixture.client.trigger(fixture.key("a"), tag: "z")
    fixture.wait(for: "one more") { fixture.status("a")?["lastManualSync"] == .string("z") }
    #expect(fixture.starts("a") == 7)
  }

  @Test("A run that is asked for needs no look at all objects")
  func requestsNeedNoLook() throws {
    try fixture.start()
    try fixture.apply(
      DaemonFixture.secret, fixture.source("a", "schedule: '0 0 1 1 *'"),
      fixture.source("b", "schedule: '0 0 1 1 *'"))
    fixture.wait(for: "the first runs") {
      fixture.status("a")?["lastSyncTime"] != nil && fixture.status("b")?["lastSyncTime"] != nil
    }
    // On a busy machine a look may still be due for what was changed before.
    let needsNone = try (0..<20).contains { number in
      let count = fixture.looks.values.count
      _ = try fixture.client.trigger(fixture.key("a"), tag: "t\(number)")
      fixture.wait(for: "the run") {
        fixture.status("a")?["lastManualSync"] == .string("t\(number)")
      }
      // A look is told of when what it has found is served already.
      SystemClock().sleep(seconds: 0.05)
      return fixture.looks.values.count == count
    }
    #expect(needsNone)
    #expect(!fixture.looks.values.isEmpty)
    #expect(fixture.starts("b") == 1)
  }

  @Test("What was changed before a run is asked for is in force with it", arguments: [false, true])
  func changedBeforeRequest(isByHand: Bool) throws {
    try fixture.start()
    let schedule = "schedule: '0 0 1 1 *'"
    try fixture.apply(DaemonFixture.secret, fixture.source("a", schedule))
    fixture.wait(for: "the first run") { fixture.status("a")?["lastSyncTime"] != nil }
    for number in 0..<20 {
      let host = "host-\(number).example.org"
      let changed = fixture.source("a", schedule).replacing("example.org", with: host)
      if isByHand {
        try fixture.write("default/replicationsource/a.yaml", changed)
      } else {
        try fixture.apply(changed)
      }
      _ = try fixture.client.trigger(fixture.key("a"), tag: "t\(number)")
      fixture.wait(for: "run \(number)") {
        fixture.status("a")?["lastManualSync"] == .string("t\(number)")
      }
      let hosts = fixture.script.starts(of: "a").map { $0.job.rsyncTLS?.host ?? "" }
      #expect(hosts.count == number + 2 && hosts.last == host, "\(hosts)")
    }
  }

  @Test("One run at a time for each repository")
  func repositories() throws {
    fixture.script.workSeconds = 0.01
    try fixture.start()
    try fixture.apply(
      fixture.backup("a", repository: "one"), fixture.backup("c", repository: "two"))
    fixture.wait(for: "runs of both") { fixture.starts("a") > 1 && fixture.starts("c") > 1 }
    #expect {
      try fixture.apply(fixture.backup("b", repository: "one"))
    } throws: { "\($0)".contains("writes into the same repository") }
  }

  @Test("A destination without key gets one that survives, and its source finds it")
  func generatedKey() throws {
    try fixture.start()
    let pair = """
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationDestination
      metadata: {name: d}
      spec:
        rsyncTLS: {copyMethod: Direct, destinationPVC: \(fixture.temporary.path("volume"))}
      ---
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationSource
      metadata: {name: s}
      spec:
        sourcePVC: \(fixture.temporary.path("volume"))
        trigger: {manual: one}
        rsyncTLS: {copyMethod: Direct}

      """
    try fixture.apply(pair)
    let secret = fixture.key("volsync-rsync-tls-d", kind: "Secret")
    fixture.wait(for: "a session") { fixture.status("s")?["lastManualSync"] == .string("one") }
    let document = try fixture.client.object(secret).document
    #expect(document["data"]?.objectValue?["psk.txt"] != nil)
    let keys = Set(
      (fixture.script.starts(of: "d") + fixture.script.starts(of: "s"))
        .compactMap { $0.job.rsyncTLS?.key })
    #expect(keys.count == 1)
    fixture.stop()
    let count = fixture.starts("d")
    try fixture.start()
    fixture.wait(for: "it listens again") { fixture.starts("d") > count }
    #expect(fixture.script.starts(of: "d").last?.job.rsyncTLS?.key == keys.first)
    #expect(try fixture.client.object(secret).document["data"] == document["data"])
  }

  @Test("The state directory has one daemon")
  func oneDaemon() throws {
    try fixture.start()
    #expect(try StateDirectory.open(fixture.path) == nil)
    #expect(fixture.client.hasDaemon)
    fixture.stop()
    #expect(!fixture.client.hasDaemon)
  }
}

enum FileMaking {
  static func directory(_ path: String) throws {
    guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
      throw PlatformError.last("mkdir", path)
    }
  }
}
