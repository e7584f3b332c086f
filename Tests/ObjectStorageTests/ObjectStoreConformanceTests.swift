import ObjectStorage
import TestSupport
import Testing

/// The stores and wrappers of this target, each of which the conformance suite runs over.
enum StoreKind: String, CaseIterable, Sendable {
  case memory, local
  case limitedMemory, limitedLocal
  case pacedMemory, pacedLocal
  case retryingMemory, retryingLocal
  case countingMemory, countingLocal
  /// Every second operation fails once: the retries have to make it whole.
  case flakyMemory, flakyLocal
  case stack

  /// An empty store, and what has to live as long.
  func make() throws -> (store: any ObjectStore, holder: TemporaryDirectory) {
    let directory = try TemporaryDirectory()
    return (try make(in: directory), directory)
  }

  private func make(in directory: TemporaryDirectory) throws -> any ObjectStore {
    let memory = MemoryStore()
    let local = try LocalStore.create(at: directory.path("store"))
    switch self {
    case .memory: return memory
    case .local: return local
    case .limitedMemory: return LimitedStore(memory, ConnectionLimit(1))
    case .limitedLocal: return LimitedStore(local, ConnectionLimit(2))
    case .pacedMemory: return paced(memory)
    case .pacedLocal: return paced(local)
    case .retryingMemory: return RetryingStore(memory)
    case .retryingLocal: return RetryingStore(local)
    case .countingMemory: return FaultInjectingStore(memory)
    case .countingLocal: return FaultInjectingStore(local)
    case .flakyMemory: return flaky(memory, .loseAnswer())
    case .flakyLocal: return flaky(local, .tear())
    case .stack:
      return RetryingStore(
        paced(LimitedStore(FaultInjectingStore(local, .at(1, .tear())), ConnectionLimit(3))),
        clock: TurnedClock())
    }
  }

  private func flaky(_ base: any ObjectStore, _ fault: StoreFault) -> any ObjectStore {
    // All threads turn one clock, so the time of one call says nothing.
    RetryingStore(
      FaultInjectingStore(base, .every(2, fault)), policy: RetryPolicy(elapsedSecondsMax: 1e9),
      clock: TurnedClock())
  }

  private func paced(_ base: any ObjectStore) -> any ObjectStore {
    PacedStore(
      base, uploadBytesPerSecond: 1_000_000, downloadBytesPerSecond: 3_000_000,
      clock: TurnedClock())
  }
}

@Suite struct ObjectStoreConformanceTests {
  @Test(arguments: StoreKind.allCases, ObjectStoreConformance.allCases)
  func everyStoreKeepsItsPromises(_ kind: StoreKind, _ promise: ObjectStoreConformance) throws {
    let (store, holder) = try kind.make()
    try withExtendedLifetime(holder) { try promise.run(on: store) }
  }

  /// The suite notices a store that breaks a promise.
  @Test func aStoreThatForgetsIsNoticed() throws {
    let store = ForgetfulStore(MemoryStore())
    withKnownIssue {
      try ObjectStoreConformance.listing.run(on: store)
    }
  }
}

/// A store whose listings leave one object out.
private final class ForgetfulStore: StoreWrapper {
  let base: any ObjectStore
  init(_ base: any ObjectStore) { self.base = base }

  func around<Value>(
    _ operation: StoreOperation, _ key: String, _ call: () throws(ObjectStoreError) -> Value
  ) throws(ObjectStoreError) -> Value {
    try call()
  }

  func list(
    _ prefix: ObjectPrefix, after: ObjectKey?,
    visit: (ObjectKey, ObjectInfo) throws(ObjectStoreError) -> Void
  ) throws(ObjectStoreError) {
    try base.list(prefix, after: after) { (key, info) throws(ObjectStoreError) in
      if key.name != "0b" { try visit(key, info) }
    }
  }
}
