import Platform

/// Writes JSON as Go's encoder does, byte for byte, into one growing buffer.
///
/// What it writes is hashed and compared with what restic wrote: not valid JSON of the same meaning
/// is wanted, but the same bytes. Nothing is allocated for a field. Strings are UTF-8 with these
/// exceptions: `"` and `\` escaped, `\n \r \t` short, `<` `>` `&` U+2028 U+2029 and all other
/// control characters below 0x20 as `\u00hh`, and `\ufffd` for each byte that is not UTF-8.
///
/// Backspace and form feed are `\u0008` and `\u000c`, as restic 0.14 (Go 1.19) writes them; builds
/// with Go 1.22 or later write `\b` and `\f`. A name never holds either form, because it is quoted
/// before (``NameQuoting``), so that only the targets of symbolic links with such a byte differ,
/// and the difference costs one tree that is stored twice.
/// Source: the restic repository format, "Go JSON rules"; Go's encoding/json.
package struct GoJSON {
  /// The text so far.
  package private(set) var bytes: [UInt8] = []

  package init() {}

  /// Empties the text and keeps its memory.
  package mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

  package mutating func reserve(_ byteCount: Int) { bytes.reserveCapacity(byteCount) }

  /// Takes the text out and leaves an empty one.
  package mutating func take() -> [UInt8] {
    let text = bytes
    bytes = []
    return text
  }

  /// Punctuation, keys and words, as they stand.
  @inline(__always)
  mutating func raw(_ text: StaticString) {
    bytes.append(
      contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  mutating func raw(_ text: some Sequence<UInt8>) { bytes.append(contentsOf: text) }

  mutating func raw(_ text: UnsafeRawBufferPointer) { bytes.append(contentsOf: text) }

  mutating func byte(_ byte: UInt8) { bytes.append(byte) }

  /// Base64 without quotation marks.
  mutating func base64(_ content: UnsafeRawBufferPointer) { Base64.append(content, to: &bytes) }

  /// An unsigned number in decimal.
  mutating func number(_ value: UInt64) {
    if value < 10 {
      bytes.append(0x30 + UInt8(truncatingIfNeeded: value))
      return
    }
    withUnsafeTemporaryAllocation(byteCount: 20, alignment: 1) { digits in
      var rest = value
      var start = 20
      while rest > 0 {
        let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
        start -= 1
        digits[start] = 0x30 + UInt8(truncatingIfNeeded: digit)
        rest = quotient
      }
      bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: digits[start..<20]))
    }
  }

  /// A signed number in decimal.
  mutating func number(_ value: Int64) {
    if value < 0 { bytes.append(UInt8(ascii: "-")) }
    number(value.magnitude)
  }

  /// Exactly `width` digits with leading zeros; higher ones are cut off.
  mutating func digits(_ value: Int64, width: Int) {
    var divisor: UInt64 = 1
    for _ in 1..<width { divisor *= 10 }
    var rest = value.magnitude
    while divisor > 0 {
      bytes.append(0x30 + UInt8(truncatingIfNeeded: rest / divisor % 10))
      rest %= divisor
      divisor /= 10
    }
  }

  /// An identifier between quotation marks.
  mutating func identifier<Role>(_ id: Identifier<Role>) {
    withUnsafeTemporaryAllocation(byteCount: 66, alignment: 1) { text in
      text[0] = UInt8(ascii: "\"")
      text[65] = UInt8(ascii: "\"")
      writeHex(id.words.0, text, 1)
      writeHex(id.words.1, text, 17)
      writeHex(id.words.2, text, 33)
      writeHex(id.words.3, text, 49)
      bytes.append(contentsOf: UnsafeRawBufferPointer(text))
    }
  }

  /// A string of bytes that should be UTF-8.
  mutating func string(_ text: UnsafeRawBufferPointer) {
    bytes.append(UInt8(ascii: "\""))
    escaped(text)
    bytes.append(UInt8(ascii: "\""))
  }

  mutating func string(_ text: String) {
    var text = text
    text.withUTF8 { string(UnsafeRawBufferPointer($0)) }
  }

  /// The inside of a string.
  mutating func escaped(_ text: UnsafeRawBufferPointer) {
    var start = 0
    var index = 0
    while index < text.count {
      let byte = text[index]
      if byte < 0x80 {
        if !isPlain(byte) {
          copy(text, start, index)
          escape(byte)
          start = index + 1
        }
        index += 1
        continue
      }
      let length = utf8Length(text, at: index)
      if length == 0 {
        copy(text, start, index)
        raw("\\ufffd")
        index += 1
        start = index
      } else if length == 3, isLineSeparator(text, at: index) {
        copy(text, start, index)
        raw(text[index + 2] == 0xa8 ? "\\u2028" : "\\u2029")
        index += 3
        start = index
      } else {
        index += length
      }
    }
    copy(text, start, index)
  }

  private mutating func copy(_ text: UnsafeRawBufferPointer, _ start: Int, _ end: Int) {
    if start < end { bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[start..<end])) }
  }

  private mutating func escape(_ byte: UInt8) {
    switch byte {
    case UInt8(ascii: "\""): raw("\\\"")
    case UInt8(ascii: "\\"): raw("\\\\")
    case 0x0a: raw("\\n")
    case 0x0d: raw("\\r")
    case 0x09: raw("\\t")
    default:
      raw("\\u00")
      bytes.append(hexDigit(byte >> 4))
      bytes.append(hexDigit(byte & 15))
    }
  }
}

/// Whether Go's encoder copies an ASCII byte as it is.
@inline(__always)
private func isPlain(_ byte: UInt8) -> Bool {
  switch byte {
  case 0..<0x20, UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "<"), UInt8(ascii: ">"),
    UInt8(ascii: "&"):
    false
  default: true
  }
}

private func isLineSeparator(_ text: UnsafeRawBufferPointer, at index: Int) -> Bool {
  text[index] == 0xe2 && text[index + 1] == 0x80 && text[index + 2] & 0xfe == 0xa8
}

/// The sixteen digits of a word.
@inline(__always)
private func writeHex(_ word: UInt64, _ text: UnsafeMutableRawBufferPointer, _ start: Int) {
  var rest = word
  var position = start + 15
  while position >= start {
    text[position] = hexDigit(UInt8(truncatingIfNeeded: rest) & 15)
    rest >>= 4
    position -= 1
  }
}

/// One lower-case hexadecimal digit.
@inline(__always)
func hexDigit(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 + nibble : 0x57 + nibble }

/// Length of the well-formed UTF-8 sequence at `index`, which is inside the text; 0 when there is
/// none: cut short, overlong, a surrogate, or beyond U+10FFFF.
func utf8Length(_ text: UnsafeRawBufferPointer, at index: Int) -> Int {
  let first = text[index]
  if first < 0x80 { return 1 }
  let length: Int
  var lowest: UInt8 = 0x80
  var highest: UInt8 = 0xbf
  switch first {
  case 0xc2...0xdf: length = 2
  case 0xe0: (length, lowest) = (3, 0xa0)
  case 0xed: (length, highest) = (3, 0x9f)
  case 0xe1...0xef: length = 3
  case 0xf0: (length, lowest) = (4, 0x90)
  case 0xf4: (length, highest) = (4, 0x8f)
  case 0xf1...0xf3: length = 4
  default: return 0
  }
  guard text.count - index >= length, text[index + 1] >= lowest, text[index + 1] <= highest else {
    return 0
  }
  for position in 2..<max(2, length) where text[index + position] & 0xc0 != 0x80 { return 0 }
  return length
}

/// The scalar of a well-formed sequence of `length` bytes.
func utf8Scalar(_ text: UnsafeRawBufferPointer, at index: Int, length: Int) -> UInt32 {
  let first = UInt32(text[index])
  if length == 1 { return first }
  var value = first & (0x7f >> UInt32(length))
  for position in 1..<length { value = value << 6 | UInt32(text[index + position] & 0x3f) }
  return value
}
