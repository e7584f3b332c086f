import CPlatform
import Glibc

/// SIGTERM, SIGINT and SIGHUP on one thread that waits for them: the first cancels, the second
/// ends the process.
package enum TerminationSignals {
  /// Blocks the signals in the calling thread, and so in every thread it starts later, and handles
  /// them on a thread of its own. Called once, before other threads are started.
  ///
  /// `onFirst` runs on that thread and should ask everything to end. A second signal ends the
  /// process with code 130 at once. Without `hangup`, SIGHUP is left as it is.
  package static func handle(hangup: Bool = true, onFirst: @escaping @Sendable () -> Void) {
    let numbers = hangup ? [SIGTERM, SIGINT, SIGHUP] : [SIGTERM, SIGINT]
    var set = sigset_t()
    sigemptyset(&set)
    for number in numbers { sigaddset(&set, number) }
    pthread_sigmask(SIG_BLOCK, &set, nil)
    // Never joined: it lives as long as the process.
    _ = Thread("signals") {
      waitForSignal(numbers)
      onFirst()
      waitForSignal(numbers)
      _exit(ExitStatus.interrupted.rawValue)
    }
  }

  private static func waitForSignal(_ numbers: [Int32]) {
    var set = sigset_t()
    sigemptyset(&set)
    for number in numbers { sigaddset(&set, number) }
    var number: Int32 = 0
    while sigwait(&set, &number) != 0 {}
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
