import Platform
import Testing

@testable import Pipelines

@Suite struct BufferPoolTests {
  @Test("No more buffers exist than the pool may make")
  func bound() throws {
    let pool = BufferPool(sizeBytes: 100, countMax: 2)
    let first = try pool.take()
    let second = try pool.take()
    #expect(first !== second)
    let third = Thread("taker") { try pool.take() }
    pool.giveBack(first)
    #expect(try third.join() === first)
  }

  @Test("A buffer comes empty and keeps its size")
  func reuse() throws {
    let pool = BufferPool(sizeBytes: 100, countMax: 1)
    let buffer = try pool.take()
    buffer.count = 60
    #expect(buffer.filled.count == 60)
    #expect(buffer.rest.count == 40)
    #expect(buffer.free == 40)
    pool.giveBack(buffer)
    let again = try pool.take()
    #expect(again.count == 0)
    #expect(again.capacity == 100)
  }

  @Test("A failed pool gives nothing and wakes whoever waits")
  func failure() throws {
    let pool = BufferPool(sizeBytes: 10, countMax: 1)
    let only = try pool.take()
    let waiting = Thread("taker") { try pool.take() }
    pool.fail()
    #expect(throws: ChannelClosed.self) { try waiting.join() }
    pool.giveBack(only)
    #expect(throws: ChannelClosed.self) { try pool.take() }
  }
}

@Suite struct FailureLatchTests {
  private struct Problem: Error, Equatable { var number: Int }

  private final class Count: @unchecked Sendable {
    private let lock = Lock()
    private var stored = 0
    var value: Int { lock.withLock { stored } }
    func add() { lock.withLock { stored += 1 } }
  }

  @Test("The first failure is kept and closes everything once")
  func first() throws {
    let latch = FailureLatch()
    try latch.check()
    let closed = Count()
    latch.onFailure { closed.add() }
    latch.fail(ChannelClosed())
    #expect(closed.value == 0)
    latch.fail(Problem(number: 1))
    latch.fail(Problem(number: 2))
    #expect(closed.value == 1)
    #expect(throws: Problem(number: 1)) { try latch.check() }
    latch.onFailure { closed.add() }
    #expect(closed.value == 2)
  }

  @Test("A disarmed latch holds nothing of its pipeline")
  func disarm() {
    let latch = FailureLatch()
    weak var held: Count?
    do {
      let count = Count()
      held = count
      latch.onFailure { count.add() }
    }
    #expect(held != nil)
    latch.disarm()
    #expect(held == nil)
  }

  @Test("Of failures at the same time one is kept")
  func race() throws {
    for _ in 0..<200 {
      let latch = FailureLatch()
      let closed = Count()
      latch.onFailure { closed.add() }
      let threads = (0..<3).map { number in
        Thread("failing") { latch.fail(Problem(number: number)) }
      }
      for thread in threads { try thread.join() }
      #expect(closed.value == 1)
      #expect(latch.failure is Problem)
    }
  }
}

@Suite struct PacerTests {
  /// A clock that moves when somebody sleeps.
  private final class TestClock: Clock, @unchecked Sendable {
    private let lock = Lock()
    private var now = MonotonicTime.now()
    private(set) var sleptSeconds = 0.0

    func monotonicTime() -> MonotonicTime { lock.withLock { now } }
    func wallTime() -> WallTime { .now() }
    func sleep(seconds: Double) {
      lock.withLock {
        now = now.advanced(bySeconds: seconds)
        sleptSeconds += seconds
      }
    }
    func advance(seconds: Double) { lock.withLock { now = now.advanced(bySeconds: seconds) } }
  }

  @Test("Bytes beyond the burst take the time that the rate gives them")
  func rate() {
    let clock = TestClock()
    var pacer = Pacer(bytesPerSecond: 1000, clock: clock)
    for _ in 0..<100 { pacer.pace(100) }
    // 10,000 bytes at 1000 a second, less the burst of 100.
    #expect(abs(clock.sleptSeconds - 9.9) < 0.01)
  }

  @Test("Idle time does not save up more than the burst")
  func idle() {
    let clock = TestClock()
    var pacer = Pacer(bytesPerSecond: 1000, clock: clock)
    clock.advance(seconds: 1000)
    pacer.pace(1100)
    #expect(abs(clock.sleptSeconds - 1) < 0.01)
  }
}

@Suite struct StageTimerTests {
  @Test("Busy time is what is left of the whole without the waits")
  func busy() {
    let timer = StageTimer("stage")
    let start = MonotonicTime.now()
    timer.start()
    SystemClock().sleep(seconds: 0.02)
    timer.addInputWait(since: start)
    timer.stop()
    #expect(timer.inputWaitSeconds >= 0.02)
    #expect(timer.busySeconds >= 0)
    #expect(timer.busySeconds <= 0.02)
  }
}

/// A countdown holds its waiter until the last stage is done.
@Suite struct CountdownTests {
  @Test func waitsForAllStages() throws {
    let countdown = Countdown(3)
    let done = BoundedChannel<Int>(countMax: 4)
    let waiter = Thread<Bool>("waiter") {
      try countdown.wait()
      // All three have sent before they counted down.
      return try (0..<3).allSatisfy { _ in try done.receiveIfReady() != nil }
    }
    for stage in 0..<3 {
      try done.send(stage)
      countdown.countDown()
    }
    #expect(try waiter.join())
  }

  @Test func failureEndsTheWait() {
    let countdown = Countdown(1)
    countdown.fail()
    #expect(throws: ChannelClosed.self) { try countdown.wait() }
  }
}
