/// What becomes of an entry after the rules have been asked.
package enum FilterDecision: Sendable, Equatable {
  /// The entry takes part; also the answer when no rule matches.
  case included
  /// The entry is left out at the source and protected from deletion at the destination. What lies
  /// below an excluded directory is never looked at.
  case excluded
}

/// One include or exclude rule with a pattern of rsync's language.
package struct FilterRule: Sendable, Equatable {
  package enum Action: UInt8, Sendable {
    case include = 1
    case exclude = 2
  }

  package let action: Action
  /// The pattern as it was written, a trailing slash included; 1…``patternSizeBytesMax`` bytes, no
  /// NUL.
  package let pattern: [UInt8]

  /// Longest pattern: a whole path (PATH_MAX, 4,096) with room for escapes, as rsync's line buffer.
  package static let patternSizeBytesMax = 4096 + 1024

  /// Checks and keeps a pattern.
  ///
  /// - Throws: `.emptyPattern`, `.patternTooLong`, `.nulInPattern`.
  package init(_ action: Action, _ pattern: [UInt8]) throws(FilterError) {
    try self.init(action, pattern[...], at: nil)
  }

  /// Checks and keeps a pattern given as text.
  package init(_ action: Action, _ pattern: String) throws(FilterError) {
    try self.init(action, Array(pattern.utf8)[...], at: nil)
  }

  init(_ action: Action, _ pattern: ArraySlice<UInt8>, at origin: FilterOrigin?)
    throws(FilterError)
  {
    guard !pattern.isEmpty else { throw .emptyPattern(origin) }
    guard pattern.count <= FilterRule.patternSizeBytesMax else {
      throw .patternTooLong(origin, sizeBytes: pattern.count)
    }
    guard !pattern.contains(0) else { throw .nulInPattern(origin) }
    self.action = action
    self.pattern = Array(pattern)
  }
}

/// One filter option of the command line, in the order in which it was given.
package enum FilterOption: Sendable, Equatable {
  case include(String)
  case exclude(String)
  /// A file with one pattern a line; `-` is standard input.
  case includeFrom(String)
  /// A file with one pattern a line; `-` is standard input.
  case excludeFrom(String)

  /// The option's name as it is typed.
  package var name: String {
    switch self {
    case .include: "--include"
    case .exclude: "--exclude"
    case .includeFrom: "--include-from"
    case .excludeFrom: "--exclude-from"
    }
  }
}
