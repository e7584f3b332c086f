import ObjectStorage
import Platform
import TestSupport
import Testing

@Suite struct RetryingStoreTests {
  private final class Notices: @unchecked Sendable {
    private let lock = Lock()
    private var all: [RetryNotice] = []
    var notices: [RetryNotice] { lock.withLock { all } }
    func add(_ notice: RetryNotice) { lock.withLock { all.append(notice) } }
  }

  @Test func onlyUnreachableIsTriedAgain() throws {
    for kind in FailureKind.allCases {
      let faulty = FaultInjectingStore(MemoryStore(), .at(1, .fail(kind)))
      let store = RetryingStore(faulty, clock: TurnedClock())
      if kind == .unreachable {
        try store.put(key("a"), [1])
        #expect(faulty.operationCount == 2)
      } else {
        expectError(kind) { try store.put(key("a"), [1]) }
        #expect(faulty.operationCount == 1)
      }
    }
  }

  @Test func attemptsAreBounded() throws {
    let faulty = FaultInjectingStore(MemoryStore(), .from(1, .fail()))
    let clock = TurnedClock()
    let notices = Notices()
    let store = RetryingStore(
      faulty, policy: RetryPolicy(attemptsMax: 5), clock: clock, observe: { notices.add($0) })
    let failure = try #require(failure { try store.put(key("a"), [1]) })
    guard case .exhausted(let attempts, let last) = failure else {
      Issue.record("\(failure)")
      return
    }
    #expect(attempts == 5)
    #expect(last.kind == .unreachable)
    #expect(faulty.operationCount == 5)
    #expect(notices.notices.map(\.attempt) == [1, 2, 3, 4])
    #expect(notices.notices.allSatisfy { $0.operation == .put && $0.key == "a" })
    let planned = notices.notices.reduce(0) { $0 + $1.delaySeconds }
    #expect(abs(clock.sleptSeconds - planned) < 0.001)
  }

  @Test func elapsedTimeIsBounded() throws {
    let faulty = FaultInjectingStore(MemoryStore(), .from(1, .fail()))
    let clock = TurnedClock()
    let store = RetryingStore(
      faulty, policy: RetryPolicy(attemptsMax: 1_000_000, elapsedSecondsMax: 100), clock: clock)
    expectError(.unreachable) { _ = try store.stat(key("a")) }
    #expect(clock.sleptSeconds <= 100)
    #expect(clock.sleptSeconds > 50)
  }

  @Test func delaysDoubleUpToTheirBoundWithHalfOfItJitter() {
    let policy = RetryPolicy(delaySecondsFirst: 1, delaySecondsMax: 10)
    let least = (1...6).map { policy.delaySeconds(afterAttempt: $0, random: 0) }
    #expect(least == [0.5, 1, 2, 4, 5, 5])
    let most = (1...6).map { policy.delaySeconds(afterAttempt: $0, random: .max) }
    #expect(zip(most, [1, 2, 4, 8, 10, 10]).allSatisfy { $0 <= $1 && $0 > $1 * 0.999 })
    #expect(policy.delaySeconds(afterAttempt: .max, random: 0) == 5)
  }

  @Test func aTornPutIsRepeatedFromTheStart() throws {
    var random = SeededGenerator(seed: 5)
    let content = random.bytes(3 << 20)
    let directory = try TemporaryDirectory()
    let local = try LocalStore.create(at: directory.path("store"))
    let faulty = FaultInjectingStore(local, .at(1, .tear()))
    let store = RetryingStore(faulty, clock: TurnedClock())
    try store.put(key("a"), ObjectBody(ArraySource(content, stepByteCount: 100_000)))
    #expect(try local.load(key("a"), sizeBytesMax: content.count) == content)
    #expect(faulty.calls.map(\.fault) == [.tear(), nil])
  }

  @Test func aListingGoesOnWhereItBrokeOff() throws {
    let memory = MemoryStore()
    for name in ["a", "b", "c", "d"] { try memory.put(key(name), [1]) }
    // Every attempt breaks after one visit; the last finds nothing more to visit.
    let faulty = FaultInjectingStore(memory, .from(1, .loseAnswer()))
    let store = RetryingStore(faulty, policy: RetryPolicy(attemptsMax: 4), clock: TurnedClock())
    var seen: [String] = []
    expectError(.unreachable) {
      try store.list(.all) { (key, _) throws(ObjectStoreError) in seen.append(key.text) }
    }
    #expect(seen == ["a", "b", "c", "d"])
  }

  @Test func cancellationEndsTheWait() throws {
    let faulty = FaultInjectingStore(MemoryStore(), .from(1, .fail()))
    let clock = TurnedClock()
    let store = RetryingStore(
      faulty, policy: RetryPolicy(delaySecondsFirst: 60, delaySecondsMax: 60), clock: clock,
      isCancelled: { clock.sleptSeconds > 2 })
    expectError(.cancelled) { _ = try store.stat(key("a")) }
    #expect(faulty.operationCount == 1)
    #expect(clock.sleptSeconds < 3)
  }
}
