/// A JSON value of a small document: a job, an event line, an object's status. Objects keep their
/// order.
package enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case integer(Int64)
  case double(Double)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)

  package var stringValue: String? {
    if case .string(let value) = self { value } else { nil }
  }

  package var boolValue: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  package var integerValue: Int64? {
    if case .integer(let value) = self { value } else { nil }
  }

  /// The value of either kind of number.
  package var doubleValue: Double? {
    switch self {
    case .double(let value): value
    case .integer(let value): Double(value)
    default: nil
    }
  }

  package var arrayValue: [JSONValue]? {
    if case .array(let value) = self { value } else { nil }
  }

  package var objectValue: JSONObject? {
    if case .object(let value) = self { value } else { nil }
  }
}

/// The members of a JSON object in their order; names are unique.
package struct JSONObject: Sendable, Equatable, ExpressibleByDictionaryLiteral {
  package struct Member: Sendable, Equatable {
    package var name: String
    package var value: JSONValue
  }

  package private(set) var members: [Member] = []

  package init() {}

  package init(dictionaryLiteral elements: (String, JSONValue)...) {
    for (name, value) in elements { self[name] = value }
  }

  /// Sets in place, appends, or removes with nil. Linear: these objects are small.
  package subscript(name: String) -> JSONValue? {
    get { members.first { $0.name == name }?.value }
    set {
      let index = members.firstIndex { $0.name == name }
      switch (index, newValue) {
      case (let index?, let value?): members[index].value = value
      case (let index?, nil): members.remove(at: index)
      case (nil, let value?): members.append(Member(name: name, value: value))
      case (nil, nil): break
      }
    }
  }

  /// Appends a member whose name the caller knows to be new.
  mutating func append(_ name: String, _ value: JSONValue) {
    members.append(Member(name: name, value: value))
  }
}

/// What stops the decoding of a JSON text or of a value in it.
package struct JSONError: DroverError, Equatable {
  package let reason: String
  /// Bytes from the start of the text; nil when the text is well formed and its content is not.
  package let offset: Int?

  package init(_ reason: String, offset: Int? = nil) {
    self.reason = reason
    self.offset = offset
  }

  package var kind: FailureKind { .corrupt }

  package var message: String {
    offset.map { "not valid JSON at byte \($0): \(reason)" } ?? "unexpected JSON: \(reason)"
  }
}

/// Bounds of a JSON text that comes from outside.
package struct JSONLimits: Sendable {
  /// A job with its secrets stays far below; a larger text is not one of ours.
  package var sizeBytesMax = 4 << 20
  package var depthMax = 64

  package init() {}

  package init(sizeBytesMax: Int, depthMax: Int = 64) {
    self.sizeBytesMax = sizeBytesMax
    self.depthMax = depthMax
  }
}

extension JSONObject {
  /// The member of that name as text.
  package func string(_ name: String) throws(JSONError) -> String {
    guard let value = self[name]?.stringValue else {
      throw JSONError("\"\(name)\" must be a string")
    }
    return value
  }

  package func integer(_ name: String) throws(JSONError) -> Int64 {
    guard let value = self[name]?.integerValue else {
      throw JSONError("\"\(name)\" must be an integer")
    }
    return value
  }

  package func bool(_ name: String) throws(JSONError) -> Bool {
    guard let value = self[name]?.boolValue else {
      throw JSONError("\"\(name)\" must be true or false")
    }
    return value
  }
}
