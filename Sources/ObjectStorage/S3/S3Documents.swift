import HTTPClient
import Platform

/// Collects the texts of a small document by the paths of their elements.
final class XMLTexts: XMLVisitor {
  private(set) var root = ""
  private(set) var texts: [(path: String, text: String)] = []
  /// A page of 1000 unfinished uploads has up to twelve texts for each.
  private static let countMax = 20_000

  func begin(_ path: [String]) {
    if path.count == 1 { root = path[0] }
  }

  func end(_ path: [String], _ text: [UInt8]) {
    guard texts.count < XMLTexts.countMax else { return }
    texts.append((path.dropFirst().joined(separator: "/"), String(decoding: text, as: UTF8.self)))
  }

  subscript(path: String) -> String? { texts.first { $0.path == path }?.text }

  /// Reads a whole document; nil when it is none.
  static func of(_ bytes: [UInt8]) -> XMLTexts? {
    let texts = XMLTexts()
    let reader = XMLReader(texts)
    let result = bytes.withUnsafeBytes { buffer in
      Result { () throws(XMLFailure) in
        try reader.feed(buffer)
        try reader.finish()
      }
    }
    if case .failure = result { return nil }
    return texts
  }
}

extension S3Failure {
  /// What an answer of failure tells, whether its body is XML, HTML of a proxy, or nothing.
  init(_ response: HTTPResponse, now: WallTime) {
    let texts = XMLTexts.of(response.body)
    let isError = texts?.root == "Error"
    self.init(
      status: response.status, texts: isError ? texts : nil,
      requestID: response["x-amz-request-id"])
    if region == nil, let named = response["x-amz-bucket-region"], S3Endpoint.isRegion(named) {
      region = named
    }
    date = response["date"].flatMap(HTTPDate.time)
    askedSeconds = HTTPRetryPolicy.askedSeconds(response.head, now: now)
  }

  /// What a document `<Error>` tells; those of success may hold one too.
  init(status: Int, texts: XMLTexts?, requestID: String? = nil) {
    let code = texts?["Code"].map(S3Failure.shown) ?? ""
    let named = texts?["Region"] ?? texts?["BucketRegion"]
    self.init(
      status: status, code: code.isEmpty ? S3Rules.code(ofStatus: status) : code,
      text: S3Failure.shown(texts?["Message"] ?? ""),
      requestID: S3Failure.shown(texts?["RequestId"] ?? requestID ?? ""),
      region: named.flatMap { S3Endpoint.isRegion($0) ? $0 : nil })
  }

  /// A text of the server, for one line.
  static func shown(_ text: String) -> String {
    printable(text.prefix(textCharactersMax).utf8.map { $0 < 0x20 ? 0x20 : $0 })
  }
}

/// ETags as they are compared: without quotes and without the mark of weakness.
package enum ETag {
  package static func plain(_ text: String) -> String {
    let (blank, quote) = (UInt8(ascii: " "), UInt8(ascii: "\""))
    var bytes = text.utf8[...]
    if bytes.starts(with: "W/".utf8) { bytes = bytes.dropFirst(2) }
    while bytes.first == blank { bytes = bytes.dropFirst() }
    while bytes.last == blank { bytes = bytes.dropLast() }
    if bytes.count >= 2, bytes.first == quote, bytes.last == quote {
      bytes = bytes.dropFirst().dropLast()
    }
    return String(Substring(bytes))
  }

  static func quoted(_ text: String) -> String { "\"\(plain(text))\"" }

  /// The MD5 that an ETag of an object is that was stored in one piece; nil when it cannot be one.
  package static func md5(_ text: String) -> [UInt8]? {
    let text = plain(text)
    return text.utf8.count == 32 ? bytes(hex: text) : nil
  }
}

/// Text in XML.
enum XMLText {
  /// Nil when XML cannot carry the text: control characters, and two that are none.
  static func escaped(_ text: String) -> String? {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      // A parser would make a line feed of it.
      case "\r": result += "&#13;"
      case "\t", "\n": result.unicodeScalars.append(scalar)
      case "\u{FFFE}", "\u{FFFF}": return nil
      default:
        guard scalar.value >= 0x20 else { return nil }
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
