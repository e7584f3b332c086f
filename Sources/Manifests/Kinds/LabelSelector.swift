/// Which objects are meant, by their labels: every requirement must hold.
///
/// Source: Kubernetes, `LabelSelector` of the API and the text of `kubectl -l`.
package struct LabelSelector: Sendable, Equatable {
  package enum Operator: String, Sendable, CaseIterable {
    case isIn = "In"
    case isNotIn = "NotIn"
    case exists = "Exists"
    case doesNotExist = "DoesNotExist"

    var takesValues: Bool { self == .isIn || self == .isNotIn }
  }

  package struct Requirement: Sendable, Equatable {
    package var key: String
    package var comparison: Operator
    package var values: [String] = []

    func holds(for labels: [String: String]) -> Bool {
      switch comparison {
      case .isIn: labels[key].map(values.contains) ?? false
      case .isNotIn: labels[key].map { !values.contains($0) } ?? true
      case .exists: labels[key] != nil
      case .doesNotExist: labels[key] == nil
      }
    }
  }

  package private(set) var requirements: [Requirement] = []

  package init() {}

  package func matches(_ labels: [String: String]) -> Bool {
    requirements.allSatisfy { $0.holds(for: labels) }
  }

  // MARK: as a field

  init(_ fields: FieldReader) {
    for (key, value) in fields.stringMap("matchLabels").sorted(by: { $0.key < $1.key }) {
      requirements.append(Requirement(key: key, comparison: .isIn, values: [value.value]))
    }
    for expression in fields.objects("matchExpressions") {
      if let requirement = LabelSelector.decode(expression) { requirements.append(requirement) }
    }
    fields.finish()
  }

  private static func decode(_ fields: FieldReader) -> Requirement? {
    defer { fields.finish() }
    let key = fields.requiredString("key") ?? ""
    if !fields.has("operator") { fields.report("operator", "is required") }
    let values = fields.strings("values")
    guard let comparison = fields.choice("operator", Operator.self) else { return nil }
    if comparison.takesValues, values.isEmpty {
      fields.report("values", "must name at least one value for \(comparison.rawValue)")
    } else if !comparison.takesValues, !values.isEmpty {
      fields.report("values", "must be left out for \(comparison.rawValue)")
    }
    return Requirement(key: key, comparison: comparison, values: values)
  }
}

extension LabelSelector {
  /// A longer text, or one of more requirements, is no selector of a person.
  package static let sizeBytesMax = 4096

  /// Reads `app=web,tier!=db,zone in (a, b),!old`; nil when it is not of that form.
  package init?(_ text: String) {
    guard text.utf8.count <= LabelSelector.sizeBytesMax else { return nil }
    self.init()
    for part in LabelSelector.parts(of: text) {
      guard let requirement = LabelSelector.requirement(part.trimmed) else { return nil }
      requirements.append(requirement)
    }
  }

  /// The text cut at the commas outside of parentheses.
  private static func parts(of text: String) -> [Substring] {
    var parts: [Substring] = []
    var start = text.startIndex
    var depth = 0
    for index in text.indices {
      switch text[index] {
      case "(": depth += 1
      case ")": depth -= 1
      case "," where depth == 0:
        parts.append(text[start..<index])
        start = text.index(after: index)
      default: break
      }
    }
    parts.append(text[start...])
    return parts
  }

  private static func requirement(_ text: Substring) -> Requirement? {
    if text.hasPrefix("!") {
      let key = text.dropFirst().trimmed
      return isKey(key) ? Requirement(key: String(key), comparison: .doesNotExist) : nil
    }
    let key = text.prefix { isKeyCharacter($0) }
    guard isKey(key) else { return nil }
    let rest = text.dropFirst(key.count).trimmed
    if rest.isEmpty { return Requirement(key: String(key), comparison: .exists) }
    for (sign, comparison) in [("==", Operator.isIn), ("!=", .isNotIn), ("=", .isIn)]
    where rest.hasPrefix(sign) {
      let value = rest.dropFirst(sign.count).trimmed
      guard value.allSatisfy(isKeyCharacter) else { return nil }
      return Requirement(key: String(key), comparison: comparison, values: [String(value)])
    }
    for (word, comparison) in [("in", Operator.isIn), ("notin", .isNotIn)]
    where rest.hasPrefix(word) {
      let list = rest.dropFirst(word.count).trimmed
      guard list.hasPrefix("("), list.hasSuffix(")"), list.count > 2 else { continue }
      let values = list.dropFirst().dropLast()
        .split(separator: ",", omittingEmptySubsequences: false).map(\.trimmed)
      guard values.allSatisfy({ $0.allSatisfy(isKeyCharacter) }) else { return nil }
      return Requirement(key: String(key), comparison: comparison, values: values.map(String.init))
    }
    return nil
  }

  private static func isKey(_ text: Substring) -> Bool {
    !text.isEmpty && text.allSatisfy(isKeyCharacter)
  }

  private static func isKeyCharacter(_ character: Character) -> Bool {
    character.isASCII && (character.isLetter || character.isNumber || "-_./".contains(character))
  }
}

extension Substring {
  /// Without the blanks at both ends.
  var trimmed: Substring {
    var text = drop(while: \.isWhitespace)
    while text.last?.isWhitespace == true { text.removeLast() }
    return text
  }
}
