import Platform

/// Runs `body` on `count` threads, with their numbers, and throws the first failure that is not a
/// consequence of another.
func runIndexThreads(
  _ count: Int, _ body: @escaping @Sendable (Int) throws(IndexError) -> Void
) throws(IndexError) {
  let threads = (0..<count).map { number in
    Thread("index-\(number)") { () -> Result<Void, IndexError> in
      do throws(IndexError) {
        try body(number)
        return .success(())
      } catch {
        return .failure(error)
      }
    }
  }
  var failure: IndexError?
  for thread in threads {
    // The closure above throws nothing: its failures are results.
    guard let result = try? thread.join(), case .failure(let error) = result else { continue }
    if case .abandoned = error, failure != nil { continue }
    if case .abandoned? = failure { failure = nil }
    failure = failure ?? error
  }
  if let failure { throw failure }
}

/// Lets numbered pieces pass one after the other.
final class TurnGate: Sendable {
  private let lock = Lock()
  private let changed: Condition
  private nonisolated(unsafe) var next = 0
  private nonisolated(unsafe) var failed = false

  init() { changed = Condition(lock) }

  /// Waits for the turn of `number`, runs `body`, and lets the next one pass; a failure ends all.
  func pass(_ number: Int, _ body: () throws(IndexError) -> Void) throws(IndexError) {
    lock.lock()
    while next != number, !failed { changed.wait() }
    let isOver = failed
    lock.unlock()
    if isOver { throw .abandoned }
    do throws(IndexError) { try body() } catch {
      fail()
      throw error
    }
    lock.withLock {
      next += 1
      changed.broadcast()
    }
  }

  func fail() {
    lock.withLock {
      failed = true
      changed.broadcast()
    }
  }
}

/// Hands out the numbers below a count, each once; none after a failure.
final class WorkCounter: Sendable {
  private let lock = Lock()
  private let count: Int
  private nonisolated(unsafe) var next = 0

  init(_ count: Int) { self.count = count }

  func take() -> Int? {
    lock.withLock {
      guard next < count else { return nil }
      next += 1
      return next - 1
    }
  }

  func stop() { lock.withLock { next = count } }
}
