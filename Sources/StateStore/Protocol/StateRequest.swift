package import Manifests
package import Platform

/// A file of manifests with the name that messages use.
package struct ManifestFile: Sendable, Equatable {
  package var name: String
  package var text: [UInt8]

  package init(name: String, text: [UInt8]) {
    self.name = name
    self.text = text
  }
}

/// What is asked of whoever keeps the state directory.
package enum StateRequest: Sendable, Equatable {
  /// Objects of a kind and a namespace; nil stands for all.
  case list(kind: String?, namespace: String?)
  case get(ObjectKey)
  /// Stores all objects of the files, or none; `namespace` is that of objects which name none.
  case apply([ManifestFile], namespace: String)
  case delete([ObjectKey])
  case pause(ObjectKey, isPaused: Bool)
  /// Asks for a run now.
  case trigger(ObjectKey, tag: String)
  /// Lets the next run pass the guard that has ended one; `by` names the person.
  case release(ObjectKey, by: String)
  /// Ends receiving and begins the next generation; `isForced` also when the volume holds files of
  /// two moments.
  case promote(ObjectKey, isForced: Bool)
  /// What is known of the generations of a replication.
  case relation(ObjectKey)
  /// Several changes as a whole.
  case exchange([ExchangeStep])
  case events(ObjectKey)
  case runs(ObjectKey, countMax: Int)
  case log(ObjectKey, sizeBytesMax: Int)
  /// As ``list(kind:namespace:)``, and then every change until the connection ends.
  case watch(kind: String?, namespace: String?)
}

extension StateRequest {
  /// Told with every message; another version is another language.
  package static let version: Int64 = 1

  package var document: JSONObject {
    var object: JSONObject = ["version": .integer(StateRequest.version)]
    func set(_ operation: String, _ key: ObjectKey? = nil) {
      object["operation"] = .string(operation)
      if let key { object["key"] = .object(key.document) }
    }
    func set(_ operation: String, kind: String?, namespace: String?) {
      set(operation)
      if let kind { object["kind"] = .string(kind) }
      if let namespace { object["namespace"] = .string(namespace) }
    }
    switch self {
    case .list(let kind, let namespace): set("list", kind: kind, namespace: namespace)
    case .watch(let kind, let namespace): set("watch", kind: kind, namespace: namespace)
    case .get(let key): set("get", key)
    case .apply(let files, let namespace):
      set("apply", kind: nil, namespace: namespace)
      object["files"] = .array(
        files.map { file in
          .object([
            "name": .string(file.name),
            "text": .string(String(decoding: file.text, as: UTF8.self)),
          ])
        })
    case .delete(let keys):
      set("delete")
      object["keys"] = .array(keys.map { .object($0.document) })
    case .pause(let key, let isPaused):
      set("pause", key)
      object["paused"] = .bool(isPaused)
    case .trigger(let key, let tag):
      set("trigger", key)
      object["tag"] = .string(tag)
    case .release(let key, let person):
      set("release", key)
      object["by"] = .string(person)
    case .promote(let key, let isForced):
      set("promote", key)
      object["force"] = .bool(isForced)
    case .relation(let key): set("relation", key)
    case .exchange(let steps):
      set("exchange")
      object["steps"] = .array(steps.map { .object($0.document) })
    case .events(let key): set("events", key)
    case .runs(let key, let countMax):
      set("runs", key)
      object["count"] = .integer(Int64(countMax))
    case .log(let key, let sizeBytesMax):
      set("log", key)
      object["size"] = .integer(Int64(sizeBytesMax))
    }
    return object
  }

  /// - Throws: ``StateError/badMessage(_:)``.
  package init(_ object: JSONObject) throws(StateError) {
    do throws(JSONError) {
      self = try StateRequest.decode(object)
    } catch {
      throw .badMessage(error.reason)
    }
  }

  private static func decode(_ object: JSONObject) throws(JSONError) -> StateRequest {
    let version = try object.integer("version")
    guard version == StateRequest.version else {
      throw JSONError("version \(version) is not spoken here, only \(StateRequest.version)")
    }
    let (kind, namespace) = (object["kind"]?.stringValue, object["namespace"]?.stringValue)
    switch try object.string("operation") {
    case "list": return .list(kind: kind, namespace: namespace)
    case "watch": return .watch(kind: kind, namespace: namespace)
    case "get": return .get(try object.key())
    case "apply": return .apply(try files(in: object), namespace: try object.string("namespace"))
    case "delete": return .delete(try keys(in: object))
    case "pause": return .pause(try object.key(), isPaused: try object.bool("paused"))
    case "trigger": return .trigger(try object.key(), tag: try object.string("tag"))
    case "release": return .release(try object.key(), by: try object.string("by"))
    case "promote": return .promote(try object.key(), isForced: try object.bool("force"))
    case "relation": return .relation(try object.key())
    case "exchange": return .exchange(try steps(in: object))
    case "events": return .events(try object.key())
    case "runs":
      return .runs(try object.key(), countMax: Int(clamping: try object.integer("count")))
    case "log":
      return .log(try object.key(), sizeBytesMax: Int(clamping: try object.integer("size")))
    case let operation: throw JSONError("there is no operation \"\(operation.cut(toBytes: 64))\"")
    }
  }

  private static func files(in object: JSONObject) throws(JSONError) -> [ManifestFile] {
    let values = object["files"]?.arrayValue ?? []
    guard values.count <= StateLimits.requestFileCountMax else {
      throw JSONError("more than \(StateLimits.requestFileCountMax) files")
    }
    var files: [ManifestFile] = []
    for value in values {
      guard let file = value.objectValue else { throw JSONError("a file must be an object") }
      files.append(
        ManifestFile(name: try file.string("name"), text: Array(try file.string("text").utf8)))
    }
    return files
  }

  private static func steps(in object: JSONObject) throws(JSONError) -> [ExchangeStep] {
    let values = object["steps"]?.arrayValue ?? []
    guard values.count <= StateLimits.requestKeyCountMax else { throw JSONError("too many steps") }
    var steps: [ExchangeStep] = []
    for value in values {
      guard let step = value.objectValue else { throw JSONError("a step must be an object") }
      steps.append(try ExchangeStep(step))
    }
    return steps
  }

  private static func keys(in object: JSONObject) throws(JSONError) -> [ObjectKey] {
    let values = object["keys"]?.arrayValue ?? []
    guard values.count <= StateLimits.requestKeyCountMax else {
      throw JSONError("more than \(StateLimits.requestKeyCountMax) keys")
    }
    var keys: [ObjectKey] = []
    for value in values { keys.append(try ObjectKey(value)) }
    return keys
  }
}

extension ObjectKey {
  package var document: JSONObject {
    var object: JSONObject = ["kind": .string(kind), "name": .string(name)]
    if let namespace { object["namespace"] = .string(namespace) }
    return object
  }

  package init(_ value: JSONValue?) throws(JSONError) {
    guard let object = value?.objectValue else { throw JSONError("\"key\" must be an object") }
    self.init(
      kind: try object.string("kind"), namespace: object["namespace"]?.stringValue,
      name: try object.string("name"))
  }
}

extension JSONObject {
  fileprivate func key() throws(JSONError) -> ObjectKey { try ObjectKey(self["key"]) }
}
