import CPlatform
import Glibc

/// SIGTERM, SIGINT and SIGHUP on one thread that waits for them: the first cancels, the second
/// ends the process.
package enum TerminationSignals {
  /// Whose SIGHUP ends the process.
  package enum Hangup: Sendable {
    case ofAnybody
    /// That of the kernel when the terminal is gone, and of those who pass it on: the parent and
    /// the leader of the session. Anybody else asks whether the process lives, as restic asks the
    /// holders of locks, and is not answered.
    case ofTerminal
    /// Nobody's: it asks to read settings again, on the thread of the signals.
    case reloads(@Sendable () -> Void)
  }

  /// Blocks the signals in the calling thread, and so in every thread it starts later, and handles
  /// them on a thread of its own. Called once, before other threads are started.
  ///
  /// `onFirst` runs on that thread and should ask everything to end. A second signal ends the
  /// process with code 130 at once. Where SIGHUP is ignored from the start (`nohup`), it stays so.
  package static func handle(
    hangup: Hangup = .ofAnybody, onFirst: @escaping @Sendable () -> Void
  ) {
    var set = sigset_t()
    sigemptyset(&set)
    for number in [SIGTERM, SIGINT] { sigaddset(&set, number) }
    // Blocked, an ignored signal would be waited for all the same.
    if !isIgnored(SIGHUP) { sigaddset(&set, SIGHUP) }
    pthread_sigmask(SIG_BLOCK, &set, nil)
    // Never joined: it lives as long as the process.
    _ = Thread("signals") { [set] in
      waitForSignal(set, hangup)
      onFirst()
      waitForSignal(set, hangup)
      _exit(ExitStatus.interrupted.rawValue)
    }
  }

  private static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    guard sigaction(number, nil, &action) == 0 else { return false }
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
      == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  private static func waitForSignal(_ signals: sigset_t, _ hangup: Hangup) {
    var set = signals
    while true {
      var info = siginfo_t()
      let number = sigwaitinfo(&set, &info)
      if number == SIGTERM || number == SIGINT { return }
      guard number == SIGHUP else { continue }
      switch hangup {
      case .ofAnybody: return
      case .ofTerminal: if isPassedOn(info) { return }
      case .reloads(let reload): reload()
      }
    }
  }

  private static func isPassedOn(_ info: siginfo_t) -> Bool {
    // Only signals of processes have a sender.
    guard info.si_code <= 0 else { return true }
    let sender = info._sifields._kill.si_pid
    return sender == getppid() || sender == getsid(0)
  }
}

/// Turns a broken pipe into an error of the write, for the calling thread, until ``end()``.
package struct BrokenPipeGuard {
  private let before: sigset_t

  /// Blocks SIGPIPE for this thread.
  package init() {
    var set = BrokenPipeGuard.brokenPipe
    var before = sigset_t()
    pthread_sigmask(SIG_BLOCK, &set, &before)
    self.before = before
  }

  /// Takes a SIGPIPE that waits for this thread, then puts the mask back as it was.
  package func end() {
    var set = BrokenPipeGuard.brokenPipe
    var before = before
    var now = timespec()
    if sigismember(&before, SIGPIPE) == 0 { _ = sigtimedwait(&set, nil, &now) }
    pthread_sigmask(SIG_SETMASK, &before, nil)
  }

  private static var brokenPipe: sigset_t {
    var set = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, SIGPIPE)
    return set
  }
}
