/// The bytes that mean something in a pattern.
enum FilterByte {
  static let slash = UInt8(ascii: "/")
  static let star = UInt8(ascii: "*")
  static let question = UInt8(ascii: "?")
  static let bracket = UInt8(ascii: "[")
  static let closing = UInt8(ascii: "]")
  static let backslash = UInt8(ascii: "\\")
  static let hyphen = UInt8(ascii: "-")
  static let colon = UInt8(ascii: ":")
  static let caret = UInt8(ascii: "^")
  static let exclamation = UInt8(ascii: "!")
}
