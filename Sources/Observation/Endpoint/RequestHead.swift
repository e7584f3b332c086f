/// The head of a request as far as an endpoint that only shows text has to know it (RFC 9112).
enum RequestHead: Equatable {
  /// More has to come.
  case unfinished
  case get(path: String)
  case head(path: String)
  case otherMethod
  case malformed

  /// The longest head; those of scrapers have a few hundred bytes.
  static let sizeBytesMax = 8 << 10

  init(_ bytes: [UInt8]) {
    guard let end = RequestHead.end(of: bytes) else {
      self = .unfinished
      return
    }
    let line = bytes[..<end].prefix { $0 != 0x0d && $0 != 0x0a }
    // Control characters and what is no ASCII have no place in the first line.
    guard line.allSatisfy({ (0x20...0x7e).contains($0) }) else {
      self = .malformed
      return
    }
    let parts = line.split(separator: 0x20, omittingEmptySubsequences: false).map {
      String(decoding: $0, as: UTF8.self)
    }
    guard parts.count == 3, parts[2].hasPrefix("HTTP/1."), parts[1].hasPrefix("/"),
      !parts[0].isEmpty
    else {
      self = .malformed
      return
    }
    let path = String(parts[1].prefix { $0 != "?" && $0 != "#" })
    switch parts[0] {
    case "GET": self = .get(path: path)
    case "HEAD": self = .head(path: path)
    default: self = .otherMethod
    }
  }

  /// Where the empty line begins.
  private static func end(of bytes: [UInt8]) -> Int? {
    var lineStart = 0
    for index in bytes.indices where bytes[index] == 0x0a {
      let isEmpty = index == lineStart || (index == lineStart + 1 && bytes[lineStart] == 0x0d)
      if isEmpty { return lineStart }
      lineStart = index + 1
    }
    return nil
  }
}
