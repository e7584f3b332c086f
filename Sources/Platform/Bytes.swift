/// Lower-case hex of bytes.
@inlinable package func hex(_ bytes: some Sequence<UInt8>) -> String {
  var text: [UInt8] = []
  text.reserveCapacity(bytes.underestimatedCount * 2)
  appendHex(bytes, to: &text)
  return String(decoding: text, as: UTF8.self)
}

/// Appends lower-case hex digits, two for each byte.
@inlinable package func appendHex(_ bytes: some Sequence<UInt8>, to text: inout [UInt8]) {
  func digit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") - 10 + value
  }
  for byte in bytes {
    text.append(digit(byte >> 4))
    text.append(digit(byte & 15))
  }
}

/// Bytes of a hex text of either case; nil when it is not one, or of odd length.
package func bytes(hex text: some StringProtocol) -> [UInt8]? {
  func value(_ digit: UInt8) -> UInt8? {
    switch digit {
    case 0x30...0x39: digit - 0x30
    case 0x61...0x66: digit - 0x61 + 10
    case 0x41...0x46: digit - 0x41 + 10
    default: nil
    }
  }
  let digits = Array(text.utf8)
  guard digits.count.isMultiple(of: 2) else { return nil }
  var result: [UInt8] = []
  result.reserveCapacity(digits.count / 2)
  for index in stride(from: 0, to: digits.count, by: 2) {
    guard let high = value(digits[index]), let low = value(digits[index + 1]) else { return nil }
    result.append(high << 4 | low)
  }
  return result
}

/// A name or path for people: UTF-8 as it is, everything else and control bytes as `\#ooo`, as
/// rsync writes them.
package func printable(_ bytes: some Sequence<UInt8>) -> String {
  let raw = Array(bytes)
  let text = String(decoding: raw, as: UTF8.self)
  let plain = !raw.contains { $0 < 0x20 || $0 == 0x7f }
  if plain, Array(text.utf8) == raw { return text }
  var result = ""
  for scalar in raw {
    if scalar >= 0x20, scalar < 0x7f {
      result.unicodeScalars.append(Unicode.Scalar(scalar))
    } else {
      let octal = String(scalar, radix: 8)
      result += "\\#" + String(repeating: "0", count: 3 - octal.count) + octal
    }
  }
  return result
}
