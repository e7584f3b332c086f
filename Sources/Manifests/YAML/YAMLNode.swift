package import Platform

/// One node of a YAML document with the place where it stands. Aliases share the node of their
/// anchor.
package final class YAMLNode: Sendable {
  package enum Content: Sendable {
    /// A plain scalar is resolved to null, bool, number or text; a quoted or block one is text.
    case scalar(String, isPlain: Bool)
    case sequence([YAMLNode])
    case mapping([YAMLEntry])
  }

  package let mark: Mark
  package let content: Content
  /// Nodes of this subtree, aliases expanded.
  let weight: Int
  /// Levels of this subtree, aliases expanded.
  let height: Int

  init(_ content: Content, mark: Mark) {
    self.content = content
    self.mark = mark
    let children: [YAMLNode] =
      switch content {
      case .scalar: []
      case .sequence(let items): items
      case .mapping(let entries): entries.flatMap { [$0.key, $0.value] }
      }
    weight = children.reduce(1) { $0 + $1.weight }
    height = 1 + (children.map(\.height).max() ?? 0)
  }

  /// What a plain scalar says, by the rules of Kubernetes' YAML reader; text for the others.
  package var resolvedScalar: JSONValue? {
    guard case .scalar(let text, let isPlain) = content else { return nil }
    return isPlain ? resolvePlainScalar(text) : .string(text)
  }

  package var isNull: Bool { resolvedScalar == .null }

  /// How a message calls what stands here.
  package var kindName: String {
    switch content {
    case .sequence: return "a list"
    case .mapping: return "a mapping"
    case .scalar:
      switch resolvedScalar {
      case .null?: return "empty"
      case .bool?: return "a boolean"
      case .integer?, .double?: return "a number"
      default: return "a string"
      }
    }
  }

  /// The node as a plain value; of a repeated key the last counts.
  package var jsonValue: JSONValue {
    switch content {
    case .scalar: return resolvedScalar ?? .null
    case .sequence(let items): return .array(items.map(\.jsonValue))
    case .mapping(let entries):
      var object = JSONObject()
      for entry in entries { object[entry.key.keyText] = entry.value.jsonValue }
      return .object(object)
    }
  }

  /// The text of a mapping key; keys that are not scalars are refused before this is used.
  package var keyText: String {
    if case .scalar(let text, _) = content { text } else { "" }
  }
}

/// One `key: value` of a mapping.
package struct YAMLEntry: Sendable {
  package let key: YAMLNode
  package let value: YAMLNode
}

/// Null, boolean or number for the plain scalars that Kubernetes' YAML reader takes for one; text
/// else.
///
/// Source: YAML 1.1 types as read by `sigs.k8s.io/yaml`, without octal, sexagesimal and hexadecimal
/// numbers, which stay text.
package func resolvePlainScalar(_ text: String) -> JSONValue {
  switch text {
  case "", "~", "null", "Null", "NULL": return .null
  case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": return .bool(true)
  case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": return .bool(false)
  default: break
  }
  guard let first = text.utf8.first, "+-.0123456789".utf8.contains(first) else {
    return .string(text)
  }
  let digits = text.utf8.drop { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-") }
  let isOctal = digits.count > 1 && digits.first == UInt8(ascii: "0")
  if let value = Int64(text), !isOctal { return .integer(value) }
  let numeric = text.utf8.allSatisfy { "+-.eE0123456789".utf8.contains($0) }
  let looksOctal = isOctal && !text.utf8.contains(UInt8(ascii: "."))
  if numeric, !looksOctal, let value = Double(text), value.isFinite { return .double(value) }
  return .string(text)
}
