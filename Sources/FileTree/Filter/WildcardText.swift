/// A path, or its last component, as the wildcard matcher sees it: borrowed bytes with, where a
/// rule calls for it, one slash before and one behind.
struct WildcardText {
  private let base: UnsafePointer<UInt8>
  private let bodyCount: Int
  private let lead: Int
  private let count: Int

  init(base: UnsafePointer<UInt8>, count: Int, leadingSlash: Bool, trailingSlash: Bool) {
    self.base = base
    bodyCount = count
    lead = leadingSlash ? 1 : 0
    self.count = count + lead + (trailingSlash ? 1 : 0)
  }

  private subscript(index: Int) -> UInt8 {
    let position = index - lead
    return position >= 0 && position < bodyCount ? base[position] : FilterByte.slash
  }

  /// Whether the pattern covers the text from `start` to its end.
  ///
  /// `*` and `?` and sets stop at slashes, `**` does not. Two places to go back to are enough, the
  /// last `*` and the last `**`: what an earlier one could do differently, the later one can do as
  /// well.
  func matches(_ pattern: UnsafeBufferPointer<UInt8>, from start: Int) -> Bool {
    var position = 0
    var index = start
    var narrow: (position: Int, index: Int)?
    var crossing: (position: Int, index: Int)?
    while true {
      if position == pattern.count {
        if index == count { return true }
      } else if pattern[position] == FilterByte.star {
        let after = endOfStars(pattern, position)
        let crosses = after - position > 1
        guard after == pattern.count else {
          if crosses {
            crossing = (after, index)
            narrow = nil
          } else {
            narrow = (after, index)
          }
          position = after
          continue
        }
        if crosses || !hasSlash(from: index) { return true }
      } else if index < count {
        let next = position + wildcardStep(pattern, position, byte: self[index])
        if next > position {
          position = next
          index += 1
          continue
        }
      }
      if let back = narrow, back.index < count, self[back.index] != FilterByte.slash {
        narrow = (back.position, back.index + 1)
        (position, index) = (back.position, back.index + 1)
      } else if let back = crossing, back.index < count {
        crossing = (back.position, back.index + 1)
        narrow = nil
        (position, index) = (back.position, back.index + 1)
      } else {
        return false
      }
    }
  }

  /// Whether the pattern covers the text from its start or from behind any of its slashes.
  func matchesAtAnyComponent(_ pattern: UnsafeBufferPointer<UInt8>) -> Bool {
    if matches(pattern, from: 0) { return true }
    var index = 0
    while index < count {
      if self[index] == FilterByte.slash, matches(pattern, from: index + 1) { return true }
      index += 1
    }
    return false
  }

  /// Where the last `components` components begin; nil when there are fewer.
  func startOfLast(_ components: Int) -> Int? {
    var missing = components
    var index = count
    while index > 0 {
      index -= 1
      if self[index] == FilterByte.slash {
        missing -= 1
        if missing == 0 { return index + 1 }
      }
    }
    return missing == 1 ? 0 : nil
  }

  private func hasSlash(from start: Int) -> Bool {
    var index = start
    while index < count {
      if self[index] == FilterByte.slash { return true }
      index += 1
    }
    return false
  }

  private func endOfStars(_ pattern: UnsafeBufferPointer<UInt8>, _ position: Int) -> Int {
    var end = position
    while end < pattern.count, pattern[end] == FilterByte.star { end += 1 }
    return end
  }
}

/// How many bytes of the pattern at `position` match one `byte` of text; 0 when they do not match.
private func wildcardStep(
  _ pattern: UnsafeBufferPointer<UInt8>, _ position: Int, byte: UInt8
) -> Int {
  switch pattern[position] {
  case FilterByte.question:
    return byte == FilterByte.slash ? 0 : 1
  case FilterByte.bracket:
    return wildcardSetStep(pattern, position, byte: byte)
  case FilterByte.backslash:
    // A backslash at the very end matches nothing.
    guard position + 1 < pattern.count else { return 0 }
    return pattern[position + 1] == byte ? 2 : 0
  default:
    return pattern[position] == byte ? 1 : 0
  }
}

/// The same for a set, `[…]`, which begins at `position`. A set without end and one with an unknown
/// class match nothing.
private func wildcardSetStep(
  _ pattern: UnsafeBufferPointer<UInt8>, _ position: Int, byte: UInt8
) -> Int {
  var index = position + 1
  var isNegated = false
  if index < pattern.count,
    pattern[index] == UInt8(ascii: "!") || pattern[index] == FilterByte.caret
  {
    isNegated = true
    index += 1
  }
  var found = false
  /// The byte that a range may start with; nil after a range and after a class.
  var previous: UInt8?
  repeat {
    guard index < pattern.count else { return 0 }
    var current: UInt8? = pattern[index]
    if current == FilterByte.backslash {
      index += 1
      guard index < pattern.count else { return 0 }
      current = pattern[index]
      if byte == pattern[index] { found = true }
    } else if current == FilterByte.hyphen, let low = previous, index + 1 < pattern.count,
      pattern[index + 1] != FilterByte.closing
    {
      index += 1
      if pattern[index] == FilterByte.backslash { index += 1 }
      guard index < pattern.count else { return 0 }
      if byte >= low, byte <= pattern[index] { found = true }
      current = nil
    } else if current == FilterByte.bracket, index + 1 < pattern.count,
      pattern[index + 1] == FilterByte.colon
    {
      var end = index + 2
      while end < pattern.count, pattern[end] != FilterByte.closing { end += 1 }
      guard end < pattern.count else { return 0 }
      if end - 1 > index + 1, pattern[end - 1] == FilterByte.colon {
        let name = UnsafeBufferPointer(rebasing: pattern[(index + 2)..<(end - 1)])
        guard let isMember = characterClass(name, contains: byte) else { return 0 }
        if isMember { found = true }
        index = end
        current = nil
      } else if byte == FilterByte.bracket {
        found = true
      }
    } else if byte == pattern[index] {
      found = true
    }
    previous = current
    index += 1
  } while index >= pattern.count || pattern[index] != FilterByte.closing
  return found == isNegated || byte == FilterByte.slash ? 0 : index + 1 - position
}

/// Whether a class of POSIX, by ASCII, holds the byte; nil for a name that is no class.
private func characterClass(_ name: UnsafeBufferPointer<UInt8>, contains byte: UInt8) -> Bool? {
  func isNamed(_ text: StaticString) -> Bool {
    guard text.utf8CodeUnitCount == name.count else { return false }
    return UnsafeBufferPointer(start: text.utf8Start, count: name.count).elementsEqual(name)
  }
  let isUpper = byte >= 0x41 && byte <= 0x5a
  let isLower = byte >= 0x61 && byte <= 0x7a
  let isDigit = byte >= 0x30 && byte <= 0x39
  let isGraph = byte > 0x20 && byte < 0x7f
  if isNamed("alnum") { return isUpper || isLower || isDigit }
  if isNamed("alpha") { return isUpper || isLower }
  if isNamed("blank") { return byte == 0x20 || byte == 0x09 }
  if isNamed("cntrl") { return byte < 0x20 || byte == 0x7f }
  if isNamed("digit") { return isDigit }
  if isNamed("graph") { return isGraph }
  if isNamed("lower") { return isLower }
  if isNamed("print") { return isGraph || byte == 0x20 }
  if isNamed("punct") { return isGraph && !isUpper && !isLower && !isDigit }
  if isNamed("space") { return byte == 0x20 || (byte >= 0x09 && byte <= 0x0d) }
  if isNamed("upper") { return isUpper }
  if isNamed("xdigit") {
    return isDigit || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66)
  }
  return nil
}
