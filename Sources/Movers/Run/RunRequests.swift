import Control
import Manifests

/// The runs of one end that were asked for beside its trigger: none is lost, and none is served
/// twice.
struct RunRequests {
  private var pending: String?
  /// What the run under way serves.
  private var served: String?
  /// What the last run has served: a request that was read before that is over.
  private var last: String?

  init(_ end: ServedEnd) {
    let status = ReplicationStatus(document: end.status, section: nil)
    if SyncState(status) == .synchronizing { served = end.startedRequest }
    ask(end.requestedRun, status)
  }

  var hasPending: Bool { pending != nil }

  /// Notes what stands in the store.
  mutating func ask(_ tag: String?, _ status: ReplicationStatus) {
    if let tag, tag != served, tag != last, tag != status.lastManualSync {
      pending = tag
    } else if tag == nil {
      pending = nil
    }
  }

  /// The tag that a step from this status is about.
  func tag(in status: ReplicationStatus) -> String? {
    SyncState(status) == .synchronizing ? served : pending
  }

  /// The run under way is no run any more; what it served is asked for again.
  mutating func abandon() {
    pending = pending ?? served
    served = nil
  }

  /// What a step means for the request.
  func mark(from was: SyncState, to isNow: SyncState) -> RequestMark {
    if was != .synchronizing, isNow == .synchronizing, let pending { return .started(pending) }
    if was == .synchronizing, isNow != .synchronizing, let served { return .ended(served) }
    return .none
  }

  /// Follows a step that was taken.
  mutating func follow(_ mark: RequestMark) {
    switch mark {
    case .none: break
    case .started(let tag):
      served = tag
      pending = nil
    case .ended(let tag):
      served = nil
      last = tag
    }
  }
}

extension SyncSpec {
  /// Why a run begins, in words for its record.
  func cause(of mark: RequestMark, from was: SyncState) -> String {
    if case .started(let tag) = mark { return "requested: \(tag)" }
    if let tag = trigger.manual { return "manual tag \(tag)" }
    if was == .initial { return "first run" }
    return trigger.schedule == nil ? "no trigger: again" : "schedule"
  }
}
