import Platform

/// Reads the fields of one mapping, remembers which names it was asked for, and reports what is
/// wrong.
///
/// A wrong field gives nil and a problem, so that decoding goes on and finds the others.
/// ``finish()`` reports the names nobody asked for. Confined to one thread.
package final class FieldReader {
  package let node: YAMLNode
  /// The path of this mapping in its object; empty for the object itself.
  package let path: String
  package let problems: ProblemList
  /// `kind/name` for messages.
  package let object: String?

  private var values: [String: YAMLEntry] = [:]
  private var order: [String] = []
  private var known: [String] = []

  /// Starts on a mapping; anything else is reported and reads as empty.
  package init(_ node: YAMLNode, path: String, object: String?, problems: ProblemList) {
    self.node = node
    self.path = path
    self.object = object
    self.problems = problems
    guard case .mapping(let entries) = node.content else {
      if !node.isNull { report(node.mark, path, "must be a mapping, not \(node.kindName)") }
      return
    }
    for entry in entries {
      let name = entry.key.keyText
      if let first = values[name] {
        let line = first.key.mark.line
        report(entry.key.mark, pathOf(name), "the key stands twice, first in line \(line)")
        continue
      }
      values[name] = entry
      order.append(name)
    }
  }

  package func pathOf(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

  /// The place of a field, or of the mapping when the field is missing.
  package func mark(of name: String) -> Mark { values[name]?.value.mark ?? node.mark }

  package func report(_ name: String, _ text: String, suggestion: String? = nil) {
    report(mark(of: name), pathOf(name), text, suggestion: suggestion)
  }

  package func report(_ mark: Mark, _ path: String, _ text: String, suggestion: String? = nil) {
    problems.add(Problem(mark, object: object, path: path, text, suggestion: suggestion))
  }

  /// Names of fields that stand here and are not empty.
  package var names: [String] { order.filter { values[$0]?.value.isNull == false } }

  /// Whether the field stands here with a value.
  package func has(_ name: String) -> Bool { value(name) != nil }

  /// The node of a field; nil when it is missing or empty (null).
  package func value(_ name: String) -> YAMLNode? {
    if !known.contains(name) {
      known.append(name)
      problems.fieldObserver?(pathOf(name))
    }
    guard let node = values[name]?.value, !node.isNull else { return nil }
    return node
  }

  /// Accepts fields without a look at what they hold.
  package func ignore(_ names: String...) {
    for name in names { _ = value(name) }
  }

  /// Reports every field nobody asked for, with the name that was probably meant.
  package func finish() {
    for name in order where !known.contains(name) {
      guard let entry = values[name] else { continue }
      problems.addUnknownField(
        Problem(
          entry.key.mark, object: object, path: pathOf(name), "unknown field \"\(name)\"",
          suggestion: nearest(to: name, in: known) ?? FieldReader.alike(name, in: known)))
    }
  }

  /// A name that goes on like this one for most of it: `veleroResourcesBackupName` for
  /// `veleroResourcesBackupSchedule`.
  private static func alike(_ name: String, in known: [String]) -> String? {
    let shared = known.map { (name: $0, count: $0.commonPrefix(with: name)) }
    guard let best = shared.max(by: { $0.count < $1.count }), best.count >= 8,
      best.count * 3 >= name.count * 2
    else { return nil }
    return best.name
  }

  // MARK: scalars

  package func string(_ name: String) -> String? { marked(name)?.value }

  /// A text field with its place. Numbers and booleans must be quoted, as the API server asks for.
  package func marked(_ name: String) -> Marked<String>? {
    guard let node = value(name) else { return nil }
    guard let text = text(of: node, path: pathOf(name)) else { return nil }
    return Marked(text, node.mark)
  }

  /// A text field that must be there and not be empty.
  package func requiredString(_ name: String) -> String? {
    guard has(name) else {
      report(name, "is required")
      return nil
    }
    guard let text = string(name) else { return nil }
    if text.isEmpty { report(name, "must not be empty") }
    return text
  }

  package func bool(_ name: String) -> Bool? {
    guard let node = value(name) else { return nil }
    if case .bool(let value)? = node.resolvedScalar { return value }
    let isWord = ["true", "false", "yes", "no", "on", "off"].contains(node.keyText.lowercased())
    report(
      name,
      "must be true or false, not \(node.kindName)\(isWord ? ": write it without quotes" : "")")
    return nil
  }

  package func integer(_ name: String, in range: ClosedRange<Int64>) -> Int64? {
    guard let node = value(name) else { return nil }
    guard case .integer(let value)? = node.resolvedScalar else {
      let isNumber = Int64(node.keyText) != nil
      report(
        name,
        "must be an integer, not \(node.kindName)\(isNumber ? ": write it without quotes" : "")")
      return nil
    }
    guard range.contains(value) else {
      report(name, "must be between \(range.lowerBound) and \(range.upperBound), not \(value)")
      return nil
    }
    return value
  }

  /// A list of integers.
  package func integers(_ name: String, in range: ClosedRange<Int64>) -> [Int64] {
    items(name).enumerated().compactMap { index, node in
      let path = "\(pathOf(name))[\(index)]"
      guard case .integer(let value)? = node.resolvedScalar else {
        report(node.mark, path, "must be an integer, not \(node.kindName)")
        return nil
      }
      if range.contains(value) { return value }
      report(
        node.mark, path,
        "must be between \(range.lowerBound) and \(range.upperBound), not \(value)")
      return nil
    }
  }

  /// One word of a fixed set.
  package func choice<Choice: RawRepresentable & CaseIterable>(
    _ name: String, _ type: Choice.Type = Choice.self
  ) -> Choice? where Choice.RawValue == String {
    guard let text = string(name) else { return nil }
    if let choice = Choice(rawValue: text) { return choice }
    let names = Choice.allCases.map(\.rawValue).filter { !$0.isEmpty }
    let list = names.joined(separator: ", ")
    report(
      name, "\"\(text)\" is not one of \(list)", suggestion: nearest(to: text, in: names))
    return nil
  }

  /// A size such as `2Gi`.
  package func quantity(_ name: String) -> Quantity? {
    guard let node = value(name) else { return nil }
    let text: String
    switch node.resolvedScalar {
    case .integer(let value)?: text = String(value)
    case .double?, .string?: text = node.keyText
    default:
      report(name, "must be a quantity such as 2Gi, not \(node.kindName)")
      return nil
    }
    guard let quantity = Quantity(text) else {
      let shorter = text.hasSuffix("B") ? String(text.dropLast()) : text
      report(
        name,
        text.hasPrefix("-")
          ? "\"\(text)\" is negative: write a size such as 500Mi, 2Gi or 1500000000"
          : "\"\(text)\" is not a quantity: write a size such as 500Mi, 2Gi or 1500000000",
        suggestion: shorter != text && Quantity(shorter) != nil ? shorter : nil)
      return nil
    }
    return quantity
  }

  // MARK: collections

  package func object(_ name: String) -> FieldReader? {
    value(name).map { reader($0, path: pathOf(name)) }
  }

  /// A list of mappings.
  package func objects(_ name: String) -> [FieldReader] {
    items(name).enumerated().map { index, node in reader(node, path: "\(pathOf(name))[\(index)]") }
  }

  package func strings(_ name: String) -> [String] {
    items(name).enumerated().compactMap { index, node in
      text(of: node, path: "\(pathOf(name))[\(index)]")
    }
  }

  /// A mapping of names to texts, in its order.
  package func stringMap(_ name: String) -> [String: Marked<String>] {
    guard let reader = object(name) else { return [:] }
    var result: [String: Marked<String>] = [:]
    for key in reader.order {
      guard let node = reader.values[key]?.value else { continue }
      guard let text = text(of: node, path: reader.pathOf(key)) else { continue }
      result[key] = Marked(text, node.mark)
    }
    return result
  }

  private func items(_ name: String) -> [YAMLNode] {
    guard let node = value(name) else { return [] }
    if case .sequence(let items) = node.content { return items }
    report(name, "must be a list, not \(node.kindName)")
    return []
  }

  private func reader(_ node: YAMLNode, path: String) -> FieldReader {
    FieldReader(node, path: path, object: object, problems: problems)
  }

  private func text(of node: YAMLNode, path: String) -> String? {
    switch node.resolvedScalar {
    case .string(let text)?: return text
    case .null?: return ""
    case .bool?, .integer?, .double?:
      // The value is not repeated: the field may be a secret.
      report(node.mark, path, "must be a string, not \(node.kindName): write it in quotes")
    default: report(node.mark, path, "must be a string, not \(node.kindName)")
    }
    return nil
  }
}

extension String {
  fileprivate func commonPrefix(with other: String) -> Int {
    zip(self, other).prefix { $0 == $1 }.count
  }
}
