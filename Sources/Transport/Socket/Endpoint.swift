import Platform

/// A host and a port, as given by people: `HOST:PORT`, `[IPV6]:PORT`, `HOST`, `:PORT`, `PORT`.
package struct Endpoint: Sendable, Equatable, CustomStringConvertible {
  /// The port of VolSync's rsync-tls Service (volsync.md 7.1).
  package static let defaultPort: UInt16 = 8000

  /// A name or a numeric address without brackets; empty for all addresses of this machine.
  package let host: String
  package let port: UInt16

  package init(host: String, port: UInt16 = Endpoint.defaultPort) {
    self.host = host
    self.port = port
  }

  /// Reads the text of an option or a field.
  ///
  /// - Throws: `TransportError.invalidEndpoint`.
  package init(parsing text: String) throws(TransportError) {
    if text.hasPrefix("[") {
      self = try Endpoint.bracketed(text)
      return
    }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    switch parts.count {
    case 1 where !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }:
      self.init(host: "", port: try Endpoint.port(text[...], of: text))
    case 1:
      self.init(host: try Endpoint.host(text[...], of: text))
    case 2:
      let host = parts[0].isEmpty ? "" : try Endpoint.host(parts[0], of: text)
      self.init(host: host, port: try Endpoint.port(parts[1], of: text))
    case 3 where text == "::":
      self.init(host: "")
    default:
      throw .invalidEndpoint(text, problem: "an IPv6 address stands in brackets: [::1]:8000")
    }
  }

  /// `HOST:PORT`, with brackets where the host has colons; `*` for all addresses.
  package var description: String {
    if host.isEmpty { return "*:\(port)" }
    return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
  }

  private static func bracketed(_ text: String) throws(TransportError) -> Endpoint {
    guard let end = text.firstIndex(of: "]") else {
      throw .invalidEndpoint(text, problem: "the closing bracket is missing")
    }
    let inner = text[text.index(after: text.startIndex)..<end]
    guard inner.contains(":") else {
      throw .invalidEndpoint(text, problem: "brackets are for IPv6 addresses")
    }
    let host = inner == "::" ? "" : try host(inner, of: text)
    let rest = text[text.index(after: end)...]
    if rest.isEmpty { return Endpoint(host: host) }
    guard rest.hasPrefix(":") else {
      throw .invalidEndpoint(text, problem: "only :PORT may follow the bracket")
    }
    return Endpoint(host: host, port: try port(rest.dropFirst(), of: text))
  }

  private static func host(_ host: Substring, of text: String) throws(TransportError) -> String {
    guard !host.isEmpty else { throw .invalidEndpoint(text, problem: "it is empty") }
    // 253 is the longest name of DNS (RFC 1035 2.3.4); numeric addresses with a zone are shorter.
    guard host.utf8.count <= 253 else {
      throw .invalidEndpoint(text, problem: "the host is longer than 253 bytes")
    }
    let bad = host.utf8.first { $0 <= 0x20 || $0 >= 0x7f || $0 == 0x2f || $0 == 0x40 }
    guard bad == nil else {
      throw .invalidEndpoint(text, problem: "'\(printable(host.utf8))' is not a host")
    }
    return String(host)
  }

  private static func port(_ port: Substring, of text: String) throws(TransportError) -> UInt16 {
    let isNumber = !port.isEmpty && port.utf8.allSatisfy { (0x30...0x39).contains($0) }
    guard isNumber, let value = UInt16(port) else {
      throw .invalidEndpoint(text, problem: "the port is a number from 0 to 65535")
    }
    return value
  }
}
