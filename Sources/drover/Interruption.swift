import Platform

/// SIGINT, SIGTERM and SIGHUP for the work under way: the first one cancels it, a second one ends
/// the process.
final class Interruption: @unchecked Sendable {
  private let lock = Lock()
  // The following are guarded by `lock`.
  private var handlers: [UInt64: @Sendable () -> Void] = [:]
  private var handlerCount: UInt64 = 0
  private var hasHappened = false

  var isInterrupted: Bool { lock.withLock { hasHappened } }

  /// Takes over the process's signals; called once, before other threads are started.
  ///
  /// Holders of repository locks take the hangup `.ofTerminal`: other programs ask by SIGHUP
  /// whether a holder lives.
  static func ofProcess(hangup: TerminationSignals.Hangup = .ofAnybody) -> Interruption {
    let interruption = Interruption()
    TerminationSignals.handle(hangup: hangup) {
      Console.standard.complain("drover: interrupted, cleaning up; once more to end at once")
      interruption.interrupt()
    }
    return interruption
  }

  func interrupt() {
    let handlers = lock.withLock {
      hasHappened = true
      return Array(self.handlers.values)
    }
    for handler in handlers { handler() }
  }

  /// Runs `body`, with `cancel` to be called from another thread on an interruption; at once after
  /// one.
  func cancelling<R>(
    by cancel: @escaping @Sendable () -> Void, _ body: () throws -> R
  ) rethrows -> R {
    let (number, isLate) = lock.withLock {
      handlerCount += 1
      handlers[handlerCount] = cancel
      return (handlerCount, hasHappened)
    }
    defer { lock.withLock { handlers[number] = nil } }
    if isLate { cancel() }
    return try body()
  }
}
