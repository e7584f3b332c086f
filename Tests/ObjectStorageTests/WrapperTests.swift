import Glibc
import ObjectStorage
import Platform
import TestSupport
import Testing

@Suite struct PacedStoreTests {
  @Test func putsAreHeldToTheRateWhileTheyRun() throws {
    let clock = TurnedClock()
    let store = PacedStore(MemoryStore(), uploadBytesPerSecond: 100_000, clock: clock)
    try store.put(key("a"), [UInt8](repeating: 1, count: 1_000_000))
    // The first tenth of a second's worth is free.
    #expect(abs(clock.sleptSeconds - 9.9) < 0.01)
    #expect(clock.sleeps.allSatisfy { $0 <= 0.2 })
    _ = try store.load(key("a"), sizeBytesMax: 1_000_000)
    #expect(abs(clock.sleptSeconds - 9.9) < 0.01)
  }

  @Test func getsAreHeldToTheRate() throws {
    let memory = MemoryStore()
    try memory.put(key("a"), [UInt8](repeating: 1, count: 1_000_000))
    let clock = TurnedClock()
    let store = PacedStore(memory, downloadBytesPerSecond: 100_000, clock: clock)
    for offset in stride(from: 0, to: 1_000_000, by: 50_000) {
      _ = try bytes(of: store, "a", at: offset, 50_000)
    }
    #expect(abs(clock.sleptSeconds - 9.9) < 0.01)
    _ = try store.load(key("a"), sizeBytesMax: 1_000_000)
    #expect(abs(clock.sleptSeconds - 19.9) < 0.01)
    try store.put(key("b"), [UInt8](repeating: 1, count: 1_000_000))
    #expect(abs(clock.sleptSeconds - 19.9) < 0.01)
  }

  @Test func aCancellationEndsAPutInItsMiddle() throws {
    let clock = TurnedClock()
    let memory = MemoryStore()
    let store = PacedStore(
      memory, uploadBytesPerSecond: 1000, downloadBytesPerSecond: 1000, clock: clock,
      isCancelled: { clock.sleptSeconds > 5 })
    let error = #expect(throws: ObjectStoreError.self) {
      try store.put(key("a"), [UInt8](repeating: 1, count: 1_000_000))
    }
    #expect(error?.kind == .cancelled)
    #expect(clock.sleptSeconds < 6)
    #expect(throws: ObjectStoreError.self) { try memory.stat(key("a")) }
    // What is read for the end of the work is held back no more.
    try memory.put(key("b"), [UInt8](repeating: 1, count: 1_000_000))
    _ = try store.load(key("b"), sizeBytesMax: 1_000_000)
    #expect(clock.sleptSeconds < 6)
  }

  @Test func theLowestRateStillMoves() throws {
    let clock = TurnedClock()
    let store = PacedStore(MemoryStore(), uploadBytesPerSecond: 1, clock: clock)
    try store.put(key("a"), [1, 2, 3])
    #expect(try store.load(key("a"), sizeBytesMax: 3) == [1, 2, 3])
    #expect(clock.sleptSeconds > 2)
  }
}

@Suite struct LimitedStoreTests {
  /// Notes how many calls are in it at once.
  private final class CrowdedStore: StoreWrapper, @unchecked Sendable {
    let base: any ObjectStore = MemoryStore()
    private let lock = Lock()
    private var inside = 0
    private var most = 0
    var insideMax: Int { lock.withLock { most } }

    func around<Value>(
      _ operation: StoreOperation, _ key: String, _ call: () throws(ObjectStoreError) -> Value
    ) throws(ObjectStoreError) -> Value {
      lock.withLock {
        inside += 1
        most = max(most, inside)
      }
      defer { lock.withLock { inside -= 1 } }
      usleep(1000)
      return try call()
    }
  }

  @Test(arguments: [1, 3]) func noMoreCallsThanConnections(_ count: Int) throws {
    let crowded = CrowdedStore()
    let store = LimitedStore(crowded, ConnectionLimit(count))
    #expect(store.connectionsMax == count)
    let threads = (0..<8).map { number in
      Thread("limited-\(number)") {
        for _ in 0..<20 {
          try store.put(key("\(number)"), [1])
          expectError(.notFound) { _ = try store.stat(key("missing")) }
        }
      }
    }
    for thread in threads { try thread.join() }
    #expect(crowded.insideMax == count)
  }
}

@Suite struct FaultInjectingStoreTests {
  @Test func oneFaultStrikesOnce() throws {
    let store = FaultInjectingStore(MemoryStore(), .at(2, .fail(.denied)))
    try store.put(key("a"), [1])
    #expect(!store.hasStruck)
    expectError(.denied) { try store.put(key("b"), [1]) }
    try store.put(key("c"), [1])
    #expect(store.hasStruck && store.operationCount == 3)
    #expect(try keys(in: store) == ["a", "c"])
    #expect(
      store.calls.map(\.description)
        == ["put a", "put b (\(StoreFault.fail(.denied)))", "put c", "list "])
  }

  @Test func aLostAnswerHasTakenEffect() throws {
    let memory = MemoryStore()
    try memory.put(key("old"), [1])
    let store = FaultInjectingStore(memory, .from(1, .loseAnswer()))
    expectError(.unreachable) { try store.put(key("a"), [1]) }
    expectError(.unreachable) { try store.delete(key("old")) }
    expectError(.unreachable) { _ = try store.stat(key("a")) }
    #expect(try keys(in: memory) == ["a"])
  }

  @Test func everythingFailsFromOneOn() throws {
    let store = FaultInjectingStore(MemoryStore(), .from(2, .fail()))
    try store.put(key("a"), [1])
    for _ in 0..<3 { expectError(.unreachable) { _ = try store.stat(key("a")) } }
    #expect(store.operationCount == 4)
  }

  @Test(arguments: [StoreFault.killBefore, .killAfter, .killWithin])
  func nothingHappensAfterAKill(_ fault: StoreFault) throws {
    let memory = MemoryStore()
    let store = FaultInjectingStore(memory, .at(2, fault))
    try store.put(key("a"), [1])
    expectError(.failed) { try store.put(key("b"), [1]) }
    #expect(store.isKilled)
    expectError(.failed) { try store.put(key("c"), [1]) }
    expectError(.failed) { try store.delete(key("a")) }
    expectError(.failed) { _ = try keys(in: store) }
    #expect(try keys(in: memory) == (fault == .killAfter ? ["a", "b"] : ["a"]))
    #expect(store.calls.count == 2)
  }

  @Test func aKillIsNotTriedAgain() throws {
    let faulty = FaultInjectingStore(MemoryStore(), .at(1, .killBefore))
    let clock = TurnedClock()
    expectError(.failed) { try RetryingStore(faulty, clock: clock).put(key("a"), [1]) }
    #expect(clock.sleeps.isEmpty)
  }

  @Test func onlyCountedOperationsGoWrong() throws {
    let store = FaultInjectingStore(MemoryStore(), .at(2, .fail()), counting: [.put, .delete])
    try store.put(key("a"), [1])
    for _ in 0..<5 { _ = try store.stat(key("a")) }
    expectError(.unreachable) { try store.delete(key("a")) }
    #expect(store.operationCount == 2)
  }

  /// The loop that engines use: n upward until nothing is struck any more.
  @Test func aSweepStrikesEachOperationOnce() throws {
    var struck: [String] = []
    for number in 1... {
      let store = FaultInjectingStore(MemoryStore(), .at(number, .fail()))
      do {
        try store.put(key("a"), [1])
        _ = try store.load(key("a"), sizeBytesMax: 1)
        try store.list(.all) { (_, _) throws(ObjectStoreError) in }
        try store.delete(key("a"))
        try store.synchronize()
      } catch {
        struck.append(store.calls.last?.operation.rawValue ?? "")
      }
      if !store.hasStruck { break }
    }
    #expect(struck == ["put", "get", "list", "delete", "synchronize"])
  }
}
