/// How names stand in a tree: quoted as Go's `strconv.Quote` does, without the quotation marks.
///
/// The quoted form is ASCII and printable Unicode, whatever the bytes of the name are, so that it
/// can go into JSON and come back as it was. `"` and `\` get a backslash, control characters a
/// short escape or `\xhh`, bytes that are not UTF-8 `\xhh`, other unprintable scalars `\uhhhh` or
/// `\Uhhhhhhhh`. What is printable follows Unicode 13, the version of Go 1.19 (restic 0.14).
/// Source: the restic repository format, "names"; Go's strconv.Quote.
enum NameQuoting {
  /// Appends the quoted form to a text.
  static func append(_ name: UnsafeRawBufferPointer, to text: inout [UInt8]) {
    var start = 0
    var index = 0
    while index < name.count {
      let length = plainLength(name, at: index)
      if length > 0 {
        index += length
        continue
      }
      if start < index {
        text.append(contentsOf: UnsafeRawBufferPointer(rebasing: name[start..<index]))
      }
      index += appendEscape(name, at: index, to: &text)
      start = index
    }
    if start < index {
      text.append(contentsOf: UnsafeRawBufferPointer(rebasing: name[start..<index]))
    }
  }

  /// Whether a name and its quoted form are the same.
  @inline(__always)
  static func isPlain(_ name: UnsafeRawBufferPointer) -> Bool {
    var index = 0
    while index < name.count {
      let length = plainLength(name, at: index)
      if length == 0 { return false }
      index += length
    }
    return true
  }

  /// Length of the scalar at `index` when it stands for itself, otherwise 0.
  @inline(__always)
  private static func plainLength(_ name: UnsafeRawBufferPointer, at index: Int) -> Int {
    let byte = name[index]
    if byte < 0x80 {
      let isPlain =
        byte >= 0x20 && byte < 0x7f && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
      return isPlain ? 1 : 0
    }
    let length = utf8Length(name, at: index)
    guard length > 0, isPrintable(utf8Scalar(name, at: index, length: length)) else { return 0 }
    return length
  }

  /// Whether Go calls a scalar printable.
  static func isPrintable(_ scalar: UInt32) -> Bool {
    unprintableRangeBounds.withUnsafeBufferPointer { bounds in
      var low = 0
      var high = bounds.count
      while low < high {
        let middle = (low + high) / 2
        if bounds[middle] <= scalar { low = middle + 1 } else { high = middle }
      }
      return low.isMultiple(of: 2)
    }
  }

  /// Appends the escape of what stands at `index` and gives its length in the name.
  private static func appendEscape(
    _ name: UnsafeRawBufferPointer, at index: Int, to text: inout [UInt8]
  ) -> Int {
    let length = utf8Length(name, at: index)
    text.append(UInt8(ascii: "\\"))
    guard length > 0 else {
      appendHex(UInt32(name[index]), letter: "x", digits: 2, to: &text)
      return 1
    }
    let scalar = utf8Scalar(name, at: index, length: length)
    if let letter = shortEscape(scalar) {
      text.append(letter)
    } else if scalar < 0x20 || scalar == 0x7f {
      appendHex(scalar, letter: "x", digits: 2, to: &text)
    } else if scalar < 0x10000 {
      appendHex(scalar, letter: "u", digits: 4, to: &text)
    } else {
      appendHex(scalar, letter: "U", digits: 8, to: &text)
    }
    return length
  }

  private static func shortEscape(_ scalar: UInt32) -> UInt8? {
    switch scalar {
    case 0x22, 0x5c: UInt8(scalar)
    case 0x07: UInt8(ascii: "a")
    case 0x08: UInt8(ascii: "b")
    case 0x0c: UInt8(ascii: "f")
    case 0x0a: UInt8(ascii: "n")
    case 0x0d: UInt8(ascii: "r")
    case 0x09: UInt8(ascii: "t")
    case 0x0b: UInt8(ascii: "v")
    default: nil
    }
  }

  private static func appendHex(
    _ value: UInt32, letter: Unicode.Scalar, digits: UInt32, to text: inout [UInt8]
  ) {
    text.append(UInt8(ascii: letter))
    var position = digits
    while position > 0 {
      position -= 1
      text.append(hexDigit(UInt8(truncatingIfNeeded: value >> (4 * position)) & 15))
    }
  }
}

extension NameQuoting {
  /// Appends the bytes that a quoted form stands for; false, with some of them appended, when it is
  /// none: an unknown or short escape, a scalar that does not exist, a bare quotation mark or line
  /// break.
  static func append(unquoting text: UnsafeRawBufferPointer, to name: inout [UInt8]) -> Bool {
    var index = 0
    while index < text.count {
      let byte = text[index]
      index += 1
      if byte == UInt8(ascii: "\"") || byte == 0x0a { return false }
      if byte != UInt8(ascii: "\\") {
        name.append(byte)
        continue
      }
      guard index < text.count else { return false }
      let letter = text[index]
      index += 1
      if let byte = meaning(ofShortEscape: letter) {
        name.append(byte)
      } else if !appendNumbered(letter, text, &index, to: &name) {
        return false
      }
    }
    return true
  }

  private static func meaning(ofShortEscape letter: UInt8) -> UInt8? {
    switch letter {
    case UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "'"): letter
    case UInt8(ascii: "a"): 0x07
    case UInt8(ascii: "b"): 0x08
    case UInt8(ascii: "f"): 0x0c
    case UInt8(ascii: "n"): 0x0a
    case UInt8(ascii: "r"): 0x0d
    case UInt8(ascii: "t"): 0x09
    case UInt8(ascii: "v"): 0x0b
    default: nil
    }
  }

  /// `\xhh`, `\ooo`, `\uhhhh`, `\Uhhhhhhhh`; `index` stands behind the letter.
  private static func appendNumbered(
    _ letter: UInt8, _ text: UnsafeRawBufferPointer, _ index: inout Int, to name: inout [UInt8]
  ) -> Bool {
    let count: Int
    let radix: UInt64
    switch letter {
    case UInt8(ascii: "x"): (count, radix) = (2, 16)
    case UInt8(ascii: "u"): (count, radix) = (4, 16)
    case UInt8(ascii: "U"): (count, radix) = (8, 16)
    case UInt8(ascii: "0")...UInt8(ascii: "7"):
      (count, radix) = (3, 8)
      index -= 1
    default: return false
    }
    guard text.count - index >= count else { return false }
    var value: UInt64 = 0
    for position in index..<index + count {
      guard let digit = digitValue(text[position]), digit < radix else { return false }
      value = value * radix + digit
    }
    index += count
    if count <= 3 {
      guard value < 256 else { return false }
      name.append(UInt8(value))
      return true
    }
    guard let scalar = Unicode.Scalar(UInt32(truncatingIfNeeded: value)) else { return false }
    name.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    return true
  }

  private static func digitValue(_ digit: UInt8) -> UInt64? {
    switch digit {
    case 0x30...0x39: UInt64(digit - 0x30)
    case 0x41...0x46: UInt64(digit - 0x41 + 10)
    case 0x61...0x66: UInt64(digit - 0x61 + 10)
    default: nil
    }
  }
}
