import Synchronization

/// When something last moved, for those who judge whether it stands still. Any thread may call.
package final class Activity: Sendable {
  private let lastNanoseconds = Atomic<Int64>(MonotonicTime.now().nanoseconds)
  /// 0 before the first answer.
  private let answerNanoseconds = Atomic<Int64>(0)
  private let busyCount = Atomic<Int>(0)
  private let isRefused = Atomic<Bool>(false)

  package init() {}

  private static let averagedCount: Int64 = 8

  /// Something has come to its end.
  package func note() {
    isRefused.store(false, ordering: .relaxed)
    move()
  }

  /// An answer of success has come, so long after the last byte of what was asked.
  package func noteAnswer(after seconds: Double) {
    note()
    let now = Int64(max(seconds, 0) * 1e9)
    let known = answerNanoseconds.load(ordering: .relaxed)
    // Two threads may overwrite each other: it is an average.
    answerNanoseconds.store(
      known == 0 ? now : known + (now - known) / Activity.averagedCount, ordering: .relaxed)
  }

  /// How long answers take, on average of the last few; 0 before the first.
  package var answerSeconds: Double {
    Double(answerNanoseconds.load(ordering: .relaxed)) / 1e9
  }

  /// Bytes have passed; that is nothing after a refusal, until something succeeds.
  package func noteTraffic() { if !isRefused.load(ordering: .relaxed) { move() } }

  /// The other side has answered that it does not serve now.
  package func noteRefusal() { isRefused.store(true, ordering: .relaxed) }

  private func move() {
    // A thread that was stopped in between comes with an old time.
    lastNanoseconds.max(MonotonicTime.now().nanoseconds, ordering: .relaxed)
  }

  /// Runs what takes a while on this machine: nobody takes that for standing still.
  package func working<Value, Failure: Error>(
    _ body: () throws(Failure) -> Value
  ) throws(Failure) -> Value {
    busyCount.add(1, ordering: .relaxed)
    defer {
      move()
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
