import Platform
import Testing

/// Threads, locks and conditions.
@Suite struct ThreadTests {
  private struct Failure: Error, Equatable {}

  @Test func joinGivesTheResultOrTheError() throws {
    #expect(try Thread("value") { 42 }.join() == 42)
    #expect(throws: Failure()) { try Thread("fails") { throw Failure() }.join() }
  }

  @Test func lockKeepsIncrementsApart() throws {
    let counter = Counter()
    let threads = (0..<4).map { _ in
      Thread("count") { for _ in 0..<10_000 { counter.increment() } }
    }
    for thread in threads { try thread.join() }
    #expect(counter.value == 40_000)
  }

  @Test func conditionWakesAndRunsOut() throws {
    let counter = Counter()
    #expect(!counter.waitForFirst(until: MonotonicTime.now().advanced(bySeconds: 0.02)))
    let waiter = Thread("wait") {
      counter.waitForFirst(until: MonotonicTime.now().advanced(bySeconds: 60))
    }
    counter.increment()
    #expect(try waiter.join())
  }

  private final class Counter: @unchecked Sendable {
    private let lock = Lock()
    private let changed: Condition
    private var count = 0

    init() { changed = Condition(lock) }

    var value: Int { lock.withLock { count } }

    func increment() {
      lock.withLock {
        count += 1
        changed.broadcast()
      }
    }

    func waitForFirst(until deadline: MonotonicTime) -> Bool {
      lock.withLock {
        while count == 0 { if !changed.wait(until: deadline) { return false } }
        return true
      }
    }
  }
}
