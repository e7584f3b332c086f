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
  func endRelease(_ release: String, of key: ObjectKey)

  /// The time of the schedule up to which missed runs have been told; nil when none were.
  func lastMissedTime(of key: ObjectKey) -> WallTime?

  /// What the generations say of an end.
  func standing(of key: ObjectKey) -> Standing

  /// Where the generation of an end is kept; nil when it is not.
  func relationFile(of key: ObjectKey) -> RelationFile?

  /// Keeps that a destination of this generation has refused a source.
  func setFenced(by generation: Int64, _ text: String, of key: ObjectKey) throws

  func add(_ run: RunRecord, of key: ObjectKey)
  func add(_ event: EventRecord, of key: ObjectKey)
  func append(log: [UInt8], of key: ObjectKey)
  /// Adds an event unless the same is kept already.
  func addOnce(_ event: EventRecord, of key: ObjectKey)

  /// Keeps an object that a run has made, with its status.
  func put(_ manifest: JSONObject, status: JSONObject)
  /// Removes such an object.
  func remove(_ key: ObjectKey)
  /// Sets annotations of Drover's own on an object; nil takes one away.
  func annotate(_ key: ObjectKey, _ annotations: [String: String?])
}

/// Keeps nothing: for a service whose objects are files of the user.
struct NoStore: ServiceStore {
  func store(_ status: JSONObject, _ request: RequestMark, of key: ObjectKey) {}
  func endRelease(_ release: String, of key: ObjectKey) {}
  func lastMissedTime(of key: ObjectKey) -> WallTime? { nil }
  func standing(of key: ObjectKey) -> Standing { .free }
  func relationFile(of key: ObjectKey) -> RelationFile? { nil }
  func setFenced(by generation: Int64, _ text: String, of key: ObjectKey) {}
  func add(_ run: RunRecord, of key: ObjectKey) {}
  func add(_ event: EventRecord, of key: ObjectKey) {}
  func append(log: [UInt8], of key: ObjectKey) {}
  func addOnce(_ event: EventRecord, of key: ObjectKey) {}
  func put(_ manifest: JSONObject, status: JSONObject) {}
  func remove(_ key: ObjectKey) {}
  func annotate(_ key: ObjectKey, _ annotations: [String: String?]) {}
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

  package func endRelease(_ release: String, of key: ObjectKey) {
    telling { () throws(StateError) in
      try directory.update(key) { own in
        if own.release == release { own.release = nil }
      }
    }
  }

  package func standing(of key: ObjectKey) -> Standing {
    do throws(StateError) {
      return Standing(try directory.relationFile(of: key).read())
    } catch {
      return Standing(error)
    }
  }

  package func relationFile(of key: ObjectKey) -> RelationFile? {
    // One whose name cannot be stored is not served.
    try? directory.relationFile(of: key)
  }

  package func setFenced(by generation: Int64, _ text: String, of key: ObjectKey) throws {
    try directory.updateRelation(of: key) { record in
      record.fencedBy = generation
      record.fencedText = text
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

  package func addOnce(_ event: EventRecord, of key: ObjectKey) {
    let known = telling { () throws(StateError) in try directory.events(of: key) } ?? []
    let isKnown = known.contains { $0.reason == event.reason && $0.message == event.message }
    if !isKnown { add(event, of: key) }
  }

  package func put(_ manifest: JSONObject, status: JSONObject) {
    let text = Array(JSONValue.object(manifest).yamlText.utf8)
    let set = ManifestLoader().decodeEach([("generated", text)]).set
    guard let object = set.objects.first else {
      preconditionFailure("an object that a run makes is one")
    }
    telling { () throws(StateError) in
      _ = try directory.put(object, text: text)
      try directory.update(object.key) { $0.status = status }
    }
  }

  package func remove(_ key: ObjectKey) {
    telling { () throws(StateError) in _ = try directory.remove(key) }
  }

  package func annotate(_ key: ObjectKey, _ annotations: [String: String?]) {
    telling { () throws(StateError) in
      try directory.update(key) { own in
        for (name, value) in annotations.sorted(by: { $0.key < $1.key }) {
          own.annotations[name] = value.map(JSONValue.string)
        }
      }
    }
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
