package import Platform

/// What was asked of `drover explain` and has no answer.
package enum ExplainError: DroverError {
  case unknownKind(String, suggestion: String?)
  /// A word that means kinds of several groups.
  case ambiguous(String, versions: [String])
  case unknownVersion(String, kind: String, versions: [String])
  case unknownField(String, in: String, suggestion: String?)

  package var kind: FailureKind { .usage }

  package var message: String {
    switch self {
    case .unknownKind(let word, _): "no kind \"\(word)\" is known here"
    case .ambiguous(let word, _): "\"\(word)\" is a kind of several groups"
    case .unknownVersion(let version, let kind, _): "there is no \(kind) of version \"\(version)\""
    case .unknownField(let name, let path, _): "\(path) has no field \"\(name)\""
    }
  }

  package var hint: String? {
    switch self {
    case .unknownKind(_, let meant?), .unknownField(_, _, let meant?): "did you mean \"\(meant)\"?"
    case .unknownKind: "`drover explain` lists the kinds"
    case .unknownField(_, let path, nil): "`drover explain \(path)` lists its fields"
    case .ambiguous(let word, let versions):
      "say which: --api-version \(versions.joined(separator: " or --api-version ")); or write "
        + "\(word).GROUP"
    case .unknownVersion(_, _, let versions): "the version is \(versions.joined(separator: " or "))"
    }
  }
}

/// `drover explain`: a kind or a field in words, in the form of `kubectl explain`.
package struct Explainer {
  private static let lineLength = 88

  private let registry: KindRegistry

  package init(registry: KindRegistry = .standard) { self.registry = registry }

  /// All kinds, a line each: plural, short names, version, kind, whether it is served.
  package func kindList() -> [[String]] {
    [["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND", "SERVED"]]
      + registry.all.map { type in
        let short = type.aliases.filter { $0 != type.plural }.joined(separator: ",")
        return [
          type.plural, short, type.apiVersion, "\(type.isNamespaced)", type.kind,
          type.service == .served ? "yes" : "not yet",
        ]
      }
  }

  /// Explains `KIND[.field[.field]]`. A kind may be plural, short, or `kind.group.with.dots`.
  package func text(
    of path: String, apiVersion: String? = nil, isRecursive: Bool = false
  ) throws(ExplainError) -> String {
    let (type, names) = try resolve(path, apiVersion: apiVersion)
    guard let kind = KindTables.documentation(of: type) else {
      throw .unknownKind(path, suggestion: nil)
    }
    var lines = header(of: type)
    let field = try find(names, in: kind)
    if let field {
      lines += ["FIELD:      \(field.name) <\(field.type.spelling)>", ""]
      lines += ["DROVER:"] + wrapped(field.treatment.sentence, indent: 4) + [""]
      if !field.type.choices.isEmpty {
        lines += ["ENUM:"] + field.type.choices.map { "    \($0.isEmpty ? "\"\"" : $0)" } + [""]
      }
    } else if type.service == .notServed {
      lines += ["DROVER:"]
      lines += wrapped(
        "not served yet: objects are checked and kept, and nothing is done for them.", indent: 4)
      lines += [""]
    }
    lines += ["DESCRIPTION:"] + wrapped(field?.text ?? kind.text, indent: 4)
    let children = field?.children ?? kind.fields
    if !children.isEmpty {
      lines += ["", "FIELDS:"]
      lines +=
        isRecursive
        ? children.flatMap { tree($0, indent: 2) } : children.flatMap { described($0) }
    }
    while lines.last?.isEmpty == true { lines.removeLast() }
    return lines.map { $0 + "\n" }.joined()
  }

  private func header(of type: any Manifest.Type) -> [String] {
    let version = type.apiVersion.split(separator: "/").last.map { String($0) } ?? ""
    let group = type.group.isEmpty ? [] : ["GROUP:      \(type.group)"]
    return group + ["KIND:       \(type.kind)", "VERSION:    \(version)", ""]
  }

  // MARK: what is meant

  private func resolve(
    _ path: String, apiVersion: String?
  ) throws(ExplainError) -> (any Manifest.Type, [String]) {
    let words = path.split(separator: ".", omittingEmptySubsequences: false).map { String($0) }
    // The longest name is tried first: groups have dots, too.
    for count in stride(from: words.count, to: 0, by: -1) {
      let name = words.prefix(count).joined(separator: ".")
      var types = registry.types(meantBy: name)
      guard !types.isEmpty else { continue }
      let versions = types.map { $0.apiVersion }
      if let apiVersion {
        types = types.filter { $0.apiVersion == apiVersion }
        if types.isEmpty { throw .unknownVersion(apiVersion, kind: name, versions: versions) }
      }
      guard let type = types.first, types.count == 1 else {
        throw .ambiguous(name, versions: versions)
      }
      return (type, Array(words.dropFirst(count)))
    }
    let word = words.first ?? ""
    throw .unknownKind(word, suggestion: nearest(to: word.lowercased(), in: registry.spellings))
  }

  private func find(
    _ names: [String], in kind: KindDocumentation
  ) throws(ExplainError) -> FieldDocumentation? {
    var fields = kind.fields
    var found: FieldDocumentation?
    var path = kind.type.kind.lowercased()
    for name in names {
      let next = fields.first { $0.name == name } ?? fields.first { $0.name.lowercased() == name }
      guard let next else {
        throw .unknownField(
          name, in: path, suggestion: nearest(to: name, in: fields.map(\.name)))
      }
      path += ".\(next.name)"
      fields = next.children
      found = next
    }
    return found
  }

  // MARK: layout

  private func described(_ field: FieldDocumentation) -> [String] {
    let text = field.text.split(separator: "\n").first.map { String($0) } ?? ""
    return [title(of: field, indent: 2)] + wrapped(text, indent: 4)
      + wrapped("Drover: \(field.treatment.sentence)", indent: 4) + [""]
  }

  private func tree(_ field: FieldDocumentation, indent: Int) -> [String] {
    ["\(title(of: field, indent: indent)) [\(field.treatment.word)]"]
      + field.children.flatMap { tree($0, indent: indent + 2) }
  }

  private func title(of field: FieldDocumentation, indent: Int) -> String {
    String(repeating: " ", count: indent) + "\(field.name)\t<\(field.type.spelling)>"
      + (field.isRequired ? " -required-" : "")
  }

  /// Words in lines of a bounded length; lines of the text stay apart.
  private func wrapped(_ text: String, indent: Int) -> [String] {
    let margin = String(repeating: " ", count: indent)
    return text.split(separator: "\n", omittingEmptySubsequences: false).flatMap { line in
      var lines: [String] = []
      var current = ""
      for word in line.split(separator: " ") {
        if !current.isEmpty, indent + current.count + 1 + word.count > Explainer.lineLength {
          lines.append(margin + current)
          current = ""
        }
        current += (current.isEmpty ? "" : " ") + word
      }
      return lines + (current.isEmpty ? [] : [margin + current])
    }
  }
}
