import Synchronization

/// When something last moved, for those who judge whether it stands still. Any thread may call.
package final class Activity: Sendable {
  private let lastNanoseconds = Atomic<Int64>(MonotonicTime.now().nanoseconds)
  private let busyCount = Atomic<Int>(0)

  package init() {}

  /// Something has moved.
  package func note() {
    lastNanoseconds.store(MonotonicTime.now().nanoseconds, ordering: .relaxed)
  }

  /// Runs what takes a while on this machine: nobody takes that for standing still.
  package func working<Value, Failure: Error>(
    _ body: () throws(Failure) -> Value
  ) throws(Failure) -> Value {
    busyCount.add(1, ordering: .relaxed)
    defer {
      note()
      busyCount.subtract(1, ordering: .releasing)
    }
    return try body()
  }

  /// Since when nothing has moved; nil while something is worked at here.
  package var idleSince: MonotonicTime? {
    guard busyCount.load(ordering: .acquiring) == 0 else { return nil }
    return MonotonicTime(nanoseconds: lastNanoseconds.load(ordering: .relaxed))
  }
}
