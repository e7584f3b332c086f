import Platform

/// Reads the members of a small JSON record: unknown members and `null` count as absent, as Go
/// reads them; a member of another type is damage.
struct RecordReader {
  let object: JSONObject
  let part: RepositoryPart

  /// Parses a whole record of at most `sizeBytesMax` bytes.
  init(
    _ json: some Collection<UInt8>, part: RepositoryPart, sizeBytesMax: Int
  ) throws(RepositoryError) {
    self.part = part
    let value: JSONValue
    do throws(JSONError) {
      let limits = JSONLimits(sizeBytesMax: sizeBytesMax, depthMax: 16)
      value = try JSONValue(parsing: json, limits: limits)
    } catch {
      throw .corrupt(part, place: "", reason: error.message)
    }
    guard case .object(let object) = value else {
      throw .corrupt(part, place: "", reason: "not a JSON object")
    }
    self.object = object
  }

  init(_ object: JSONObject, part: RepositoryPart) {
    self.object = object
    self.part = part
  }

  func damage(_ reason: String) -> RepositoryError { .corrupt(part, place: "", reason: reason) }

  func missing(_ name: String) -> RepositoryError { damage("\"\(name)\" is missing") }

  private func value(_ name: String) -> JSONValue? {
    guard let value = object[name], value != .null else { return nil }
    return value
  }

  func string(_ name: String) throws(RepositoryError) -> String? {
    guard let value = value(name) else { return nil }
    guard let text = value.stringValue else { throw damage("\"\(name)\" is not a string") }
    return text
  }

  func number(_ name: String) throws(RepositoryError) -> UInt64? {
    guard let value = value(name) else { return nil }
    guard case .integer(let number) = value, let unsigned = UInt64(exactly: number) else {
      throw damage("\"\(name)\" is not a whole number")
    }
    return unsigned
  }

  func number32(_ name: String) throws(RepositoryError) -> UInt32? {
    guard let number = try number(name) else { return nil }
    guard let small = UInt32(exactly: number) else { throw damage("\"\(name)\" is too large") }
    return small
  }

  func bool(_ name: String) throws(RepositoryError) -> Bool? {
    guard let value = value(name) else { return nil }
    guard let bool = value.boolValue else { throw damage("\"\(name)\" is not true or false") }
    return bool
  }

  func strings(_ name: String) throws(RepositoryError) -> [String] {
    guard let value = value(name) else { return [] }
    guard let array = value.arrayValue else { throw damage("\"\(name)\" is not a list") }
    var strings: [String] = []
    strings.reserveCapacity(array.count)
    for element in array {
      guard let text = element.stringValue else {
        throw damage("\"\(name)\" is not a list of strings")
      }
      strings.append(text)
    }
    return strings
  }

  func time(_ name: String) throws(RepositoryError) -> GoTime? {
    guard let text = try string(name) else { return nil }
    guard let time = GoTime(text: text) else { throw damage("\"\(name)\" is not a time") }
    return time
  }

  func identifier<Role>(
    _ name: String, _ role: Identifier<Role>.Type
  ) throws(RepositoryError) -> Identifier<Role>? {
    guard let text = try string(name) else { return nil }
    guard let id = Identifier<Role>(hex: text) else {
      throw damage("\"\(name)\" is not an identifier")
    }
    return id
  }

  func base64(_ name: String) throws(RepositoryError) -> [UInt8]? {
    guard let text = try string(name) else { return nil }
    guard let bytes = Base64.bytes(of: text) else { throw damage("\"\(name)\" is not base64") }
    return bytes
  }

  func record(_ name: String) throws(RepositoryError) -> RecordReader? {
    guard let value = value(name) else { return nil }
    guard let object = value.objectValue else { throw damage("\"\(name)\" is not an object") }
    return RecordReader(object, part: part)
  }
}

/// Writes the members of a small JSON record in Go's form.
struct RecordWriter {
  var json = GoJSON()
  private var isFirst = true

  init() { json.raw("{") }

  mutating func finish() -> [UInt8] {
    json.raw("}")
    return json.take()
  }

  mutating func key(_ name: StaticString) {
    if !isFirst { json.raw(",") }
    isFirst = false
    json.raw("\"")
    json.raw(name)
    json.raw("\":")
  }

  mutating func field(_ name: StaticString, _ text: String) {
    key(name)
    json.string(text)
  }

  mutating func field(_ name: StaticString, ifNotEmpty text: String) {
    if !text.isEmpty { field(name, text) }
  }

  mutating func field(_ name: StaticString, _ number: UInt64) {
    key(name)
    json.number(number)
  }

  mutating func field(_ name: StaticString, ifNotZero number: UInt32) {
    if number != 0 { field(name, UInt64(number)) }
  }

  mutating func field(_ name: StaticString, _ flag: Bool) {
    key(name)
    json.raw(flag ? "true" : "false")
  }

  mutating func field(_ name: StaticString, _ time: GoTime) {
    key(name)
    json.raw("\"")
    time.append(to: &json)
    json.raw("\"")
  }

  mutating func field<Role>(_ name: StaticString, _ id: Identifier<Role>) {
    key(name)
    json.identifier(id)
  }

  mutating func field<Role>(_ name: StaticString, ifPresent id: Identifier<Role>?) {
    if let id { field(name, id) }
  }

  mutating func field(_ name: StaticString, base64 bytes: [UInt8]) {
    key(name)
    json.raw("\"")
    bytes.withUnsafeBytes { json.base64($0) }
    json.raw("\"")
  }

  mutating func field(_ name: StaticString, _ texts: [String]) {
    key(name)
    json.raw("[")
    for (index, text) in texts.enumerated() {
      if index > 0 { json.raw(",") }
      json.string(text)
    }
    json.raw("]")
  }

  mutating func field(_ name: StaticString, ifNotEmpty texts: [String]) {
    if !texts.isEmpty { field(name, texts) }
  }
}
