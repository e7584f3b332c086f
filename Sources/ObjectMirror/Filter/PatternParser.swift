/// Reads the regular expressions of globs: the language of RE2 as far as it can be matched in one
/// pass without anchors.
///
/// Served: literals, `.`, sets with ranges and `[:class:]`, `\d \w \s` and their opposites,
/// escapes, groups with and without names, `|`, `* + ?`, `{n,m}` up to 1,000, lazy forms (which
/// match the same), flags `i`, `s`, `m`, `U`. Refused: `^ $ \A \z \b \B` inside, `\Q`, `\C`, `\p`,
/// and what RE2 refuses as well: references back, looking around, a repetition of nothing or of a
/// repetition.
///
/// Source: the syntax page of RE2.
struct PatternParser {
  struct Flags {
    var foldsCase = false
    /// `.` matches a line feed.
    var dotMatchesAll = false
  }

  /// RE2's own limit for `{n,m}`.
  private static let repetitionMax = 1000
  private static let depthMax = 100

  let text: [UInt32]
  var index = 0
  var flags: Flags
  private var depth = 0

  init(_ text: [UInt32], foldsCase: Bool) {
    self.text = text
    flags = Flags(foldsCase: foldsCase)
  }

  /// - Throws: `PatternProblem`.
  static func parse(_ text: [UInt32], foldsCase: Bool) throws(PatternProblem) -> PatternNode {
    var parser = PatternParser(text, foldsCase: foldsCase)
    let node = try parser.parseChoice()
    guard parser.peek == nil else { throw PatternProblem("a ) has no opening one") }
    return node
  }

  var peek: UInt32? { index < text.count ? text[index] : nil }

  func peek(_ offset: Int) -> UInt32? {
    index + offset < text.count ? text[index + offset] : nil
  }

  mutating func take(_ rune: UInt32) -> Bool {
    guard peek == rune else { return false }
    index += 1
    return true
  }

  private mutating func parseChoice() throws(PatternProblem) -> PatternNode {
    var branches = [try parseSequence()]
    while take(Rune.bar) { branches.append(try parseSequence()) }
    return branches.count == 1 ? branches[0] : .choice(branches)
  }

  private mutating func parseSequence() throws(PatternProblem) -> PatternNode {
    var items: [PatternNode] = []
    while let rune = peek, rune != Rune.bar, rune != Rune.closingParenthesis {
      guard let item = try parseItem() else { continue }
      items.append(try parseRepetition(of: item))
    }
    return items.isEmpty ? .empty : .sequence(items)
  }

  /// One item; nil for flags, which hold for the rest of the group.
  private mutating func parseItem() throws(PatternProblem) -> PatternNode? {
    guard let rune = peek else { return nil }
    switch rune {
    case Rune.parenthesis: return try parseGroup()
    case Rune.bracket: return .set(try parseSet())
    case Rune.dot:
      index += 1
      return .set(flags.dotMatchesAll ? RuneSet().inverted : RuneSet(Rune.newline).inverted)
    case Rune.caret, Rune.dollar:
      throw PatternProblem("^ and $ are not served inside: a pattern holds for whole names anyway")
    case Rune.star, Rune.plus, Rune.question:
      throw PatternProblem("there is nothing to repeat")
    case Rune.brace where repetition() != nil: throw PatternProblem("there is nothing to repeat")
    case Rune.backslash: return .set(try parseEscape())
    default:
      index += 1
      return .set(literal(rune))
    }
  }

  func literal(_ rune: UInt32) -> RuneSet {
    flags.foldsCase ? RuneSet(rune).folded : RuneSet(rune)
  }

  private mutating func parseGroup() throws(PatternProblem) -> PatternNode? {
    depth += 1
    defer { depth -= 1 }
    guard depth <= PatternParser.depthMax else { throw PatternProblem("it nests too deeply") }
    index += 1
    let outer = flags
    if take(Rune.question) {
      let holdsForRest = try parseGroupHead()
      if holdsForRest { return nil }
    }
    let node = try parseChoice()
    guard take(Rune.closingParenthesis) else { throw PatternProblem("a ( is not closed") }
    flags = outer
    return node
  }

  /// What follows `(?`: a name, or flags. True for flags that end in `)`.
  private mutating func parseGroupHead() throws(PatternProblem) -> Bool {
    let problem = PatternProblem("(? is followed by something that is not served")
    if peek == 0x50 || peek == 0x3c {
      _ = take(0x50)
      guard take(0x3c), let end = text[index...].firstIndex(of: 0x3e), end > index,
        text[index..<end].allSatisfy({ PatternParser.word.contains($0) })
      else { throw problem }
      index = end + 1
      return false
    }
    var isOn = true
    var count = 0
    while let rune = peek {
      index += 1
      count += 1
      switch rune {
      case 0x69: flags.foldsCase = isOn
      case 0x73: flags.dotMatchesAll = isOn
      // Anchors are refused, and the shorter of two matches is a match as well.
      case 0x6d, 0x55: continue
      case Rune.hyphen where isOn: (isOn, count) = (false, 0)
      case Rune.colon where isOn || count > 1: return false
      case Rune.closingParenthesis where isOn || count > 1: return true
      default: throw problem
      }
    }
    throw problem
  }

  private mutating func parseRepetition(
    of item: PatternNode
  ) throws(PatternProblem) -> PatternNode {
    guard let (minimum, maximum, size) = repetition() else { return item }
    guard max(minimum, maximum ?? 0) <= PatternParser.repetitionMax, minimum <= maximum ?? minimum
    else { throw PatternProblem("a count of repetitions is too large, or of the wrong order") }
    index += size
    _ = take(Rune.question)
    guard repetition() == nil else { throw PatternProblem("a repetition is repeated") }
    return .times(item, minimum: minimum, maximum: maximum)
  }

  /// The repetition that stands here, and the count of its characters.
  private func repetition() -> (minimum: Int, maximum: Int?, size: Int)? {
    switch peek {
    case Rune.star: (0, nil, 1)
    case Rune.plus: (1, nil, 1)
    case Rune.question: (0, 1, 1)
    case Rune.brace: counts()
    default: nil
    }
  }

  /// `{n}`, `{n,}` or `{n,m}`; anything else in braces is a literal.
  private func counts() -> (minimum: Int, maximum: Int?, size: Int)? {
    var position = index + 1
    func number() -> Int? {
      let digits = text[position...].prefix { (0x30...0x39).contains($0) }
      let isPlain = digits.count == 1 || digits.first != 0x30
      guard !digits.isEmpty, isPlain else { return nil }
      position += digits.count
      // A number that does not fit is too large in any case.
      return digits.count > 6 ? Int.max : digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
    guard let minimum = number() else { return nil }
    var maximum: Int? = minimum
    if position < text.count, text[position] == Rune.comma {
      position += 1
      maximum = nil
      if position < text.count, text[position] != Rune.closingBrace {
        guard let most = number() else { return nil }
        maximum = most
      }
    }
    guard position < text.count, text[position] == Rune.closingBrace else { return nil }
    return (minimum, maximum, position + 1 - index)
  }
}
