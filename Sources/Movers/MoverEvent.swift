package import Manifests
package import Platform
package import Replication

/// What a mover's child tells its parent: one JSON line each.
package enum MoverEvent: Sendable {
  case listening(HostPort)
  case progress(SessionProgress)
  case item(change: String, path: String)
  /// An entry that could not be read or applied.
  case warning(path: String, message: String)
  /// A step that is done, for people.
  case note(String)
  /// The destination does not receive now and asks to be tried again; a failure follows that says
  /// why.
  case notReady(seconds: Int)
  /// The destination has a later generation; a failure follows.
  case fenced(generation: Int64)
  case summary(MoverSummary)
  /// The last event of a job that failed.
  case failure(kind: FailureKind, message: String, hint: String?, guardName: GuardName? = nil)

  package init(_ event: SessionEvent) {
    self =
      switch event {
      case .progress(let progress): .progress(progress)
      case .item(let change, let path): .item(change: change, path: printable(path))
      case .warning(let path, let message): .warning(path: printable(path), message: message)
      }
  }

  /// What a session's end means besides its failure.
  init?(sign error: any Error) {
    switch error {
    case ReplicationError.notReady(let seconds, _): self = .notReady(seconds: seconds)
    case ReplicationError.fenced(let generation, _):
      self = .fenced(generation: Int64(clamping: generation))
    default: return nil
    }
  }

  /// The failure that an error stands for.
  package init(_ error: any Error) {
    if let error = error as? any DroverError {
      self = .failure(
        kind: error.kind, message: "\(error)", hint: error.hint, guardName: error.guardName)
    } else {
      self = .failure(kind: .internalFault, message: "\(error)", hint: nil)
    }
  }
}

extension MoverEvent {
  package var document: JSONObject {
    switch self {
    case .listening(let address):
      return [
        "event": .string("listening"), "address": .string(address.host),
        "port": .integer(Int64(address.port)),
      ]
    case .progress(let progress): return progress.document(event: "progress")
    case .item(let change, let path):
      return ["event": .string("item"), "change": .string(change), "path": .string(path)]
    case .warning(let path, let message):
      return ["event": .string("warning"), "path": .string(path), "message": .string(message)]
    case .note(let text): return ["event": .string("note"), "text": .string(text)]
    case .notReady(let seconds):
      return ["event": .string("notReady"), "seconds": .integer(Int64(seconds))]
    case .fenced(let generation):
      return ["event": .string("fenced"), "generation": .integer(generation)]
    case .summary(let summary): return summary.document(event: "summary")
    case .failure(let kind, let message, let hint, let guardName):
      var object: JSONObject = [
        "event": .string("failure"), "kind": .string(kind.rawValue), "message": .string(message),
      ]
      if let hint { object["hint"] = .string(hint) }
      if let guardName { object["guard"] = .string(guardName.rawValue) }
      return object
    }
  }

  /// Nil for an event that is not known here: a later version may tell more.
  package init?(_ object: JSONObject) throws(JSONError) {
    switch try object.string("event") {
    case "listening":
      guard let port = UInt16(exactly: try object.integer("port")) else {
        throw JSONError("\"port\" is out of range")
      }
      self = .listening(HostPort(host: try object.string("address"), port: port))
    case "progress": self = .progress(try SessionProgress(object))
    case "item":
      self = .item(change: try object.string("change"), path: try object.string("path"))
    case "warning":
      self = .warning(path: try object.string("path"), message: try object.string("message"))
    case "note": self = .note(try object.string("text"))
    case "notReady":
      self = .notReady(seconds: Int(clamping: try object.integer("seconds")))
    case "fenced": self = .fenced(generation: try object.integer("generation"))
    case "summary": self = .summary(try MoverSummary(object))
    case "failure":
      let kind = FailureKind(rawValue: try object.string("kind")) ?? .failed
      self = .failure(
        kind: kind, message: try object.string("message"), hint: object["hint"]?.stringValue,
        guardName: object["guard"]?.stringValue.flatMap(GuardName.init(rawValue:)))
    default: return nil
    }
  }
}
