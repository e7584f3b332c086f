import Control
import Manifests
import Platform

/// One end through its life: its state machine, driven by time and by its mover. Confined to one
/// thread, whose body is ``serve()``.
final class EndService {
  /// Before what could not be set up or cleaned up is tried again.
  private static let errorPauseSeconds = 60.0
  /// Before a destination whose session broke listens again.
  private static let listenPauseSeconds = 1.0
  /// How long a source waits for its destination of the same files to listen.
  private static let peerSecondsMax = 60.0

  private var end: RunEnd
  private let machine: StateMachine
  private let board: ServiceBoard
  private let clock: any Clock
  private let retry: RetryPolicy
  private let makeMover: (RunEnd, RunJob) throws -> any Mover
  private let observer: RunSession.Observer
  private var status: ReplicationStatus
  /// The mover of the last attempt, until it is cleaned up.
  private var mover: (any Mover)?
  private var attemptCount = 0
  private var announced: WallTime?

  init(
    _ end: RunEnd, board: ServiceBoard, clock: any Clock, retry: RetryPolicy,
    observer: @escaping RunSession.Observer,
    makeMover: @escaping (RunEnd, RunJob) throws -> any Mover
  ) {
    self.end = end
    self.board = board
    self.clock = clock
    self.retry = retry
    self.observer = observer
    self.makeMover = makeMover
    machine = end.machine
    status = ReplicationStatus(document: end.storedStatus, section: nil)
  }

  /// Returns when all shall end.
  func serve() {
    var report = MoverReport.nothing
    // What ended while all should end is recorded, and nothing starts any more.
    while !board.isCancelled || !report.leavesIdle {
      let step = machine.step(status, report, at: clock.wallTime())
      status = step.status
      publish()
      if case .error = report {
        guard board.pause(seconds: EndService.errorPauseSeconds) else { return }
        report = .nothing
      } else if step.actions.contains(.synchronize) {
        guard let next = synchronize() else { return }
        report = next
      } else if step.actions.contains(.cleanUp) {
        report = cleanUp()
      } else {
        guard waitForTrigger() else { return }
        report = SyncState(status) == .initial ? .nothing : .cleanedUp
      }
    }
  }

  private func publish() {
    board.publish(end.document(of: status, address: board.shownAddress(of: end.key)), of: end.key)
  }

  private func waitForTrigger() -> Bool {
    let next = machine.nextLook(status)
    if let next, next != announced { observer(end.key, .waiting(until: next)) }
    announced = next
    return board.wait(until: next)
  }

  private func cleanUp() -> MoverReport {
    do {
      try mover?.cleanUp()
      mover = nil
      return .cleanedUp
    } catch {
      observer(end.key, .failed(failure(of: error)))
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
    guard board.waitForRuns(of: end.predecessors) else { return nil }
    var job = end.job(at: clock.wallTime())
    if let peer = end.peer {
      let seconds = EndService.peerSecondsMax
      guard let address = board.waitForAddress(of: peer, seconds: seconds) else {
        if board.isCancelled { return nil }
        let message = "\(peer) does not listen"
        return afterFailure(
          MoverFailure(.unreachable, message, logs: Array("\(message)\n".utf8)),
          hasListened: false)
      }
      job = job.connecting(to: address)
    }
    // One that listens waits for its peer, which may be one of those that wait for a slot.
    if !job.listens, !board.takeSlot() { return nil }
    observer(end.key, .started)
    let (outcome, hasListened) = attempt(job)
    if !job.listens { board.giveSlot() }
    switch outcome {
    case .completed(let completion):
      end.set(completion.statusFields)
      observer(end.key, .completed(shortfall: completion.shortfall))
      return over(.completed(logs: completion.logs, image: end.image))
    case .failed(let failure):
      end.set(failure.statusFields)
      if board.isCancelled {
        // Whether a session was under way at one that listens is known to its sender.
        if !job.listens { board.noteCutShort() }
        publish()
        return nil
      }
      return afterFailure(failure, hasListened: hasListened)
    }
  }

  private func attempt(_ job: RunJob) -> (outcome: MoverOutcome, hasListened: Bool) {
    do {
      let mover = try makeMover(end, job)
      self.mover = mover
      board.enter(end.key, mover)
      let outcome = mover.synchronize()
      return (outcome, board.leave(end.key))
    } catch {
      return (.failed(failure(of: error)), false)
    }
  }

  private func afterFailure(_ failure: MoverFailure, hasListened: Bool) -> MoverReport? {
    if hasListened {
      // The session broke, and whoever sends tries again: this end has to be there.
      observer(end.key, .failed(failure))
      return board.pause(seconds: EndService.listenPauseSeconds)
        ? .failed(logs: failure.logs) : nil
    }
    attemptCount += 1
    guard let delay = retry.delaySeconds(after: attemptCount, kind: failure.kind) else {
      observer(end.key, .failed(failure))
      return over(.gaveUp(logs: failure.logs))
    }
    observer(end.key, .retrying(failure, attempt: attemptCount, delaySeconds: delay))
    if board.pause(seconds: delay) { return .failed(logs: failure.logs) }
    board.noteCutShort()
    publish()
    return nil
  }

  private func over(_ report: MoverReport) -> MoverReport {
    attemptCount = 0
    board.noteRun(of: end.key)
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
