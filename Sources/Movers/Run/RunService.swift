package import Control
import Manifests
package import Platform

/// Serves each end of a fixed plan by its trigger until it is cancelled; what is kept from run to
/// run is what the files say.
package final class RunService: Sendable {
  private let plan: RunPlan
  private let clock: any Clock
  private let engine: ServiceEngine

  /// `observer` is called from several threads. `lookSecondsMax` is how long a wait lasts at most
  /// before the wall clock is looked at again.
  package init(
    _ plan: RunPlan, movers: MoverRegistry<MoverRequest>, stateDirectory: String?,
    clock: any Clock = SystemClock(), retry: RetryPolicy = .mover,
    slotCount: Int = ServiceEngine.slotCountStandard,
    lookSecondsMax: Double = ServiceEngine.lookSecondsStandard,
    observer: @escaping RunSession.Observer
  ) {
    self.plan = plan
    self.clock = clock
    engine = ServiceEngine(
      movers: movers, stateDirectory: stateDirectory, store: NoStore(), clock: clock,
      retry: retry, slotCount: slotCount, lookSecondsMax: lookSecondsMax, observer: observer)
  }

  /// Ends everything soon; from any thread.
  package func cancel() { engine.cancel() }

  /// Blocks until it is cancelled and every mover has ended. Once.
  package func run() throws -> RunReport {
    engine.serve(
      (plan.destinations + plan.sources).map { end in
        ServedEnd(object: end.object, uid: "", status: end.storedStatus, end: end)
      })
    engine.waitUntilEnded()
    let skipped = Set(plan.skipped.map(\.key))
    let objects = plan.objects { end in
      skipped.contains(end.key)
        ? end.skippedStatus(at: clock.wallTime()) : engine.board.status(of: end.key)
    }
    return RunReport(
      objects: objects, exitStatus: engine.board.hasCutShort ? .interrupted : .done)
  }
}

extension MoverRegistry<MoverRequest> {
  /// The mover of one end, which gets at its volume by `keeper`; `lockPath` is where its lock
  /// stands.
  func makeMover(
    of end: RunEnd, _ job: RunJob, lockPath: String?, keeper: VolumeKeeper,
    onEvent: @escaping @Sendable (MoverEvent) -> Void
  ) throws -> any Mover {
    try keeper.mover(of: end, job, onEvent: onEvent) { job in
      let request = MoverRequest(end: end, job: job, lockPath: lockPath, onEvent: onEvent)
      guard let mover = try makeMover(section: job.section, request) else {
        throw MoverFailure(.unsupported, "nobody serves \(job.section)")
      }
      return mover
    }
  }
}
