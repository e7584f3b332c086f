import Control
import Manifests
import Platform
import StateStore

/// What guards leave of one object: in its status, and in its events.
struct GuardNotes {
  let key: ObjectKey
  let clock: any Clock
  let store: any ServiceStore

  /// A run has passed: what it has found, when that is all there is, is what the next one is judged
  /// by. The release that it has used is over.
  func pass(
    _ status: inout ReplicationStatus, _ found: SourceTotals?, _ release: inout String?
  ) {
    if let found { status.source = found }
    if let trip = status.guardTrip {
      store.add(
        EventRecord(
          .normal, "GuardCleared", "the guard \(trip.name.rawValue) has let a run pass",
          at: clock.wallTime()), of: key)
    }
    status.guardTrip = nil
    guard let used = release else { return }
    release = nil
    // Before the run counts: after a crash in between it asks for another release.
    store.endRelease(used, of: key)
  }

  /// Takes over what a person has said; what waits because it has failed goes on then.
  func take(_ new: String?, _ release: inout String?, _ status: inout ReplicationStatus) {
    guard new != release else { return }
    release = new
    if release != nil { status.failedRuns?.retryTime = nil }
  }

  /// A run has failed, perhaps by a guard.
  func fail(_ status: inout ReplicationStatus, _ failure: MoverFailure) {
    guard let name = failure.guardName else { return }
    trip(name, failure.message, &status)
  }

  /// Something stands against the next run, perhaps by a guard; the same is told once.
  func hold(_ name: GuardName?, _ message: String, _ status: inout ReplicationStatus) {
    guard let name, status.guardTrip?.name != name || status.guardTrip?.message != message else {
      return
    }
    trip(name, message, &status)
  }

  private func trip(_ name: GuardName, _ message: String, _ status: inout ReplicationStatus) {
    let now = clock.wallTime()
    let since = status.guardTrip.flatMap { $0.name == name ? $0.since : nil } ?? now
    status.guardTrip = GuardTrip(name, message, since: since)
    store.add(EventRecord(.warning, "GuardTripped", message, at: now), of: key)
  }
}
