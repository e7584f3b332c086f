package import Platform

/// Where a rule was written: the option, and file and line when it was read from a file.
package struct RuleOrigin: Sendable, Equatable, CustomStringConvertible {
  /// Without hyphens: `exclude-from`.
  package var option: String
  package var file: String?
  /// Counts from 1.
  package var line: Int?

  package init(option: String, file: String? = nil, line: Int? = nil) {
    self.option = option
    self.file = file
    self.line = line
  }

  package var description: String {
    guard let file else { return "--\(option)" }
    guard let line else { return "--\(option) \(file)" }
    return "\(file):\(line)"
  }
}

/// Failures of reading filters.
package enum MirrorFilterError: DroverError, Equatable {
  /// The file of an option could not be read.
  case unreadable(RuleOrigin, PlatformError)
  /// A rule of `--filter` that begins with neither `+ ` nor `- `, and is not `!`.
  case malformedRule(RuleOrigin, rule: String)
  /// A pattern that is none.
  case badPattern(RuleOrigin, pattern: String, problem: String)
  case tooManyRules(RuleOrigin)
  /// `--files-from` beside another filter.
  case filesFromNotAlone(RuleOrigin)
  /// `--min-age` before `--max-age`: nothing would be left.
  case emptySpan

  package var kind: FailureKind { .usage }

  package var message: String {
    switch self {
    case .unreadable(let origin, _): "\(origin): cannot read the file"
    case .malformedRule(let origin, let rule):
      "\(origin): \"\(rule)\" is no rule: it begins with neither \"+ \" nor \"- \""
    case .badPattern(let origin, let pattern, let problem):
      "\(origin): pattern \"\(pattern)\": \(problem)"
    case .tooManyRules(let origin):
      "\(origin): more than \(MirrorFilter.ruleCountMax) rules"
    case .filesFromNotAlone(let origin):
      "\(origin): a list of files takes the place of all other filters, and stands alone"
    case .emptySpan: "--min-age is larger than --max-age"
    }
  }

  package var hint: String? {
    switch self {
    case .malformedRule: "Write \"+ pattern\", \"- pattern\" or \"!\"."
    case .tooManyRules: "Combine rules with wildcards, or name the files with --files-from."
    default: nil
    }
  }

  package var cause: (any DroverError)? {
    if case .unreadable(_, let error) = self { return error }
    return nil
  }
}

/// What is wrong with a pattern, without the place it was written at.
struct PatternProblem: Error, Equatable {
  let text: String
  init(_ text: String) { self.text = text }
}
