package import Platform

/// A store that can leave behind what a process leaves that dies in the middle of a put.
package protocol PartialPutStore: ObjectStore {
  /// Stores the traces of a put of `body` that never finished; no object appears or changes.
  func leavePartialPut(_ key: ObjectKey, _ body: ObjectBody) throws(ObjectStoreError)
}

/// What goes wrong with an operation.
package enum StoreFault: Sendable, Equatable {
  /// It fails without effect.
  case fail(FailureKind = .unreachable)
  /// It takes effect, but its answer is lost. A listing fails after its first visit.
  case loseAnswer(FailureKind = .unreachable)
  /// A put ends midway and fails: no object, only what the store leaves of it. Other operations
  /// fail without effect.
  case tear(FailureKind = .unreachable)
  /// The process dies before it: this and every later operation fails without effect.
  case killBefore
  /// The process dies after it.
  case killAfter
  /// The process dies in the middle of a put; for other operations as ``killBefore``.
  case killWithin

  fileprivate var isKill: Bool {
    switch self {
    case .killBefore, .killAfter, .killWithin: true
    case .fail, .loseAnswer, .tear: false
    }
  }

  fileprivate var takesEffect: Bool {
    switch self {
    case .loseAnswer, .killAfter: true
    case .fail, .tear, .killBefore, .killWithin: false
    }
  }

  fileprivate var isPartial: Bool {
    switch self {
    case .tear, .killWithin: true
    case .fail, .loseAnswer, .killBefore, .killAfter: false
    }
  }

  fileprivate var endsListing: Bool {
    if case .loseAnswer = self { true } else { false }
  }

  fileprivate func error(
    _ operation: StoreOperation, _ key: String, _ number: Int
  ) -> ObjectStoreError {
    switch self {
    case .fail(let kind), .loseAnswer(let kind), .tear(let kind):
      .injected(operation, key: key, number: number, kind: kind)
    case .killBefore, .killAfter, .killWithin: .killed(operation, key: key)
    }
  }
}

/// Which operations go wrong; counted from 1.
package enum FaultPlan: Sendable {
  case none
  case at(Int, StoreFault)
  case from(Int, StoreFault)
  /// Those whose number is a multiple.
  case every(Int, StoreFault)

  fileprivate func fault(at number: Int) -> StoreFault? {
    switch self {
    case .at(let chosen, let fault): number == chosen ? fault : nil
    case .from(let first, let fault): number >= first ? fault : nil
    case .every(let period, let fault): number.isMultiple(of: period) ? fault : nil
    case .none: nil
    }
  }
}

/// Counts and notes the operations of a store and makes chosen ones go wrong.
///
/// Run a scenario for n = 1, 2, 3 … until ``hasStruck`` stays false: then every operation of it has
/// gone wrong once.
package final class FaultInjectingStore: StoreWrapper, @unchecked Sendable {
  /// One call, as it came.
  package struct Call: Sendable, Equatable, CustomStringConvertible {
    package var operation: StoreOperation
    package var key: String
    package var fault: StoreFault?
    package var description: String {
      "\(operation) \(key)" + (fault.map { " (\($0))" } ?? "")
    }
  }

  package let base: any ObjectStore
  private let plan: FaultPlan
  private let counted: Set<StoreOperation>
  private let lock = Lock()
  private var allCalls: [Call] = []
  private var count = 0
  private var dead = false
  private var struck = false

  /// Only operations in `counting` have the numbers that the plan speaks of, and can go wrong.
  package init(
    _ base: any ObjectStore, _ plan: FaultPlan = .none,
    counting: Set<StoreOperation> = Set(StoreOperation.allCases)
  ) {
    self.base = base
    self.plan = plan
    self.counted = counting
  }

  /// How many operations came that the plan counts.
  package var operationCount: Int { lock.withLock { count } }
  /// Every call in the order of arrival, those after the death left out.
  package var calls: [Call] { lock.withLock { allCalls } }
  /// Whether an operation has gone wrong.
  package var hasStruck: Bool { lock.withLock { struck } }
  /// Whether the process counts as dead.
  package var isKilled: Bool { lock.withLock { dead } }

  package func around<Value>(
    _ operation: StoreOperation, _ key: String, _ call: () throws(ObjectStoreError) -> Value
  ) throws(ObjectStoreError) -> Value {
    let (number, fault) = try admit(operation, key)
    guard let fault else { return try call() }
    if fault.takesEffect { _ = try call() }
    throw fault.error(operation, key, number)
  }

  package func put(_ key: ObjectKey, _ body: ObjectBody) throws(ObjectStoreError) {
    let (number, fault) = try admit(.put, key.text)
    if fault?.takesEffect ?? true {
      try base.put(key, body)
    } else if fault?.isPartial == true {
      try (base as? any PartialPutStore)?.leavePartialPut(key, body)
    }
    if let fault { throw fault.error(.put, key.text, number) }
  }

  package func list(
    _ prefix: ObjectPrefix, after: ObjectKey?,
    visit: (ObjectKey, ObjectInfo) throws(ObjectStoreError) -> Void
  ) throws(ObjectStoreError) {
    let (number, fault) = try admit(.list, prefix.text)
    if fault?.takesEffect ?? true {
      try base.list(prefix, after: after) { (key, info) throws(ObjectStoreError) in
        try visit(key, info)
        if let fault, fault.endsListing { throw fault.error(.list, prefix.text, number) }
      }
    }
    if let fault { throw fault.error(.list, prefix.text, number) }
  }

  /// Counts an operation and decides about it.
  private func admit(
    _ operation: StoreOperation, _ key: String
  ) throws(ObjectStoreError) -> (number: Int, fault: StoreFault?) {
    try lock.withLock { () throws(ObjectStoreError) in
      if dead { throw .killed(operation, key: key) }
      guard counted.contains(operation) else {
        allCalls.append(Call(operation: operation, key: key))
        return (count, nil)
      }
      count += 1
      let fault = plan.fault(at: count)
      allCalls.append(Call(operation: operation, key: key, fault: fault))
      struck = struck || fault != nil
      dead = dead || fault?.isKill == true
      return (count, fault)
    }
  }
}
