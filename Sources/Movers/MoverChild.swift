import Glibc
package import Platform
import Supervision

/// The work of one section inside a mover's child; others join by ``MoverChild/register(_:_:)``.
package protocol ChildWork: Sendable {
  /// Does the job to its end; blocks. What it has done becomes the last event.
  func run(
    _ job: JSONObject, events: @escaping @Sendable (MoverEvent) -> Void
  ) throws -> MoverSummary

  /// Ends ``run(_:events:)`` soon; from any thread, also before it.
  func cancel()
}

/// The main loop of `drover mover`: one job, its events, one exit code.
package struct MoverChild {
  private var works: [String: any ChildWork] = [:]

  package init() {}

  /// Lets `work` do the jobs of a section, once.
  package mutating func register(_ section: String, _ work: any ChildWork) {
    precondition(works[section] == nil, "the section \(section) is registered twice")
    works[section] = work
  }

  /// Reads the job from descriptor 3, tells events on descriptor 4, and handles SIGTERM by
  /// cancelling.
  ///
  /// SIGHUP is ignored: by it restic asks whether the holder of a repository's lock lives.
  /// Called once, before other threads are started.
  package func runFromDescriptors() -> ExitStatus {
    StartedProcess.hideFromDumps()
    signal(SIGHUP, SIG_IGN)
    let side = ChildSide()
    let works = Array(works.values)
    TerminationSignals.handle { for work in works { work.cancel() } }
    return run({ try ChildSide.readJob() }, emit: { side.emit($0.document) })
  }

  /// Does the job that `readJob` gives.
  package func run(
    _ readJob: () throws -> JSONObject, emit: @escaping @Sendable (MoverEvent) -> Void
  ) -> ExitStatus {
    do {
      let job = try MoverJob(try readJob())
      guard let work = works[job.section] else {
        throw SupervisionError.badJob("nobody serves \(job.section)")
      }
      let lock = try job.lockPath.map { try RunLock(taking: $0) }
      let summary = try withExtendedLifetime(lock) { try work.run(job.job, events: emit) }
      emit(.summary(summary))
      return summary.shortfall == nil ? .done : .partial
    } catch {
      if let sign = MoverEvent(sign: error) { emit(sign) }
      let event = MoverEvent(error)
      emit(event)
      guard case .failure(let kind, _, _, _) = event else { return .failed }
      return ExitStatus(kind)
    }
  }
}
