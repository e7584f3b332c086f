/// The methods that the programs here use.
package enum HTTPMethod: String, Sendable, CaseIterable {
  case get = "GET"
  case head = "HEAD"
  case put = "PUT"
  case post = "POST"
  case delete = "DELETE"
}

/// One field of a header.
package struct HTTPField: Sendable, Hashable {
  package var name: String
  package var value: String

  package init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

/// How long a request may take.
package struct HTTPTimeouts: Sendable, Equatable {
  /// From the start to a connection, TLS included.
  package var connectSeconds: Double
  /// With less than one byte a second in either direction. It covers the wait for the answer.
  package var idleSeconds: Double
  /// For the whole request; nil for no limit, as a body may be large and the way slow.
  package var totalSeconds: Double?

  package init(
    connectSeconds: Double = 30, idleSeconds: Double = 60, totalSeconds: Double? = nil
  ) {
    self.connectSeconds = connectSeconds
    self.idleSeconds = idleSeconds
    self.totalSeconds = totalSeconds
  }
}

/// A request as it goes on the wire.
package struct HTTPRequest: Sendable {
  package var method: HTTPMethod
  /// `http` or `https`, encoded; sent exactly as it stands here.
  package var url: String
  /// In their order on the wire. Host, Content-Length and Expect are not to be among them.
  package var fields: [HTTPField]
  package var body: HTTPBody?
  /// In place of the client's.
  package var timeouts: HTTPTimeouts?
  /// Called with the number of body bytes before they go out; may block, to hold a rate.
  package var pace: (@Sendable (Int) -> Void)?
  /// Goes out once at most, on a connection of its own. Any other is sent once more, unseen, when
  /// a connection that was kept turns out to be dead, also after the server has taken it.
  package var isSentOnce = false

  package init(_ method: HTTPMethod, _ url: String, fields: [HTTPField] = []) {
    self.method = method
    self.url = url
    self.fields = fields
  }

  var isSecure: Bool { url.hasPrefix("https://") }

  /// Scheme, host and port: all of the URL that messages tell.
  var server: String { HTTPRequest.server(of: url) }

  static func server(of url: String) -> String {
    var slashes = 0
    let end = url.firstIndex { character in
      if character == "/" { slashes += 1 }
      return slashes == 3 || character == "?" || character == "#"
    }
    let start = String(url[..<(end ?? url.endIndex)])
    // What stands before an @ may be a password.
    guard let at = start.lastIndex(of: "@"), let scheme = start.range(of: "://") else {
      return start
    }
    return String(start[..<scheme.upperBound] + start[start.index(after: at)...])
  }

  /// What makes the request one that cannot be sent; nil when nothing does.
  var problem: String? {
    guard url.hasPrefix("http://") || url.hasPrefix("https://") else {
      return "the address is neither http nor https"
    }
    guard url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      return "the address holds bytes that are not encoded"
    }
    for field in fields {
      guard !field.name.isEmpty, field.name.utf8.allSatisfy(HTTPRequest.isTokenByte) else {
        return "'\(field.name)' is no name of a header field"
      }
      // The value may be a secret.
      guard !field.value.utf8.contains(where: { $0 == 0 || $0 == 0x0a || $0 == 0x0d }) else {
        return "the header field \(field.name) holds a line break or a NUL"
      }
    }
    if body != nil, method == .get || method == .head { return "\(method.rawValue) has no body" }
    return nil
  }

  /// RFC 9110, 5.6.2.
  private static func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "-"): true
    default: "!#$%&'*+.^_`|~".utf8.contains(byte)
    }
  }
}

extension String {
  /// `range(of:)` for ASCII, which the standard library does not have without Foundation.
  fileprivate func range(of part: String) -> Range<String.Index>? {
    let bytes = utf8
    var start = bytes.startIndex
    while start < bytes.endIndex {
      if bytes[start...].starts(with: part.utf8) {
        return start..<bytes.index(start, offsetBy: part.utf8.count)
      }
      start = bytes.index(after: start)
    }
    return nil
  }
}
