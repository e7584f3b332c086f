/// Text as rclone's reader sees it: bytes, with the blanks of Unicode.
enum ByteText {
  /// UTF-8 of the blanks of Unicode that are longer than one byte (property White_Space).
  private static let wideBlanks: [[UInt8]] =
    [
      "\u{85}", "\u{a0}", "\u{1680}", "\u{2028}", "\u{2029}", "\u{202f}", "\u{205f}", "\u{3000}",
    ].map { Array($0.utf8) } + (0x80...0x8a).map { [0xe2, 0x80, $0] }

  /// `text` without blanks at both ends.
  static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var text = text
    while let count = blankCount(atStartOf: text) { text.removeFirst(count) }
    while let count = blankCount(atEndOf: text) { text.removeLast(count) }
    return text
  }

  private static func blankCount(atStartOf text: ArraySlice<UInt8>) -> Int? {
    guard let first = text.first else { return nil }
    if isBlank(first) { return 1 }
    guard first >= 0x80 else { return nil }
    return wideBlanks.first { text.starts(with: $0) }?.count
  }

  private static func blankCount(atEndOf text: ArraySlice<UInt8>) -> Int? {
    guard let last = text.last else { return nil }
    if isBlank(last) { return 1 }
    guard last >= 0x80 else { return nil }
    return wideBlanks.first { text.suffix($0.count).elementsEqual($0) }?.count
  }

  private static func isBlank(_ byte: UInt8) -> Bool {
    byte == 0x20 || (0x09...0x0d).contains(byte)
  }

  /// Index of the first occurrence of `part`.
  static func index(of part: [UInt8], in text: ArraySlice<UInt8>) -> Int? {
    guard text.count >= part.count, let first = part.first else { return nil }
    return (text.startIndex...(text.endIndex - part.count)).first {
      text[$0] == first && text[$0..<$0 + part.count].elementsEqual(part)
    }
  }

  /// Index of the last occurrence of `part`.
  static func lastIndex(of part: [UInt8], in text: ArraySlice<UInt8>) -> Int? {
    guard text.count >= part.count else { return nil }
    return (text.startIndex...(text.endIndex - part.count)).last {
      text[$0..<$0 + part.count].elementsEqual(part)
    }
  }

  /// `text` with every occurrence of `part`, from the left, replaced.
  static func replacing(_ part: [UInt8], by other: [UInt8], in text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var rest = text[...]
    while let index = index(of: part, in: rest) {
      result += rest[..<index]
      result += other
      rest = rest[(index + part.count)...]
    }
    return result + rest
  }
}
