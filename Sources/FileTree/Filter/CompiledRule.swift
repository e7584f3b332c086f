/// An entry that rules are asked about, borrowed for the length of one decision.
struct FilterEntry {
  let path: UnsafePointer<UInt8>
  let count: Int
  /// Offset of the last component.
  let nameStart: Int
  let isDirectory: Bool
}

/// A rule prepared for matching: what its pattern asks for is read off once.
struct CompiledRule: Sendable, Equatable {
  private struct Traits: OptionSet {
    let rawValue: UInt8
    static let include = Traits(rawValue: 1)
    /// Ended in a slash: directories only.
    static let directory = Traits(rawValue: 2)
    /// Began with a slash: matches from the root of the transfer.
    static let anchored = Traits(rawValue: 4)
    /// Has one of `*`, `?`, `[`; only then is a backslash an escape.
    static let wild = Traits(rawValue: 8)
    /// Has `**`.
    static let crossing = Traits(rawValue: 16)
    /// Begins with `**`.
    static let crossingPrefix = Traits(rawValue: 32)
    /// Ends in `***`: matches the directory before it as well.
    static let selfAndContents = Traits(rawValue: 64)
  }

  private let offset: Int
  private let count: Int
  private let slashCount: Int
  private let rawTraits: UInt8

  private var traits: Traits { Traits(rawValue: rawTraits) }
  var isInclude: Bool { traits.contains(.include) }

  init(_ rule: FilterRule, appendingPatternTo patterns: inout [UInt8]) {
    var pattern = rule.pattern[...]
    var traits: Traits = rule.action == .include ? .include : []
    if pattern.count > 1, pattern.last == FilterByte.slash {
      pattern.removeLast()
      traits.insert(.directory)
    }
    traits.formUnion(CompiledRule.wildcardTraits(of: pattern))
    slashCount = pattern.count { $0 == FilterByte.slash }
    if pattern.first == FilterByte.slash {
      pattern.removeFirst()
      traits.insert(.anchored)
    }
    offset = patterns.count
    count = pattern.count
    rawTraits = traits.rawValue
    patterns.append(contentsOf: pattern)
  }

  private static func wildcardTraits(of pattern: ArraySlice<UInt8>) -> Traits {
    guard
      pattern.contains(where: {
        $0 == FilterByte.star || $0 == FilterByte.question || $0 == FilterByte.bracket
      })
    else {
      return []
    }
    guard
      let crossing = zip(pattern.indices, zip(pattern, pattern.dropFirst()))
        .first(where: { $0.1 == (FilterByte.star, FilterByte.star) })
    else { return .wild }
    var traits: Traits = [.wild, .crossing]
    if crossing.0 == pattern.startIndex { traits.insert(.crossingPrefix) }
    if pattern.suffix(3).elementsEqual([FilterByte.star, FilterByte.star, FilterByte.star]) {
      traits.insert(.selfAndContents)
    }
    return traits
  }

  /// Whether the rule's pattern matches the entry. `patterns` is the buffer given to `init`.
  func matches(_ entry: FilterEntry, patterns: UnsafePointer<UInt8>) -> Bool {
    let traits = traits
    if traits.contains(.directory), !entry.isDirectory { return false }
    let byNameOnly = slashCount == 0 && !traits.contains(.crossing)
    let start = byNameOnly ? entry.nameStart : 0
    let text = entry.path + start
    let textCount = entry.count - start
    let pattern = UnsafeBufferPointer(start: patterns + offset, count: count)
    if !traits.contains(.wild) {
      return matchesLiterally(pattern, text, textCount, anchored: traits.contains(.anchored))
    }
    // "**/x" also matches at the top, "x/***" also the directory x: rsync gives the text a slash
    // for it.
    let wildText = WildcardText(
      base: text, count: textCount, leadingSlash: traits.contains(.crossingPrefix),
      trailingSlash: entry.isDirectory && traits.contains(.selfAndContents))
    return matchesWildcards(pattern, wildText, traits)
  }

  private func matchesLiterally(
    _ pattern: UnsafeBufferPointer<UInt8>, _ text: UnsafePointer<UInt8>, _ textCount: Int,
    anchored: Bool
  ) -> Bool {
    let skipped = textCount - pattern.count
    guard anchored ? skipped == 0 : skipped >= 0 else { return false }
    if skipped > 0, text[skipped - 1] != FilterByte.slash { return false }
    // From the end: names of one directory tend to share their beginning.
    var index = pattern.count - 1
    while index >= 0 {
      if pattern[index] != text[skipped + index] { return false }
      index -= 1
    }
    return true
  }

  private func matchesWildcards(
    _ pattern: UnsafeBufferPointer<UInt8>, _ text: WildcardText, _ traits: Traits
  ) -> Bool {
    if traits.contains(.anchored) || traits.contains(.crossingPrefix) {
      return text.matches(pattern, from: 0)
    }
    if traits.contains(.crossing) { return text.matchesAtAnyComponent(pattern) }
    guard slashCount > 0 else { return text.matches(pattern, from: 0) }
    // The pattern has to cover exactly as many last components as it has itself.
    guard let start = text.startOfLast(slashCount + 1) else { return false }
    return text.matches(pattern, from: start)
  }
}
