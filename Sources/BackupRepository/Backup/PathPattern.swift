import Platform

/// A pattern for paths in restic's language of excludes.
///
/// A pattern is split at slashes. Each part is a ``ComponentPattern`` for one component; `**`
/// stands for any number of components, none included. A pattern that begins with a slash holds
/// from the root on, any other at every depth; both also match what is below a match. A `!` in
/// front takes back what earlier patterns matched.
/// Source: the restic repository format, "backup rules"; restic's internal/filter.
package struct PathPattern: Sendable {
  /// Longest pattern, bytes: a path that the kernel takes has at most 4095.
  package static let byteCountMax = 16 << 10

  fileprivate enum Part: Sendable, Equatable {
    /// `**`.
    case anyComponents
    case literal([UInt8])
    case pattern(ComponentPattern)
  }

  /// The text as it was given.
  package let text: String
  /// Takes back earlier matches.
  package let isNegated: Bool
  /// Compares without regard to case.
  package let ignoresCase: Bool
  fileprivate let isRooted: Bool
  fileprivate let parts: [Part]

  /// Reads a pattern; it must not be empty.
  /// - Throws: `RepositoryError.usage` for an empty, malformed or too long one.
  package init(_ text: String, ignoringCase: Bool = false) throws(RepositoryError) {
    self.text = text
    ignoresCase = ignoringCase
    var bytes = Array(text.utf8)
    guard !bytes.isEmpty, bytes.count <= PathPattern.byteCountMax else {
      throw .usage("a pattern of \(bytes.count) bytes; give 1 to \(PathPattern.byteCountMax)")
    }
    isNegated = bytes[0] == UInt8(ascii: "!")
    if isNegated { bytes.removeFirst() }
    if ignoringCase { bytes = PathPattern.lowercased(bytes) }
    isRooted = bytes.first == UInt8(ascii: "/")
    var parts: [Part] = []
    for component in PathPattern.cleaned(bytes, isRooted: isRooted) {
      if component == Array("**".utf8) {
        parts.append(.anyComponents)
      } else if component.contains(where: { "\\[]*?".utf8.contains($0) }) {
        guard let pattern = ComponentPattern(component) else {
          throw .usage("the pattern \"\(text)\" is malformed at \"\(printable(component))\"")
        }
        parts.append(.pattern(pattern))
      } else {
        parts.append(.literal(component))
      }
    }
    self.parts = parts
  }

  /// The components of a pattern without empty ones, `.`, and what `..` takes back, as Go's
  /// `filepath.Clean` leaves them; a pattern of nothing else is `.`.
  private static func cleaned(_ bytes: [UInt8], isRooted: Bool) -> [[UInt8]] {
    var components: [[UInt8]] = []
    let up: [UInt8] = Array("..".utf8)
    for part in bytes.split(separator: UInt8(ascii: "/")) where !part.elementsEqual([0x2e]) {
      if part.elementsEqual(up) {
        if let last = components.last, last != up {
          components.removeLast()
          continue
        }
        if isRooted { continue }
      }
      components.append(Array(part))
    }
    return components.isEmpty && !isRooted ? [[0x2e]] : components
  }

  /// Lower-case letters, character by character as Go does it; bytes that are not UTF-8 become
  /// U+FFFD.
  fileprivate static func lowercased(_ bytes: [UInt8]) -> [UInt8] {
    guard bytes.contains(where: { $0 >= 0x80 }) else {
      return bytes.map { $0 >= 0x41 && $0 <= 0x5a ? $0 + 0x20 : $0 }
    }
    var result: [UInt8] = []
    for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
      // A mapping to several scalars begins with the simple one.
      let lower = scalar.properties.lowercaseMapping.unicodeScalars.first ?? scalar
      result.append(contentsOf: String(Character(lower)).utf8)
    }
    return result
  }
}

/// Patterns in their order, and the question whether a path is excluded.
///
/// A `!` takes back what this list has matched. Restic keeps its excludes and its excludes without
/// case in two lists and excludes what either matches.
package struct PathPatterns: Sendable {
  private let patterns: [PathPattern]
  private let ignoresCase: Bool
  private let hasNegated: Bool

  package init(_ patterns: [PathPattern]) {
    self.patterns = patterns
    ignoresCase = patterns.contains { $0.ignoresCase }
    hasNegated = patterns.contains { $0.isNegated }
  }

  package var isEmpty: Bool { patterns.isEmpty }

  /// Whether an absolute path is excluded: matched by a pattern, and not taken back by a later one.
  package func excludes(_ path: [UInt8]) -> Bool {
    verdict(path, asksChildren: false).isMatch
  }

  /// Whether the path is matched, and whether something below it may be: what a walk needs that
  /// looks for included paths only.
  package func includes(_ path: [UInt8]) -> (isMatch: Bool, mayHoldMatches: Bool) {
    verdict(path, asksChildren: true)
  }

  private func verdict(
    _ path: [UInt8], asksChildren: Bool
  ) -> (isMatch: Bool, mayHoldMatches: Bool) {
    if patterns.isEmpty { return (false, false) }
    let lower = ignoresCase ? PathPattern.lowercased(path) : []
    return path.withUnsafeBytes { path in
      lower.withUnsafeBytes { lower in
        let exact = PathComponents(path)
        let folded = ignoresCase ? PathComponents(lower) : exact
        return verdict(exact, folded, asksChildren: asksChildren)
      }
    }
  }

  private func verdict(
    _ exact: PathComponents, _ folded: PathComponents, asksChildren: Bool
  ) -> (isMatch: Bool, mayHoldMatches: Bool) {
    var isMatch = false
    var mayHold = false
    for pattern in patterns {
      let path = pattern.ignoresCase ? folded : exact
      // Without a pattern that takes back, nothing can change what has been found.
      let matches = pattern.matches(path)
      if pattern.isNegated {
        isMatch = isMatch && !matches
        mayHold = mayHold && !matches
      } else {
        isMatch = isMatch || matches
        mayHold = mayHold || !asksChildren || pattern.mayMatchBelow(path)
        if isMatch, mayHold, !hasNegated { return (true, true) }
      }
    }
    return (isMatch, mayHold)
  }
}

/// A path cut at its slashes, borrowed.
private struct PathComponents {
  let isRooted: Bool
  let components: [UnsafeRawBufferPointer]

  init(_ path: UnsafeRawBufferPointer) {
    isRooted = path.first == UInt8(ascii: "/")
    components = path.split(separator: UInt8(ascii: "/")).map(
      UnsafeRawBufferPointer.init(rebasing:))
  }
}

extension PathPattern {
  /// Whether the pattern matches the path, or a directory that it is in.
  fileprivate func matches(_ path: PathComponents) -> Bool {
    if isRooted {
      return path.isRooted && matches(path, from: 0, depth: parts.count)
    }
    return path.components.indices.contains { matches(path, from: $0, depth: parts.count) }
  }

  /// Whether something below the path may match.
  fileprivate func mayMatchBelow(_ path: PathComponents) -> Bool {
    guard isRooted else { return true }
    guard path.isRooted else { return false }
    let fixed = parts.firstIndex(of: .anyComponents) ?? parts.count
    let depth = min(fixed, path.components.count)
    return matches(path, from: 0, depth: depth)
  }

  /// Whether the first `depth` parts match components from `start` on, without a gap; more
  /// components may follow.
  private func matches(_ path: PathComponents, from start: Int, depth: Int) -> Bool {
    var part = 0
    var index = start
    // As within a component: the last `**` is the only place worth going back to.
    var retry: (part: Int, index: Int)?
    while part < depth {
      if parts[part] == .anyComponents {
        part += 1
        retry = (part, index)
        continue
      }
      if index < path.components.count, matches(parts[part], path.components[index]) {
        part += 1
        index += 1
        continue
      }
      guard let (from, at) = retry, at < path.components.count else { return false }
      retry = (from, at + 1)
      (part, index) = (from, at + 1)
    }
    return true
  }

  private func matches(_ part: Part, _ component: UnsafeRawBufferPointer) -> Bool {
    switch part {
    case .anyComponents: true
    case .literal(let bytes): component.elementsEqual(bytes)
    case .pattern(let pattern): pattern.matches(component)
    }
  }
}
