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

  /// The query as it is signed, and sent: encoded, sorted by encoded name, then value.
  package static func canonicalQuery(_ query: [(name: String, value: String)]) -> String {
    query.map { (S3Encoding.query($0.name), S3Encoding.query($0.value)) }
      .sorted { a, b in
        a.0 == b.0
          ? a.1.utf8.lexicographicallyPrecedes(b.1.utf8)
          : a.0.utf8.lexicographicallyPrecedes(b.0.utf8)
      }
      .map { "\($0.0)=\($0.1)" }.joined(separator: "&")
  }

  private var sortedFields: [(name: String, value: String)] {
    fields.map { ($0.name.lowercased(), S3Signature.collapsed($0.value)) }
      .sorted { $0.0.utf8.lexicographicallyPrecedes($1.0.utf8) }
  }

  /// Without blanks around, and with one blank for each run inside.
  private static func collapsed(_ value: String) -> String {
    guard value.utf8.contains(where: { $0 == 0x20 || $0 == 0x09 }) else { return value }
    let words = value.utf8.split { $0 == 0x20 || $0 == 0x09 }
    return String(decoding: Array(words.joined(separator: [0x20])), as: UTF8.self)
  }

  package var signedNames: String { S3Signature.names(sortedFields) }

  private static func names(_ fields: [(name: String, value: String)]) -> String {
    fields.map(\.name).joined(separator: ";")
  }

  package var canonicalRequest: String { canonicalRequest(sortedFields) }

  private func canonicalRequest(_ fields: [(name: String, value: String)]) -> String {
    let lines = fields.map { "\($0.name):\($0.value)\n" }.joined()
    return [
      method.rawValue, path, S3Signature.canonicalQuery(query), lines,
      S3Signature.names(fields), payloadHash,
    ].joined(separator: "\n")
  }

  package static func timeText(_ time: WallTime) -> String {
    let marks = [UInt8(ascii: "-"), UInt8(ascii: ":")]
    return String(decoding: time.rfc3339.utf8.filter { !marks.contains($0) }, as: UTF8.self)
  }

  private var dayText: String { String(decoding: timeText.utf8.prefix(8), as: UTF8.self) }
  package var scope: String { "\(dayText)/\(region)/\(service)/aws4_request" }

  package func stringToSign() throws(CryptographyError) -> String {
    try stringToSign(sortedFields)
  }

  private func stringToSign(
    _ fields: [(name: String, value: String)]
  ) throws(CryptographyError) -> String {
    let hash = try SHA256.digest(Array(canonicalRequest(fields).utf8))
    return "AWS4-HMAC-SHA256\n\(timeText)\n\(scope)\n\(hex(hash))"
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
    try S3Signature.signature(of: try stringToSign(), key)
  }

  private static func signature(
    of text: String, _ key: SecretBytes
  ) throws(CryptographyError) -> String {
    hex(try hmacSHA256(key: key.withBytes { Array($0) }, Array(text.utf8)))
  }

  /// The value of `Authorization`.
  package func authorization(
    accessKey: String, key: SecretBytes
  ) throws(CryptographyError) -> String {
    let fields = sortedFields
    let text = try stringToSign(fields)
    return "AWS4-HMAC-SHA256 Credential=\(accessKey)/\(scope),"
      + " SignedHeaders=\(S3Signature.names(fields)),"
      + " Signature=\(try S3Signature.signature(of: text, key))"
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
