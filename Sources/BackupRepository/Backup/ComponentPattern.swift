/// A pattern for one component of a path, as Go's `filepath.Match` reads it.
///
/// `*` stands for any bytes, `?` for one character, `[a-z]` and `[^a-z]` for one of a set, `\c` for
/// the character itself. Characters are those of UTF-8; a byte that is none counts as one.
/// Source: Go's path/filepath.Match.
struct ComponentPattern: Sendable, Equatable {
  private enum Token: Sendable, Equatable {
    /// Exactly these bytes.
    case literal([UInt8])
    case anyCharacter
    case anyBytes
    case set(isNegated: Bool, [ClosedRange<UInt32>])
  }

  private let tokens: [Token]

  /// nil when the pattern is malformed: a set without end or without members, a range without its
  /// end, a backslash at the end.
  init?(_ pattern: [UInt8]) {
    var parser = ComponentParser(pattern)
    var tokens: [Token] = []
    while let byte = parser.next() {
      switch byte {
      case UInt8(ascii: "*"):
        if tokens.last != .anyBytes { tokens.append(.anyBytes) }
      case UInt8(ascii: "?"): tokens.append(.anyCharacter)
      case UInt8(ascii: "["):
        guard let (isNegated, ranges) = parser.set() else { return nil }
        tokens.append(.set(isNegated: isNegated, ranges))
      default:
        guard let literal = byte == UInt8(ascii: "\\") ? parser.next() : byte else { return nil }
        if case .literal(let bytes) = tokens.last {
          tokens[tokens.count - 1] = .literal(bytes + [literal])
        } else {
          tokens.append(.literal([literal]))
        }
      }
    }
    self.tokens = tokens
  }

  /// Whether the pattern covers the whole component.
  func matches(_ text: UnsafeRawBufferPointer) -> Bool {
    var token = 0
    var index = 0
    // Where to go back to: one byte further behind the last star. An earlier star could do nothing
    // that the last one cannot.
    var retry: (token: Int, index: Int)?
    while true {
      if token == tokens.count {
        if index == text.count { return true }
      } else if tokens[token] == .anyBytes {
        token += 1
        retry = (token, index)
        continue
      } else if let length = step(tokens[token], text, index) {
        token += 1
        index += length
        continue
      }
      guard let (start, from) = retry, from < text.count else { return false }
      retry = (start, from + 1)
      (token, index) = (start, from + 1)
    }
  }

  /// Bytes that a token covers at `index`; nil when it does not match there.
  private func step(_ token: Token, _ text: UnsafeRawBufferPointer, _ index: Int) -> Int? {
    switch token {
    case .literal(let bytes):
      guard text.count - index >= bytes.count else { return nil }
      for position in bytes.indices where text[index + position] != bytes[position] { return nil }
      return bytes.count
    case .anyCharacter:
      return index < text.count ? max(1, utf8Length(text, at: index)) : nil
    case .set(let isNegated, let ranges):
      guard index < text.count else { return nil }
      let length = utf8Length(text, at: index)
      let scalar = length == 0 ? 0xfffd : utf8Scalar(text, at: index, length: length)
      return ranges.contains { $0.contains(scalar) } == isNegated ? nil : max(1, length)
    case .anyBytes: return 0
    }
  }
}

/// Reads a pattern from its start to its end.
private struct ComponentParser {
  private let bytes: [UInt8]
  private var index = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  mutating func next() -> UInt8? {
    guard index < bytes.count else { return nil }
    index += 1
    return bytes[index - 1]
  }

  private func peek() -> UInt8? { index < bytes.count ? bytes[index] : nil }

  /// The rest of a set, behind its bracket; nil when it is malformed.
  mutating func set() -> (isNegated: Bool, ranges: [ClosedRange<UInt32>])? {
    let isNegated = peek() == UInt8(ascii: "^")
    if isNegated { index += 1 }
    var ranges: [ClosedRange<UInt32>] = []
    while true {
      if peek() == UInt8(ascii: "]"), !ranges.isEmpty || hasEmptyRange {
        index += 1
        return (isNegated, ranges)
      }
      guard let low = character() else { return nil }
      var high = low
      if peek() == UInt8(ascii: "-") {
        index += 1
        guard let end = character() else { return nil }
        high = end
      }
      // `[z-a]` is a member that matches nothing.
      if low <= high { ranges.append(low...high) } else { hasEmptyRange = true }
    }
  }

  private var hasEmptyRange = false

  /// One member of a set, which cannot be the last of the pattern.
  private mutating func character() -> UInt32? {
    guard let first = peek(), first != UInt8(ascii: "-"), first != UInt8(ascii: "]") else {
      return nil
    }
    if first == UInt8(ascii: "\\") { index += 1 }
    let scalar: UInt32? = bytes.withUnsafeBytes { text in
      guard index < text.count else { return nil }
      let length = utf8Length(text, at: index)
      guard length > 0 else { return nil }
      index += length
      return utf8Scalar(text, at: index - length, length: length)
    }
    return index < bytes.count ? scalar : nil
  }
}
