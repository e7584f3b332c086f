import Control
import Glibc
import Manifests
import Movers
import Platform
import Supervision
import TestSupport
import Testing

/// A mover whose attempts follow a script; a receiver waits until its source is done or it is
/// cancelled.
private final class ScriptedMover: Mover, @unchecked Sendable {
  let name = "scripted"
  private let request: MoverRequest
  private let script: MoverScript
  private let lock = Lock()
  private let condition: Condition
  private var isCancelled = false

  init(_ request: MoverRequest, _ script: MoverScript) {
    self.request = request
    self.script = script
    condition = Condition(lock)
  }

  func synchronize() -> MoverOutcome {
    script.started.add(request)
    if request.job.rsyncTLS?.direction == .receive {
      if let outcome = script.receiverFails { return outcome }
      request.onEvent(.listening(HostPort(host: "127.0.0.1", port: 4321)))
      return waitForSender()
    }
    let outcome = script.nextAttempt()
    if case .completed = outcome { script.senderIsDone.add(true) }
    return outcome
  }

  private func waitForSender() -> MoverOutcome {
    while true {
      if lock.withLock({ isCancelled }) { return .failed(MoverFailure(.cancelled, "cancelled")) }
      if !script.senderIsDone.values.isEmpty {
        return .completed(MoverCompletion(logs: []))
      }
      usleep(2000)
    }
  }

  func cleanUp() throws { script.cleanUps.add(request.end.key.kind) }
  func cancel() { lock.withLock { isCancelled = true } }
}

private final class MoverScript: @unchecked Sendable {
  let started = Collected<MoverRequest>()
  let senderIsDone = Collected<Bool>()
  let cleanUps = Collected<String>()
  var receiverFails: MoverOutcome?
  private let lock = Lock()
  private var attempts: [MoverOutcome]

  init(_ attempts: [MoverOutcome]) { self.attempts = attempts }

  func nextAttempt() -> MoverOutcome { lock.withLock { attempts.removeFirst() } }

  var registry: MoverRegistry<MoverRequest> {
    var registry = MoverRegistry<MoverRequest>()
    registry.register(section: "rsyncTLS") { ScriptedMover($0, self) }
    return registry
  }
}

private let done = MoverOutcome.completed(MoverCompletion(logs: Array("ok".utf8)))
private func failed(_ kind: FailureKind) -> MoverOutcome {
  .failed(MoverFailure(kind, "\(kind)", logs: Array("\(kind)\n".utf8)))
}

@Suite struct RunSessionTests {
  private let files: PlanFiles
  init() throws { files = try PlanFiles() }

  private func run(
    _ script: MoverScript, _ text: String? = nil,
    observer: @escaping RunSession.Observer = { _, _ in }
  ) throws -> (report: RunReport, status: [String: JSONObject]) {
    let plan = try files.plan(
      text ?? files.destination() + files.source(spec: "trigger: {manual: a}"))
    let session = RunSession(
      plan, movers: script.registry, stateDirectory: nil,
      retry: RetryPolicy(attemptCountMax: 3, firstDelaySeconds: 0.01), observer: observer)
    let report = try session.run()
    var status: [String: JSONObject] = [:]
    for object in report.objects {
      guard let object = object.objectValue, let kind = object["kind"]?.stringValue else {
        continue
      }
      status[kind] = object["status"]?.objectValue
    }
    return (report, status)
  }

  private func result(_ status: JSONObject?) -> String? {
    status?["latestMoverStatus"]?.objectValue?["result"]?.stringValue
  }

  private func reason(_ status: JSONObject?) -> String? {
    status?["conditions"]?.arrayValue?.first?.objectValue?["reason"]?.stringValue
  }

  @Test func aRunEndsWithBothStatusPublished() throws {
    let script = MoverScript([done])
    let (report, status) = try run(script)
    #expect(report.exitStatus == .done)
    let source = status["ReplicationSource"]
    #expect(result(source) == "Successful")
    #expect(reason(source) == "WaitingForManual")
    #expect(source?["lastManualSync"] == .string("a"))
    #expect(source?["lastSyncTime"] != nil)
    let destination = status["ReplicationDestination"]
    #expect(
      destination?["rsyncTLS"]
        == .object([
          "address": .string("127.0.0.1"), "port": .integer(4321),
          "keySecret": .string("volsync-rsync-tls-d"),
        ]))
    #expect(reason(destination) == "CleaningUp")
    #expect(Set(script.cleanUps.values).count == 2)
    let sender = try #require(script.started.values.first { $0.job.rsyncTLS?.direction == .send })
    #expect(sender.job.rsyncTLS?.host == "127.0.0.1")
    #expect(sender.job.rsyncTLS?.port == 4321)
  }

  @Test func anUnreachablePeerIsTriedAgain() throws {
    let script = MoverScript([failed(.unreachable), failed(.unreachable), done])
    let delays = Collected<Double>()
    let (report, status) = try run(script) { _, notice in
      if case .retrying(_, _, let delay) = notice { delays.add(delay) }
    }
    #expect(report.exitStatus == .done)
    #expect(delays.values == [0.01, 0.02])
    #expect(result(status["ReplicationSource"]) == "Successful")
  }

  @Test(arguments: [
    (FailureKind.unreachable, 3, Platform.ExitStatus.unreachable), (.wrongKey, 1, .wrongKey),
    (.refused, 1, .refused), (.failed, 1, .failed), (.corrupt, 1, .failed),
  ])
  func aFailureEndsBothEnds(kind: FailureKind, attempts: Int, code: Platform.ExitStatus) throws {
    let script = MoverScript(Array(repeating: failed(kind), count: attempts))
    let (report, status) = try run(script)
    #expect(report.exitStatus == code)
    let source = status["ReplicationSource"]
    #expect(result(source) == "Failed")
    #expect(reason(source) == "SyncInProgress")
    #expect(source?["lastSyncTime"] == nil)
    #expect(result(status["ReplicationDestination"]) == "Failed")
  }

  @Test func aPartialRunIsNoSuccess() throws {
    let script = MoverScript([failed(.partial)])
    script.senderIsDone.add(true)
    let (report, status) = try run(script)
    #expect(report.exitStatus == .partial)
    #expect(result(status["ReplicationSource"]) == "Failed")
    #expect(result(status["ReplicationDestination"]) == "Successful")
  }

  @Test func aRunWithAShortfallCounts() throws {
    var completion = MoverCompletion(logs: Array("w".utf8))
    completion.shortfall = "forget failed"
    completion.statusFields = ["lastPruned": .string("x")]
    let script = MoverScript([.completed(completion)])
    let shortfalls = Collected<String?>()
    let (report, status) = try run(script) { key, notice in
      guard key.kind == "ReplicationSource", case .completed(let shortfall) = notice else { return }
      shortfalls.add(shortfall)
    }
    #expect(report.exitStatus == .partial)
    #expect(shortfalls.values == ["forget failed"])
    let source = status["ReplicationSource"]
    #expect(result(source) == "Successful")
    #expect(source?["lastSyncTime"] != nil)
    #expect(source?["rsyncTLS"] == .object(["lastPruned": .string("x")]))
    #expect(result(status["ReplicationDestination"]) == "Successful")
  }

  @Test func aDestinationThatCannotListenEndsTheRun() throws {
    let script = MoverScript([])
    script.receiverFails = failed(.denied)
    let (report, status) = try run(script)
    #expect(report.exitStatus == .failed)
    #expect(result(status["ReplicationDestination"]) == "Failed")
    // Its source was never started.
    #expect(script.started.values.allSatisfy { $0.job.rsyncTLS?.direction == .receive })
    #expect(status["ReplicationSource"] == nil)
  }

  @Test func cancellationEndsARunThatWaits() throws {
    let script = MoverScript([])
    let plan = try files.plan(files.destination() + files.key("volsync-rsync-tls-d"))
    let listening = Collected<Bool>()
    let session = RunSession(plan, movers: script.registry, stateDirectory: nil) { _, notice in
      if case .event(.listening) = notice { listening.add(true) }
    }
    let thread = Thread("run") { try session.run() }
    while listening.values.isEmpty { usleep(1000) }
    session.cancel()
    #expect(try thread.join().exitStatus == .interrupted)
  }

  @Test func cancellationEndsTheWaitBeforeAnotherTry() throws {
    let script = MoverScript([failed(.unreachable)])
    let plan = try files.plan(
      files.source(section: ", address: far.example.com, keySecret: k") + files.key("k"))
    let retrying = Collected<Bool>()
    let session = RunSession(
      plan, movers: script.registry, stateDirectory: nil,
      retry: RetryPolicy(attemptCountMax: 5, firstDelaySeconds: 3600)
    ) { _, notice in
      if case .retrying = notice { retrying.add(true) }
    }
    let thread = Thread("run") { try session.run() }
    while retrying.values.isEmpty { usleep(1000) }
    session.cancel()
    #expect(try thread.join().exitStatus == .interrupted)
  }

  @Test func pausedObjectsArePrintedAndNotRun() throws {
    let script = MoverScript([])
    let (report, status) = try run(
      script, files.destination(spec: "paused: true") + files.source(spec: "trigger: {manual: a}"))
    #expect(report.exitStatus == .done)
    #expect(report.objects.count == 2)
    #expect(script.started.values.isEmpty)
    #expect(status["ReplicationSource"] == nil)
  }

  @Test func realChildrenCarryARun() throws {
    let receiver = """
      echo '{"event":"listening","address":"127.0.0.1","port":77}' >&4
      while [ ! -e "$D/sent" ]; do sleep 0.01; done; echo '\(Self.summary)' >&4
      """
    let sender =
      "grep -q '\"port\":77' <&3 || exit 1; touch \"$D/sent\"; echo '\(Self.summary)' >&4"
    let directory = files.directory.path
    let movers = MoverRegistry<MoverRequest>.standard { job in
      let text = String(decoding: job.encoded(), as: UTF8.self)
      let script = text.contains("\"receive\"") ? receiver : sender
      return shell("D='\(directory)'; " + script, job: job)
    }
    let plan = try files.plan(files.destination() + files.source())
    let report = try RunSession(plan, movers: movers, stateDirectory: directory) { _, _ in }.run()
    #expect(report.exitStatus == .done)
  }

  private static let summary =
    #"{"event":"summary","entries":1,"files":1,"filesTransferred":0,"created":0,"deleted":0,"#
    + #""attributesChanged":0,"bytes":0,"literalBytes":0,"matchedBytes":0,"wireBytesSent":0,"#
    + #""wireBytesReceived":0,"warnings":0,"durationSeconds":0.5,"stages":[]}"#
}
