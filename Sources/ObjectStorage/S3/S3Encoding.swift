/// Percent-encoding as signatures and listings of S3 have it.
/// Source: RFC 3986, 2.3; Signature Version 4, "canonical request".
enum S3Encoding {
  /// A key in a path: everything but unreserved bytes and the slash.
  static func path(_ text: String) -> String { encoded(text, keeping: UInt8(ascii: "/")) }

  /// A name or a value in a query; the slash too.
  static func query(_ text: String) -> String { encoded(text, keeping: nil) }

  private static func encoded(_ text: String, keeping extra: UInt8?) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var result: [UInt8] = []
    result.reserveCapacity(text.utf8.count)
    for byte in text.utf8 {
      if isUnreserved(byte) || byte == extra {
        result.append(byte)
      } else {
        result.append(UInt8(ascii: "%"))
        result.append(digits[Int(byte >> 4)])
        result.append(digits[Int(byte & 15)])
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  private static func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
      UInt8(ascii: "_"), UInt8(ascii: "~"):
      true
    default: false
    }
  }

  /// The bytes of a text of a listing with `encoding-type=url`: `%XX`, and `+` for a blank; nil
  /// when it is none.
  static func decoded(_ text: [UInt8]) -> [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var index = 0
    while index < text.count {
      switch text[index] {
      case UInt8(ascii: "%"):
        guard index + 2 < text.count, let high = digit(text[index + 1]),
          let low = digit(text[index + 2])
        else { return nil }
        result.append(high << 4 | low)
        index += 3
      case UInt8(ascii: "+"):
        result.append(0x20)
        index += 1
      default:
        result.append(text[index])
        index += 1
      }
    }
    return result
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
  }
}
