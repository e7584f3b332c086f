/// Makes a regular expression of a glob, character by character as rclone makes it, so that
/// brackets and escapes mean what they mean there.
struct GlobTranslation {
  /// Whether the glob holds for the whole path, not for its last components.
  let isAnchored: Bool
  /// Without anchors.
  private(set) var expression: [UInt32] = []

  private var starCount = 0
  private var braceDepth = 0
  private var bracketDepth = 0
  private var isEscaped = false
  private var isInExpression = false
  /// Two closing braces have come; a third one belongs to the expression.
  private var isBehindExpression = false

  /// - Throws: `PatternProblem`.
  init(_ glob: [UInt32]) throws(PatternProblem) {
    isAnchored = glob.first == Rune.slash
    var previous: UInt32 = 0
    for rune in glob.dropFirst(isAnchored ? 1 : 0) {
      try read(rune, after: previous)
      previous = rune
    }
    try writeStars()
    if isEscaped { throw PatternProblem("it ends in a backslash") }
    if bracketDepth > 0 { throw PatternProblem("a bracket is not closed") }
    if isInExpression { throw PatternProblem("{{ is not closed") }
    if braceDepth > 0 { throw PatternProblem("a brace is not closed") }
  }

  private mutating func write(_ text: String) { expression += text.unicodeScalars.map(\.value) }

  private mutating func read(_ rune: UInt32, after previous: UInt32) throws(PatternProblem) {
    if isEscaped {
      expression.append(rune)
      isEscaped = false
      return
    }
    if isBehindExpression {
      if rune == Rune.closingBrace {
        expression[expression.count - 1] = Rune.closingBrace
        write(")")
        return
      }
      isBehindExpression = false
    }
    if isInExpression {
      readExpression(rune, after: previous)
      return
    }
    if rune != Rune.star { try writeStars() }
    if bracketDepth > 0 {
      expression.append(rune)
      if rune == Rune.bracket { bracketDepth += 1 }
      if rune == Rune.closingBracket { bracketDepth -= 1 }
      return
    }
    try readGlob(rune, after: previous)
  }

  private mutating func readExpression(_ rune: UInt32, after previous: UInt32) {
    guard rune == Rune.closingBrace, previous == Rune.closingBrace else {
      expression.append(rune)
      return
    }
    isInExpression = false
    isBehindExpression = true
    expression[expression.count - 1] = Rune.closingParenthesis
  }

  private mutating func readGlob(_ rune: UInt32, after previous: UInt32) throws(PatternProblem) {
    switch rune {
    case Rune.backslash:
      expression.append(rune)
      isEscaped = true
    case Rune.star: starCount += 1
    case Rune.question: write("[^/]")
    case Rune.bracket:
      expression.append(rune)
      bracketDepth += 1
    case Rune.closingBracket: throw PatternProblem("a closing bracket has no opening one")
    case Rune.brace:
      if braceDepth > 0, previous == Rune.brace {
        // The parenthesis of the first brace holds the expression.
        isInExpression = true
        braceDepth -= 1
      } else {
        braceDepth += 1
        write("(")
      }
    case Rune.closingBrace:
      guard braceDepth > 0 else { throw PatternProblem("a closing brace has no opening one") }
      braceDepth -= 1
      write(")")
    case Rune.comma where braceDepth > 0: write("|")
    default:
      if Rune.meta.contains(rune) { expression.append(Rune.backslash) }
      expression.append(rune)
    }
  }

  private mutating func writeStars() throws(PatternProblem) {
    switch starCount {
    case 0: return
    case 1: write("[^/]*")
    case 2: write(".*")
    default: throw PatternProblem("more than two stars in a row")
    }
    starCount = 0
  }
}

/// Characters that mean something.
enum Rune {
  static let slash: UInt32 = 0x2f
  static let star: UInt32 = 0x2a
  static let plus: UInt32 = 0x2b
  static let question: UInt32 = 0x3f
  static let backslash: UInt32 = 0x5c
  static let bracket: UInt32 = 0x5b
  static let closingBracket: UInt32 = 0x5d
  static let brace: UInt32 = 0x7b
  static let closingBrace: UInt32 = 0x7d
  static let parenthesis: UInt32 = 0x28
  static let closingParenthesis: UInt32 = 0x29
  static let comma: UInt32 = 0x2c
  static let bar: UInt32 = 0x7c
  static let caret: UInt32 = 0x5e
  static let dollar: UInt32 = 0x24
  static let dot: UInt32 = 0x2e
  static let colon: UInt32 = 0x3a
  static let hyphen: UInt32 = 0x2d
  static let newline: UInt32 = 0x0a
  static let replacement: UInt32 = 0xfffd
  /// Of regular expressions, without those that a glob has a meaning for.
  static let meta: Set<UInt32> = [
    dot, plus, parenthesis, closingParenthesis, bar, caret, dollar,
  ]

  /// The characters of a text; a byte that is not part of UTF-8 is U+FFFD.
  static func runes(of text: [UInt8]) -> [UInt32] {
    text.withUnsafeBufferPointer { text in
      var result: [UInt32] = []
      var index = 0
      while index < text.count {
        let (rune, size) = decode(text, at: index)
        result.append(rune)
        index += size
      }
      return result
    }
  }

  /// The character at `index` and the count of its bytes, 1 for a byte that is not part of UTF-8.
  /// Source: RFC 3629, section 4.
  @inline(__always)
  static func decode(_ text: UnsafeBufferPointer<UInt8>, at index: Int) -> (UInt32, Int) {
    let first = text[index]
    if first < 0x80 { return (UInt32(first), 1) }
    return decodeLong(text, at: index)
  }

  private static func decodeLong(
    _ text: UnsafeBufferPointer<UInt8>, at index: Int
  ) -> (UInt32, Int) {
    let first = text[index]
    let size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
    guard first >= 0xc2, first <= 0xf4, index + size <= text.count else { return (replacement, 1) }
    var value = UInt32(first) & (0x7f >> UInt32(size))
    for offset in 1..<size {
      let byte = text[index + offset]
      guard byte & 0xc0 == 0x80 else { return (replacement, 1) }
      value = value << 6 | UInt32(byte & 0x3f)
    }
    let isShortest = value >= (size == 4 ? 0x10000 : size == 3 ? 0x800 : 0x80)
    let isSurrogate = value >= 0xd800 && value <= 0xdfff
    guard isShortest, !isSurrogate, value <= RuneSet.runeMax else { return (replacement, 1) }
    return (value, size)
  }
}
