package import Manifests
import Platform

/// One step of a change to several objects that is done as a whole: when a process is killed
/// between two of them, the next one that opens the directory does the rest. Each may be done
/// again.
package enum ExchangeStep: Sendable, Equatable {
  /// Stores an object as this text.
  case put(ObjectKey, text: String)
  /// Sets one field of an object's file.
  case edit(ObjectKey, path: [String], value: String)
  case relation(ObjectKey, RelationRecord)
  /// Asks for a run beside the trigger.
  case request(ObjectKey, tag: String)

  var key: ObjectKey {
    switch self {
    case .put(let key, _), .edit(let key, _, _), .relation(let key, _), .request(let key, _): key
    }
  }
}

extension ExchangeStep {
  var document: JSONObject {
    var object: JSONObject = ["key": .object(key.document)]
    switch self {
    case .put(_, let text): object["text"] = .string(text)
    case .edit(_, let path, let value):
      object["path"] = .array(path.map(JSONValue.string))
      object["value"] = .string(value)
    case .relation(_, let record): object["relation"] = .object(record.document)
    case .request(_, let tag): object["tag"] = .string(tag)
    }
    return object
  }

  init(_ object: JSONObject) throws(JSONError) {
    let key = try ObjectKey(object["key"])
    if let text = object["text"]?.stringValue {
      self = .put(key, text: text)
    } else if let path = object["path"]?.arrayValue?.compactMap(\.stringValue) {
      self = .edit(key, path: path, value: try object.string("value"))
    } else if let record = object["relation"]?.objectValue.flatMap(RelationRecord.init) {
      self = .relation(key, record)
    } else {
      self = .request(key, tag: try object.string("tag"))
    }
  }
}
