package import Control
import Manifests
package import Platform

/// Serves each end of a plan by its trigger until it is cancelled: a thread for each end, of which
/// some work at the same time.
package final class RunService: Sendable {
  /// Ends that work at the same time, but for those that listen.
  package static let slotCountStandard = 4
  package static let lookSecondsStandard = 30.0

  private let plan: RunPlan
  private let movers: MoverRegistry<MoverRequest>
  private let stateDirectory: String?
  private let clock: any Clock
  private let retry: RetryPolicy
  private let observer: RunSession.Observer
  private let board: ServiceBoard

  /// `observer` is called from several threads. `lookSecondsMax` is how long a wait lasts at most
  /// before the wall clock is looked at again.
  package init(
    _ plan: RunPlan, movers: MoverRegistry<MoverRequest>, stateDirectory: String?,
    clock: any Clock = SystemClock(), retry: RetryPolicy = .mover,
    slotCount: Int = slotCountStandard, lookSecondsMax: Double = lookSecondsStandard,
    observer: @escaping RunSession.Observer
  ) {
    self.plan = plan
    self.movers = movers
    self.stateDirectory = stateDirectory
    self.clock = clock
    self.retry = retry
    self.observer = observer
    board = ServiceBoard(
      plan.ends, slotCount: slotCount, clock: clock, lookSecondsMax: lookSecondsMax)
  }

  /// Ends everything soon; from any thread.
  package func cancel() { board.cancelAll() }

  /// Blocks until it is cancelled and every mover has ended. Once.
  package func run() throws -> RunReport {
    for end in plan.skipped {
      board.publish(end.skippedStatus(at: clock.wallTime()), of: end.key)
    }
    let threads = (plan.destinations + plan.sources).map { end in
      Thread("replication") { [self] in service(of: end).serve() }
    }
    for thread in threads { try thread.join() }
    let objects = plan.objects { board.status(of: $0.key) }
    return RunReport(objects: objects, exitStatus: board.hasCutShort ? .interrupted : .done)
  }

  private func service(of end: RunEnd) -> EndService {
    EndService(end, board: board, clock: clock, retry: retry, observer: observer) {
      [board, movers, observer, stateDirectory] end, job in
      let key = end.key
      return try movers.makeMover(of: end, job, stateDirectory: stateDirectory) { event in
        if case .listening(let address) = event { board.setListening(key, address) }
        observer(key, .event(event))
      }
    }
  }
}

extension MoverRegistry<MoverRequest> {
  /// The mover of one end; its lock stands in `stateDirectory`.
  func makeMover(
    of end: RunEnd, _ job: RunJob, stateDirectory: String?,
    onEvent: @escaping @Sendable (MoverEvent) -> Void
  ) throws -> any Mover {
    let key = end.key
    let lockPath = stateDirectory.map {
      "\($0)/\(key.kind)-\(key.namespace ?? "")-\(key.name).lock"
    }
    let request = MoverRequest(end: end, job: job, lockPath: lockPath, onEvent: onEvent)
    guard let mover = try makeMover(section: job.section, request) else {
      throw MoverFailure(.unsupported, "nobody serves \(job.section)")
    }
    return mover
  }
}
