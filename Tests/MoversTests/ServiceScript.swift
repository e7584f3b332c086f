import Control
import Glibc
import Manifests
import Movers
import Platform
import TestSupport
import Testing

/// A wall clock that runs many times as fast as the world.
struct FastClock: Clock {
  static let speed: Double = 600
  private let start = MonotonicTime.now()
  /// A quarter of a minute before a full one.
  private let origin = WallTime(seconds: 1_767_225_645)

  func wallTime() -> WallTime {
    let passed = MonotonicTime.now().seconds(since: start) * FastClock.speed
    let seconds = Int64(passed)
    return WallTime(
      seconds: origin.seconds + seconds, nanoseconds: Int32((passed - Double(seconds)) * 1e9))
  }

  func monotonicTime() -> MonotonicTime { .now() }
  func sleep(seconds: Double) { SystemClock().sleep(seconds: seconds / FastClock.speed) }
}

/// What the movers of a service do, and what they were seen doing.
final class ServiceScript: @unchecked Sendable {
  struct Start {
    var name: String
    var job: RunJob
    var time: WallTime
    var runningCount: Int
  }

  let clock = FastClock()
  private let lock = Lock()
  private var started: [Start] = []
  private var running = 0
  /// Sessions that senders have made and no receiver has taken.
  private var sessionCount = 0
  private var port: UInt16 = 4000
  /// How a sender's or backup's attempt ends, by its number from 1.
  var outcome: @Sendable (_ name: String, _ number: Int) -> MoverOutcome = { _, _ in serviceDone }
  var workSeconds = 0.0
  /// Called at the start of each, on its thread.
  var atStart: @Sendable (_ name: String) -> Void = { _ in }
  private var blocked: Set<String> = []
  private var runningNames: [String: Int] = [:]
  private var overlaps = 0

  /// Lets the work of an end last until it is unblocked or cancelled.
  func block(_ name: String) { lock.withLock { _ = blocked.insert(name) } }
  func unblock(_ name: String) { lock.withLock { _ = blocked.remove(name) } }
  func isBlocked(_ name: String) -> Bool { lock.withLock { blocked.contains(name) } }
  /// How often an end was started while it was at work.
  var overlapCount: Int { lock.withLock { overlaps } }

  var starts: [Start] { lock.withLock { started } }
  func starts(of name: String) -> [Start] { starts.filter { $0.name == name } }

  var registry: MoverRegistry<MoverRequest> {
    var registry = MoverRegistry<MoverRequest>()
    for section in ["rsyncTLS", "restic"] {
      registry.register(section: section) { ServiceMover($0, self) }
    }
    return registry
  }

  func begin(_ request: MoverRequest) -> Int {
    let name = request.end.key.name
    atStart(name)
    return lock.withLock {
      running += 1
      runningNames[name, default: 0] += 1
      if runningNames[name, default: 0] > 1 { overlaps += 1 }
      started.append(
        Start(
          name: request.end.key.name, job: request.job, time: clock.wallTime(),
          runningCount: running))
      return started.filter { $0.name == request.end.key.name }.count
    }
  }

  func end(_ name: String) {
    lock.withLock {
      running -= 1
      runningNames[name, default: 0] -= 1
    }
  }

  func freshPort() -> UInt16 {
    lock.withLock {
      port += 1
      return port
    }
  }

  /// Makes a session and waits until a receiver has taken it; false when the mover was cancelled.
  func makeSession(unless isCancelled: () -> Bool) -> Bool {
    lock.withLock { sessionCount += 1 }
    while lock.withLock({ sessionCount > 0 }) {
      if isCancelled() { return false }
      usleep(500)
    }
    return true
  }

  /// False when there was none and the mover was cancelled.
  func takeSession(unless isCancelled: () -> Bool) -> Bool {
    while !isCancelled() {
      let took = lock.withLock {
        guard sessionCount > 0 else { return false }
        sessionCount -= 1
        return true
      }
      if took { return true }
      usleep(500)
    }
    return false
  }

  /// Waits until a condition holds; records an issue when it does not come to.
  func wait(for what: String, _ holds: () -> Bool) {
    let deadline = MonotonicTime.now().advanced(bySeconds: 60)
    while !holds() {
      guard MonotonicTime.now() < deadline else {
        Issue.record("\(what) does not come; starts: \(starts.map(\.name))")
        return
      }
      usleep(1000)
    }
  }
}

let serviceDone = MoverOutcome.completed(MoverCompletion(logs: Array("ok".utf8)))
func serviceFailed(_ kind: FailureKind) -> MoverOutcome {
  .failed(MoverFailure(kind, "\(kind)", logs: Array("\(kind)\n".utf8)))
}

final class ServiceMover: Mover, @unchecked Sendable {
  let name = "scripted"
  private let request: MoverRequest
  private let script: ServiceScript
  private let lock = Lock()
  private var isCancelled = false

  init(_ request: MoverRequest, _ script: ServiceScript) {
    self.request = request
    self.script = script
  }

  private var shallEnd: Bool { lock.withLock { isCancelled } }

  func synchronize() -> MoverOutcome {
    let number = script.begin(request)
    let name = request.end.key.name
    defer { script.end(name) }
    if request.job.rsyncTLS?.direction == .receive {
      request.onEvent(.listening(HostPort(host: "127.0.0.1", port: script.freshPort())))
      guard script.takeSession(unless: { shallEnd }) else { return serviceFailed(.cancelled) }
      return serviceDone
    }
    let end = MonotonicTime.now().advanced(bySeconds: script.workSeconds)
    while MonotonicTime.now() < end || script.isBlocked(name) {
      if shallEnd { return serviceFailed(.cancelled) }
      usleep(500)
    }
    let outcome = script.outcome(request.end.key.name, number)
    if case .completed = outcome, request.end.peer != nil {
      guard script.makeSession(unless: { shallEnd }) else { return serviceFailed(.cancelled) }
    }
    return outcome
  }

  func cleanUp() throws {}
  func cancel() { lock.withLock { isCancelled = true } }
}
