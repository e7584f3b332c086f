import HTTPClient
import Manifests
import Observation
import Platform
import StateStore
import TestSupport
import Testing

@Suite("Notifications of runs")
struct NotifierTests {
  private let key = ObjectKey(kind: ReplicationSource.kind, namespace: "db", name: "data")

  private func run(_ outcome: RunRecord.Outcome) -> RunRecord {
    RunRecord(
      mover: "restic", cause: "schedule", started: WallTime(seconds: 1),
      ended: WallTime(seconds: 2), outcome: outcome)
  }

  @Test("What is told of which end, and the URL of a ping")
  func notifications() throws {
    #expect(RunNotification(run(.successful), key)?.event == .success)
    #expect(RunNotification(run(.incomplete), key)?.event == .failure)
    #expect(RunNotification(run(.failed), key)?.event == .failure)
    for outcome in [RunRecord.Outcome.missed, .cancelled, .interrupted] {
      #expect(RunNotification(run(outcome), key) == nil)
    }
    let failed = try #require(RunNotification(run(.failed), key))
    #expect(failed.pingURL("https://x/u/{namespace}-{name}") == "https://x/u/db-data/fail")
    #expect(failed.pingURL("https://x/u?a=1") == "https://x/u/fail?a=1")
    let start = RunNotification(.start, key, at: WallTime(seconds: 9))
    #expect(start.pingURL("http://x") == "http://x/start")
    #expect(start.document["event"] == .string("start"))
    #expect(failed.document["run"]?.objectValue?["outcome"] == .string("Failed"))
  }

  @Test("A receiver that fails is tried again, a bounded number of times")
  func retries() throws {
    let received = Received()
    let server = try ScriptedServer { request in
      received.add(
        "\(request.method) \(request.target) \(String(decoding: request.body, as: UTF8.self))")
      return ScriptedServer.Answer(status: received.count < 3 ? 503 : 200)
    }
    let complaints = Received()
    let url = "http://127.0.0.1:\(server.port)/secret-token"
    let notifier = Notifier(
      Notifier.Targets(webhook: url, ping: url + "/p"),
      policy: HTTPRetryPolicy(attemptsMax: 3, delaySecondsBase: 0.01)
    ) { complaints.add($0) }
    notifier.add(RunNotification(.start, key, at: WallTime(seconds: 1)))
    received.wait(count: 4)
    notifier.stop()
    let lines = received.all
    #expect(lines.count == 4)
    #expect(lines[0].hasPrefix("POST /secret-token {") && lines[0].contains(#""name":"data""#))
    #expect(lines[3].hasPrefix("GET /secret-token/p/start"))
    #expect(complaints.all.isEmpty)
  }

  @Test("One that is down or refuses is told without its path; what is added never waits")
  func failures() throws {
    let complaints = Received()
    let url = "http://127.0.0.1:\(try freePort())/secret-token"
    let notifier = Notifier(
      Notifier.Targets(ping: url), policy: HTTPRetryPolicy(attemptsMax: 2, delaySecondsBase: 0.01)
    ) { complaints.add($0) }
    for _ in 0..<(2 * Notifier.queueCountMax) {
      notifier.add(RunNotification(.start, key, at: WallTime(seconds: 1)))
    }
    complaints.wait(count: 2)
    notifier.stop()
    let all = complaints.all
    #expect(all.contains { $0.contains("notifications of runs were lost") })
    #expect(all.contains { $0.contains("was not taken") })
    #expect(!all.contains { $0.contains("secret-token") })
  }
}

private final class Received: @unchecked Sendable {
  private let lock = Lock()
  private let condition: Condition
  private var texts: [String] = []

  init() { condition = Condition(lock) }

  func add(_ text: String) {
    lock.withLock {
      texts.append(text)
      condition.broadcast()
    }
  }

  var all: [String] { lock.withLock { texts } }
  var count: Int { lock.withLock { texts.count } }

  func wait(count: Int) {
    let deadline = MonotonicTime.now().advanced(bySeconds: 60)
    lock.withLock {
      while texts.count < count, condition.wait(until: deadline) {}
    }
  }
}
