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
  /// How long a run waits for a destination that is not ready, before it counts as failed.
  static let notReadySecondsMax = 3600.0
  /// Between two looks at a clock while an application is waited for.
  private static let triggerPauseSeconds = 0.5

  private let key: ObjectKey
  private var end: RunEnd
  private var machine: StateMachine
  private let board: ServiceBoard
  private let clock: any Clock
  private let retry: RetryPolicy
  private let store: any ServiceStore
  private let lockPath: String?
  private let keeper: VolumeKeeper
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
  /// Since when a destination has not been ready; nil when it is.
  private var notReadySince: MonotonicTime?
  private var standing = Standing.free
  /// The generation in which the volume was handed out.
  private var handedOut: Int64?
  /// Why it could not be; it is tried again.
  private var handOutProblem: String?
  private var announced: WallTime?
  /// What the run under way has done so far.
  private var ledger: RunLedger?
  private var lastFailure: MoverFailure?
  /// A person lets the next run pass the guards.
  private var release: String?
  private var guardNotes: GuardNotes { GuardNotes(key: key, clock: clock, store: store) }

  init(
    _ served: ServedEnd, _ end: RunEnd, board: ServiceBoard, clock: any Clock, retry: RetryPolicy,
    store: any ServiceStore, lockPath: String?, keeper: VolumeKeeper,
    observer: @escaping RunSession.Observer,
    makeMover: @escaping MakeMover
  ) {
    key = served.key
    self.end = end
    self.board = board
    self.clock = clock
    self.retry = retry
    self.store = store
    self.lockPath = lockPath
    self.keeper = keeper
    self.observer = observer
    self.makeMover = makeMover
    machine = end.machine
    problem = served.problem
    status = ReplicationStatus(document: served.status, section: nil)
    requests = RunRequests(served)
    release = served.release
    stand(problem: served.problem)
  }

  /// Returns when all shall end, or this end.
  func serve() {
    noteInterruption()
    var report = MoverReport.nothing
    // What ended while all should end is recorded, and nothing starts any more.
    while !board.isEnding(key) || !report.leavesIdle {
      takeUp()
      if report.leavesIdle, let promoted = standing.promoted {
        guard handOut(promoted) else { break }
        if SyncState(status) == .synchronizing {
          abandonRun()
          report = .nothing
        }
      }
      if let text = problem ?? handOutProblem, report.leavesIdle { report = .error(text) }
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
    defer { stand(problem: order.served.problem) }
    requests.ask(order.served.requestedRun, status)
    guardNotes.take(order.served.release, &release, &status)
    guard var new = order.served.end else { return }
    // What runs have left counts, not what was read from the disk some time ago.
    new.carry(from: end)
    end = new
    machine = new.machine
    announced = nil
  }

  // MARK: Generations

  /// Looks at what the generations say of this end: a fenced source and a promoted destination do
  /// not run.
  private func stand(problem: String?) {
    guard end.job.rsyncTLS != nil else {
      self.problem = problem
      return
    }
    standing = store.standing(of: key)
    self.problem = problem ?? standing.problem
    end.statusFields[RunEnd.fencedField] = standing.fenced.map(JSONValue.string)
    let isFirst = standing.generation == RelationRecord.firstGeneration
    end.statusFields[RunEnd.generationField] = isFirst ? nil : .integer(standing.generation)
    if standing.promoted == nil {
      end.statusFields[RunEnd.promotedField] = nil
      (handedOut, handOutProblem) = (nil, nil)
    } else {
      end.spec.isPaused = true
      machine = end.machine
    }
  }

  /// Hands the volume of a promoted destination out, once; false when all shall end before.
  private func handOut(_ promoted: (generation: Int64, time: WallTime)) -> Bool {
    guard handedOut != promoted.generation, let job = end.job.rsyncTLS else { return true }
    guard board.waitForLock(lockPath, for: key) else { return false }
    do {
      if let lockPath, RunLock.isHeld(lockPath) { throw StateError.volumeInUse(key) }
      let text = try HandOut.perform(job.root, promoted.generation, since: promoted.time)
      handedOut = promoted.generation
      handOutProblem = nil
      end.statusFields[RunEnd.promotedField] = .string(text)
      store.add(EventRecord(.normal, "Promoted", text, at: clock.wallTime()), of: key)
    } catch {
      handOutProblem = "promoted, but the volume cannot be handed out: \(error)"
      observer(key, .failed(failure(of: error)))
    }
    return true
  }

  /// A run of a promoted destination is no run any more.
  private func abandonRun() {
    status.lastSyncStartTime = nil
    ledger?.log("ended: promoted")
    ledger?.flush()
    ledger = nil
    lastFailure = nil
    requests.abandon()
  }

  /// The destination has a later generation: nothing is tried until a person has decided.
  private func afterFenced(_ failure: MoverFailure, by generation: Int64) -> MoverReport {
    do {
      try store.setFenced(by: generation, failure.message, of: key)
    } catch {
      // The next run is told again.
      observer(key, .failed(self.failure(of: error)))
    }
    stand(problem: nil)
    lastFailure = failure
    ledger?.log("failed: \(failure.message)")
    store.add(EventRecord(.warning, "Fenced", failure.message, at: clock.wallTime()), of: key)
    observer(key, .failed(failure))
    return over(.gaveUp(logs: failure.logs))
  }

  // MARK: One step

  /// Takes a step: what is missed is told, the status stored, then what follows may be done. Nil
  /// when all shall end before it could be stored.
  private func take(_ report: MoverReport) -> [SyncAction]? {
    if case .completed = report {
      guardNotes.pass(&status, lastFailure == nil ? ledger?.sourceTotals : nil, &release)
    }
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
      if isNow == .synchronizing, was != .synchronizing {
        openLedger(end.spec.cause(of: mark, from: was), step.status)
      }
      status = step.status
      if was == .synchronizing, isNow != .synchronizing {
        finish(report, isLate: step.actions.contains(.countMissedInterval))
      }
      requests.follow(mark)
      return step.actions
    }
  }

  private func openLedger(_ cause: String, _ status: ReplicationStatus) {
    let started = status.lastSyncStartTime ?? clock.wallTime()
    ledger = RunLedger(end, cause: cause, started: started, clock: clock, store: store)
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

  private func tellMissed(from was: SyncState, to isNow: SyncState, at now: WallTime) {
    let record = MissedTimes(end, machine).record(from: was, to: isNow, status, at: now) {
      store.lastMissedTime(of: key)
    }
    if let record { store.add(record, of: key) }
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
    switch ledger.measure("waiting", waitForCopyTrigger) {
    case .given: break
    case .late(let message): return .failed(logs: Array("\(message)\n".utf8))
    case .ending: return nil
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
      end.take(completion)
      lastFailure = completion.shortfall.map { MoverFailure(.partial, $0) }
      noteReady()
      observer(key, .completed(shortfall: completion.shortfall))
      return over(.completed(logs: completion.logs, image: end.image(after: completion)))
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
      if let seconds = failure.retrySeconds, mayWait() {
        return afterNotReady(failure, seconds: seconds)
      }
      noteReady()
      if let generation = failure.fencedBy { return afterFenced(failure, by: generation) }
      return afterFailure(failure, hasListened: hasListened)
    }
  }

  // MARK: A destination that is not ready

  private func mayWait() -> Bool {
    let since = notReadySince ?? .now()
    notReadySince = since
    return MonotonicTime.now().seconds(since: since) < EndService.notReadySecondsMax
  }

  private func noteReady() {
    notReadySince = nil
    end.statusFields[RunEnd.waitingForField] = nil
  }

  /// Waits, which is no failure; the status says for what.
  private func afterNotReady(_ failure: MoverFailure, seconds: Double) -> MoverReport? {
    end.statusFields[RunEnd.waitingForField] = .string(failure.message)
    keepFields()
    store.add(
      EventRecord(.normal, "DestinationNotReady", failure.message, at: clock.wallTime()), of: key)
    ledger?.log(failure.message)
    let goesOn =
      ledger?.measure("waiting") { board.pause(seconds: seconds, for: key, after: revision) }
      ?? false
    if goesOn { return .nothing }
    board.noteCutShort()
    keepFields()
    return nil
  }

  /// Waits until the application that uses the volume lets it be copied.
  private func waitForCopyTrigger() -> VolumeKeeper.TriggerWait {
    keeper.waitForTrigger { [self] in
      takeUp()
      return end.volume
    } pause: { [self] in
      board.pause(seconds: EndService.triggerPauseSeconds, for: key, after: revision)
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
    _ plain: RunJob, of planned: RunJob, _ ledger: RunLedger
  ) -> (outcome: MoverOutcome, hasListened: Bool) {
    guard board.waitForLock(lockPath, for: key) else { return (.failed(.cancelled), false) }
    ledger.beginAttempt()
    store.add(
      EventRecord(
        .normal, "TransferStarted",
        plain.listens ? "waiting for the source as data mover" : "starting data mover",
        at: clock.wallTime()), of: key)
    do {
      standing = store.standing(of: key)
      let job = plain.of(
        standing.generation, store.relationFile(of: key), name: "\(key)")
      let (shown, shownStatus) = (end, status)
      let mover = try makeMover(end, job) { [board, observer, key, store, clock] event in
        switch event {
        case .listening(let address):
          board.setListening(key, address)
          let document = shown.document(of: shownStatus, address: board.shownAddress(of: key))
          board.publish(document, of: key)
          // Whoever is to connect reads it there; what cannot be stored is with the next step.
          try? store.store(document, .none, of: key)
          store.add(
            EventRecord(
              .normal, "ServiceAddressAssigned", "listening on \(address)", at: clock.wallTime()),
            of: key)
        case .progress, .item, .warning: board.notePeer(of: key)
        case .note, .notReady, .fenced, .summary, .failure: break
        }
        ledger.note(event)
        observer(key, .event(event))
      }
      self.mover = mover
      board.enter(key, mover, planned, release: release, after: revision)
      let outcome = mover.synchronize()
      return (outcome, board.leave(key))
    } catch {
      return (.failed(failure(of: error)), false)
    }
  }

  private func afterFailure(_ failure: MoverFailure, hasListened: Bool) -> MoverReport? {
    lastFailure = failure
    ledger?.log("failed: \(failure.message)")
    guardNotes.fail(&status, failure)
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
