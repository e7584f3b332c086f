import Control
import Manifests
import Platform

/// What the threads of a service know of each other: who listens where, who has run, how many work
/// at once, and whether all shall end.
final class ServiceBoard: @unchecked Sendable {
  private struct Entry {
    var address: HostPort?
    var mover: (any Mover)?
    var hasRun = false
    var status = JSONObject()
  }

  private let lock = Lock()
  private let condition: Condition
  private let clock: any Clock
  /// How long a wait lasts at most before the wall clock is looked at again: it may be set, and
  /// stands still while the machine sleeps.
  private let lookSecondsMax: Double
  private var entries: [ObjectKey: Entry] = [:]
  private var freeSlotCount: Int
  private var shallEnd = false
  private var wasCutShort = false

  init(_ keys: [ObjectKey], slotCount: Int, clock: any Clock, lookSecondsMax: Double) {
    condition = Condition(lock)
    self.clock = clock
    self.lookSecondsMax = lookSecondsMax
    freeSlotCount = slotCount
    for key in keys { entries[key] = Entry() }
  }

  var isCancelled: Bool { lock.withLock { shallEnd } }
  /// Whether a run was under way when all should end.
  var hasCutShort: Bool { lock.withLock { wasCutShort } }
  func noteCutShort() { lock.withLock { wasCutShort = true } }

  func status(of key: ObjectKey) -> JSONObject {
    lock.withLock { entries[key]?.status ?? JSONObject() }
  }

  func publish(_ status: JSONObject, of key: ObjectKey) { change(key) { $0.status = status } }
  func setListening(_ key: ObjectKey, _ address: HostPort) { change(key) { $0.address = address } }
  func noteRun(of key: ObjectKey) { change(key) { $0.hasRun = true } }
  func address(of key: ObjectKey) -> HostPort? { lock.withLock { entries[key]?.address } }

  /// Makes the mover known; one that shall end already is told so.
  func enter(_ key: ObjectKey, _ mover: any Mover) {
    change(key) { $0.mover = mover }
    if isCancelled { mover.cancel() }
  }

  /// The attempt has ended; gives whether it has listened.
  func leave(_ key: ObjectKey) -> Bool {
    let hasListened = address(of: key) != nil
    change(key) { entry in
      entry.mover = nil
      entry.address = nil
    }
    return hasListened
  }

  func cancelAll() {
    let movers: [any Mover] = lock.withLock {
      shallEnd = true
      condition.broadcast()
      return entries.values.compactMap(\.mover)
    }
    for mover in movers { mover.cancel() }
  }

  // MARK: Waiting; nil or false when all shall end

  func waitForAddress(of key: ObjectKey) -> HostPort? {
    lock.withLock {
      while !shallEnd {
        if let address = entries[key]?.address { return address }
        condition.wait()
      }
      return nil
    }
  }

  /// Until each of them has had a run that counted or was given up.
  func waitForRuns(of keys: [ObjectKey]) -> Bool {
    lock.withLock {
      while !shallEnd, keys.contains(where: { entries[$0]?.hasRun == false }) { condition.wait() }
      return !shallEnd
    }
  }

  func takeSlot() -> Bool {
    lock.withLock {
      while !shallEnd, freeSlotCount == 0 { condition.wait() }
      if shallEnd { return false }
      freeSlotCount -= 1
      return true
    }
  }

  func giveSlot() {
    lock.withLock {
      freeSlotCount += 1
      condition.broadcast()
    }
  }

  /// Until a time of the wall clock has passed; without one, until all shall end.
  func wait(until time: WallTime?) -> Bool {
    lock.withLock {
      while !shallEnd {
        var seconds = lookSecondsMax
        if let time {
          let now = clock.wallTime()
          if now > time { return true }
          // The time itself must have passed, so a little more.
          seconds = min(seconds, Double(time.nanoseconds(since: now)) / 1e9 + 0.001)
        }
        _ = condition.wait(until: MonotonicTime.now().advanced(bySeconds: seconds))
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
