package import Control
package import Manifests
package import Platform

/// What a run of given files will do: a value that is complete before anything starts.
package struct RunPlan: Sendable {
  package var destinations: [RunEnd] = []
  package var sources: [RunEnd] = []
  /// Replications that do not run: paused ones, and sources whose destination is paused.
  package var skipped: [RunEnd] = []
  /// Objects with a status, in the order of the files.
  package var order: [ObjectKey] = []

  /// Refuses what would not be done with one run of each end: schedules, and ends without a
  /// trigger, which go on for ever.
  package func requireManualTriggers() throws(RunError) {
    let problems = (destinations + sources).filter { $0.spec.trigger.manual == nil }.map { end in
      Problem(
        end.object.mark, object: end.object.label, path: "spec.trigger",
        "running again and again is not served yet: add --once to run each replication once")
    }
    if !problems.isEmpty { throw .invalid(problems) }
  }
}

/// One end of one replication, ready to run.
package struct RunEnd: Sendable {
  package var object: LoadedObject
  package var spec: SyncSpec
  package var job: RunJob
  /// Fields of the status below the mover's section that are known before the run.
  package var statusFields = JSONObject()
  /// What a destination publishes after a run that counts.
  package var image: ImageReference?
  /// The destination of the same plan that a source sends to.
  package var peer: ObjectKey?
  /// Ends of the same plan that this one waits for; it does not run when one of them fails.
  package var predecessors: [ObjectKey] = []

  package init(object: LoadedObject, spec: SyncSpec, job: RunJob) {
    self.object = object
    self.spec = spec
    self.job = job
  }

  package var key: ObjectKey { object.key }
}

/// Why nothing was started.
package enum RunError: DroverError {
  /// The files ask for something that is wrong or not served.
  case invalid([Problem])
  /// The files are right; volumes of this host are not.
  case volumes([Problem])

  package var kind: FailureKind {
    switch self {
    case .invalid: .usage
    case .volumes: .notFound
    }
  }

  package var problems: [Problem] {
    switch self {
    case .invalid(let problems), .volumes(let problems): problems
    }
  }

  package var message: String { problems.map(\.description).joined(separator: "\n") }
}
