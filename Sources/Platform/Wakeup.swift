import CPlatform
import Glibc

/// A one-time signal that ends blocked waits of other threads; it stays on once given.
///
/// Backed by a pipe that nobody reads: a byte in it keeps its read end ready for ever, so that
/// every later wait ends at once too. Safe to signal from any thread.
package final class Wakeup: Sendable {
  /// What ended a wait.
  package enum Outcome: Sendable {
    /// The descriptor is ready, or in an error state that the next call on it will tell.
    case ready
    /// The signal was given.
    case woken
    case timedOut
  }

  /// What a wait is for.
  package enum Interest: Sendable {
    case reading
    case writing
  }

  private let readEnd: SharedDescriptor
  private let writeEnd: SharedDescriptor

  package init() throws(PlatformError) {
    var ends: [Int32] = [-1, -1]
    guard drover_pipe_cloexec(&ends) == 0 else { throw .last("pipe2") }
    readEnd = SharedDescriptor(owning: ends[0])
    writeEnd = SharedDescriptor(owning: ends[1])
    _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
  }

  /// Ends all waits, now and later.
  package func signal() {
    var byte: UInt8 = 1
    // A full pipe means that the signal is on already.
    _ = retryingOnInterrupt { write(writeEnd.raw, &byte, 1) }
  }

  /// Readable once the signal was given: for a `poll` over several descriptors.
  package var descriptor: Int32 { readEnd.raw }

  /// Whether the signal was given.
  package var isSignalled: Bool {
    var entry = pollfd(fd: readEnd.raw, events: Int16(POLLIN), revents: 0)
    return retryingOnInterrupt { poll(&entry, 1, 0) } > 0
  }

  /// Waits until `descriptor` is ready, the signal is given or `deadline` passes (`poll`).
  ///
  /// A signal wins over readiness. A nil deadline waits for ever. A negative `descriptor` waits for
  /// the signal alone.
  package func wait(
    for descriptor: Int32, _ interest: Interest, until deadline: MonotonicTime?
  ) throws(PlatformError) -> Outcome {
    var entries = [
      pollfd(
        fd: descriptor, events: Int16(interest == .reading ? POLLIN : POLLOUT), revents: 0),
      pollfd(fd: readEnd.raw, events: Int16(POLLIN), revents: 0),
    ]
    while true {
      let count = poll(&entries, 2, Wakeup.milliseconds(until: deadline))
      if count > 0 { return entries[1].revents != 0 ? .woken : .ready }
      if count == 0 {
        guard let deadline, MonotonicTime.now() >= deadline else { continue }
        return .timedOut
      }
      guard Glibc.errno == EINTR else { throw .last("poll") }
    }
  }

  /// Milliseconds for `poll`, rounded up; -1 for ever. Long waits are cut to an hour and repeated.
  private static func milliseconds(until deadline: MonotonicTime?) -> Int32 {
    guard let deadline else { return -1 }
    let rest = deadline.nanoseconds - MonotonicTime.now().nanoseconds
    return Int32(clamping: min(3_600_000, max(0, (rest + 999_999) / 1_000_000)))
  }
}
