package import Manifests
import Platform

/// Tells watchers which objects have changed. What a slow watcher misses comes together: it gets
/// each key once.
package final class ChangeFeed: @unchecked Sendable {
  /// One that is told of changes from when it was made.
  package final class Watcher: @unchecked Sendable {
    fileprivate var keys: Set<ObjectKey> = []
    fileprivate var isClosed = false
    private let feed: ChangeFeed

    fileprivate init(_ feed: ChangeFeed) { self.feed = feed }

    /// Waits for changes; none when the time has passed, nil when there will be none any more.
    package func next(seconds: Double) -> Set<ObjectKey>? {
      let deadline = MonotonicTime.now().advanced(bySeconds: seconds)
      return feed.lock.withLock {
        while keys.isEmpty, !isClosed, feed.condition.wait(until: deadline) {}
        defer { keys = [] }
        return isClosed ? nil : keys
      }
    }

    /// Wakes whoever waits, for good.
    package func close() { feed.remove(self) }
  }

  fileprivate let lock = Lock()
  fileprivate let condition: Condition
  private var watchers: [Watcher] = []

  init() { condition = Condition(lock) }

  package func watch() -> Watcher {
    let watcher = Watcher(self)
    lock.withLock { watchers.append(watcher) }
    return watcher
  }

  func note(_ key: ObjectKey) {
    lock.withLock {
      guard !watchers.isEmpty else { return }
      for watcher in watchers { watcher.keys.insert(key) }
      condition.broadcast()
    }
  }

  fileprivate func remove(_ watcher: Watcher) {
    lock.withLock {
      watcher.isClosed = true
      watchers.removeAll { $0 === watcher }
      condition.broadcast()
    }
  }
}
