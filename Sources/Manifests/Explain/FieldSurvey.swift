/// Which fields the decoders ask for in a document: what the table of `drover explain` is held
/// against.
package enum FieldSurvey {
  /// The fields of the one object of a text, as paths without positions of lists: those that a
  /// decoder asked for, and those that none knew.
  /// - Throws: ``ManifestError`` when the text is no YAML.
  package static func fields(
    of text: [UInt8], registry: KindRegistry = .standard
  ) throws(ManifestError) -> (known: Set<String>, unknown: Set<String>) {
    var known: Set<String> = []
    let problems = ProblemList { known.insert(withoutPositions($0)) }
    for document in try parseYAML(text, file: "survey") {
      _ = ObjectDecoder(registry: registry, namespace: "default", problems: problems).decode(
        document)
    }
    let unknown = problems.problems.filter { $0.text.hasPrefix("unknown field") }
      .map { withoutPositions($0.path) }
    return (known.subtracting(["status"]), Set(unknown))
  }

  private static func withoutPositions(_ path: String) -> String {
    var result = ""
    var isInside = false
    for character in path {
      if character == "[" { isInside = true }
      if !isInside { result.append(character) }
      if character == "]" { isInside = false }
    }
    return result
  }
}
