/// Walks over the text of a remote, byte by byte; only ASCII has a meaning.
struct AddressParser {
  private enum State {
    case name
    case option
    case value
    case quotedValue
    /// Behind a quote, which may be the first of a doubled one.
    case afterQuote
  }

  private let whole: String
  private let bytes: [UInt8]
  private var state = State.name
  /// Start of the part that is read.
  private var start = 0
  private var option = ""
  private var quote: UInt8 = 0
  private(set) var name = ""
  private(set) var options: [String: String] = [:]
  /// Of the colon before the path.
  private(set) var position = 0

  var count: Int { bytes.count }

  init(_ text: String) {
    whole = text
    bytes = Array(text.utf8)
  }

  func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

  private func problem(_ text: String) -> RemoteError { .syntax(remote: shown, problem: text) }

  /// The remote without its options, which may be secrets.
  private var shown: String {
    let end = bytes.firstIndex { $0 == UInt8(ascii: ",") } ?? bytes.count
    return end == bytes.count ? whole : text(0..<end) + ",…"
  }

  /// Reads up to the colon before the path; false for a local path.
  ///
  /// - Throws: `.syntax`.
  mutating func parse() throws(RemoteError) -> Bool {
    guard bytes.contains(UInt8(ascii: ":")) else { return false }
    while position < bytes.count {
      let byte = bytes[position]
      let ended =
        switch state {
        case .name: try readName(byte)
        case .option: try readOption(byte)
        case .value: readValue(byte)
        case .quotedValue: readQuoted(byte)
        case .afterQuote: try readAfterQuote(byte)
        }
      if let ended { return ended }
      position += 1
    }
    switch state {
    case .name: throw problem("a colon is missing behind the name")
    case .option: throw problem("an option has to end in a comma or a colon")
    case .value: throw problem("a value has to end in a comma or a colon")
    case .quotedValue: throw problem("the quote of a value is not closed")
    case .afterQuote: throw problem("a colon or a comma is missing behind a quoted value")
    }
  }

  private mutating func readName(_ byte: UInt8) throws(RemoteError) -> Bool? {
    switch byte {
    case UInt8(ascii: ":") where position == 0: return nil
    case UInt8(ascii: "/"), UInt8(ascii: "\\"):
      if bytes[0] != UInt8(ascii: ":") { return false }
      throw problem("a type of remote cannot have a slash")
    case UInt8(ascii: ":"), UInt8(ascii: ","):
      name = text(0..<position)
      let plain = name.hasPrefix(":") ? String(name.dropFirst()) : name
      if plain.isEmpty { throw problem("the name is empty") }
      guard RemoteAddress.isName(plain) else {
        throw problem(
          "a name has letters, digits, _ - . + @ and inner blanks, and no hyphen at its start")
      }
      return advance(behind: byte)
    default: return nil
    }
  }

  /// Goes on behind a comma; true at the colon before the path.
  private mutating func advance(behind byte: UInt8) -> Bool? {
    if byte == UInt8(ascii: ":") { return true }
    state = .option
    start = position + 1
    return nil
  }

  private mutating func readOption(_ byte: UInt8) throws(RemoteError) -> Bool? {
    switch byte {
    case UInt8(ascii: "="), UInt8(ascii: ":"), UInt8(ascii: ","):
      option = text(start..<position)
      if option.isEmpty { throw problem("an option has no name") }
      guard byte == UInt8(ascii: "=") else {
        options[option] = "true"
        return advance(behind: byte)
      }
      state = .value
      start = position + 1
      return nil
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."):
      return nil
    default: throw problem("an option's name has letters, digits, _ and . only")
    }
  }

  private mutating func readValue(_ byte: UInt8) -> Bool? {
    switch byte {
    case UInt8(ascii: "'") where position == start, UInt8(ascii: "\"") where position == start:
      quote = byte
      state = .quotedValue
      start = position + 1
      return nil
    case UInt8(ascii: ":"), UInt8(ascii: ","):
      options[option] = text(start..<position)
      return advance(behind: byte)
    default: return nil
    }
  }

  private mutating func readQuoted(_ byte: UInt8) -> Bool? {
    if byte == quote { state = .afterQuote }
    return nil
  }

  private mutating func readAfterQuote(_ byte: UInt8) throws(RemoteError) -> Bool? {
    if byte == quote {
      state = .quotedValue
      return nil
    }
    guard byte == UInt8(ascii: ":") || byte == UInt8(ascii: ",") else {
      throw problem("a colon or a comma is missing behind a quoted value")
    }
    let value = ByteText.replacing(
      [quote, quote], by: [quote], in: Array(bytes[start..<position - 1]))
    options[option] = String(decoding: value, as: UTF8.self)
    return advance(behind: byte)
  }
}
