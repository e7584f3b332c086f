package import Platform

extension JSONValue {
  /// The value as a YAML document in block style, with a newline at its end.
  ///
  /// A text that a reader could take for something else is quoted; lines of text become a block.
  package var yamlText: String {
    var writer = YAMLWriter()
    writer.write(self, indent: 0, position: .document)
    return writer.text
  }
}

private struct YAMLWriter {
  /// Where a value stands: it decides whether it may go on in the same line.
  enum Position { case document, afterKey, afterDash }

  var text = ""

  init() {}

  mutating func write(_ value: JSONValue, indent: Int, position: Position) {
    switch value {
    case .object(let object) where !object.members.isEmpty:
      writeMembers(object, indent: indent, position: position)
    case .array(let items) where !items.isEmpty:
      writeItems(items, indent: indent, position: position)
    case .string(let string) where isBlockText(string):
      writeBlock(string, indent: max(indent, 2), position: position)
    default:
      text += (position == .document ? "" : " ") + inline(value) + "\n"
    }
  }

  private mutating func writeMembers(_ object: JSONObject, indent: Int, position: Position) {
    if position == .afterKey { text += "\n" }
    for (index, member) in object.members.enumerated() {
      let sharesLine = position == .afterDash && index == 0
      text += sharesLine ? " " : String(repeating: " ", count: indent)
      text += quotedIfNeeded(member.name) + ":"
      // A list stands below its key without more indentation, as kubectl prints it.
      let isList = if case .array = member.value { true } else { false }
      write(member.value, indent: isList ? indent : indent + 2, position: .afterKey)
    }
  }

  private mutating func writeItems(_ items: [JSONValue], indent: Int, position: Position) {
    if position == .afterKey { text += "\n" }
    for (index, item) in items.enumerated() {
      let sharesLine = position == .afterDash && index == 0
      text += sharesLine ? " -" : String(repeating: " ", count: indent) + "-"
      write(item, indent: indent + 2, position: .afterDash)
    }
  }

  private mutating func writeBlock(_ string: String, indent: Int, position: Position) {
    text += (position == .document ? "" : " ") + (string.hasSuffix("\n") ? "|" : "|-") + "\n"
    let body = string.hasSuffix("\n") ? String(string.dropLast()) : string
    for line in body.split(separator: "\n", omittingEmptySubsequences: false) {
      text += line.isEmpty ? "\n" : String(repeating: " ", count: indent) + line + "\n"
    }
  }

  /// Several lines of printable text that a literal block gives back unchanged.
  private func isBlockText(_ string: String) -> Bool {
    guard string.contains("\n"), !string.hasSuffix("\n\n"), string != "\n" else { return false }
    guard let first = string.unicodeScalars.first, first != " ", first != "\n" else { return false }
    return string.unicodeScalars.allSatisfy { $0 == "\n" || isPlainScalar($0) }
  }

  private func inline(_ value: JSONValue) -> String {
    switch value {
    case .string(let string): quotedIfNeeded(string)
    case .array: "[]"
    case .object: "{}"
    default: String(decoding: value.encoded(), as: UTF8.self)
    }
  }

  private func quotedIfNeeded(_ string: String) -> String {
    isSafePlain(string) ? string : quoted(string)
  }

  /// Double quotes; breaks and marks of Unicode that YAML would fold or refuse are escaped too.
  private func quoted(_ string: String) -> String {
    var result = ""
    for scalar in jsonLiteral(string).unicodeScalars {
      if isPlainScalar(scalar) {
        result.unicodeScalars.append(scalar)
      } else {
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
      }
    }
    return result
  }

  private func isSafePlain(_ string: String) -> Bool {
    guard case .string = resolvePlainScalar(string) else { return false }
    guard let first = string.unicodeScalars.first, let last = string.unicodeScalars.last else {
      return false
    }
    // Numbers of other YAML readers, dates and sexagesimals all start like a number.
    if "-?:,[]{}#&*!|>'\"%@`=~<+.0123456789 ".unicodeScalars.contains(first) {
      return isSafeNumberLike(string)
    }
    if last == " " || last == ":" || ["y", "Y", "n", "N"].contains(string) { return false }
    if string.contains(": ") || string.contains(" #") { return false }
    return string.unicodeScalars.allSatisfy(isPlainScalar)
  }

  /// Things like `2Gi`, `10.0.0.1` or `1m50s`: a digit first, letters or two dots later, nothing
  /// odd.
  private func isSafeNumberLike(_ string: String) -> Bool {
    guard let first = string.utf8.first, (0x31...0x39).contains(first) else { return false }
    let isWord = string.utf8.allSatisfy { byte in
      (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte | 0x20)
        || byte == UInt8(ascii: ".")
    }
    let letters = string.utf8.filter { (0x61...0x7a).contains($0 | 0x20) && $0 | 0x20 != 0x65 }
    let dots = string.utf8.count { $0 == UInt8(ascii: ".") }
    return isWord && (!letters.isEmpty || dots > 1)
  }

  private func isPlainScalar(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x20...0x7e, 0xa0...0x2027, 0x202a...0xd7ff, 0xe000...0xfefe, 0xff00...0xfffd: true
    case 0x10000...0x10ffff: true
    default: false
    }
  }
}
