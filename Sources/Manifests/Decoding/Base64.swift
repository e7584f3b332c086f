/// Bytes of a base64 text (RFC 4648, with padding; line breaks are skipped); nil when it is not
/// one.
package func bytes(base64 text: String) -> [UInt8]? {
  var result: [UInt8] = []
  var group: UInt32 = 0
  var count = 0
  var padding = 0
  for byte in text.utf8 where byte != 0x0a && byte != 0x0d {
    if byte == UInt8(ascii: "=") {
      padding += 1
      group <<= 6
    } else {
      guard padding == 0, let value = base64Value(byte) else { return nil }
      group = group << 6 | UInt32(value)
    }
    count += 1
    guard count == 4 else { continue }
    guard padding <= 2 else { return nil }
    let whole = [UInt8(group >> 16 & 255), UInt8(group >> 8 & 255), UInt8(group & 255)]
    result.append(contentsOf: whole.dropLast(padding))
    group = 0
    count = 0
  }
  return count == 0 ? result : nil
}

private func base64Value(_ byte: UInt8) -> UInt8? {
  switch byte {
  case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte - UInt8(ascii: "A")
  case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - UInt8(ascii: "a") + 26
  case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0") + 52
  case UInt8(ascii: "+"): 62
  case UInt8(ascii: "/"): 63
  default: nil
  }
}
