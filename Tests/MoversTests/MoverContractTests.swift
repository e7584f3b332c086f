import Control
import Manifests
import Movers
import Platform
import Replication
import Supervision
import TestSupport
import Testing

struct TestFault: DroverError {
  var kind: FailureKind
  var message: String
  var hint: String?
}

/// An engine that does nothing but what a test tells it to say.
struct ScriptedEngine: ReplicationEngine {
  var warningCount: Int64 = 0
  var fault: TestFault?

  private func end() throws -> SessionSummary {
    if let fault { throw fault }
    var summary = SessionSummary()
    summary.warningCount = warningCount
    summary.treeDigest = [1, 2]
    summary.stages = [
      StageTime(stage: "walk", busySeconds: 1.5, inputWaitSeconds: 0, outputWaitSeconds: 2)
    ]
    return summary
  }

  func send(
    _ job: RsyncTLSJob, events: @escaping @Sendable (SessionEvent) -> Void
  ) throws -> SessionSummary {
    events(.warning(path: Array("a\nb".utf8), message: job.root))
    return try end()
  }

  func receive(
    _ job: RsyncTLSJob, events: @escaping @Sendable (SessionEvent) -> Void,
    listening: @escaping @Sendable (HostPort) -> Void
  ) throws -> SessionSummary {
    listening(HostPort(host: "::1", port: 81))
    return try end()
  }

  func cancel() {}
}

/// Collects values from any thread.
final class Collected<Value: Sendable>: @unchecked Sendable {
  private let lock = Lock()
  private var storage: [Value] = []
  func add(_ value: Value) { lock.withLock { storage.append(value) } }
  var values: [Value] { lock.withLock { storage } }
}

let sampleJob: RsyncTLSJob = {
  var job = RsyncTLSJob(.send, root: "/srv/é", host: "h", port: 8000, key: Array("id:00ff".utf8))
  job.excludes = ["lost+found"]
  job.identity = "id"
  job.allowEmptySource = true
  return job
}()

@Suite struct MoverContractTests {
  private func runChild(
    _ engine: ScriptedEngine, _ job: MoverJob
  ) -> (status: Platform.ExitStatus, lines: [String]) {
    var child = MoverChild()
    child.register("rsyncTLS", RsyncTLSWork(engine: engine))
    let lines = Collected<String>()
    let status = child.run({ job.document }) { event in
      lines.add(String(decoding: JSONValue.object(event.document).encoded(), as: UTF8.self))
    }
    return (status, lines.values)
  }

  private func job(_ job: RsyncTLSJob, lock: String? = nil) -> MoverJob {
    MoverJob(section: "rsyncTLS", lockPath: lock, job: job.document)
  }

  @Test func aJobSurvivesItsWayThroughJSON() throws {
    let text = JSONValue.object(sampleJob.document).encoded()
    let object = try #require(try JSONValue(parsing: text).objectValue)
    #expect(try RsyncTLSJob(object) == sampleJob)
    #expect(sampleJob.sendOptions.allowEmptySource)
    #expect(sampleJob.sendOptions.oneFileSystem)
  }

  @Test(arguments: ["direction", "root", "host", "port", "key", "once", "oneFileSystem"])
  func aJobThatLacksAFieldIsRefused(name: String) {
    var object = sampleJob.document
    object[name] = nil
    #expect(throws: JSONError.self) { try RsyncTLSJob(object) }
    object[name] = .array([])
    #expect(throws: JSONError.self) { try RsyncTLSJob(object) }
  }

  @Test func eventsSurviveTheirWay() throws {
    var progress = SessionProgress()
    progress.sizeBytesDone = 1 << 40
    progress.walkIsComplete = true
    let events: [MoverEvent] = [
      .listening(HostPort(host: "::", port: 8000)), .progress(progress),
      .item(change: ">f+++++++++", path: "x"), .warning(path: "p", message: "m"),
      .failure(kind: .wrongKey, message: "no", hint: "h"),
    ]
    for event in events {
      let back = try #require(try MoverEvent(event.document))
      #expect(back.document == event.document)
    }
    #expect(try MoverEvent(["event": .string("of a later version")]) == nil)
  }

  @Test func theChildEndsWithTheStatusOfItsWork() {
    #expect(runChild(ScriptedEngine(), job(sampleJob)).status == .done)
    #expect(runChild(ScriptedEngine(warningCount: 2), job(sampleJob)).status == .partial)
    let table: [(FailureKind, Platform.ExitStatus)] = [
      (.wrongKey, .wrongKey), (.unreachable, .unreachable), (.refused, .refused),
      (.failed, .failed), (.usage, .usage), (.cancelled, .interrupted),
    ]
    for (kind, status) in table {
      let engine = ScriptedEngine(fault: TestFault(kind: kind, message: "broken", hint: "mend"))
      let (code, lines) = runChild(engine, job(sampleJob))
      #expect(code == status)
      #expect(
        lines.last == #"{"event":"failure","kind":"\#(kind)","message":"broken","hint":"mend"}"#)
    }
  }

  @Test func theChildTellsWhatTheEngineTells() {
    var receive = sampleJob
    receive.direction = .receive
    let lines = runChild(ScriptedEngine(), job(receive)).lines
    #expect(lines.first == #"{"event":"listening","address":"::1","port":81}"#)
    #expect(lines.last?.contains(#""treeDigest":"0102""#) == true)
    let sent = runChild(ScriptedEngine(), job(sampleJob)).lines
    #expect(sent.first == ##"{"event":"warning","path":"a\\#012b","message":"/srv/é"}"##)
  }

  @Test func theChildHoldsItsLock() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("lock")
    let lock = try RunLock(taking: path)
    let (status, lines) = withExtendedLifetime(lock) {
      runChild(ScriptedEngine(), job(sampleJob, lock: path))
    }
    #expect(status == .failed)
    #expect(lines.last?.contains(#""kind":"locked""#) == true)
  }

  @Test func anUnknownSectionIsRefused() {
    let job = MoverJob(section: "carrierPigeon", lockPath: nil, job: [:])
    #expect(runChild(ScriptedEngine(), job).status == .usage)
  }

  // MARK: the parent's side

  private func outcome(_ script: String) -> MoverOutcome {
    let mover = ChildMover(
      name: "rsync-tls", job: job(sampleJob), launch: { shell(script, job: $0) }
    ) { _ in }
    return mover.synchronize()
  }

  private static let summary = String(
    decoding: JSONValue.object(SessionSummary().document(event: "summary")).encoded(), as: UTF8.self
  )

  @Test func aSummaryAndZeroAreSuccess() {
    guard case .completed(let completion) = outcome("echo '\(Self.summary)' >&4") else {
      Issue.record("not completed")
      return
    }
    #expect(completion.shortfall == nil)
    #expect(String(decoding: completion.logs, as: UTF8.self).hasPrefix("files: 0"))
  }

  @Test func zeroWithoutSummaryIsAFailure() {
    guard case .failed(let failure) = outcome("exit 0") else {
      Issue.record("completed")
      return
    }
    #expect(failure.kind == .failed)
  }

  @Test func threeIsNoSuccessOfASession() {
    guard case .failed(let failure) = outcome("echo '\(Self.summary)' >&4; exit 3") else {
      Issue.record("completed")
      return
    }
    #expect(failure.kind == .partial)
  }

  @Test func threeIsAShortfallOfABackup() {
    var summary = ResticSummary(.backup)
    summary.shortfalls = ["prune failed"]
    let event = JSONValue.object(MoverEvent.summary(.restic(summary)).document).encoded()
    let text = String(decoding: event, as: UTF8.self)
    guard case .completed(let completion) = outcome("echo '\(text)' >&4; exit 3") else {
      Issue.record("not completed")
      return
    }
    #expect(completion.shortfall == "prune failed")
    #expect(String(decoding: completion.logs, as: UTF8.self).contains("incomplete: prune failed"))
  }

  @Test func theEventTellsMoreThanTheCode() {
    let event = #"{"event":"failure","kind":"denied","message":"no entry","hint":"ask"}"#
    guard case .failed(let failure) = outcome("echo '\(event)' >&4; echo noise; exit 1") else {
      Issue.record("completed")
      return
    }
    #expect(failure.kind == .denied)
    #expect(failure.message == "no entry")
    #expect(failure.logs == Array("noise\nno entry\nask\n".utf8))
  }

  @Test(arguments: [(6, FailureKind.wrongKey), (7, .unreachable), (5, .refused), (99, .failed)])
  func theCodeAloneTellsTheKind(code: Int, kind: FailureKind) {
    guard case .failed(let failure) = outcome("exit \(code)") else {
      Issue.record("completed")
      return
    }
    #expect(failure.kind == kind)
  }

  @Test func aKilledChildIsOneFailedAttempt() {
    guard case .failed(let failure) = outcome("kill -9 $$") else {
      Issue.record("completed")
      return
    }
    #expect(failure.kind == .failed)
    #expect(failure.message.contains("signal 9"))
    #expect(failure.hint != nil)
  }

  @Test func theKeyTravelsInNoArgument() {
    let script = "cat <&3 >/dev/null; tr '\\0' ' ' </proc/$$/cmdline; env; exit 1"
    guard case .failed(let failure) = outcome(script) else {
      Issue.record("completed")
      return
    }
    #expect(!String(decoding: failure.logs, as: UTF8.self).contains("00ff"))
  }
}
