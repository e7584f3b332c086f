package import Cryptography
package import HTTPClient
package import Platform

/// A request in the form in which Signature Version 4 sees it. Pure; nothing here sends.
/// Source: Amazon's "Signature Calculations for the Authorization Header".
package struct S3Signature: Sendable {
  package var method: HTTPMethod
  /// Encoded as it is sent.
  package var path: String
  /// Not encoded.
  package var query: [(name: String, value: String)]
  /// All that is signed, `host` and the `x-amz-*` among them.
  package var fields: [HTTPField]
  /// Hex of the body's SHA-256, or one of the words in its place.
  package var payloadHash: String
  package var region: String
  package var service = "s3"
  package let time: WallTime
  /// `20130524T000000Z`
  package let timeText: String

  package init(
    method: HTTPMethod, path: String, query: [(name: String, value: String)] = [],
    fields: [HTTPField], payloadHash: String, region: String, time: WallTime
  ) {
    self.method = method
    self.path = path
    self.query = query
    self.fields = fields
    self.payloadHash = payloadHash
    self.region = region
    self.time = time
    timeText = S3Signature.timeText(time)
  }

  /// SHA-256 of nothing.
  package static let emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  package static let unsignedPayload = "UNSIGNED-PAYLOAD"

  private static let algorithm = "AWS4-HMAC-SHA256"
  /// What most requests take to write down.
  private static let byteCountUsual = 1 << 10

  /// The query as it is signed, and sent: encoded, sorted by encoded name, then value.
  package static func canonicalQuery(_ query: [(name: String, value: String)]) -> String {
    guard !query.isEmpty else { return "" }
    return query.map { (S3Encoding.query($0.name), S3Encoding.query($0.value)) }
      .sorted { a, b in
        a.0 == b.0
          ? a.1.utf8.lexicographicallyPrecedes(b.1.utf8)
          : a.0.utf8.lexicographicallyPrecedes(b.0.utf8)
      }
      .map { "\($0.0)=\($0.1)" }.joined(separator: "&")
  }

  /// Names in lower case, values without blanks around and with one blank for each run inside, in
  /// the order of the names.
  private var sortedFields: [HTTPField] {
    fields.map { HTTPField(S3Signature.lowered($0.name), S3Signature.collapsed($0.value)) }
      .sorted { $0.name < $1.name }
  }

  private static func lowered(_ name: String) -> String {
    name.utf8.contains { (0x41...0x5a).contains($0) } ? name.lowercased() : name
  }

  private static func collapsed(_ value: String) -> String {
    guard value.utf8.contains(where: { $0 == 0x20 || $0 == 0x09 }) else { return value }
    let words = value.utf8.split { $0 == 0x20 || $0 == 0x09 }
    return String(decoding: Array(words.joined(separator: [0x20])), as: UTF8.self)
  }

  private static func appendNames(_ fields: [HTTPField], to text: inout [UInt8]) {
    for (index, field) in fields.enumerated() {
      if index > 0 { text.append(UInt8(ascii: ";")) }
      text += field.name.utf8
    }
  }

  package var canonicalRequest: String {
    String(decoding: canonicalRequest(sortedFields), as: UTF8.self)
  }

  private func canonicalRequest(_ fields: [HTTPField]) -> [UInt8] {
    let newline = UInt8(ascii: "\n")
    var text: [UInt8] = []
    text.reserveCapacity(S3Signature.byteCountUsual)
    for line in [method.rawValue, path, S3Signature.canonicalQuery(query)] {
      text += line.utf8
      text.append(newline)
    }
    for field in fields {
      text += field.name.utf8
      text.append(UInt8(ascii: ":"))
      text += field.value.utf8
      text.append(newline)
    }
    text.append(newline)
    S3Signature.appendNames(fields, to: &text)
    text.append(newline)
    text += payloadHash.utf8
    return text
  }

  package static func timeText(_ time: WallTime) -> String {
    let date = CalendarTime(secondsSinceEpoch: time.seconds)
    var text: [UInt8] = []
    text.reserveCapacity(16)
    func append(_ value: Int, _ divisor: Int) {
      var divisor = divisor
      while divisor > 0 {
        text.append(UInt8(ascii: "0") + UInt8(value / divisor % 10))
        divisor /= 10
      }
    }
    append(Int(max(0, date.year)), 1000)
    for value in [date.month, date.day] { append(value, 10) }
    text.append(UInt8(ascii: "T"))
    for value in [date.hour, date.minute, date.second] { append(value, 10) }
    text.append(UInt8(ascii: "Z"))
    return String(decoding: text, as: UTF8.self)
  }

  private var dayText: String { String(decoding: timeText.utf8.prefix(8), as: UTF8.self) }
  package var scope: String { "\(dayText)/\(region)/\(service)/aws4_request" }

  package func stringToSign() throws(CryptographyError) -> String {
    String(decoding: try stringToSign(sortedFields, scope), as: UTF8.self)
  }

  private func stringToSign(
    _ fields: [HTTPField], _ scope: String
  ) throws(CryptographyError) -> [UInt8] {
    var text: [UInt8] = []
    text.reserveCapacity(S3Signature.byteCountUsual)
    for line in [S3Signature.algorithm, timeText, scope] {
      text += line.utf8
      text.append(UInt8(ascii: "\n"))
    }
    appendHex(try SHA256.digest(canonicalRequest(fields)), to: &text)
    return text
  }

  /// The key for a day, a region and a service.
  package func signingKey(secret: SecretBytes) throws(CryptographyError) -> SecretBytes {
    var key = secret.withBytes { Array("AWS4".utf8) + Array($0) }
    for part in [dayText, region, service, "aws4_request"] {
      key = try hmacSHA256(key: key, Array(part.utf8))
    }
    return SecretBytes(key)
  }

  package func signature(key: SecretBytes) throws(CryptographyError) -> String {
    hex(try S3Signature.signature(of: try stringToSign(sortedFields, scope), key))
  }

  private static func signature(
    of text: [UInt8], _ key: SecretBytes
  ) throws(CryptographyError) -> [UInt8] {
    try key.withBytes { (key) throws(CryptographyError) in try hmacSHA256(key: key, text) }
  }

  /// The value of `Authorization`.
  package func authorization(
    accessKey: String, key: SecretBytes
  ) throws(CryptographyError) -> String {
    let (fields, scope) = (sortedFields, scope)
    let mac = try S3Signature.signature(of: try stringToSign(fields, scope), key)
    var text: [UInt8] = []
    text.reserveCapacity(S3Signature.byteCountUsual)
    for part in [S3Signature.algorithm, " Credential=", accessKey, "/", scope, ", SignedHeaders="] {
      text += part.utf8
    }
    S3Signature.appendNames(fields, to: &text)
    text += ", Signature=".utf8
    appendHex(mac, to: &text)
    return String(decoding: text, as: UTF8.self)
  }
}

/// Keeps the signing key of the day; shared by all the requests of a client.
final class S3SigningKeys: @unchecked Sendable {
  private struct Entry {
    var scope: String
    var secret: SecretBytes
    var key: SecretBytes
  }

  private let lock = Lock()
  private var last: Entry?

  func key(for signature: S3Signature, secret: SecretBytes) throws(CryptographyError) -> SecretBytes
  {
    let scope = signature.scope
    let known = lock.withLock { last }
    if let known, known.scope == scope, known.secret === secret { return known.key }
    let key = try signature.signingKey(secret: secret)
    lock.withLock { last = Entry(scope: scope, secret: secret, key: key) }
    return key
  }
}
