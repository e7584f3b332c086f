import Glibc

/// Numbers and truth as rclone's option reader takes them.
enum GoNumber {
  /// A finite decimal number: sign, digits with at most one dot, exponent. Underscores between
  /// digits, hexadecimal and the names of the infinite are no sizes or times for anybody.
  static func float(_ text: ArraySlice<UInt8>) -> Double? {
    var rest = text
    if rest.first == UInt8(ascii: "-") || rest.first == UInt8(ascii: "+") { rest.removeFirst() }
    let whole = takeDigits(&rest)
    var part = 0
    if rest.first == UInt8(ascii: ".") {
      rest.removeFirst()
      part = takeDigits(&rest)
    }
    guard whole + part > 0 else { return nil }
    if let mark = rest.first, mark | 0x20 == UInt8(ascii: "e") {
      rest.removeFirst()
      if rest.first == UInt8(ascii: "-") || rest.first == UInt8(ascii: "+") { rest.removeFirst() }
      guard takeDigits(&rest) > 0 else { return nil }
    }
    guard rest.isEmpty else { return nil }
    let value = strtod(String(decoding: text, as: UTF8.self), nil)
    return value.isFinite ? value : nil
  }

  private static func takeDigits(_ text: inout ArraySlice<UInt8>) -> Int {
    let digits = text.prefix { (0x30...0x39).contains($0) }
    text.removeFirst(digits.count)
    return digits.count
  }

  static func truth(_ text: String) -> Bool? {
    switch text {
    case "1", "t", "T", "TRUE", "true", "True": true
    case "0", "f", "F", "FALSE", "false", "False": false
    default: nil
    }
  }

  /// A decimal integer with an optional sign.
  static func integer(_ text: String) -> Int? { Int(text) }
}

/// A choice that may be left to the program.
package enum Tristate: Sendable, Hashable {
  case unset
  case off
  case on

  /// Nil when the text is none; an empty one, and `unset` in any case, leave the choice open.
  package init?(_ text: String) {
    if text.isEmpty || text.lowercased() == "unset" {
      self = .unset
      return
    }
    guard let value = GoNumber.truth(text) else { return nil }
    self = value ? .on : .off
  }

  package init(_ value: Bool) { self = value ? .on : .off }

  /// Nil when the choice is open.
  package var value: Bool? { self == .unset ? nil : self == .on }

  /// The choice, or `other` when it is open.
  package func value(or other: Bool) -> Bool { value ?? other }
}
