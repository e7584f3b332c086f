import Glibc
import ObjectStorage
import Platform

/// How many threads compute: the processors that are online.
package let processorCount = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))

extension Repository {
  /// How many threads read many small things: more than compute where the store answers slowly.
  var readerCount: Int { max(processorCount, min(store.connectionsMax, 8)) }
}

/// Runs `body` on `count` threads with their numbers, waits for all, and throws the failure that
/// came first. `stop` is called at that failure, so that the others end.
func runRepositoryThreads(
  _ name: String, _ count: Int, stop: @escaping @Sendable () -> Void = {},
  _ body: @escaping @Sendable (Int) throws(RepositoryError) -> Void
) throws(RepositoryError) {
  let first = FirstFailure()
  let threads = (0..<max(1, count)).map { number in
    Thread<Void>(name) {
      do throws(RepositoryError) { try body(number) } catch {
        if first.take(error) { stop() }
      }
    }
  }
  // Their bodies do not throw.
  for thread in threads { _ = try? thread.join() }
  if let error = first.error { throw error }
}

/// The failure of several threads that came first.
final class FirstFailure: @unchecked Sendable {
  private let lock = Lock()
  private var first: RepositoryError?

  var error: RepositoryError? { lock.withLock { first } }

  /// True when it is the first.
  func take(_ error: RepositoryError) -> Bool {
    lock.withLock {
      guard first == nil else { return false }
      first = error
      return true
    }
  }
}
