package import Control
package import Platform
package import Supervision

/// A mover that does each attempt in a child process.
package final class ChildMover: Mover {
  /// Starts the child for a job.
  package typealias Launch = @Sendable (JSONValue) -> ChildSpec

  package let name: String
  private let job: MoverJob
  private let launch: Launch
  private let input: SharedDescriptor?
  private let user: ProcessUser?
  private let onEvent: @Sendable (MoverEvent) -> Void
  private let state = CancelState()

  /// `onEvent` is called on the thread of ``synchronize()``. `input` is the child's standard input.
  /// With `user` the child runs as another.
  package init(
    name: String, job: MoverJob, user: ProcessUser? = nil,
    launch: @escaping Launch = ChildSpec.mover(job:), input: SharedDescriptor? = nil,
    onEvent: @escaping @Sendable (MoverEvent) -> Void
  ) {
    self.name = name
    self.input = input
    self.job = job
    self.launch = launch
    self.user = user
    self.onEvent = onEvent
  }

  package func synchronize() -> MoverOutcome {
    do {
      let child = try ChildProcess(spec)
      guard state.enter(child) else { return .failed(.cancelled) }
      defer { state.leave() }
      var record = EventRecord()
      let outcome = try child.run { event in
        // An event of the wrong shape is the child's fault and shows as a missing summary.
        guard let event = try? MoverEvent(event) else { return }
        record.add(event)
        onEvent(event)
      }
      return record.outcome(of: outcome)
    } catch {
      return .failed(MoverFailure(error.kind, error.message))
    }
  }

  private var spec: ChildSpec {
    var job = job
    // Another user could not open the lock: the child gets it open.
    if user != nil { job.lockPath = nil }
    var spec = launch(.object(job.document))
    spec.standardInput = input
    guard let user else { return spec }
    spec.user = user
    spec.heldLockPath = self.job.lockPath
    return spec
  }

  /// The child has cleaned up after itself; what it left is bounded by its lock file.
  package func cleanUp() {}

  package func cancel() { state.cancel() }
}

extension MoverFailure {
  static let cancelled = MoverFailure(.cancelled, "cancelled")
}

/// The child under way, if there is one, and whether it shall end.
private final class CancelState: @unchecked Sendable {
  private let lock = Lock()
  private var child: ChildProcess?
  private var isCancelled = false

  /// False when nothing may start any more.
  func enter(_ child: ChildProcess) -> Bool {
    lock.withLock {
      if isCancelled { return false }
      self.child = child
      return true
    }
  }

  func leave() { lock.withLock { child = nil } }

  func cancel() {
    lock.withLock {
      isCancelled = true
      child?.cancel()
    }
  }
}

/// What the events of one attempt say about its end.
private struct EventRecord {
  /// Warnings and notes shown in a mover's log, of each; the last notes are kept.
  private static let lineCountMax = 10

  private var failure: (kind: FailureKind, message: String, hint: String?, guardName: GuardName?)?
  private var summary: MoverSummary?
  private var retrySeconds: Double?
  private var fencedBy: Int64?
  private var warnings: [String] = []
  private var notes: [String] = []

  mutating func add(_ event: MoverEvent) {
    switch event {
    case .failure(let kind, let message, let hint, let guardName):
      failure = (kind, message, hint, guardName)
    case .summary(let summary): self.summary = summary
    case .warning(let path, let message):
      if warnings.count < EventRecord.lineCountMax { warnings.append("\(path): \(message)") }
    case .note(let text): notes = notes.suffix(EventRecord.lineCountMax - 1) + [text]
    case .notReady(let seconds): retrySeconds = Double(seconds)
    case .fenced(let generation): fencedBy = generation
    case .listening, .progress, .item: break
    }
  }

  func outcome(of child: ChildOutcome) -> MoverOutcome {
    let lines = (warnings + notes).map { $0 + "\n" }.joined() + (summary?.logText ?? "")
    let log = child.logTail + Array(lines.utf8)
    let status: ExitStatus? =
      if case .exited(let code) = child.ending { ExitStatus(rawValue: code) } else { nil }
    if let summary, status == .done || status == .partial {
      return EventRecord.outcome(of: summary, isPartial: status == .partial, log)
    }
    switch child.ending {
    case .exited(let code): return .failed(failed(code: code, child, log))
    case .killed(let signal):
      let kind: FailureKind = child.wasCancelled ? .cancelled : .failed
      let message = child.wasCancelled ? "cancelled" : "the mover was killed by signal \(signal)"
      let hint =
        signal == 9 && !child.wasCancelled ? "The system may be out of memory: see dmesg." : nil
      return .failed(
        MoverFailure(kind, message, hint: hint, logs: log + Array("\(message)\n".utf8)))
    }
  }

  private static func outcome(
    of summary: MoverSummary, isPartial: Bool, _ log: [UInt8]
  ) -> MoverOutcome {
    var completion = MoverCompletion(logs: log)
    completion.statusFields = summary.statusFields
    guard isPartial else { return .completed(completion) }
    let shortfall = summary.shortfall ?? "it is incomplete"
    guard summary.countsWithShortfall else {
      return .failed(
        MoverFailure(.partial, shortfall, logs: log, statusFields: summary.statusFields))
    }
    completion.shortfall = shortfall
    return .completed(completion)
  }

  private func failed(code: Int32, _ child: ChildOutcome, _ log: [UInt8]) -> MoverFailure {
    let kindOfCode = ExitStatus(rawValue: code)?.failureKind ?? .failed
    let kind = child.wasCancelled ? .cancelled : failure?.kind ?? kindOfCode
    let unknown =
      child.wasCancelled ? "cancelled" : "the mover ended with code \(code) and no message"
    let message = failure?.message ?? unknown
    let text = ([message] + [failure?.hint].compactMap { $0 }).joined(separator: "\n")
    var result = MoverFailure(
      kind, message, hint: failure?.hint, logs: log + Array("\(text)\n".utf8),
      statusFields: summary?.statusFields ?? JSONObject(), guardName: failure?.guardName)
    result.retrySeconds = kind == .unreachable ? retrySeconds : nil
    result.fencedBy = kind == .refused ? fencedBy : nil
    return result
  }
}
