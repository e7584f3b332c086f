package import Platform

/// A place in a manifest file; line and column count from 1.
package struct Mark: Sendable, Hashable {
  package var file: String
  package var line: Int
  package var column: Int

  package init(file: String, line: Int, column: Int) {
    self.file = file
    self.line = line
    self.column = column
  }
}

/// A value with the place it was read from, for messages about what it refers to.
package struct Marked<Value: Sendable>: Sendable {
  package var value: Value
  package var mark: Mark

  package init(_ value: Value, _ mark: Mark) {
    self.value = value
    self.mark = mark
  }
}

/// One thing that is wrong in the given manifests.
package struct Problem: Sendable, Equatable, CustomStringConvertible {
  package var mark: Mark
  /// `kind/name` of the object, when the object is known that far.
  package var object: String?
  /// The field, as in `spec.rsyncTLS.copyMethod`; empty for the whole object.
  package var path: String
  package var text: String
  package var suggestion: String?

  package init(
    _ mark: Mark, object: String? = nil, path: String = "", _ text: String,
    suggestion: String? = nil
  ) {
    self.mark = mark
    self.object = object
    self.path = path
    self.text = text
    self.suggestion = suggestion
  }

  /// `file:line: kind/name: path.to.field: problem; did you mean "x"?`
  package var description: String {
    var parts = ["\(mark.file):\(mark.line)"]
    if let object { parts.append(object) }
    if !path.isEmpty { parts.append(path) }
    parts.append(suggestion.map { "\(text); did you mean \"\($0)\"?" } ?? text)
    return parts.joined(separator: ": ")
  }
}

/// Failures of reading manifests.
package enum ManifestError: DroverError {
  /// A file or directory that could not be read.
  case unreadable(PlatformError)
  /// Everything that is wrong in all files, in the order of files and lines.
  case invalid([Problem])

  package var kind: FailureKind { .usage }

  package var message: String {
    switch self {
    case .unreadable(let error): "cannot read manifests: \(error.message)"
    case .invalid(let problems): problems.map(\.description).joined(separator: "\n")
    }
  }

  package var problems: [Problem] {
    if case .invalid(let problems) = self { problems } else { [] }
  }
}

/// Bounds of what is read from manifest files; all come from outside.
package enum ManifestLimits {
  /// Kubernetes refuses objects above 1.5 MiB; a file may hold several.
  package static let fileSizeBytesMax = 8 << 20
  /// Nesting of one document. Kubernetes kinds stay below 20.
  package static let depthMax = 64
  /// Nodes of one file, each alias counted with all it stands for: what refuses an alias bomb.
  package static let nodeCountMax = 100_000
  package static let documentCountMax = 1000
  /// Files taken from one directory.
  package static let directoryFileCountMax = 1000
  /// Messages kept; a file with more is wrong as a whole.
  package static let problemCountMax = 200
}
