package import Manifests
package import Platform

/// What became of an object, by ``StateRequest/apply(_:namespace:)`` and its like.
package struct ObjectChange: Sendable, Equatable {
  package var key: ObjectKey
  package var outcome: ChangeOutcome

  package init(_ key: ObjectKey, _ outcome: ChangeOutcome) {
    self.key = key
    self.outcome = outcome
  }
}

/// An object as a server gives it: metadata and status included.
package struct StoredObject: Sendable, Equatable {
  package var key: ObjectKey
  package var document: JSONObject

  package init(key: ObjectKey, document: JSONObject) {
    self.key = key
    self.document = document
  }
}

/// Objects, and what is wrong with files that hold none.
package struct ObjectList: Sendable, Equatable {
  package var objects: [StoredObject] = []
  package var problems: [Problem] = []

  package init() {}
}

/// One step of a watch.
package struct ObjectNotice: Sendable, Equatable {
  package enum Change: String, Sendable {
    case added = "ADDED"
    case modified = "MODIFIED"
    case deleted = "DELETED"
  }

  package var change: Change
  /// As it was last, when it is deleted: the key alone.
  package var object: StoredObject

  package init(_ change: Change, _ object: StoredObject) {
    self.change = change
    self.object = object
  }
}

/// An answer: what was asked for, or why not.
package enum StateAnswer: Sendable, Equatable {
  case list(ObjectList)
  case changes([ObjectChange])
  case events([EventRecord])
  case runs([RunRecord])
  case log(String)
  case relation(RelationRecord)
  /// One of many.
  case notice(ObjectNotice)
  /// All that was there when a watch began has been told.
  case watching
  case failure(kind: FailureKind, message: String, hint: String?)

  init(_ error: StateError) {
    self = .failure(kind: error.kind, message: error.description, hint: error.hint)
  }
}

extension StateAnswer {
  package var document: JSONObject {
    var object: JSONObject = ["version": .integer(StateRequest.version)]
    func set(_ name: String, _ values: [JSONObject]) {
      object[name] = .array(values.map(JSONValue.object))
    }
    switch self {
    case .list(let list):
      set("objects", list.objects.map(\.message))
      set("problems", list.problems.map(\.message))
    case .changes(let changes): set("changes", changes.map(\.message))
    case .events(let events): set("events", events.map(\.document))
    case .runs(let runs): set("runs", runs.map(\.document))
    case .relation(let record): object["relation"] = .object(record.document)
    case .log(let text): object["log"] = .string(text)
    case .notice(let notice):
      object["change"] = .string(notice.change.rawValue)
      object["object"] = .object(notice.object.message)
    case .watching: object["watching"] = .bool(true)
    case .failure(let kind, let message, let hint):
      var failure: JSONObject = ["kind": .string(kind.rawValue), "message": .string(message)]
      if let hint { failure["hint"] = .string(hint) }
      object["failure"] = .object(failure)
    }
    return object
  }

  /// - Throws: ``StateError/badMessage(_:)``.
  package init(_ object: JSONObject) throws(StateError) {
    do throws(JSONError) {
      self = try StateAnswer.decode(object)
    } catch {
      throw .badMessage(error.reason)
    }
  }

  private static func decode(_ object: JSONObject) throws(JSONError) -> StateAnswer {
    let version = try object.integer("version")
    guard version == StateRequest.version else {
      throw JSONError("the daemon speaks version \(version), this command \(StateRequest.version)")
    }
    if let failure = object["failure"]?.objectValue {
      return .failure(
        kind: FailureKind(rawValue: try failure.string("kind")) ?? .failed,
        message: try failure.string("message"), hint: failure["hint"]?.stringValue)
    }
    if object["watching"] != nil { return .watching }
    if let change = object["change"]?.stringValue.flatMap(ObjectNotice.Change.init(rawValue:)) {
      return .notice(ObjectNotice(change, try StoredObject(message: object["object"])))
    }
    if let record = object["relation"]?.objectValue.flatMap(RelationRecord.init) {
      return .relation(record)
    }
    if let text = object["log"]?.stringValue { return .log(text) }
    if let runs = object["runs"]?.arrayValue {
      return .runs(runs.compactMap { $0.objectValue.flatMap(RunRecord.init) })
    }
    if let events = object["events"]?.arrayValue {
      return .events(events.compactMap { $0.objectValue.flatMap(EventRecord.init) })
    }
    if let changes = object["changes"]?.arrayValue {
      var results: [ObjectChange] = []
      for change in changes { results.append(try ObjectChange(message: change)) }
      return .changes(results)
    }
    guard let objects = object["objects"]?.arrayValue else { throw JSONError("it is no answer") }
    var list = ObjectList()
    for object in objects { list.objects.append(try StoredObject(message: object)) }
    for problem in object["problems"]?.arrayValue ?? [] {
      list.problems.append(try Problem(message: problem))
    }
    return .list(list)
  }
}

extension StoredObject {
  fileprivate var message: JSONObject {
    ["key": .object(key.document), "document": .object(document)]
  }

  fileprivate init(message: JSONValue?) throws(JSONError) {
    guard let object = message?.objectValue, let document = object["document"]?.objectValue else {
      throw JSONError("an object lacks its document")
    }
    self.init(key: try ObjectKey(object["key"]), document: document)
  }
}

extension ObjectChange {
  fileprivate var message: JSONObject {
    ["key": .object(key.document), "outcome": .string(outcome.rawValue)]
  }

  fileprivate init(message: JSONValue) throws(JSONError) {
    guard let object = message.objectValue,
      let outcome = ChangeOutcome(rawValue: try object.string("outcome"))
    else { throw JSONError("a change lacks its outcome") }
    self.init(try ObjectKey(object["key"]), outcome)
  }
}

extension Problem {
  fileprivate var message: JSONObject {
    var message: JSONObject = [
      "file": .string(mark.file), "line": .integer(Int64(mark.line)),
      "column": .integer(Int64(mark.column)), "path": .string(path), "text": .string(text),
    ]
    if let object { message["object"] = .string(object) }
    if let suggestion { message["suggestion"] = .string(suggestion) }
    return message
  }

  fileprivate init(message: JSONValue) throws(JSONError) {
    guard let message = message.objectValue else { throw JSONError("a problem must be an object") }
    let mark = Mark(
      file: try message.string("file"), line: Int(clamping: try message.integer("line")),
      column: Int(clamping: try message.integer("column")))
    self.init(
      mark, object: message["object"]?.stringValue, path: try message.string("path"),
      try message.string("text"), suggestion: message["suggestion"]?.stringValue)
  }
}
