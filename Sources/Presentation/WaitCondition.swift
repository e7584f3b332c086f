package import Platform

/// The `--for` of `drover wait`.
package enum WaitCondition: Sendable, Equatable {
  /// A condition has a status; True when none is said.
  case condition(type: String, status: String)
  /// A path gives a value, or any when none is said.
  case jsonPath(JSONPath, value: String?)
  case deletion
  /// There is such an object.
  case creation

  package init(_ text: String) throws(OutputError) {
    let word = text.prefix { $0 != "=" }
    let rest = text.dropFirst(word.count + 1)
    switch word.lowercased() {
    case "delete" where rest.isEmpty: self = .deletion
    case "create" where rest.isEmpty: self = .creation
    case "condition" where !rest.isEmpty:
      let parts = rest.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      self = .condition(type: String(parts[0]), status: parts.count > 1 ? String(parts[1]) : "True")
    case "jsonpath" where !rest.isEmpty: self = try WaitCondition.path(rest)
    default:
      throw OutputError(
        "--for=\(text) is not understood",
        hint: "write condition=Synchronizing=False, jsonpath='{.status.lastManualSync}'=TAG, "
          + "create or delete")
    }
  }

  /// `{.path}=value`; the equals signs of filters are within the braces.
  private static func path(_ text: Substring) throws(OutputError) -> WaitCondition {
    let end = text.lastIndex(of: "}").map { text.index(after: $0) }
    let sign = text[(end ?? text.startIndex)...].firstIndex(of: "=")
    let template = text[..<(sign ?? text.endIndex)]
    do throws(JSONPathError) {
      let path = try JSONPath(relaxed: String(template))
      return .jsonPath(path, value: sign.map { String(text[text.index(after: $0)...]) })
    } catch {
      throw OutputError(error.message)
    }
  }

  /// Whether it holds for an object; nil stands for one that is not there.
  package func holds(for object: JSONObject?) throws(OutputError) -> Bool {
    guard let object else { return self == .deletion }
    switch self {
    case .deletion: return false
    case .creation: return true
    case .condition(let type, let status):
      let conditions = object.value(["status", "conditions"])?.arrayValue ?? []
      return conditions.compactMap(\.objectValue).contains {
        $0.text("type")?.lowercased() == type.lowercased()
          && $0.text("status")?.lowercased() == status.lowercased()
      }
    case .jsonPath(let path, let value):
      do throws(JSONPathError) {
        let values = try path.values(of: .object(object)).map(JSONPath.text(of:))
        guard let value else { return values.contains { !$0.isEmpty } }
        return values.contains(value)
      } catch {
        throw OutputError(error.message)
      }
    }
  }
}
