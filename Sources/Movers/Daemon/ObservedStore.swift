import Manifests
import Observation
import Platform
import StateStore

/// A store whose statuses and runs the metrics, and others, hear of.
struct ObservedStore: ServiceStore {
  private let base: any ServiceStore
  private let metrics: MetricsRegister?
  private let notifier: Notifier?

  init(_ base: any ServiceStore, _ metrics: MetricsRegister?, _ notifier: Notifier?) {
    self.base = base
    self.metrics = metrics
    self.notifier = notifier
  }

  func store(_ status: JSONObject, _ request: RequestMark, of key: ObjectKey) throws {
    try base.store(status, request, of: key)
    metrics?.note(status: status, of: key)
  }

  func endRelease(_ release: String, of key: ObjectKey) { base.endRelease(release, of: key) }

  func lastMissedTime(of key: ObjectKey) -> WallTime? { base.lastMissedTime(of: key) }

  func add(_ run: RunRecord, of key: ObjectKey) {
    base.add(run, of: key)
    metrics?.note(run, of: key)
    if let notification = RunNotification(run, key) { notifier?.add(notification) }
  }

  func standing(of key: ObjectKey) -> Standing { base.standing(of: key) }

  func relationFile(of key: ObjectKey) -> RelationFile? { base.relationFile(of: key) }

  func setFenced(by generation: Int64, _ text: String, of key: ObjectKey) throws {
    try base.setFenced(by: generation, text, of: key)
  }

  func put(_ manifest: JSONObject, status: JSONObject) { base.put(manifest, status: status) }

  func remove(_ key: ObjectKey) { base.remove(key) }

  func add(_ event: EventRecord, of key: ObjectKey) { base.add(event, of: key) }

  func append(log: [UInt8], of key: ObjectKey) { base.append(log: log, of: key) }

  func addOnce(_ event: EventRecord, of key: ObjectKey) { base.addOnce(event, of: key) }

  func annotate(_ key: ObjectKey, _ annotations: [String: String?]) {
    base.annotate(key, annotations)
  }
}
