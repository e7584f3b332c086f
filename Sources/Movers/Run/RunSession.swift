package import Control
package import Manifests
package import Platform

/// What is told while a run goes on.
package enum RunNotice: Sendable {
  case started
  case event(MoverEvent)
  case retrying(MoverFailure, attempt: Int, delaySeconds: Double)
  /// Done; `shortfall` says what is lacking all the same.
  case completed(shortfall: String?)
  /// Not started, because an end that it waited for has failed.
  case givenUp
  /// The run was given up.
  case failed(MoverFailure)
  /// The next run comes when this has passed.
  case waiting(until: WallTime)
}

/// How a run ended.
package struct RunReport: Sendable {
  /// The objects with their new status, in the order of the files.
  package var objects: [JSONValue]
  package var exitStatus: ExitStatus
}

/// What a mover is made from.
package struct MoverRequest: Sendable {
  package var end: RunEnd
  package var job: RunJob
  package var lockPath: String?
  package var onEvent: @Sendable (MoverEvent) -> Void
}

/// Runs each end of a plan once: first the destinations that listen; when they do, sources; then
/// the other destinations.
package final class RunSession: Sendable {
  /// Ends that run at the same time, but for those that listen.
  static let workerCountMax = 4

  package typealias Observer = @Sendable (ObjectKey, RunNotice) -> Void

  private let plan: RunPlan
  private let movers: MoverRegistry<MoverRequest>
  private let stateDirectory: String?
  private let clock: any Clock
  private let retry: RetryPolicy
  private let observer: Observer
  private let board: RunBoard

  /// `observer` is called from several threads.
  package init(
    _ plan: RunPlan, movers: MoverRegistry<MoverRequest>, stateDirectory: String?,
    clock: any Clock = SystemClock(), retry: RetryPolicy = .mover,
    observer: @escaping Observer
  ) {
    self.plan = plan
    self.movers = movers
    self.stateDirectory = stateDirectory
    self.clock = clock
    self.retry = retry
    self.observer = observer
    board = RunBoard(plan)
  }

  /// Ends everything soon; from any thread.
  package func cancel() { board.cancelAll() }

  /// Blocks until every end has ended. Once.
  package func run() throws -> RunReport {
    let listening = plan.destinations.filter(\.job.listens)
    let receivers = listening.map { end in
      Thread("destination") { [self] in drive(end, job: end.job) }
    }
    board.waitUntilListening(listening.map(\.key))
    // Whom an end waits for stands before it in the queue.
    let queue = RunQueue(plan.sources + plan.destinations.filter { !$0.job.listens })
    let workers = (0..<min(RunSession.workerCountMax, queue.count)).map { _ in
      Thread("worker") { [self] in
        while let end = queue.next() { runQueued(end) }
      }
    }
    for thread in workers + receivers { try thread.join() }
    return report()
  }

  private func runQueued(_ end: RunEnd) {
    guard board.waitUntilDone(end.predecessors) else { return giveUp(end) }
    guard let peer = end.peer else { return drive(end, job: end.job) }
    guard let address = board.address(of: peer) else { return giveUp(end) }
    drive(end, job: end.job.connecting(to: address))
  }

  /// Records the end of one that was not started because another has failed.
  private func giveUp(_ end: RunEnd) {
    observer(end.key, .givenUp)
    board.finish(end.key, status(of: end, ReplicationStatus()), .cancelledByPeer)
  }

  // MARK: one end

  private func drive(_ end: RunEnd, job: RunJob) {
    var end = end
    // A schedule is no part of a single run, nor is waiting for it.
    var spec = end.spec
    spec.waitsForSchedule = false
    let machine = StateMachine(spec) { _ in nil }
    var step = machine.step(ReplicationStatus(), .nothing, at: clock.wallTime())
    var result = RunBoard.Result.completed
    let keeper = VolumeKeeper(end.key, stateDirectory: nil, clock: clock, store: NoStore())
    // Should the run be cut short before it cleans up.
    defer { keeper.release() }
    keeper.removeLeftovers(of: end)
    do {
      let mover = try makeMover(end, job, keeper)
      board.enter(end.key, mover)
      result = attempt(&end, mover, machine, &step)
      try mover.cleanUp()
      let idle = machine.step(step.status, .cleanedUp, at: clock.wallTime())
      // What would start again at once is the next run's.
      if !idle.actions.contains(.synchronize) { step = idle }
    } catch {
      step = machine.step(step.status, .error("\(error)"), at: clock.wallTime())
      let kind = (error as? any DroverError)?.kind ?? .internalFault
      let failure = MoverFailure(kind, "\(error)")
      result = .failed(failure)
      observer(end.key, .failed(failure))
    }
    board.finish(end.key, status(of: end, step.status), result)
  }

  private func makeMover(
    _ end: RunEnd, _ job: RunJob, _ keeper: VolumeKeeper
  ) throws -> any Mover {
    let key = end.key
    let lockPath = stateDirectory.map { "\($0)/\(key.lockName)" }
    return try movers.makeMover(of: end, job, lockPath: lockPath, keeper: keeper) {
      [board, observer] event in
      if case .listening(let address) = event { board.setListening(key, address) }
      observer(key, .event(event))
    }
  }

  /// Runs the mover until it is done, has failed for good, or shall end.
  private func attempt(
    _ end: inout RunEnd, _ mover: any Mover, _ machine: StateMachine, _ step: inout SyncStep
  ) -> RunBoard.Result {
    var attemptCount = 0
    let began = clock.monotonicTime()
    while true {
      attemptCount += 1
      let failure: MoverFailure
      switch mover.synchronize() {
      case .completed(let completion):
        end.take(completion)
        let image = end.image(after: completion)
        step = machine.step(
          step.status, .completed(logs: completion.logs, image: image), at: clock.wallTime())
        observer(end.key, .completed(shortfall: completion.shortfall))
        return completion.shortfall == nil ? .completed : .incomplete
      case .failed(let error): failure = error
      }
      end.set(failure.statusFields)
      step = machine.step(step.status, .failed(logs: failure.logs), at: clock.wallTime())
      if board.isCancelledByPeer(end.key) { return .cancelledByPeer }
      let passed = clock.monotonicTime().seconds(since: began)
      if let delay = failure.retrySeconds, passed < EndService.notReadySecondsMax {
        // Not a failure: the other side is well.
        attemptCount -= 1
        observer(end.key, .retrying(failure, attempt: attemptCount, delaySeconds: delay))
        guard board.sleep(seconds: delay, for: end.key, clock: clock) else {
          return board.isCancelledByPeer(end.key) ? .cancelledByPeer : .failed(.cancelled)
        }
        continue
      }
      guard let delay = retry.delaySeconds(after: attemptCount, kind: failure.kind) else {
        observer(end.key, .failed(failure))
        return .failed(failure)
      }
      observer(end.key, .retrying(failure, attempt: attemptCount, delaySeconds: delay))
      guard board.sleep(seconds: delay, for: end.key, clock: clock) else {
        return board.isCancelledByPeer(end.key) ? .cancelledByPeer : .failed(.cancelled)
      }
    }
  }

  private func status(of end: RunEnd, _ status: ReplicationStatus) -> JSONObject {
    end.document(of: status, address: board.address(of: end.key))
  }

  // MARK: the end

  private func report() -> RunReport {
    for end in plan.skipped {
      board.finish(end.key, end.skippedStatus(at: clock.wallTime()), .completed)
    }
    let printed = plan.objects { board.status(of: $0.key) }
    let results = (plan.sources + plan.destinations).map { board.result(of: $0.key) }
    return RunReport(objects: printed, exitStatus: exitStatus(of: results))
  }

  private func exitStatus(of results: [RunBoard.Result]) -> ExitStatus {
    if board.isCancelled { return .interrupted }
    let kinds = results.compactMap { result -> FailureKind? in
      switch result {
      case .failed(let failure): failure.kind
      case .incomplete: .partial
      case .completed, .cancelledByPeer: nil
      }
    }
    if let kind = kinds.first(where: { $0 != .partial }) { return ExitStatus(kind) }
    return kinds.isEmpty ? .done : .partial
  }
}

/// The ends that have not been started.
private final class RunQueue: @unchecked Sendable {
  private let lock = Lock()
  private var ends: ArraySlice<RunEnd>

  let count: Int

  init(_ ends: [RunEnd]) {
    self.ends = ends[...]
    count = ends.count
  }

  func next() -> RunEnd? { lock.withLock { ends.popFirst() } }
}
