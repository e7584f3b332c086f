/// An ordered list of include and exclude rules with rsync's meaning: the first rule that matches
/// an entry decides, and an entry that no rule matches is included.
///
/// A walk asks from the root downwards and does not enter an excluded directory; the root itself is
/// never asked. Deciding allocates nothing, so it may run once per entry of millions.
///
/// Source: rsync(1), PATTERN MATCHING RULES.
package struct FilterRules: Sendable, Equatable {
  /// The rules, first match first.
  package private(set) var rules: [FilterRule] = []
  private var compiled: [CompiledRule] = []
  /// All patterns, one after the other, without the trailing slash of directory rules.
  private var patterns: [UInt8] = []

  /// Most rules in one list. rsync has no limit; this one bounds what a peer can make us hold.
  package static let ruleCountMax = 65_536
  /// Largest encoded list: 65,536 rules of 64 bytes.
  package static let encodedSizeBytesMax = 4 << 20

  /// No rules: everything is included.
  package init() {}

  /// The rules in the order given; at most ``ruleCountMax`` if they are to be sent to a peer.
  package init(rules: [FilterRule]) {
    for rule in rules { append(rule) }
  }

  package var isEmpty: Bool { rules.isEmpty }

  mutating func append(_ rule: FilterRule) {
    rules.append(rule)
    compiled.append(CompiledRule(rule, appendingPatternTo: &patterns))
  }

  /// Decides about the entry at `path`, relative to the root, without leading or trailing slash.
  package func decision(
    path: UnsafeBufferPointer<UInt8>, isDirectory: Bool
  ) -> FilterDecision {
    guard !compiled.isEmpty, let base = path.baseAddress, path.count > 0 else { return .included }
    var nameStart = path.count
    while nameStart > 0, base[nameStart - 1] != FilterByte.slash { nameStart -= 1 }
    let entry = FilterEntry(
      path: base, count: path.count, nameStart: nameStart, isDirectory: isDirectory)
    return patterns.withUnsafeBufferPointer { patterns in
      guard let patterns = patterns.baseAddress else { return .included }
      return compiled.withUnsafeBufferPointer { compiled in
        for index in compiled.indices where compiled[index].matches(entry, patterns: patterns) {
          return compiled[index].isInclude ? .included : .excluded
        }
        return .included
      }
    }
  }

  /// Decides about the entry at `path`; see
  /// ``decision(path:isDirectory:)-(UnsafeBufferPointer,_)``.
  package func decision(path: [UInt8], isDirectory: Bool) -> FilterDecision {
    path.withUnsafeBufferPointer { decision(path: $0, isDirectory: isDirectory) }
  }

  /// Whether the entry at `path` is left out; the form for walks.
  package func excludes(path: UnsafeBufferPointer<UInt8>, isDirectory: Bool) -> Bool {
    decision(path: path, isDirectory: isDirectory) == .excluded
  }
}
