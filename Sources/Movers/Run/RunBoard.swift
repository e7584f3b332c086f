import Control
import Manifests
import Platform

/// What the threads of a run know of each other: who listens where, who has ended, who shall end.
final class RunBoard: @unchecked Sendable {
  enum Result: Sendable {
    case completed
    /// Completed, but for something that is lacking.
    case incomplete
    case failed(MoverFailure)
    /// Ended because the other end of its pair failed; that one tells why.
    case cancelledByPeer
  }

  private struct Entry {
    var peer: ObjectKey?
    var address: HostPort?
    var mover: (any Mover)?
    var result: Result?
    var status = JSONObject()
    var isCancelledByPeer = false
  }

  private let lock = Lock()
  private let condition: Condition
  private var entries: [ObjectKey: Entry] = [:]
  private var isCancelledByUser = false

  init(_ plan: RunPlan) {
    condition = Condition(lock)
    for end in plan.destinations + plan.sources + plan.skipped {
      entries[end.key, default: Entry()].peer = end.peer
    }
    for end in plan.sources {
      guard let peer = end.peer else { continue }
      entries[peer, default: Entry()].peer = end.key
    }
  }

  var isCancelled: Bool { lock.withLock { isCancelledByUser } }

  func address(of key: ObjectKey) -> HostPort? { lock.withLock { entries[key]?.address } }

  func status(of key: ObjectKey) -> JSONObject {
    lock.withLock { entries[key]?.status ?? JSONObject() }
  }

  func result(of key: ObjectKey) -> Result {
    lock.withLock { entries[key]?.result ?? .failed(.cancelled) }
  }

  func isCancelledByPeer(_ key: ObjectKey) -> Bool {
    lock.withLock { entries[key]?.isCancelledByPeer ?? false }
  }

  func setListening(_ key: ObjectKey, _ address: HostPort) {
    change(key) { $0.address = address }
  }

  /// Makes the mover known; one that shall end already is told so.
  func enter(_ key: ObjectKey, _ mover: any Mover) {
    let shallEnd = lock.withLock {
      entries[key]?.mover = mover
      return isCancelledByUser || entries[key]?.isCancelledByPeer == true
    }
    if shallEnd { mover.cancel() }
  }

  /// Records the end; a failure ends the other end of the pair, which could only wait for it.
  func finish(_ key: ObjectKey, _ status: JSONObject, _ result: Result) {
    change(key) { entry in
      entry.status = status
      entry.result = result
      entry.mover = nil
    }
    switch result {
    case .completed, .incomplete: return
    case .failed(let failure) where failure.kind == .partial: return
    case .failed, .cancelledByPeer: break
    }
    let mover: (any Mover)? = lock.withLock {
      guard let peer = entries[key]?.peer, entries[peer]?.result == nil else { return nil }
      entries[peer]?.isCancelledByPeer = true
      condition.broadcast()
      return entries[peer]?.mover
    }
    mover?.cancel()
  }

  func cancelAll() {
    let movers: [any Mover] = lock.withLock {
      isCancelledByUser = true
      condition.broadcast()
      return entries.values.compactMap(\.mover)
    }
    for mover in movers { mover.cancel() }
  }

  /// Waits until each of the destinations listens or has ended.
  func waitUntilListening(_ keys: [ObjectKey]) {
    lock.withLock {
      while keys.contains(where: { entries[$0]?.address == nil && entries[$0]?.result == nil }) {
        condition.wait()
      }
    }
  }

  /// Waits until each of the ends has ended; false when one of them has failed, or when everything
  /// shall end.
  func waitUntilDone(_ keys: [ObjectKey]) -> Bool {
    lock.withLock {
      while !isCancelledByUser, keys.contains(where: { entries[$0]?.result == nil }) {
        condition.wait()
      }
      return keys.allSatisfy { key in
        switch entries[key]?.result {
        case .completed, .incomplete: true
        case .failed, .cancelledByPeer, nil: false
        }
      }
    }
  }

  /// Waits before another try; false when there shall be none.
  func sleep(seconds: Double, for key: ObjectKey, clock: any Clock) -> Bool {
    let deadline = clock.monotonicTime().advanced(bySeconds: seconds)
    return lock.withLock {
      while !isCancelledByUser, entries[key]?.isCancelledByPeer != true {
        if clock.monotonicTime() >= deadline { return true }
        _ = condition.wait(until: deadline)
      }
      return false
    }
  }

  private func change(_ key: ObjectKey, _ body: (inout Entry) -> Void) {
    lock.withLock {
      guard var entry = entries[key] else { return }
      body(&entry)
      entries[key] = entry
      condition.broadcast()
    }
  }
}
