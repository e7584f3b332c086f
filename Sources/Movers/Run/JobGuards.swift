import Control
package import Platform

/// The guards of one run, as a mover's child gets them.
package struct JobGuards: Sendable, Equatable {
  /// Of a source.
  package var source: SourceGuard?
  /// How much may be deleted at the destination; nil for all.
  package var deletions: ShareLimit?
  /// The other side's guard against deletions is of no force: a person has said so.
  package var liftsPeer = false

  /// Without any.
  package init() {}

  /// Those under the annotation of an object.
  init(_ limits: GuardLimits) {
    source = limits.sourceGuard
    deletions = limits.deletions
    liftsPeer = limits.deletions == nil
  }

  /// None, for the one run that a person lets pass.
  static var released: JobGuards {
    var guards = JobGuards()
    guards.liftsPeer = true
    return guards
  }
}

extension JobGuards {
  var document: JSONObject {
    var object: JSONObject = ["liftsPeer": .bool(liftsPeer)]
    if let source { object["source"] = .object(source.document) }
    if let deletions { object["deletions"] = deletions.document }
    return object
  }

  init(_ object: JSONObject?) {
    source = SourceGuard(object?["source"]?.objectValue)
    deletions = ShareLimit(object?["deletions"])
    liftsPeer = object?["liftsPeer"]?.boolValue ?? false
  }
}

extension RunJob {
  var guards: JobGuards {
    get {
      switch self {
      case .rsyncTLS(let job): job.guards
      case .restic(let job): job.guards
      case .rclone(let job): job.guards
      case .rsync(let job): job.guards
      }
    }
    set {
      switch self {
      case .rsyncTLS(var job):
        job.guards = newValue
        self = .rsyncTLS(job)
      case .restic(var job):
        job.guards = newValue
        self = .restic(job)
      case .rclone(var job):
        job.guards = newValue
        self = .rclone(job)
      case .rsync(var job):
        job.guards = newValue
        self = .rsync(job)
      }
    }
  }

  /// The job of a run that starts now: with what the last one has found or, when a person lets it
  /// pass, without guards.
  func guarded(last: SourceTotals?, isReleased: Bool) -> RunJob {
    var job = self
    guard isReleased else {
      job.guards.source?.last = last
      return job
    }
    job.guards = .released
    return job.allowingEmptySource
  }

  private var allowingEmptySource: RunJob {
    switch self {
    case .rsyncTLS(var job):
      job.allowEmptySource = true
      return .rsyncTLS(job)
    case .rsync(var job):
      job.allowEmptySource = true
      return .rsync(job)
    case .rclone(var job):
      job.allowsEmpty = true
      return .rclone(job)
    case .restic(var job):
      guard case .backup(var backup) = job.work else { return self }
      backup.allowEmptySource = true
      job.work = .backup(backup)
      return .restic(job)
    }
  }
}
