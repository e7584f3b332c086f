extension PatternParser {
  static let word = RuneSet([0x30...0x39, 0x41...0x5a, 0x5f...0x5f, 0x61...0x7a])
  private static let digit = RuneSet([0x30...0x39])
  private static let blank = RuneSet([0x09...0x0a, 0x0c...0x0d, 0x20...0x20])

  private static let classes: [String: RuneSet] = [
    "alnum": RuneSet([0x30...0x39, 0x41...0x5a, 0x61...0x7a]),
    "alpha": RuneSet([0x41...0x5a, 0x61...0x7a]), "ascii": RuneSet([0...0x7f]),
    "blank": RuneSet([0x09...0x09, 0x20...0x20]), "cntrl": RuneSet([0...0x1f, 0x7f...0x7f]),
    "digit": digit, "graph": RuneSet([0x21...0x7e]), "lower": RuneSet([0x61...0x7a]),
    "print": RuneSet([0x20...0x7e]),
    "punct": RuneSet([0x21...0x2f, 0x3a...0x40, 0x5b...0x60, 0x7b...0x7e]),
    "space": RuneSet([0x09...0x0d, 0x20...0x20]), "upper": RuneSet([0x41...0x5a]), "word": word,
    "xdigit": RuneSet([0x30...0x39, 0x41...0x46, 0x61...0x66]),
  ]

  /// What a backslash and what follows it stand for, outside of a set.
  mutating func parseEscape() throws(PatternProblem) -> RuneSet {
    if let set = namedSet() { return set }
    return literal(try parseEscapedRune())
  }

  /// `\d`, `\w`, `\s`, or the opposite of one.
  private mutating func namedSet() -> RuneSet? {
    guard peek == Rune.backslash, let name = peek(1) else { return nil }
    let set: RuneSet
    switch name | 0x20 {
    case 0x64: set = PatternParser.digit
    case 0x77: set = PatternParser.word
    case 0x73: set = PatternParser.blank
    default: return nil
    }
    index += 2
    let folded = flags.foldsCase ? set.folded : set
    return name & 0x20 == 0 ? folded.inverted : folded
  }

  private mutating func parseEscapedRune() throws(PatternProblem) -> UInt32 {
    index += 1
    guard let rune = peek else { throw PatternProblem("it ends in a backslash") }
    index += 1
    let isLetterOrDigit = PatternParser.word.contains(rune) && rune != 0x5f
    if rune < 0x80, !isLetterOrDigit { return rune }
    switch rune {
    case 0x61: return 0x07
    case 0x66: return 0x0c
    case 0x6e: return 0x0a
    case 0x72: return 0x0d
    case 0x74: return 0x09
    case 0x76: return 0x0b
    case 0x78: return try parseHexadecimal()
    case 0x30: return octal(rune)
    case 0x31...0x37 where (0x30...0x37).contains(peek ?? 0): return octal(rune)
    default:
      let name = Unicode.Scalar(rune).map { String(Character($0)) } ?? "?"
      throw PatternProblem("\\\(name) is not served")
    }
  }

  /// Up to three digits, the first of which has been taken.
  private mutating func octal(_ first: UInt32) -> UInt32 {
    var value = first - 0x30
    for _ in 0..<2 {
      guard let digit = peek, (0x30...0x37).contains(digit) else { break }
      value = value * 8 + digit - 0x30
      index += 1
    }
    return value
  }

  /// Two digits, or any count of them in braces.
  private mutating func parseHexadecimal() throws(PatternProblem) -> UInt32 {
    let problem = PatternProblem("\\x is followed by no character's number")
    let inBraces = take(Rune.brace)
    var value: UInt32 = 0
    var count = 0
    while let rune = peek, let digit = PatternParser.hexadecimal(rune), inBraces || count < 2 {
      value = value * 16 + digit
      guard value <= RuneSet.runeMax else { throw problem }
      count += 1
      index += 1
    }
    guard inBraces ? count > 0 && take(Rune.closingBrace) : count == 2 else { throw problem }
    return value
  }

  private static func hexadecimal(_ rune: UInt32) -> UInt32? {
    switch rune {
    case 0x30...0x39: rune - 0x30
    case 0x41...0x46: rune - 0x41 + 10
    case 0x61...0x66: rune - 0x61 + 10
    default: nil
    }
  }

  /// A set in brackets.
  mutating func parseSet() throws(PatternProblem) -> RuneSet {
    index += 1
    let isInverted = take(Rune.caret)
    var set = RuneSet()
    var isFirst = true
    while peek != Rune.closingBracket || isFirst {
      guard peek != nil else { throw PatternProblem("a bracket is not closed") }
      isFirst = false
      if let named = try parseClass() ?? namedSet() {
        set.formUnion(named)
        continue
      }
      let range = try parseRange()
      let part = RuneSet([range])
      set.formUnion(flags.foldsCase ? part.folded : part)
    }
    index += 1
    return isInverted ? set.inverted : set
  }

  private mutating func parseRange() throws(PatternProblem) -> ClosedRange<UInt32> {
    let low = try parseSetRune()
    guard peek == Rune.hyphen, let next = peek(1), next != Rune.closingBracket else {
      return low...low
    }
    index += 1
    let high = try parseSetRune()
    guard low <= high else { throw PatternProblem("a range of a set is of the wrong order") }
    return low...high
  }

  private mutating func parseSetRune() throws(PatternProblem) -> UInt32 {
    guard let rune = peek else { throw PatternProblem("a bracket is not closed") }
    if rune == Rune.backslash { return try parseEscapedRune() }
    index += 1
    return rune
  }

  /// `[:name:]` or `[:^name:]`; nil when none stands here.
  private mutating func parseClass() throws(PatternProblem) -> RuneSet? {
    guard peek == Rune.bracket, peek(1) == Rune.colon,
      let end = text.indices.first(where: {
        $0 >= index + 2 && $0 + 1 < text.count && text[$0] == Rune.colon
          && text[$0 + 1] == Rune.closingBracket
      })
    else { return nil }
    var name = text[(index + 2)..<end]
    let isInverted = name.first == Rune.caret
    if isInverted { name.removeFirst() }
    let key = String(String.UnicodeScalarView(name.compactMap { Unicode.Scalar($0) }))
    guard let set = PatternParser.classes[key] else {
      throw PatternProblem("[:\(key):] is no class of characters")
    }
    index = end + 2
    let folded = flags.foldsCase ? set.folded : set
    return isInverted ? folded.inverted : folded
  }
}
