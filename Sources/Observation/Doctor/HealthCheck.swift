package import Platform

/// The outcome of one check of `drover doctor`.
package struct HealthCheck: Sendable, Equatable {
  package enum Level: String, Sendable {
    case ok
    /// It works; something will not for long, or cannot be told.
    case warn
    case fail
  }

  package var level: Level
  /// What was looked at: `state`, `clock`, `rs/data key`.
  package var subject: String
  /// What was found, in a line.
  package var found: String
  /// What to do; nil when there is nothing, or it is not known.
  package var advice: String?

  package init(_ level: Level, _ subject: String, _ found: String, advice: String? = nil) {
    self.level = level
    self.subject = subject
    self.found = found
    self.advice = advice
  }

  /// The failure of what was tried; an error has advice of its own.
  package init(_ level: Level, _ subject: String, _ error: any DroverError) {
    self.init(level, subject, error.description, advice: error.hint)
  }

  /// One line for people; control characters are escaped.
  package var line: String {
    let mark = level.rawValue + String(repeating: " ", count: 6 - level.rawValue.utf8.count)
    let text = advice.map { "\(found). \($0)" } ?? found
    return printable("\(mark)\(subject): \(text)".utf8)
  }

  package var document: JSONObject {
    var object: JSONObject = [
      "level": .string(level.rawValue), "check": .string(subject), "found": .string(found),
    ]
    if let advice { object["advice"] = .string(advice) }
    return object
  }
}
