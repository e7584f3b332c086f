import Control
import Manifests
import Platform
import StateStore
import Supervision

/// One end through its life: its state machine, driven by time, by changes of its spec and by its
/// mover. Confined to one thread, whose body is ``serve()``.
final class EndService {
  typealias MakeMover =
    (RunEnd, RunJob, @escaping @Sendable (MoverEvent) -> Void) throws -> any Mover

  /// Before what could not be set up, cleaned up or stored is tried again.
  private static let errorPauseSeconds = 60.0
  /// Before a destination whose session broke listens again.
  private static let listenPauseSeconds = 1.0
  /// How long a source waits for its destination of the same files to listen.
  private static let peerSecondsMax = 60.0
  /// How long a mover of an earlier process, which the kernel ends, is waited for.
  private static let lockSecondsMax = 30.0
  /// Times of a schedule that are counted as missed at once; more are "at least" as many.
  static let missedCountMax = 10_000

  private let key: ObjectKey
  private var end: RunEnd
  private var machine: StateMachine
  private let board: ServiceBoard
  private let clock: any Clock
  private let retry: RetryPolicy
  private let store: any ServiceStore
  private let lockPath: String?
  private let observer: RunSession.Observer
  private let makeMover: MakeMover
  private var status: ReplicationStatus
  private var problem: String?
  /// How often the order had changed when it was taken up.
  private var revision = 0
  private var requests: RunRequests
  /// The mover of the last attempt, until it is cleaned up.
  private var mover: (any Mover)?
  private var attemptCount = 0
  private var announced: WallTime?
  /// What the run under way has done so far.
  private var ledger: RunLedger?
  private var lastFailure: MoverFailure?
  /// A person lets the next run pass the guards.
  private var release: String?

  init(
    _ served: ServedEnd, _ end: RunEnd, board: ServiceBoard, clock: any Clock, retry: RetryPolicy,
    store: any ServiceStore, lockPath: String?, observer: @escaping RunSession.Observer,
    makeMover: @escaping MakeMover
  ) {
    key = served.key
    self.end = end
    self.board = board
    self.clock = clock
    self.retry = retry
    self.store = store
    self.lockPath = lockPath
    self.observer = observer
    self.makeMover = makeMover
    machine = end.machine
    problem = served.problem
    status = ReplicationStatus(document: served.status, section: nil)
    requests = RunRequests(served)
    release = served.release
  }

  /// Returns when all shall end, or this end.
  func serve() {
    noteInterruption()
    var report = MoverReport.nothing
    // What ended while all should end is recorded, and nothing starts any more.
    while !board.isEnding(key) || !report.leavesIdle {
      takeUp()
      if let problem, report.leavesIdle { report = .error(problem) }
      guard let actions = take(report) else { return }
      if case .error = report {
        guard waitAfterError() else { break }
        report = .nothing
      } else if actions.contains(.synchronize) {
        guard let next = synchronize() else { break }
        report = next
      } else if actions.contains(.cleanUp) {
        report = cleanUp()
      } else {
        guard waitForTrigger() else { break }
        report = SyncState(status) == .initial ? .nothing : .cleanedUp
      }
    }
    ledger?.flush()
    if board.isRemoved(key) { _ = cleanUp() }
  }

  /// Takes over a changed spec, which is in force from the next step on.
  private func takeUp() {
    guard let order = board.order(of: key, after: revision) else { return }
    revision = order.revision
    problem = order.served.problem
    requests.ask(order.served.requestedRun, status)
    if order.served.release != release {
      release = order.served.release
      // What waits because it has failed goes on.
      if release != nil { status.failedRuns?.retryTime = nil }
    }
    guard var new = order.served.end else { return }
    // What runs have left counts, not what was read from the disk some time ago.
    new.set(new.carried?(end.statusFields) ?? end.statusFields)
    end = new
    machine = new.machine
    announced = nil
  }

  // MARK: One step

  /// Takes a step: what is missed is told, the status stored, then what follows may be done. Nil
  /// when all shall end before it could be stored.
  private func take(_ report: MoverReport) -> [SyncAction]? {
    if case .completed = report { notePassed() }
    while true {
      let now = clock.wallTime()
      let step = machine.step(status, report, at: now, requested: requests.tag(in: status))
      let (was, isNow) = (SyncState(status), SyncState(step.status))
      let mark = requests.mark(from: was, to: isNow)
      tellMissed(from: was, to: isNow, at: now)
      do {
        let document = end.document(of: step.status, address: board.shownAddress(of: key))
        try store.store(document, mark, of: key)
        board.publish(document, of: key)
      } catch {
        observer(key, .failed(failure(of: error)))
        guard board.pause(seconds: EndService.errorPauseSeconds, for: key) else { return nil }
        continue
      }
      if isNow == .synchronizing, was != .synchronizing { begin(from: was, step.status, mark) }
      status = step.status
      if was == .synchronizing, isNow != .synchronizing {
        finish(report, isLate: step.actions.contains(.countMissedInterval))
      }
      requests.follow(mark)
      return step.actions
    }
  }

  private func begin(from was: SyncState, _ status: ReplicationStatus, _ mark: RequestMark) {
    let cause: String
    if case .started(let tag) = mark {
      cause = "requested: \(tag)"
    } else if let tag = end.spec.trigger.manual {
      cause = "manual tag \(tag)"
    } else if was == .initial {
      cause = "first run"
    } else {
      cause = end.spec.trigger.schedule == nil ? "no trigger: again" : "schedule"
    }
    openLedger(cause, status)
  }

  private func openLedger(_ cause: String, _ status: ReplicationStatus) {
    let started = status.lastSyncStartTime ?? clock.wallTime()
    ledger = RunLedger(end, cause: cause, started: started, clock: clock, store: store)
  }

  /// A run has passed the guards: what it has found is what the next one is judged by.
  private func notePassed() {
    if lastFailure == nil, let found = ledger?.sourceTotals { status.source = found }
    if let trip = status.guardTrip {
      store.add(
        EventRecord(
          .normal, "GuardCleared", "the guard \(trip.name.rawValue) has let a run pass",
          at: clock.wallTime()), of: key)
    }
    status.guardTrip = nil
    guard let used = release else { return }
    release = nil
    do {
      // Before the run counts: after a crash in between it asks for another release.
      try store.endRelease(used, of: key)
    } catch {
      observer(key, .failed(failure(of: error)))
    }
  }

  private func noteTrip(_ failure: MoverFailure) {
    guard let name = failure.guardName else { return }
    let now = clock.wallTime()
    let since = status.guardTrip.flatMap { $0.name == name ? $0.since : nil } ?? now
    status.guardTrip = GuardTrip(name, failure.message, since: since)
    store.add(EventRecord(.warning, "GuardTripped", failure.message, at: now), of: key)
  }

  /// Keeps the record of a run that is over.
  private func finish(_ report: MoverReport, isLate: Bool) {
    guard let ledger else { return }
    let failure = lastFailure
    switch report {
    case .completed(_, let image):
      let outcome: RunRecord.Outcome = failure == nil ? .successful : .incomplete
      var record = ledger.record(outcome, message: failure?.message, image: image)
      record.isLate = isLate
      store.add(record, of: key)
    default: store.add(ledger.record(.failed, message: failure?.message), of: key)
    }
    ledger.log(failure.map { "ended: \($0.message)" } ?? "ended: done")
    ledger.flush()
    self.ledger = nil
    lastFailure = nil
  }

  /// Tells of a run that an earlier process has begun, and begins it again.
  private func noteInterruption() {
    guard SyncState(status) == .synchronizing else { return }
    openLedger("begun again after it was cut short", status)
    // Whether a session was under way at one that listens is known to its sender.
    if end.job.listens { return }
    guard
      let record = ledger?.record(
        .interrupted, message: "cut short by the end of the daemon; it is run again")
    else { return }
    store.add(record, of: key)
  }

  /// Keeps a record of the times of the schedule at which no run could start: before a run that
  /// comes late, and during one that is over.
  private func tellMissed(from was: SyncState, to isNow: SyncState, at now: WallTime) {
    guard end.spec.trigger.manual == nil, end.spec.trigger.schedule != nil else { return }
    var from: WallTime?
    if was != .synchronizing, isNow == .synchronizing { from = status.nextSyncTime }
    if was == .synchronizing, isNow != .synchronizing { from = status.lastSyncStartTime }
    guard var from, from < now else { return }
    var times = machine.dueTimes(after: from, through: now, countMax: 1)
    guard !times.isEmpty else { return }
    // A process that was killed may have told already.
    if let told = store.lastMissedTime(of: key), told > from { from = told }
    times = machine.dueTimes(after: from, through: now, countMax: EndService.missedCountMax)
    guard let first = times.first, let last = times.last else { return }
    var record = RunRecord(
      mover: end.job.section, cause: "schedule", started: first, ended: last, outcome: .missed)
    record.missedCount = Int64(times.count)
    record.message =
      "\(times.count == EndService.missedCountMax ? "at least " : "")\(times.count) "
      + (times.count == 1 ? "time" : "times") + " of the schedule passed without a run"
    store.add(record, of: key)
  }

  // MARK: Waiting

  private func waitAfterError() -> Bool {
    // A problem of the spec lasts until the spec changes.
    let seconds = problem == nil ? EndService.errorPauseSeconds : .infinity
    return board.pause(seconds: seconds, for: key, after: revision)
  }

  private func waitForTrigger() -> Bool {
    if requests.hasPending, !end.spec.isPaused { return true }
    let next = machine.nextLook(status)
    if let next, next != announced { observer(key, .waiting(until: next)) }
    announced = next
    return board.wait(until: next, for: key, after: revision)
  }

  private func cleanUp() -> MoverReport {
    do {
      try mover?.cleanUp()
      mover = nil
      return .cleanedUp
    } catch {
      observer(key, .failed(failure(of: error)))
      return .error("\(error)")
    }
  }

  private func failure(of error: any Error) -> MoverFailure {
    let kind = (error as? any DroverError)?.kind ?? .internalFault
    return MoverFailure(kind, "\(error)", logs: Array("\(error)\n".utf8))
  }

  // MARK: One attempt

  /// Runs the mover once; nil when all shall end.
  private func synchronize() -> MoverReport? {
    guard let ledger else { preconditionFailure("a run has a ledger") }
    guard ledger.measure("waiting", { board.waitForRuns(of: end.predecessors, for: key) }) else {
      return nil
    }
    let planned = end.job(at: clock.wallTime())
    var job = planned.guarded(last: status.source, isReleased: release != nil)
    if let peer = end.peer {
      let seconds = EndService.peerSecondsMax
      let address = ledger.measure("waiting") {
        board.waitForAddress(of: peer, seconds: seconds, for: key)
      }
      guard let address else {
        if board.isEnding(key) { return nil }
        let message = "\(peer) does not listen"
        return afterFailure(
          MoverFailure(.unreachable, message, logs: Array("\(message)\n".utf8)),
          hasListened: false)
      }
      job = job.connecting(to: address)
    }
    // One that listens waits for its peer, which may be one of those that wait for a slot.
    let places = job.places
    if !job.listens {
      guard ledger.measure("waiting", { board.takeSlot(key, places: places) }) else { return nil }
    }
    observer(key, .started)
    let (outcome, hasListened) = ledger.measure("mover") { attempt(job, of: planned, ledger) }
    if !job.listens { board.giveSlot(places: places) }
    switch outcome {
    case .completed(let completion):
      end.set(completion.statusFields)
      lastFailure = completion.shortfall.map { MoverFailure(.partial, $0) }
      observer(key, .completed(shortfall: completion.shortfall))
      return over(.completed(logs: completion.logs, image: end.image))
    case .failed(let failure):
      end.set(failure.statusFields)
      if board.isEnding(key) {
        // Whether a session was under way at one that listens is known to its sender.
        if !job.listens { board.noteCutShort() }
        keepFields()
        return nil
      }
      // One that listened for nobody was told to listen anew.
      if job.listens, failure.kind == .cancelled { return .nothing }
      return afterFailure(failure, hasListened: hasListened)
    }
  }

  /// Stores what an attempt that was cut short has changed of the status all the same.
  private func keepFields() {
    let document = end.document(of: status, address: board.shownAddress(of: key))
    board.publish(document, of: key)
    // The run is begun again: what cannot be stored now is found again then.
    try? store.store(document, .none, of: key)
  }

  private func attempt(
    _ job: RunJob, of planned: RunJob, _ ledger: RunLedger
  ) -> (outcome: MoverOutcome, hasListened: Bool) {
    guard waitForLock() else { return (.failed(.cancelled), false) }
    ledger.beginAttempt()
    store.add(
      EventRecord(
        .normal, "TransferStarted",
        job.listens ? "waiting for the source as data mover" : "starting data mover",
        at: clock.wallTime()), of: key)
    do {
      let mover = try makeMover(end, job) { [board, observer, key, store, clock] event in
        switch event {
        case .listening(let address):
          board.setListening(key, address)
          store.add(
            EventRecord(
              .normal, "ServiceAddressAssigned", "listening on \(address)", at: clock.wallTime()),
            of: key)
        case .progress, .item, .warning: board.notePeer(of: key)
        case .note, .summary, .failure: break
        }
        ledger.note(event)
        observer(key, .event(event))
      }
      self.mover = mover
      board.enter(key, mover, planned, release: release)
      let outcome = mover.synchronize()
      return (outcome, board.leave(key))
    } catch {
      return (.failed(failure(of: error)), false)
    }
  }

  /// Waits for the end of a mover that an earlier process has left; false when all shall end.
  private func waitForLock() -> Bool {
    guard let lockPath else { return true }
    let deadline = MonotonicTime.now().advanced(bySeconds: EndService.lockSecondsMax)
    while RunLock.isHeld(lockPath), MonotonicTime.now() < deadline {
      guard board.pause(seconds: 0.02, for: key) else { return false }
    }
    return true
  }

  private func afterFailure(_ failure: MoverFailure, hasListened: Bool) -> MoverReport? {
    lastFailure = failure
    ledger?.log("failed: \(failure.message)")
    noteTrip(failure)
    store.add(
      EventRecord(.warning, "TransferFailed", failure.message, at: clock.wallTime()), of: key)
    if hasListened {
      // The session broke, and whoever sends tries again: this end has to be there.
      observer(key, .failed(failure))
      return board.pause(seconds: EndService.listenPauseSeconds, for: key)
        ? .failed(logs: failure.logs) : nil
    }
    attemptCount += 1
    guard let delay = retry.delaySeconds(after: attemptCount, kind: failure.kind) else {
      observer(key, .failed(failure))
      return over(.gaveUp(logs: failure.logs))
    }
    observer(key, .retrying(failure, attempt: attemptCount, delaySeconds: delay))
    let goesOn = ledger?.measure("pause") { board.pause(seconds: delay, for: key) } ?? false
    if goesOn { return .failed(logs: failure.logs) }
    board.noteCutShort()
    keepFields()
    return nil
  }

  private func over(_ report: MoverReport) -> MoverReport {
    attemptCount = 0
    board.noteRun(of: key)
    return report
  }
}

extension MoverReport {
  /// What is told of an end that may start again, or has not started.
  fileprivate var leavesIdle: Bool {
    switch self {
    case .nothing, .cleanedUp, .failed, .error: true
    case .completed, .gaveUp: false
    }
  }
}
