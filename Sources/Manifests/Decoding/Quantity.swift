/// A Kubernetes quantity: a decimal number with a binary, decimal or exponent suffix.
///
/// Source: Kubernetes API conventions, `resource.Quantity`.
package struct Quantity: Sendable, Equatable {
  /// As it was written.
  package let text: String
  /// Rounded up to whole bytes.
  package let bytes: UInt64

  /// Nil when the text is no quantity, negative, or more than 2^63 bytes.
  package init?(_ text: String) {
    // A longer text is no size of anything.
    guard text.utf8.count <= 40 else { return nil }
    let unsigned = text.hasPrefix("+") ? text.dropFirst() : text[...]
    let number = unsigned.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    guard number.contains(where: \.isNumber), number.count(where: { $0 == "." }) <= 1 else {
      return nil
    }
    guard let factor = Quantity.factor(of: unsigned.dropFirst(number.count)) else { return nil }
    guard let value = Double(number.hasSuffix(".") ? number + "0" : number) else { return nil }
    let bytes = (value * factor).rounded(.up)
    guard bytes.isFinite, bytes <= 0x1p63 else { return nil }
    self.text = text
    if let whole = UInt64(number), factor >= 1 {
      let (product, overflow) = whole.multipliedReportingOverflow(by: UInt64(factor))
      guard !overflow else { return nil }
      self.bytes = product
    } else {
      self.bytes = UInt64(bytes)
    }
  }

  private static func factor(of suffix: Substring) -> Double? {
    switch suffix {
    case "": return 1
    case "n": return 1e-9
    case "u": return 1e-6
    case "m": return 1e-3
    case "k": return 1e3
    case "M": return 1e6
    case "G": return 1e9
    case "T": return 1e12
    case "P": return 1e15
    case "E": return 1e18
    case "Ki": return 0x1p10
    case "Mi": return 0x1p20
    case "Gi": return 0x1p30
    case "Ti": return 0x1p40
    case "Pi": return 0x1p50
    case "Ei": return 0x1p60
    default:
      guard let first = suffix.first, first == "e" || first == "E" else { return nil }
      guard let exponent = Int(suffix.dropFirst()), abs(exponent) <= 18 else { return nil }
      var factor = 1.0
      for _ in 0..<abs(exponent) { factor *= 10 }
      return exponent < 0 ? 1 / factor : factor
    }
  }
}
