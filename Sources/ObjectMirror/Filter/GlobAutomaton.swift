/// A pattern that matches names in one pass, however it is written.
///
/// The automaton of positions (Glushkov's): a state is the set of the pattern's characters that
/// have just been matched, kept as bits; reading a character takes the union of what may follow
/// them and cuts it with those that accept the character. The time is proportional to the name's
/// length, times the pattern's for patterns of more than 64 characters. Matching allocates nothing.
final class GlobAutomaton: Sendable {
  /// Most characters of a pattern after its repetitions have been written out.
  static let positionCountMax = 2048

  private let wordCount: Int
  private let isAnchored: Bool
  /// Whether it matches the empty name.
  private let matchesNothing: Bool
  /// Bits of the positions a match may begin and end with.
  private let first: [UInt64]
  private let last: [UInt64]
  /// For each position, the bits of those that may come next.
  private let follow: [UInt64]
  /// For each character of ASCII, the bits of the positions that accept it.
  private let ascii: [UInt64]
  /// For each position, what it accepts.
  private let sets: [RuneSet]

  /// - Throws: `PatternProblem` for a pattern with too many positions.
  init(_ node: PatternNode, isAnchored: Bool) throws(PatternProblem) {
    var builder = AutomatonBuilder()
    let part = try builder.add(node)
    wordCount = (builder.sets.count + 63) / 64
    self.isAnchored = isAnchored
    matchesNothing = part.isNullable
    first = GlobAutomaton.bits(part.first, wordCount)
    last = GlobAutomaton.bits(part.last, wordCount)
    follow = builder.follow.flatMap { [wordCount] in GlobAutomaton.bits(Array($0), wordCount) }
    sets = builder.sets
    var ascii = [UInt64](repeating: 0, count: 128 * wordCount)
    for (position, set) in sets.enumerated() {
      for rune in UInt32(0)..<128 where set.contains(rune) {
        ascii[Int(rune) * wordCount + position / 64] |= 1 << UInt64(position % 64)
      }
    }
    self.ascii = ascii
  }

  private static func bits(_ positions: [Int], _ wordCount: Int) -> [UInt64] {
    var bits = [UInt64](repeating: 0, count: wordCount)
    for position in positions { bits[position / 64] |= 1 << UInt64(position % 64) }
    return bits
  }

  /// Whether the pattern matches a path: all of it when it is anchored, else any count of its last
  /// components. A directory has a slash behind its path.
  func matches(_ path: UnsafeBufferPointer<UInt8>, isDirectory: Bool) -> Bool {
    switch wordCount {
    case 0:
      let isAtStart = path.isEmpty && !isDirectory
      return isAtStart || !isAnchored && (isDirectory || path.last == 0x2f)
    case 1: return matchesSmall(path, isDirectory: isDirectory)
    default:
      return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 2 * wordCount) { words in
        matchesLarge(path, isDirectory: isDirectory, words)
      }
    }
  }

  /// A character of a path as rclone has it: control characters are shown as symbols.
  @inline(__always)
  private static func rune(
    _ path: UnsafeBufferPointer<UInt8>, at index: Int
  ) -> (rune: UInt32, size: Int) {
    let byte = path[index]
    if byte < 0x20 { return (0x2400 + UInt32(byte), 1) }
    if byte < 0x7f { return (UInt32(byte), 1) }
    return byte == 0x7f ? (0x2421, 1) : Rune.decode(path, at: index)
  }

  private func matchesSmall(_ path: UnsafeBufferPointer<UInt8>, isDirectory: Bool) -> Bool {
    first.withUnsafeBufferPointer { first in
      last.withUnsafeBufferPointer { last in
        follow.withUnsafeBufferPointer { follow in
          ascii.withUnsafeBufferPointer { ascii in
            matchesSmall(
              path, isDirectory: isDirectory, first[0], last[0], follow, ascii)
          }
        }
      }
    }
  }

  @inline(__always)
  private func matchesSmall(
    _ path: UnsafeBufferPointer<UInt8>, isDirectory: Bool, _ first: UInt64, _ last: UInt64,
    _ follow: UnsafeBufferPointer<UInt64>, _ ascii: UnsafeBufferPointer<UInt64>
  ) -> Bool {
    // Most names are refused by their last character alone.
    let final = isDirectory ? 0x2f : path.last ?? 0x80
    if final >= 0x20, final < 0x7f, !matchesNothing, ascii[Int(final)] & last == 0 { return false }
    var active: UInt64 = 0
    var mayBegin = true
    var index = 0
    let end = path.count + (isDirectory ? 1 : 0)
    while index < end {
      var rune = Rune.slash
      var size = 1
      if index < path.count { (rune, size) = GlobAutomaton.rune(path, at: index) }
      index += size
      var next = mayBegin ? first : 0
      while active != 0 {
        next |= follow[active.trailingZeroBitCount]
        active &= active - 1
      }
      active = rune < 128 ? next & ascii[Int(rune)] : accepting(rune, of: next, from: 0)
      if isAnchored, active == 0 { return false }
      mayBegin = rune == Rune.slash && !isAnchored
    }
    return active & last != 0 || matchesNothing && mayBegin
  }

  /// The positions among `candidates`, which are those from `base` on, that accept a character.
  private func accepting(_ rune: UInt32, of candidates: UInt64, from base: Int) -> UInt64 {
    var rest = candidates
    var result: UInt64 = 0
    while rest != 0 {
      let bit = rest.trailingZeroBitCount
      if sets[base + bit].contains(rune) { result |= 1 << UInt64(bit) }
      rest &= rest - 1
    }
    return result
  }

  private func matchesLarge(
    _ path: UnsafeBufferPointer<UInt8>, isDirectory: Bool,
    _ words: UnsafeMutableBufferPointer<UInt64>
  ) -> Bool {
    let active = UnsafeMutableBufferPointer(rebasing: words[..<wordCount])
    let next = UnsafeMutableBufferPointer(rebasing: words[wordCount...])
    active.update(repeating: 0)
    var mayBegin = true
    var index = 0
    let end = path.count + (isDirectory ? 1 : 0)
    while index < end {
      var rune = Rune.slash
      var size = 1
      if index < path.count { (rune, size) = GlobAutomaton.rune(path, at: index) }
      index += size
      for word in 0..<wordCount { next[word] = mayBegin ? first[word] : 0 }
      addFollowing(active, to: next)
      for word in 0..<wordCount {
        active[word] =
          rune < 128
          ? next[word] & ascii[Int(rune) * wordCount + word]
          : accepting(rune, of: next[word], from: word * 64)
      }
      mayBegin = rune == Rune.slash && !isAnchored
    }
    if matchesNothing, mayBegin { return true }
    return (0..<wordCount).contains { active[$0] & last[$0] != 0 }
  }

  private func addFollowing(
    _ active: UnsafeMutableBufferPointer<UInt64>, to next: UnsafeMutableBufferPointer<UInt64>
  ) {
    for word in 0..<wordCount {
      var rest = active[word]
      while rest != 0 {
        let position = word * 64 + rest.trailingZeroBitCount
        for other in 0..<wordCount { next[other] |= follow[position * wordCount + other] }
        rest &= rest - 1
      }
    }
  }
}

/// Gives each character of a pattern a number, and finds out which may follow which.
struct AutomatonBuilder {
  struct Part {
    var isNullable: Bool
    var first: [Int]
    var last: [Int]
  }

  private(set) var sets: [RuneSet] = []
  private(set) var follow: [Set<Int>] = []

  /// - Throws: `PatternProblem` when the pattern has more positions than it may have.
  mutating func add(_ node: PatternNode) throws(PatternProblem) -> Part {
    switch node {
    case .empty: return Part(isNullable: true, first: [], last: [])
    case .set(let set):
      guard sets.count < GlobAutomaton.positionCountMax else {
        throw PatternProblem(
          "it has more than \(GlobAutomaton.positionCountMax) characters with its repetitions")
      }
      sets.append(set)
      follow.append([])
      return Part(isNullable: false, first: [sets.count - 1], last: [sets.count - 1])
    case .sequence(let nodes):
      var whole = Part(isNullable: true, first: [], last: [])
      for node in nodes { whole = join(whole, try add(node)) }
      return whole
    case .choice(let nodes):
      var whole = Part(isNullable: false, first: [], last: [])
      for node in nodes {
        let part = try add(node)
        whole.isNullable = whole.isNullable || part.isNullable
        whole.first += part.first
        whole.last += part.last
      }
      return whole
    case .times(let node, let minimum, let maximum):
      return try add(node, minimum: minimum, maximum: maximum)
    }
  }

  private mutating func join(_ first: Part, _ second: Part) -> Part {
    for position in first.last { follow[position].formUnion(second.first) }
    return Part(
      isNullable: first.isNullable && second.isNullable,
      first: first.isNullable ? first.first + second.first : first.first,
      last: second.isNullable ? first.last + second.last : second.last)
  }

  /// Repetitions are written out; the last one of an open count leads back to itself.
  private mutating func add(
    _ node: PatternNode, minimum: Int, maximum: Int?
  ) throws(PatternProblem) -> Part {
    var whole = Part(isNullable: true, first: [], last: [])
    for count in 0..<(maximum ?? max(minimum, 1)) {
      var part = try add(node)
      if maximum == nil, count + 1 >= minimum {
        for position in part.last { follow[position].formUnion(part.first) }
      }
      if count >= minimum { part.isNullable = true }
      whole = join(whole, part)
    }
    return whole
  }
}
