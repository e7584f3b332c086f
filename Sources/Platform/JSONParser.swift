extension JSONValue {
  /// Parses one complete JSON text (RFC 8259), strictly: UTF-8 only, unique names, nothing after
  /// it.
  package init(parsing text: some Collection<UInt8>, limits: JSONLimits = JSONLimits())
    throws(JSONError)
  {
    guard text.count <= limits.sizeBytesMax else {
      throw JSONError("longer than \(limits.sizeBytesMax) bytes", offset: limits.sizeBytesMax)
    }
    var parser = JSONParser(bytes: Array(text), depthMax: limits.depthMax)
    self = try parser.parseDocument()
  }
}

private struct JSONParser {
  let bytes: [UInt8]
  let depthMax: Int
  var offset = 0

  init(bytes: [UInt8], depthMax: Int) {
    self.bytes = bytes
    self.depthMax = depthMax
  }

  mutating func parseDocument() throws(JSONError) -> JSONValue {
    let value = try parseValue(depth: 0)
    skipSpace()
    guard offset == bytes.count else { throw failure("text after the end of the value") }
    return value
  }

  private func failure(_ reason: String) -> JSONError { JSONError(reason, offset: offset) }

  private func peek() -> UInt8? { offset < bytes.count ? bytes[offset] : nil }

  private mutating func skipSpace() {
    while let byte = peek(), byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 {
      offset += 1
    }
  }

  private mutating func parseValue(depth: Int) throws(JSONError) -> JSONValue {
    guard depth <= depthMax else { throw failure("nested deeper than \(depthMax)") }
    skipSpace()
    switch peek() {
    case UInt8(ascii: "{"): return .object(try parseObject(depth: depth))
    case UInt8(ascii: "["): return .array(try parseArray(depth: depth))
    case UInt8(ascii: "\""): return .string(try parseString())
    case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
    case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
    case UInt8(ascii: "n"): return try parseWord("null", .null)
    case .some: return try parseNumber()
    case nil: throw failure("a value is missing")
    }
  }

  private mutating func parseWord(_ word: String, _ value: JSONValue) throws(JSONError) -> JSONValue
  {
    guard bytes[offset...].starts(with: word.utf8) else { throw failure("not a value") }
    offset += word.utf8.count
    return value
  }

  private mutating func parseObject(depth: Int) throws(JSONError) -> JSONObject {
    offset += 1
    var object = JSONObject()
    var names = Set<String>()
    skipSpace()
    if consume("}") { return object }
    while true {
      skipSpace()
      guard peek() == UInt8(ascii: "\"") else { throw failure("a member name is missing") }
      let name = try parseString()
      guard names.insert(name).inserted else { throw failure("the name \"\(name)\" stands twice") }
      skipSpace()
      guard consume(":") else { throw failure("a colon is missing") }
      object.append(name, try parseValue(depth: depth + 1))
      skipSpace()
      if consume("}") { return object }
      guard consume(",") else { throw failure("a comma or } is missing") }
    }
  }

  private mutating func parseArray(depth: Int) throws(JSONError) -> [JSONValue] {
    offset += 1
    var array: [JSONValue] = []
    skipSpace()
    if consume("]") { return array }
    while true {
      array.append(try parseValue(depth: depth + 1))
      skipSpace()
      if consume("]") { return array }
      guard consume(",") else { throw failure("a comma or ] is missing") }
    }
  }

  private mutating func consume(_ character: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(ascii: character) else { return false }
    offset += 1
    return true
  }

  private mutating func parseString() throws(JSONError) -> String {
    offset += 1
    var text: [UInt8] = []
    while let byte = peek() {
      offset += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: text, as: UTF8.self) else {
          throw failure("a string is not UTF-8")
        }
        return string
      case UInt8(ascii: "\\"): text.append(contentsOf: try parseEscape())
      case 0..<0x20: throw failure("a control character stands in a string")
      default: text.append(byte)
      }
    }
    throw failure("a string has no end")
  }

  private mutating func parseEscape() throws(JSONError) -> [UInt8] {
    guard let byte = peek() else { throw failure("a string has no end") }
    offset += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
    case UInt8(ascii: "b"): return [8]
    case UInt8(ascii: "f"): return [12]
    case UInt8(ascii: "n"): return [10]
    case UInt8(ascii: "r"): return [13]
    case UInt8(ascii: "t"): return [9]
    case UInt8(ascii: "u"): return try parseScalar()
    default: throw failure("an unknown escape")
    }
  }

  private mutating func parseScalar() throws(JSONError) -> [UInt8] {
    let first = try parseUnit()
    var value = first
    if (0xd800..<0xdc00).contains(first) {
      guard consume("\\"), consume("u") else { throw failure("half of a surrogate pair") }
      let second = try parseUnit()
      guard (0xdc00..<0xe000).contains(second) else { throw failure("half of a surrogate pair") }
      value = 0x10000 + (first - 0xd800) << 10 + (second - 0xdc00)
    }
    guard let scalar = Unicode.Scalar(value) else { throw failure("half of a surrogate pair") }
    return Array(String(Character(scalar)).utf8)
  }

  private mutating func parseUnit() throws(JSONError) -> UInt32 {
    guard offset + 4 <= bytes.count else { throw failure("an escape is cut short") }
    var value: UInt32 = 0
    for byte in bytes[offset..<offset + 4] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
        throw failure("an escape is not hexadecimal")
      }
      value = value << 4 | UInt32(digit)
    }
    offset += 4
    return value
  }

  private mutating func parseNumber() throws(JSONError) -> JSONValue {
    let start = offset
    _ = consume("-")
    let integerStart = offset
    skipDigits()
    let digits = offset - integerStart
    guard digits > 0, digits == 1 || bytes[integerStart] != UInt8(ascii: "0") else {
      offset = start
      throw failure("not a value")
    }
    var isInteger = true
    if consume(".") {
      isInteger = false
      try requireDigits()
    }
    if consume("e") || consume("E") {
      isInteger = false
      if !consume("+") { _ = consume("-") }
      try requireDigits()
    }
    let text = String(decoding: bytes[start..<offset], as: UTF8.self)
    if isInteger, let value = Int64(text) { return .integer(value) }
    guard let value = Double(text), value.isFinite else { throw failure("a number out of range") }
    return .double(value)
  }

  private mutating func skipDigits() {
    while let byte = peek(), (0x30...0x39).contains(byte) { offset += 1 }
  }

  private mutating func requireDigits() throws(JSONError) {
    let start = offset
    skipDigits()
    guard offset > start else { throw failure("a number without digits") }
  }
}
