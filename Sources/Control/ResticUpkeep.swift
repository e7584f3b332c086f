import Manifests
package import Platform

/// The fields of `status.restic` (VolSync reference 4.1).
package struct ResticStatus: Sendable, Equatable {
  package var lastPruned: WallTime?
  package var lastUnlocked: String?

  package init(lastPruned: WallTime? = nil, lastUnlocked: String? = nil) {
    self.lastPruned = lastPruned
    self.lastUnlocked = lastUnlocked
  }

  /// Reads the fields; what is not of their form counts as absent.
  package init(fields: JSONObject) {
    lastPruned = fields["lastPruned"]?.stringValue.flatMap(WallTime.init(rfc3339:))
    lastUnlocked = fields["lastUnlocked"]?.stringValue
  }

  package var fields: JSONObject {
    var fields = JSONObject()
    if let lastPruned { fields["lastPruned"] = .string(lastPruned.rfc3339) }
    if let lastUnlocked { fields["lastUnlocked"] = .string(lastUnlocked) }
    return fields
  }
}

/// What a backup does for its repository besides: decided before the run, a pure function of the
/// spec, the status and the time (VolSync reference 8.2).
package struct ResticUpkeep: Sendable, Equatable {
  /// VolSync's default of `pruneIntervalDays`.
  package static let pruneIntervalDaysStandard: Int64 = 7

  package var prunes: Bool
  /// The value of `unlock` that asks for an unlock; nil when none is due.
  package var unlock: String?

  package init(prunes: Bool, unlock: String? = nil) {
    self.prunes = prunes
    self.unlock = unlock
  }

  /// `created` is when the object was made: the first prune comes one interval later. An interval
  /// of 0 days prunes in every run.
  package init(
    pruneIntervalDays: Int64?, unlock: String?, status: ResticStatus, created: WallTime,
    at now: WallTime
  ) {
    let days = pruneIntervalDays ?? ResticUpkeep.pruneIntervalDaysStandard
    var due = status.lastPruned ?? created
    let (seconds, overflow) = due.seconds.addingReportingOverflow(days * 86_400)
    due.seconds = overflow ? .max : seconds
    prunes = days == 0 || now > due
    self.unlock = unlock.flatMap { $0.isEmpty || $0 == status.lastUnlocked ? nil : $0 }
  }

  /// The status to go on with before the run: an emptied `unlock` forgets the last value, so that
  /// the same value asks for an unlock again later.
  package static func carried(_ status: ResticStatus, unlock: String?) -> ResticStatus {
    var status = status
    if unlock?.isEmpty ?? true { status.lastUnlocked = nil }
    return status
  }

  /// The status after a run that counted. `prunedAt` is when the prune was done; nil when there was
  /// none or it failed.
  package func completed(_ status: ResticStatus, prunedAt: WallTime?) -> ResticStatus {
    var status = status
    if let prunedAt { status.lastPruned = prunedAt }
    if let unlock { status.lastUnlocked = unlock }
    return status
  }
}
