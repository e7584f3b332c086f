/// Base64 of RFC 4648 with padding, as Go writes bytes in JSON and manifests hold them.
package enum Base64 {
  private static let alphabet: StaticString =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

  /// Appends the text of the bytes.
  package static func append(_ bytes: UnsafeRawBufferPointer, to text: inout [UInt8]) {
    let digits = alphabet.utf8Start
    text.reserveCapacity(text.count + (bytes.count + 2) / 3 * 4)
    var index = 0
    while index < bytes.count {
      let rest = bytes.count - index
      let second = rest > 1 ? bytes[index + 1] : 0
      let third = rest > 2 ? bytes[index + 2] : 0
      let group = UInt32(bytes[index]) << 16 | UInt32(second) << 8 | UInt32(third)
      text.append(digits[Int(group >> 18)])
      text.append(digits[Int(group >> 12 & 63)])
      text.append(rest > 1 ? digits[Int(group >> 6 & 63)] : UInt8(ascii: "="))
      text.append(rest > 2 ? digits[Int(group & 63)] : UInt8(ascii: "="))
      index += 3
    }
  }

  /// Appends the bytes of a text; false, with some of them appended, when it is not base64. Line
  /// breaks are skipped, as Go does.
  package static func append(decoding text: UnsafeRawBufferPointer, to bytes: inout [UInt8]) -> Bool
  {
    var group: UInt32 = 0
    var digits = 0
    var padding = 0
    for byte in text where byte != 0x0a && byte != 0x0d {
      if byte == UInt8(ascii: "=") {
        padding += 1
        guard digits + padding <= 4, digits >= 2 else { return false }
        continue
      }
      guard padding == 0, let value = value(of: byte) else { return false }
      group = group << 6 | value
      digits += 1
      if digits == 4 {
        bytes.append(UInt8(truncatingIfNeeded: group >> 16))
        bytes.append(UInt8(truncatingIfNeeded: group >> 8))
        bytes.append(UInt8(truncatingIfNeeded: group))
        (group, digits) = (0, 0)
      }
    }
    guard digits > 0 else { return padding == 0 }
    guard digits + padding == 4 else { return false }
    group <<= UInt32(6 * padding)
    bytes.append(UInt8(truncatingIfNeeded: group >> 16))
    if padding == 1 { bytes.append(UInt8(truncatingIfNeeded: group >> 8)) }
    return true
  }

  /// The text of the bytes.
  package static func text(of bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    bytes.withUnsafeBytes { append($0, to: &text) }
    return String(decoding: text, as: UTF8.self)
  }

  /// The bytes of a text; nil when it is not base64.
  package static func bytes(of text: String) -> [UInt8]? {
    var text = text
    var bytes: [UInt8] = []
    let isValid = text.withUTF8 { append(decoding: UnsafeRawBufferPointer($0), to: &bytes) }
    return isValid ? bytes : nil
  }

  private static func value(of digit: UInt8) -> UInt32? {
    switch digit {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(digit) - 0x41
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(digit) - 0x61 + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(digit) - 0x30 + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
