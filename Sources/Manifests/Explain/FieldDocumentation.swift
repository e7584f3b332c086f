/// What Drover does with a field.
package enum Treatment: Sendable, Equatable {
  /// It means what it means to the program whose YAML this is.
  case honoured
  /// As there, but safer or with more: how.
  case improved(String)
  /// Accepted; nothing on a host depends on it. Why, where that is not plain.
  case withoutEffect(String? = nil)
  /// Decoded and checked; what it asks for is not done yet. What to do instead, if anything.
  case notServed(String? = nil)
  /// An object that has it is not accepted, and why.
  case refused(String)

  /// One word, for lists.
  package var word: String {
    switch self {
    case .honoured: "honoured"
    case .improved: "improved"
    case .withoutEffect: "without effect"
    case .notServed: "not served yet"
    case .refused: "refused"
    }
  }

  package var note: String? {
    switch self {
    case .honoured: nil
    case .improved(let note), .refused(let note): note
    case .withoutEffect(let note), .notServed(let note): note
    }
  }

  /// The word with its note.
  package var sentence: String { note.map { "\(word): \($0)" } ?? word }
}

/// The type of a field, as kubectl names it.
package enum FieldType: Sendable, Equatable {
  case string
  case integer
  case boolean
  case quantity
  case duration
  case time
  case strings
  case integers
  case stringMap
  /// A mapping; its fields are the children, or Kubernetes' own when there are none.
  case object
  case objects
  /// One word of a set.
  case word([String])
  /// Items, each one word of a set.
  case words([String])

  package var spelling: String {
    switch self {
    case .string, .word: "string"
    case .integer: "integer"
    case .boolean: "boolean"
    case .quantity: "Quantity"
    case .duration: "Duration"
    case .time: "Time"
    case .strings, .words: "[]string"
    case .integers: "[]integer"
    case .stringMap: "map[string]string"
    case .object: "Object"
    case .objects: "[]Object"
    }
  }

  /// The words to choose from.
  package var choices: [String] {
    switch self {
    case .word(let words), .words(let words): words
    default: []
    }
  }
}

/// One field of a kind: what it is, and what Drover does with it.
package struct FieldDocumentation: Sendable {
  package var name: String
  package var type: FieldType
  package var isRequired: Bool
  package var treatment: Treatment
  package var text: String
  package var children: [FieldDocumentation]

  package init(
    _ name: String, _ type: FieldType, _ treatment: Treatment, _ text: String,
    _ children: [FieldDocumentation] = []
  ) {
    self.name = name
    self.type = type
    self.treatment = treatment
    self.text = text
    self.children = children
    isRequired = false
  }

  /// A field that is honoured.
  package init(
    _ name: String, _ type: FieldType, _ text: String, _ children: [FieldDocumentation] = []
  ) {
    self.init(name, type, .honoured, text, children)
  }

  /// A field that must be there.
  static func required(
    _ name: String, _ type: FieldType, _ treatment: Treatment, _ text: String,
    _ children: [FieldDocumentation] = []
  ) -> FieldDocumentation {
    var field = FieldDocumentation(name, type, treatment, text, children)
    field.isRequired = true
    return field
  }

  static func required(
    _ name: String, _ type: FieldType, _ text: String, _ children: [FieldDocumentation] = []
  ) -> FieldDocumentation {
    required(name, type, .honoured, text, children)
  }

  /// Paths of this field and of all below it, each as `a.b.c`.
  package func paths(below parent: String = "") -> [String] {
    let path = parent.isEmpty ? name : "\(parent).\(name)"
    return [path] + children.flatMap { $0.paths(below: path) }
  }
}

/// One kind, with all fields that its decoder knows.
package struct KindDocumentation: Sendable {
  package var type: any Manifest.Type
  package var text: String
  package var fields: [FieldDocumentation]

  /// The field at a path of names; nil when there is none, and nil for the kind itself.
  package func field(_ path: [String]) -> FieldDocumentation? {
    var fields = fields
    var found: FieldDocumentation?
    for name in path {
      found = fields.first { $0.name == name }
      guard let found else { return nil }
      fields = found.children
    }
    return found
  }

  /// Every path of the kind.
  package var paths: [String] { fields.flatMap { $0.paths() } }
}
