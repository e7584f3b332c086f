package import HTTPClient
import Platform

/// Tells others of runs over HTTP: a webhook gets JSON, a ping gets a GET. No run waits for it, and
/// none fails by it.
///
/// Notifications wait in a bounded queue for one thread; when it is full, the oldest is lost, which
/// is told. URLs may hold secrets: messages name scheme, host and port alone.
package final class Notifier: @unchecked Sendable {
  package struct Targets: Sendable {
    /// Gets a POST of JSON.
    package var webhook: String?
    /// Gets a GET; see ``RunNotification/pingURL(_:)``.
    package var ping: String?

    package init(webhook: String? = nil, ping: String? = nil) {
      self.webhook = webhook
      self.ping = ping
    }

    package var isEmpty: Bool { webhook == nil && ping == nil }
  }

  package static let queueCountMax = 256
  /// For one attempt.
  private static let requestSecondsMax = 10.0
  /// For what waits when the daemon ends.
  private static let endSecondsMax = 5.0

  private let targets: Targets
  private let client: HTTPClient
  private let policy: HTTPRetryPolicy
  private let complain: @Sendable (String) -> Void
  private let lock = Lock()
  private let condition: Condition
  private let ending = EndFlag()
  // Guarded by `lock`.
  private var queue: [RunNotification] = []
  private var lostCount = 0
  private var shallEnd = false
  private var thread: Thread<Void>?

  /// Works in a thread of its own until ``stop()``.
  package init(
    _ targets: Targets,
    policy: HTTPRetryPolicy = HTTPRetryPolicy(
      attemptsMax: 4, delaySecondsBase: 2, delaySecondsMax: 30),
    complain: @escaping @Sendable (String) -> Void
  ) {
    self.targets = targets
    self.policy = policy
    self.complain = complain
    condition = Condition(lock)
    var options = HTTPOptions()
    options.timeouts = HTTPTimeouts(
      connectSeconds: Notifier.requestSecondsMax, idleSeconds: Notifier.requestSecondsMax,
      totalSeconds: Notifier.requestSecondsMax)
    options.isCancelled = { [ending] in ending.isPast }
    client = HTTPClient(options)
    thread = Thread("notifier") { [self] in serve() }
  }

  /// Queues a notification; never waits.
  package func add(_ notification: RunNotification) {
    lock.withLock {
      guard !shallEnd else { return }
      if queue.count >= Notifier.queueCountMax {
        queue.removeFirst()
        lostCount += 1
      }
      queue.append(notification)
      condition.signal()
    }
  }

  /// Sends what waits, for a few seconds at most; once.
  package func stop() {
    ending.set(MonotonicTime.now().advanced(bySeconds: Notifier.endSecondsMax))
    lock.withLock {
      shallEnd = true
      condition.broadcast()
    }
    // Its body does not throw.
    try? thread?.join()
  }

  private func serve() {
    while let (notification, lost) = next() {
      if lost > 0 { complain("\(lost) notifications of runs were lost: the receiver is too slow") }
      for request in requests(for: notification) { send(request) }
    }
  }

  private func next() -> (RunNotification, lost: Int)? {
    lock.withLock {
      while queue.isEmpty, !shallEnd { condition.wait() }
      guard !queue.isEmpty, !ending.isPast else { return nil }
      defer { lostCount = 0 }
      return (queue.removeFirst(), lostCount)
    }
  }

  private func requests(for notification: RunNotification) -> [HTTPRequest] {
    var requests: [HTTPRequest] = []
    if let webhook = targets.webhook {
      var request = HTTPRequest(
        .post, webhook, fields: [HTTPField("Content-Type", "application/json")])
      request.body = HTTPBody(JSONValue.object(notification.document).encoded())
      requests.append(request)
    }
    if let ping = targets.ping { requests.append(HTTPRequest(.get, notification.pingURL(ping))) }
    return requests
  }

  /// Sends in as many attempts as the policy allows.
  private func send(_ request: HTTPRequest) {
    var attempt = 1
    while true {
      let (problem, verdict) = once(request)
      guard let problem else { return }
      guard verdict != .never, attempt < policy.attemptsMax, !ending.isPast else {
        return complain("a notification was not taken: \(problem)")
      }
      pause(policy.delaySeconds(afterAttempt: attempt, random: SecureRandom.integer()))
      attempt += 1
    }
  }

  private func once(_ request: HTTPRequest) -> (problem: String?, HTTPRetryVerdict) {
    do throws(HTTPError) {
      let status = try client.perform(request, .collect(byteCountMax: 64 << 10)).status
      guard !(200..<300).contains(status) else { return (nil, .never) }
      return ("the answer is \(status)", HTTPRetryVerdict(status: status))
    } catch {
      return (error.description, HTTPRetryVerdict(error))
    }
  }

  private func pause(_ seconds: Double) {
    let deadline = MonotonicTime.now().advanced(bySeconds: seconds)
    lock.withLock {
      while !shallEnd, condition.wait(until: deadline) {}
    }
  }
}

/// When everything has to be over; not before it is set.
private final class EndFlag: @unchecked Sendable {
  private let lock = Lock()
  private var end: MonotonicTime?

  func set(_ time: MonotonicTime) { lock.withLock { end = time } }
  var isPast: Bool { lock.withLock { end.map { MonotonicTime.now() >= $0 } ?? false } }
}
