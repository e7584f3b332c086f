package import Platform

/// A part of a template.
indirect enum JSONPathNode: Sendable, Equatable {
  /// Printed as it is.
  case text(String)
  case path(JSONPathQuery)
  /// The body once for each value of the query.
  case range(JSONPathQuery, [JSONPathNode])
}

/// A way from a value to others.
struct JSONPathQuery: Sendable, Equatable {
  /// Whether it begins at the whole (`$`) and not at the value at hand (`@`, or nothing).
  var isFromRoot = false
  var steps: [JSONPathStep] = []
}

indirect enum JSONPathStep: Sendable, Equatable {
  case field(String)
  /// Every item or member.
  case all
  /// The value, and everything below it.
  case descent
  /// Positions and names in brackets, `[0,2]` or `['a','b']`.
  case union([JSONPathStep])
  /// From the end when negative.
  case index(Int)
  case slice(start: Int?, end: Int?, step: Int)
  case filter(JSONPathFilter)
}

/// `?(left)`, or `?(left operation right)`.
struct JSONPathFilter: Sendable, Equatable {
  enum Operation: String, Sendable, CaseIterable {
    // Longer ones first: they are looked for in this order.
    case equal = "=="
    case notEqual = "!="
    case lessOrEqual = "<="
    case greaterOrEqual = ">="
    case less = "<"
    case greater = ">"
  }

  enum Operand: Sendable, Equatable {
    case query(JSONPathQuery)
    case value(JSONValue)
  }

  var left: Operand
  var comparison: (operation: Operation, right: Operand)?

  static func == (a: JSONPathFilter, b: JSONPathFilter) -> Bool {
    a.left == b.left && a.comparison?.operation == b.comparison?.operation
      && a.comparison?.right == b.comparison?.right
  }
}

/// What keeps a template from being read, or a value from being printed by it.
package struct JSONPathError: DroverError, Equatable {
  package let reason: String
  /// Characters from the start of the template; nil for what came up while printing.
  package let position: Int?

  init(_ reason: String, at position: Int? = nil) {
    self.reason = reason
    self.position = position
  }

  package var kind: FailureKind { .usage }

  package var message: String {
    position.map { "jsonpath, character \($0 + 1): \(reason)" } ?? "jsonpath: \(reason)"
  }
}

/// Bounds of templates: they come from command lines.
package enum JSONPathLimits {
  package static let sizeBytesMax = 16 << 10
  package static let depthMax = 16
  /// Values that one step may give.
  package static let valueCountMax = 1_000_000
  package static let outputSizeBytesMax = 64 << 20
}
