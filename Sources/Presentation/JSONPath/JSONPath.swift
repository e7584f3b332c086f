package import Platform

/// A template of kubectl's `-o jsonpath`: text, and paths in braces whose values are put in.
///
/// Known are fields (with `\.` for a dot in a name), `['name']`, positions, slices and unions of
/// them, `*`, `..`, filters with one comparison, `{range}…{end}`, `$`, `@` and quoted text. A path
/// that leads nowhere prints nothing.
package struct JSONPath: Sendable, Equatable {
  private let nodes: [JSONPathNode]

  /// - Throws: ``JSONPathError`` with the place of what is wrong.
  package init(_ template: String) throws(JSONPathError) {
    guard template.utf8.count <= JSONPathLimits.sizeBytesMax else {
      throw JSONPathError("longer than \(JSONPathLimits.sizeBytesMax >> 10) KiB")
    }
    var parser = JSONPathParser(template)
    self.init(nodes: try parser.template())
  }

  /// Reads a single path, also without braces and without its first dot, as kubectl's
  /// `custom-columns` and `wait --for=jsonpath` take it.
  package init(relaxed text: String) throws(JSONPathError) {
    guard !text.hasPrefix("{") else {
      self = try JSONPath(text)
      return
    }
    guard text.utf8.count <= JSONPathLimits.sizeBytesMax else {
      throw JSONPathError("longer than \(JSONPathLimits.sizeBytesMax >> 10) KiB")
    }
    var parser = JSONPathParser(text)
    self.init(nodes: [.path(try parser.expression())])
  }

  private init(nodes: [JSONPathNode]) { self.nodes = nodes }

  /// The template with the values of `root` in it.
  package func text(of root: JSONValue) throws(JSONPathError) -> String {
    var printer = JSONPathPrinter(root: root)
    try printer.print(nodes, current: root)
    return printer.output
  }

  /// The values of the first path; empty when it leads nowhere.
  package func values(of root: JSONValue) throws(JSONPathError) -> [JSONValue] {
    for case .path(let query) in nodes {
      return try JSONPathPrinter(root: root).values(of: query, current: root)
    }
    return []
  }

  /// How a value is printed: texts as they are, collections as JSON.
  package static func text(of value: JSONValue) -> String {
    switch value {
    case .string(let text): text
    case .null: ""
    default: String(decoding: value.encoded(), as: UTF8.self)
    }
  }
}

private struct JSONPathPrinter {
  let root: JSONValue
  var output = ""

  init(root: JSONValue) { self.root = root }

  mutating func print(_ nodes: [JSONPathNode], current: JSONValue) throws(JSONPathError) {
    for node in nodes {
      switch node {
      case .text(let text): try append(text)
      case .path(let query):
        let values = try values(of: query, current: current)
        try append(values.map(JSONPath.text(of:)).joined(separator: " "))
      case .range(let query, let body):
        for value in try values(of: query, current: current) { try print(body, current: value) }
      }
    }
  }

  private mutating func append(_ text: String) throws(JSONPathError) {
    guard output.utf8.count + text.utf8.count <= JSONPathLimits.outputSizeBytesMax else {
      throw JSONPathError("more than \(JSONPathLimits.outputSizeBytesMax >> 20) MiB of output")
    }
    output += text
  }

  func values(
    of query: JSONPathQuery, current: JSONValue
  ) throws(JSONPathError) -> [JSONValue] {
    var values = [query.isFromRoot ? root : current]
    for step in query.steps {
      var next: [JSONValue] = []
      for value in values { next += try follow(step, from: value) }
      guard next.count <= JSONPathLimits.valueCountMax else {
        throw JSONPathError("more than \(JSONPathLimits.valueCountMax) values")
      }
      values = next
    }
    return values
  }

  private func follow(
    _ step: JSONPathStep, from value: JSONValue
  ) throws(JSONPathError) -> [JSONValue] {
    switch step {
    case .field(let name): return value.objectValue?[name].map { [$0] } ?? []
    case .all: return children(of: value)
    case .descent: return descendants(of: value)
    case .union(let parts):
      var values: [JSONValue] = []
      for part in parts { values += try follow(part, from: value) }
      return values
    case .index(let index):
      guard let items = value.arrayValue else { return [] }
      let position = index < 0 ? items.count + index : index
      return items.indices.contains(position) ? [items[position]] : []
    case .slice(let start, let end, let step):
      guard let items = value.arrayValue else { return [] }
      func bound(_ index: Int) -> Int {
        min(max(index < 0 ? items.count + index : index, 0), items.count)
      }
      let (first, last) = (bound(start ?? 0), bound(end ?? items.count))
      return stride(from: first, to: last, by: step).map { items[$0] }
    case .filter(let filter):
      var values: [JSONValue] = []
      for child in children(of: value) where try holds(filter, for: child) { values.append(child) }
      return values
    }
  }

  private func children(of value: JSONValue) -> [JSONValue] {
    value.arrayValue ?? value.objectValue?.members.map(\.value) ?? []
  }

  /// Depth is bounded where documents are read.
  private func descendants(of value: JSONValue) -> [JSONValue] {
    [value] + children(of: value).flatMap { descendants(of: $0) }
  }

  private func holds(
    _ filter: JSONPathFilter, for value: JSONValue
  ) throws(JSONPathError) -> Bool {
    let left = try self.values(of: filter.left, current: value)
    guard let comparison = filter.comparison else { return !left.isEmpty }
    let right = try self.values(of: comparison.right, current: value)
    guard let a = left.first, let b = right.first else { return false }
    return JSONPathPrinter.compare(a, comparison.operation, b)
  }

  private func values(
    of operand: JSONPathFilter.Operand, current: JSONValue
  ) throws(JSONPathError) -> [JSONValue] {
    switch operand {
    case .query(let query): try values(of: query, current: current)
    case .value(let value): [value]
    }
  }

  /// Numbers by their size, texts by their bytes; values of two types are just not equal.
  private static func compare(
    _ a: JSONValue, _ operation: JSONPathFilter.Operation, _ b: JSONValue
  ) -> Bool {
    if let a = a.doubleValue, let b = b.doubleValue { return compare(a, operation, b) }
    if let a = a.stringValue, let b = b.stringValue { return compare(a, operation, b) }
    return switch operation {
    case .equal: a == b
    case .notEqual: a != b
    default: false
    }
  }

  private static func compare<Value: Comparable>(
    _ a: Value, _ operation: JSONPathFilter.Operation, _ b: Value
  ) -> Bool {
    switch operation {
    case .equal: a == b
    case .notEqual: a != b
    case .less: a < b
    case .lessOrEqual: a <= b
    case .greater: a > b
    case .greaterOrEqual: a >= b
    }
  }
}
