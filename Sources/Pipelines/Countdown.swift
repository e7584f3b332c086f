import Platform

/// Waits until a number of stages have done their last work.
package final class Countdown: @unchecked Sendable {
  private let lock = Lock()
  private let changed: Condition
  private var left: Int
  private var failed = false

  package init(_ count: Int) {
    left = count
    changed = Condition(lock)
  }

  /// One stage has done its last work.
  package func countDown() {
    lock.withLock {
      left -= 1
      changed.broadcast()
    }
  }

  /// Blocks until all stages have counted down.
  package func wait() throws(ChannelClosed) {
    lock.lock()
    defer { lock.unlock() }
    while left > 0, !failed { changed.wait() }
    if failed { throw ChannelClosed() }
  }

  package func fail() {
    lock.withLock {
      failed = true
      changed.broadcast()
    }
  }
}
