package import Control
package import Platform
import Replication
package import Supervision

/// A mover that does each attempt in a child process.
package final class ChildMover: Mover {
  /// Starts the child for a job.
  package typealias Launch = @Sendable (JSONValue) -> ChildSpec

  package let name: String
  private let job: MoverJob
  private let launch: Launch
  private let onEvent: @Sendable (MoverEvent) -> Void
  private let state = CancelState()

  /// `onEvent` is called on the thread of ``synchronize()``.
  package init(
    name: String, job: MoverJob, launch: @escaping Launch = ChildSpec.mover(job:),
    onEvent: @escaping @Sendable (MoverEvent) -> Void
  ) {
    self.name = name
    self.job = job
    self.launch = launch
    self.onEvent = onEvent
  }

  package func synchronize() -> MoverOutcome {
    do {
      let child = try ChildProcess(launch(.object(job.document)))
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
  /// Warnings shown in a mover's log; the rest is counted.
  private static let warningCountMax = 10

  private var failure: (kind: FailureKind, message: String, hint: String?)?
  private var summaryText: String?
  private var partialCount: Int64 = 0
  private var warnings: [String] = []

  mutating func add(_ event: MoverEvent) {
    switch event {
    case .failure(let kind, let message, let hint): failure = (kind, message, hint)
    case .summary(let summary):
      summaryText = summary.logText
      partialCount = summary.warningCount
    case .warning(let path, let message):
      if warnings.count < EventRecord.warningCountMax { warnings.append("\(path): \(message)") }
    case .listening, .progress, .item: break
    }
  }

  func outcome(of child: ChildOutcome) -> MoverOutcome {
    var log = child.logTail
    log += Array((warnings.map { $0 + "\n" }.joined() + (summaryText ?? "")).utf8)
    switch child.ending {
    case .exited(let code) where code == ExitStatus.done.rawValue && summaryText != nil:
      return .completed(partialCount: 0, logs: log, image: nil)
    case .exited(let code) where code == ExitStatus.partial.rawValue && summaryText != nil:
      return .completed(partialCount: max(1, partialCount), logs: log, image: nil)
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

  private func failed(code: Int32, _ child: ChildOutcome, _ log: [UInt8]) -> MoverFailure {
    let kindOfCode = ExitStatus(rawValue: code)?.failureKind ?? .failed
    let kind = child.wasCancelled ? .cancelled : failure?.kind ?? kindOfCode
    let unknown =
      child.wasCancelled ? "cancelled" : "the mover ended with code \(code) and no message"
    let message = failure?.message ?? unknown
    let text = ([message] + [failure?.hint].compactMap { $0 }).joined(separator: "\n")
    return MoverFailure(
      kind, message, hint: failure?.hint, logs: log + Array("\(text)\n".utf8))
  }
}
