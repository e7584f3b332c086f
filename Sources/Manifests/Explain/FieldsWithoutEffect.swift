package import Platform

extension KindDocumentation {
  /// The fields of an object's spec that are accepted and have no effect on a host, as paths
  /// without positions, in the order of the table.
  package func fieldsWithoutEffect(in document: JSONObject) -> [String] {
    guard let spec = fields.first(where: { $0.name == "spec" }),
      let value = document["spec"]
    else { return [] }
    var found: [String] = []
    KindDocumentation.collect(spec, value, "spec", &found)
    return found
  }

  private static func collect(
    _ field: FieldDocumentation, _ value: JSONValue, _ path: String, _ found: inout [String]
  ) {
    if case .withoutEffect = field.treatment {
      if !found.contains(path) { found.append(path) }
      return
    }
    switch value {
    case .array(let items): for item in items { collect(field, item, path, &found) }
    case .object(let object):
      for child in field.children {
        guard let value = object[child.name] else { continue }
        collect(child, value, "\(path).\(child.name)", &found)
      }
    default: break
    }
  }
}
