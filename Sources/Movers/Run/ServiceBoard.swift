import Control
import Manifests
import Platform

/// What the threads of a service know of each other: who is there, with which spec, who listens
/// where, who has run, how many work at once, and who shall end.
final class ServiceBoard: @unchecked Sendable {
  /// What an end is to be, and how often that has changed.
  struct Order {
    var served: ServedEnd
    var revision = 0
  }

  private final class Entry {
    let condition: Condition
    var order: Order
    var isRemoved = false
    var address: HostPort?
    /// The last address, for the status.
    var shownAddress: HostPort?
    var mover: (any Mover)?
    /// What the mover under way does, to tell whether a change concerns it.
    var job: RunJob?
    /// The release that it uses.
    var release: String?
    /// Whether a peer has come to one that listens.
    var hasPeer = false
    var hasRun = false
    var status = JSONObject()

    init(_ order: Order, _ condition: Condition) {
      self.order = order
      self.condition = condition
    }

    /// Whether the mover has to end because the order is another one.
    var isOutdated: Bool {
      let served = order.served
      if served.isPromoted { return true }
      guard let job, job.listens, !hasPeer else { return false }
      let isSame = served.end?.job.document == job.document && served.release == release
      return served.problem != nil || !isSame
    }
  }

  /// One that waits for a slot, and for the places that its run uses alone.
  private final class Waiter {
    let key: ObjectKey
    let places: [String]
    var isGranted = false

    init(_ key: ObjectKey, _ places: [String]) {
      self.key = key
      self.places = places
    }
  }

  private static let yearSeconds = 366.0 * 86_400
  /// How long a source waits for its destination's run before it asks where that is listened for.
  private static let runSecondsMax = 2.0
  private let lock = Lock()
  /// For what an end waits for of others; each has a condition of its own for the rest.
  private let others: Condition
  private let clock: any Clock
  /// How long a wait lasts at most before the wall clock is looked at again: it may be set, and
  /// stands still while the machine sleeps.
  private let lookSecondsMax: Double
  /// How long a mover of an earlier process, which the kernel ends, is waited for.
  let lockSecondsMax: Double
  private var entries: [ObjectKey: Entry] = [:]
  private var waiters: [Waiter] = []
  private var busyPlaces: [String] = []
  private var freeSlotCount: Int
  private var shallEnd = false
  private var wasCutShort = false
  private var listeningAddress: @Sendable (ObjectKey) -> HostPort? = { _ in nil }

  init(
    slotCount: Int, clock: any Clock, lookSecondsMax: Double,
    lockSecondsMax: Double = HandOut.lockSecondsStandard
  ) {
    others = Condition(lock)
    self.clock = clock
    self.lookSecondsMax = lookSecondsMax
    self.lockSecondsMax = lockSecondsMax
    freeSlotCount = slotCount
  }

  // MARK: Who is there

  func enroll(_ served: ServedEnd) {
    let status = ReplicationStatus(document: served.status, section: nil)
    lock.withLock {
      let entry = Entry(Order(served: served), Condition(lock))
      entry.hasRun = status.lastSyncTime != nil || status.failedRuns != nil
      entry.status = served.status
      entries[served.key] = entry
    }
  }

  /// Lets an end be another from its next iteration on, if it is another. One that listens and has
  /// no peer is not at work: it listens anew when its work has changed.
  func change(_ served: ServedEnd) {
    let mover: (any Mover)? = lock.withLock {
      guard let entry = entries[served.key], !served.isSameOrder(as: entry.order.served) else {
        return nil
      }
      entry.order.served = served
      entry.order.revision += 1
      entry.condition.broadcast()
      return entry.isOutdated ? entry.mover : nil
    }
    mover?.cancel()
  }

  /// Lets an end come to its end; its run is cancelled.
  func remove(_ key: ObjectKey) {
    let mover: (any Mover)? = lock.withLock {
      guard let entry = entries[key], !entry.isRemoved else { return nil }
      entry.isRemoved = true
      entry.condition.broadcast()
      others.broadcast()
      return entry.mover
    }
    mover?.cancel()
  }

  /// Forgets an end whose thread is over.
  func drop(_ key: ObjectKey) {
    lock.withLock {
      entries[key] = nil
      others.broadcast()
    }
  }

  /// What an end is to be when that has changed since a revision.
  func order(of key: ObjectKey, after revision: Int) -> Order? {
    lock.withLock {
      guard let order = entries[key]?.order, order.revision > revision else { return nil }
      return order
    }
  }

  /// Whether all shall end, or this one.
  func isEnding(_ key: ObjectKey) -> Bool { lock.withLock { isEndingLocked(key) } }
  func isRemoved(_ key: ObjectKey) -> Bool { lock.withLock { entries[key]?.isRemoved ?? true } }
  private func isEndingLocked(_ key: ObjectKey) -> Bool {
    shallEnd || entries[key]?.isRemoved ?? true
  }

  var isCancelled: Bool { lock.withLock { shallEnd } }
  /// Whether a run was under way when all should end.
  var hasCutShort: Bool { lock.withLock { wasCutShort } }
  func noteCutShort() { lock.withLock { wasCutShort = true } }

  func cancelAll() {
    let movers: [any Mover] = lock.withLock {
      shallEnd = true
      others.broadcast()
      for entry in entries.values { entry.condition.broadcast() }
      return entries.values.compactMap(\.mover)
    }
    for mover in movers { mover.cancel() }
  }

  // MARK: What they tell

  func status(of key: ObjectKey) -> JSONObject {
    lock.withLock { entries[key]?.status ?? JSONObject() }
  }
  func publish(_ status: JSONObject, of key: ObjectKey) {
    lock.withLock { entries[key]?.status = status }
  }
  func setListening(_ key: ObjectKey, _ address: HostPort) {
    lock.withLock {
      entries[key]?.address = address
      entries[key]?.shownAddress = address
      others.broadcast()
    }
  }
  func notePeer(of key: ObjectKey) { lock.withLock { entries[key]?.hasPeer = true } }
  func noteRun(of key: ObjectKey) {
    lock.withLock {
      guard let entry = entries[key], !entry.hasRun else { return }
      entry.hasRun = true
      others.broadcast()
    }
  }
  /// Where destinations are listened for, whether a run of theirs waits or not.
  func setListeningAddress(_ address: @escaping @Sendable (ObjectKey) -> HostPort?) {
    lock.withLock { listeningAddress = address }
  }

  /// Where an end listens, or did last.
  func shownAddress(of key: ObjectKey) -> HostPort? {
    let (shown, address) = lock.withLock { (entries[key]?.shownAddress, listeningAddress) }
    return shown ?? address(key)
  }

  /// Why a destination does not receive just now; nil when it does.
  func absence(
    of key: ObjectKey, _ readiness: ListeningGate.Readiness
  ) -> ListeningGate.Absence? {
    let (served, document) = lock.withLock { (entries[key]?.order.served, entries[key]?.status) }
    guard let served else { return ListeningGate.Absence("is not served yet", seconds: 2) }
    if served.isPromoted {
      return ListeningGate.Absence("is promoted and receives nothing", seconds: 60)
    }
    if case .atWork = readiness { return nil }
    if let problem = served.problem {
      let line = problem.split(separator: "\n").first ?? ""
      return ListeningGate.Absence("cannot receive: \(line)", seconds: 30)
    }
    if served.end?.spec.isPaused == true { return ListeningGate.Absence("is paused", seconds: 10) }
    if case .waiting = readiness { return nil }
    let status = ReplicationStatus(document: document ?? JSONObject(), section: nil)
    switch status.condition?.reason {
    case .waitingForManual: return ListeningGate.Absence("waits for a manual trigger", seconds: 10)
    case .waitingForSchedule:
      let seconds = status.nextSyncTime.map { $0.seconds - clock.wallTime().seconds } ?? 10
      let time = status.nextSyncTime.map { ", \($0.rfc3339)" } ?? ""
      return ListeningGate.Absence(
        "waits for its schedule\(time)", seconds: Int(clamping: min(max(1, seconds + 1), 60)))
    case .error:
      return ListeningGate.Absence(
        "cannot receive: \(status.condition?.message ?? "")", seconds: 30)
    default:
      // What a run has left is kept or removed meanwhile: its image, its copy.
      return ListeningGate.Absence("is between two syncs, or keeps its image", seconds: 1)
    }
  }

  /// Makes the mover known; one that shall end already, or whose order has changed since a revision
  /// so that it has to, is told so.
  func enter(
    _ key: ObjectKey, _ mover: any Mover, _ job: RunJob, release: String?, after revision: Int
  ) {
    let isEnding = lock.withLock {
      guard let entry = entries[key] else { return true }
      entry.mover = mover
      entry.job = job
      entry.release = release
      return isEndingLocked(key) || (entry.order.revision > revision && entry.isOutdated)
    }
    if isEnding { mover.cancel() }
  }

  /// The attempt has ended; gives whether it has listened.
  func leave(_ key: ObjectKey) -> Bool {
    lock.withLock {
      guard let entry = entries[key] else { return false }
      let hasListened = entry.address != nil
      entry.mover = nil
      entry.job = nil
      entry.address = nil
      entry.hasPeer = false
      return hasListened
    }
  }

  // MARK: Waiting; nil or false when the end, or all, shall end

  /// nil also when it has not come to listen in time.
  func waitForAddress(of peer: ObjectKey, seconds: Double, for key: ObjectKey) -> HostPort? {
    // Whoever listens for it tells what it waits for, when its own run does not come soon.
    let address = lock.withLock({ listeningAddress })(peer)
    let seconds = address == nil ? seconds : min(seconds, ServiceBoard.runSecondsMax)
    let deadline = MonotonicTime.now().advanced(bySeconds: seconds)
    return lock.withLock {
      while !isEndingLocked(key) {
        if let address = entries[peer]?.address { return address }
        if !others.wait(until: deadline) { return entries[peer]?.address ?? address }
      }
      return nil
    }
  }

  /// Until each of them has had a run that counted or was given up, or is gone.
  func waitForRuns(of keys: [ObjectKey], for key: ObjectKey) -> Bool {
    lock.withLock {
      while !isEndingLocked(key), keys.contains(where: { entries[$0]?.hasRun == false }) {
        others.wait()
      }
      return !isEndingLocked(key)
    }
  }

  /// Takes a slot and, alone, the places of a run; first come, first served, but one whose places
  /// are in use holds nobody up.
  func takeSlot(_ key: ObjectKey, places: [String]) -> Bool {
    lock.withLock {
      guard let entry = entries[key], !isEndingLocked(key) else { return false }
      let waiter = Waiter(key, places)
      waiters.append(waiter)
      grantSlots()
      while !waiter.isGranted, !isEndingLocked(key) { entry.condition.wait() }
      if waiter.isGranted, isEndingLocked(key) { giveSlotLocked(places) }
      waiters.removeAll { $0 === waiter }
      return !isEndingLocked(key)
    }
  }

  func giveSlot(places: [String]) { lock.withLock { giveSlotLocked(places) } }

  private func giveSlotLocked(_ places: [String]) {
    freeSlotCount += 1
    for place in places {
      if let index = busyPlaces.firstIndex(of: place) { busyPlaces.remove(at: index) }
    }
    grantSlots()
  }

  private func grantSlots() {
    for waiter in waiters where !waiter.isGranted {
      guard freeSlotCount > 0 else { return }
      guard !waiter.places.contains(where: isBusy) else { continue }
      waiter.isGranted = true
      freeSlotCount -= 1
      busyPlaces += waiter.places
      entries[waiter.key]?.condition.broadcast()
    }
  }

  /// Whether a place is in use, or one within it, or one that it lies in.
  private func isBusy(_ place: String) -> Bool {
    busyPlaces.contains { busy in
      (busy + "/").hasPrefix(place + "/") || (place + "/").hasPrefix(busy + "/")
    }
  }

  /// Until a time of the wall clock has passed, or for as long as a look lasts: the clock may have
  /// been set meanwhile. Without a time, until the order has changed since a revision.
  func wait(until time: WallTime?, for key: ObjectKey, after revision: Int) -> Bool {
    guard let time else { return pause(seconds: .infinity, for: key, after: revision) }
    let now = clock.wallTime()
    // The time itself must have passed, so a little more.
    let seconds = min(lookSecondsMax, Double(time.nanoseconds(since: now)) / 1e9 + 0.001)
    return pause(seconds: seconds, for: key, after: revision)
  }

  /// For some time or, with a revision, until the order has changed since.
  func pause(seconds: Double, for key: ObjectKey, after revision: Int = .max) -> Bool {
    let deadline = MonotonicTime.now().advanced(bySeconds: min(seconds, ServiceBoard.yearSeconds))
    return lock.withLock {
      while !isEndingLocked(key), let entry = entries[key], entry.order.revision <= revision,
        MonotonicTime.now() < deadline
      {
        _ = entry.condition.wait(until: deadline)
      }
      return !isEndingLocked(key)
    }
  }
}
