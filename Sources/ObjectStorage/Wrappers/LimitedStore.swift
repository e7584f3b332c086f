import Platform

/// How many calls may be under way at once; shared by the stores that share a connection limit.
package final class ConnectionLimit: @unchecked Sendable {
  package let count: Int
  private let lock = Lock()
  private let freed: Condition
  private var used = 0

  package init(_ count: Int) {
    precondition(count > 0, "a store needs a connection")
    self.count = count
    freed = Condition(lock)
  }

  /// Waits for a free connection.
  package func acquire() {
    lock.withLock {
      while used == count { freed.wait() }
      used += 1
    }
  }

  package func release() {
    lock.withLock {
      used -= 1
      freed.signal()
    }
  }
}

/// Holds callers back until one of a limited number of connections is free.
///
/// It stands directly before the real store, inside a ``RetryingStore``: a caller that waits for
/// its next attempt holds no connection. A listing holds one until its last visit has returned, so
/// `visit` must not call the same store when the limit is 1.
package final class LimitedStore: StoreWrapper {
  package let base: any ObjectStore
  private let limit: ConnectionLimit

  package init(_ base: any ObjectStore, _ limit: ConnectionLimit) {
    self.base = base
    self.limit = limit
  }

  package var connectionsMax: Int { limit.count }

  package func around<Value>(
    _ operation: StoreOperation, _ key: String, _ call: () throws(ObjectStoreError) -> Value
  ) throws(ObjectStoreError) -> Value {
    limit.acquire()
    defer { limit.release() }
    return try call()
  }
}
