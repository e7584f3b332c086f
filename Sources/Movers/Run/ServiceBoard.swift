import Control
import Manifests
import Platform

/// What the threads of a service know of each other: who listens where, who has run, how many work
/// at once, and whether all shall end.
final class ServiceBoard: @unchecked Sendable {
  private struct Entry {
    var address: HostPort?
    /// The last address, for the status.
    var shownAddress: HostPort?
    var mover: (any Mover)?
    var hasRun = false
    var status = JSONObject()
  }

  private static let yearSeconds = 366.0 * 86_400
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

  init(_ ends: [RunEnd], slotCount: Int, clock: any Clock, lookSecondsMax: Double) {
    condition = Condition(lock)
    self.clock = clock
    self.lookSecondsMax = lookSecondsMax
    freeSlotCount = slotCount
    for end in ends {
      let status = ReplicationStatus(document: end.storedStatus, section: nil)
      entries[end.key] = Entry(hasRun: status.lastSyncTime != nil || status.failedRuns != nil)
    }
  }

  var isCancelled: Bool { lock.withLock { shallEnd } }
  /// Whether a run was under way when all should end.
  var hasCutShort: Bool { lock.withLock { wasCutShort } }
  func noteCutShort() { lock.withLock { wasCutShort = true } }

  func status(of key: ObjectKey) -> JSONObject {
    lock.withLock { entries[key]?.status ?? JSONObject() }
  }

  func publish(_ status: JSONObject, of key: ObjectKey) { change(key) { $0.status = status } }
  func setListening(_ key: ObjectKey, _ address: HostPort) {
    change(key) { entry in
      entry.address = address
      entry.shownAddress = address
    }
  }
  func noteRun(of key: ObjectKey) { change(key) { $0.hasRun = true } }
  /// Where an end listens, or did last.
  func shownAddress(of key: ObjectKey) -> HostPort? {
    lock.withLock { entries[key]?.shownAddress }
  }

  /// Makes the mover known; one that shall end already is told so.
  func enter(_ key: ObjectKey, _ mover: any Mover) {
    change(key) { $0.mover = mover }
    if isCancelled { mover.cancel() }
  }

  /// The attempt has ended; gives whether it has listened.
  func leave(_ key: ObjectKey) -> Bool {
    var hasListened = false
    change(key) { entry in
      hasListened = entry.address != nil
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

  /// nil also when it has not come to listen in time.
  func waitForAddress(of key: ObjectKey, seconds: Double) -> HostPort? {
    let deadline = MonotonicTime.now().advanced(bySeconds: seconds)
    return lock.withLock {
      while !shallEnd {
        if let address = entries[key]?.address { return address }
        if !condition.wait(until: deadline) { return entries[key]?.address }
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

  /// Until a time of the wall clock has passed, or for as long as a look lasts: the clock may have
  /// been set meanwhile. Without a time, until all shall end.
  func wait(until time: WallTime?) -> Bool {
    guard let time else { return pause(seconds: .infinity) }
    let now = clock.wallTime()
    // The time itself must have passed, so a little more.
    return pause(seconds: min(lookSecondsMax, Double(time.nanoseconds(since: now)) / 1e9 + 0.001))
  }

  func pause(seconds: Double) -> Bool {
    let deadline = MonotonicTime.now().advanced(bySeconds: min(seconds, ServiceBoard.yearSeconds))
    return lock.withLock {
      while !shallEnd, MonotonicTime.now() < deadline { _ = condition.wait(until: deadline) }
      return !shallEnd
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
