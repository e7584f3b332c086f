import CPlatform
import Glibc

/// A pthread mutex. `Synchronization.Mutex` is not used: the thread sanitizer misreads it on Linux.
package final class Lock: @unchecked Sendable {
  fileprivate let mutex: UnsafeMutablePointer<pthread_mutex_t>

  package init() {
    mutex = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    let code = pthread_mutex_init(mutex, nil)
    precondition(code == 0, "pthread_mutex_init failed")
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  package func lock() { _ = pthread_mutex_lock(mutex) }
  package func unlock() { _ = pthread_mutex_unlock(mutex) }

  package func withLock<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
    lock()
    defer { unlock() }
    return try body()
  }
}

/// A condition variable on a ``Lock``, timed by the monotonic clock.
package final class Condition: @unchecked Sendable {
  private let lock: Lock
  private let condition: UnsafeMutablePointer<pthread_cond_t>

  package init(_ lock: Lock) {
    self.lock = lock
    condition = .allocate(capacity: 1)
    condition.initialize(to: pthread_cond_t())
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    let code = pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
    precondition(code == 0, "pthread_cond_init failed")
  }

  deinit {
    pthread_cond_destroy(condition)
    condition.deallocate()
  }

  /// Waits for a signal; the lock is held before and after.
  package func wait() { _ = pthread_cond_wait(condition, lock.mutex) }

  /// Waits for a signal or until `deadline` of the monotonic clock; false when the time ran out.
  package func wait(until deadline: MonotonicTime) -> Bool {
    var time = timespec(
      tv_sec: Int(deadline.nanoseconds / 1_000_000_000),
      tv_nsec: Int(deadline.nanoseconds % 1_000_000_000))
    return pthread_cond_timedwait(condition, lock.mutex, &time) == 0
  }

  package func signal() { _ = pthread_cond_signal(condition) }
  package func broadcast() { _ = pthread_cond_broadcast(condition) }
}
