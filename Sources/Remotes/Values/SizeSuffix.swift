/// A size as rclone writes it: a number, then B, K, M, G, T, P or E for powers of 1024.
///
/// A bare number means KiB, wherever it stands. `off` is unlimited.
package struct SizeSuffix: Sendable, Hashable {
  /// Nil for `off`.
  package let byteCount: Int64?

  package static let off = SizeSuffix(byteCount: nil)

  package init(byteCount: Int64?) { self.byteCount = byteCount }

  /// Nil when the text is none, negative, or larger than `Int64.max`.
  ///
  /// A suffix may have `i` or `iB` behind it, in any case: `1k`, `1Ki`, `1KiB`.
  package init?(_ text: String) {
    var digits = Array(text.utf8)
    if text.lowercased() == "off" {
      byteCount = nil
      return
    }
    var exponent = 1
    if let last = digits.last, !SizeSuffix.endsNumber(last) {
      guard let unit = SizeSuffix.removeUnit(from: &digits) else { return nil }
      exponent = unit
    }
    guard let value = GoNumber.float(digits[...]), value >= 0 else { return nil }
    let scaled = value * Double(sign: .plus, exponent: 10 * exponent, significand: 1)
    guard scaled < 0x1p63 else { return nil }
    byteCount = Int64(scaled)
  }

  private static func endsNumber(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || byte == UInt8(ascii: ".")
  }

  /// The power of 1024 of the unit at the end, which is cut off.
  private static func removeUnit(from digits: inout [UInt8]) -> Int? {
    let units: [UInt8] = Array("bkmgtpe".utf8)
    let small = digits.map { ($0 | 0x20) }
    var isBinary = false
    for suffix in ["ib", "i"]
    where small.count > 2
      && small.suffix(suffix.utf8.count)
        .elementsEqual(suffix.utf8)
    {
      digits.removeLast(suffix.utf8.count)
      isBinary = true
      break
    }
    guard let last = digits.last, let index = units.firstIndex(of: last | 0x20) else { return nil }
    // There is no "Bi".
    guard !isBinary || index > 0 else { return nil }
    digits.removeLast()
    return index
  }
}
