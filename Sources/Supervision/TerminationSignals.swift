import CPlatform
import Glibc
import Platform

/// SIGTERM, SIGINT and SIGHUP on one thread that waits for them: the first cancels, the second ends the
/// process.
package enum TerminationSignals {
  /// Blocks the signals in the calling thread, and so in every thread it starts later, and handles them on a
  /// thread of its own. Called once, before other threads are started.
  ///
  /// `onFirst` runs on that thread and should ask everything to end. A second signal ends the process with
  /// code 130 at once.
  package static func handle(onFirst: @escaping @Sendable () -> Void) {
    let numbers = [SIGTERM, SIGINT, SIGHUP]
    var set = sigset_t()
    sigemptyset(&set)
    for number in numbers { sigaddset(&set, number) }
    pthread_sigmask(SIG_BLOCK, &set, nil)
    // Never joined: it lives as long as the process.
    _ = Thread("signals") {
      waitForSignal(numbers)
      onFirst()
      waitForSignal(numbers)
      _exit(ExitCode.interrupted.rawValue)
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
