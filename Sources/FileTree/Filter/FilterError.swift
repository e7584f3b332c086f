package import Platform

/// Where a rule was written: the option, and file and line when it was read from a file.
package struct FilterOrigin: Sendable, Equatable, CustomStringConvertible {
  package var option: String
  package var file: String?
  package var line: Int?

  package init(option: String, file: String? = nil, line: Int? = nil) {
    self.option = option
    self.file = file
    self.line = line
  }

  package var description: String {
    guard let file else { return option }
    guard let line else { return "\(option) \(file)" }
    return "\(option) \(file), line \(line)"
  }
}

/// Failures of reading, checking or decoding filter rules.
package enum FilterError: DroverError, Equatable {
  case emptyPattern(FilterOrigin?)
  case patternTooLong(FilterOrigin?, sizeBytes: Int)
  case nulInPattern(FilterOrigin?)
  case tooManyRules(FilterOrigin?)
  case rulesTooLarge(FilterOrigin?)
  /// The file of an `--include-from` or `--exclude-from` could not be read.
  case unreadable(FilterOrigin, PlatformError)
  /// Encoded rules, as a peer sends them, that do not keep to the format.
  case malformed(reason: String, offset: Int)

  package var kind: FailureKind {
    if case .malformed = self { return .corrupt }
    return .usage
  }

  package var message: String {
    switch self {
    case .emptyPattern(let origin):
      return prefix(origin) + "the filter pattern is empty"
    case .patternTooLong(let origin, let size):
      return prefix(origin)
        + "the filter pattern has \(size) bytes, more than \(FilterRule.patternSizeBytesMax)"
    case .nulInPattern(let origin):
      return prefix(origin) + "the filter pattern holds a NUL byte, which no name can match"
    case .tooManyRules(let origin):
      return prefix(origin) + "more than \(FilterRules.ruleCountMax) filter rules"
    case .rulesTooLarge(let origin):
      return prefix(origin)
        + "the filter rules together are larger than \(FilterRules.encodedSizeBytesMax) bytes"
    case .unreadable(let origin, _):
      return "\(origin): cannot read the filter file"
    case .malformed(let reason, let offset):
      return "filter rules from the peer are malformed at byte \(offset): \(reason)"
    }
  }

  package var hint: String? {
    switch self {
    case .emptyPattern: "Give a pattern, for instance --exclude='*.tmp'."
    case .patternTooLong, .nulInPattern: "Correct the pattern; a rule is one line of a text file."
    case .tooManyRules, .rulesTooLarge: "Combine rules with wildcards."
    case .unreadable: "Check the path and the permissions of the file."
    case .malformed: nil
    }
  }

  package var cause: (any DroverError)? {
    if case .unreadable(_, let error) = self { return error }
    return nil
  }

  private func prefix(_ origin: FilterOrigin?) -> String {
    origin.map { "\($0): " } ?? ""
  }
}
