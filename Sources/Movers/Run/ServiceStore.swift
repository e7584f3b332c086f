package import Manifests
package import Platform
package import StateStore

/// What a status has to do with a run that was asked for beside the trigger.
package enum RequestMark: Sendable, Equatable {
  case none
  /// The run that starts serves the request.
  case started(String)
  /// The run is over, and the request with it.
  case ended(String)
}

/// Where a service keeps what has to outlive it.
package protocol ServiceStore: Sendable {
  /// Keeps a status before anything that follows from it is done. Of no effect when the object is
  /// gone.
  func store(_ status: JSONObject, _ request: RequestMark, of key: ObjectKey) throws

  /// Forgets a release that a run has used.
  func endRelease(_ release: String, of key: ObjectKey) throws

  /// The time of the schedule up to which missed runs have been told; nil when none were.
  func lastMissedTime(of key: ObjectKey) -> WallTime?

  func add(_ run: RunRecord, of key: ObjectKey)
  func add(_ event: EventRecord, of key: ObjectKey)
  func append(log: [UInt8], of key: ObjectKey)
}

/// Keeps nothing: for a service whose objects are files of the user.
struct NoStore: ServiceStore {
  func store(_ status: JSONObject, _ request: RequestMark, of key: ObjectKey) {}
  func endRelease(_ release: String, of key: ObjectKey) {}
  func lastMissedTime(of key: ObjectKey) -> WallTime? { nil }
  func add(_ run: RunRecord, of key: ObjectKey) {}
  func add(_ event: EventRecord, of key: ObjectKey) {}
  func append(log: [UInt8], of key: ObjectKey) {}
}

/// Keeps all in the state directory. Records that cannot be written are lost, and told: no run
/// depends on them.
package struct DirectoryStore: ServiceStore {
  private let directory: StateDirectory
  private let complain: @Sendable (StateError) -> Void

  package init(_ directory: StateDirectory, complain: @escaping @Sendable (StateError) -> Void) {
    self.directory = directory
    self.complain = complain
  }

  package func store(
    _ status: JSONObject, _ request: RequestMark, of key: ObjectKey
  ) throws {
    try directory.update(key) { own in
      own.status = status
      switch request {
      case .none: break
      case .started(let tag): own.startedRequest = tag
      case .ended(let tag):
        own.startedRequest = nil
        if own.requestedRun == tag { own.requestedRun = nil }
      }
    }
  }

  package func endRelease(_ release: String, of key: ObjectKey) throws {
    try directory.update(key) { own in
      if own.release == release { own.release = nil }
    }
  }

  package func lastMissedTime(of key: ObjectKey) -> WallTime? {
    telling { () throws(StateError) in
      try directory.runs(of: key).last { $0.outcome == .missed }?.ended
    } ?? nil
  }

  package func add(_ run: RunRecord, of key: ObjectKey) {
    telling { () throws(StateError) in try directory.add(run, of: key) }
  }

  package func add(_ event: EventRecord, of key: ObjectKey) {
    telling { () throws(StateError) in try directory.add(event, of: key) }
  }

  package func append(log: [UInt8], of key: ObjectKey) {
    telling { () throws(StateError) in try directory.append(log: log, of: key) }
  }

  @discardableResult
  private func telling<Value>(_ body: () throws(StateError) -> Value) -> Value? {
    do {
      return try body()
    } catch {
      complain(error)
      return nil
    }
  }
}
