import Glibc
import Platform

/// The start line and the headers of an HTTP/1.1 message, as they stood on the wire.
package struct WireHead: Sendable {
  /// All bytes, with the empty line.
  package let bytes: [UInt8]
  package let startLine: String
  /// In the order of the message; names in lower case.
  package let headers: [WireHeader]

  /// Nil when a line is no header.
  init?(_ bytes: [UInt8]) {
    self.bytes = bytes
    let text = String(decoding: bytes, as: UTF8.self)
    var lines = text.split(separator: "\r\n", omittingEmptySubsequences: true)
    guard !lines.isEmpty else { return nil }
    startLine = String(lines.removeFirst())
    var headers: [WireHeader] = []
    for line in lines {
      guard let colon = line.firstIndex(of: ":") else { return nil }
      headers.append(
        WireHeader(line[..<colon].lowercased(), trimmed(line[line.index(after: colon)...])))
    }
    self.headers = headers
  }

  /// The value of a header named in lower case; the first of several.
  package subscript(_ name: String) -> String? { headers.first { $0.name == name }?.value }

  /// The parts of the start line: method, target and version, or version, status and reason.
  var startParts: [Substring] { startLine.split(separator: " ", maxSplits: 2) }

  var method: String { String(startParts.first ?? "") }
  var target: String { startParts.count > 1 ? String(startParts[1]) : "" }
  package var status: Int { startParts.count > 1 ? Int(startParts[1]) ?? 0 : 0 }

  var expectsContinue: Bool { self["expect"]?.lowercased() == "100-continue" }
  var closesConnection: Bool { self["connection"]?.lowercased() == "close" }

  var requestFraming: BodyFraming {
    if self["transfer-encoding"]?.lowercased() == "chunked" { return .chunked }
    return .length(self["content-length"].flatMap { Int($0) } ?? 0)
  }

  /// How the body of this answer to a request of `method` ends.
  func responseFraming(method: String) -> BodyFraming {
    if method == "HEAD" || status == 204 || status == 304 || status < 200 { return .length(0) }
    if self["transfer-encoding"]?.lowercased() == "chunked" { return .chunked }
    return self["content-length"].flatMap { Int($0) }.map { .length($0) } ?? .untilEnd
  }
}

/// A header of a message; two messages may spell its name differently.
package struct WireHeader: Sendable, Equatable {
  package let name: String
  package let value: String

  package init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

private func trimmed(_ text: Substring) -> String {
  String(text.drop { $0 == " " || $0 == "\t" })
}

/// How a body tells where it ends.
enum BodyFraming: Equatable {
  case length(Int)
  case chunked
  case untilEnd

  var isEmpty: Bool { self == .length(0) }
}

/// How reading a body ended.
enum BodyOutcome {
  case complete
  /// The other side ended the connection before the end of the body.
  case cutShort
  /// Who took the pieces wanted no more.
  case refused
}

/// Reads messages off one connection; used by one thread at a time.
final class WireReader: @unchecked Sendable {
  /// Longer heads and chunk lines end the connection.
  private static let headSizeMax = 1 << 20
  let connection: SharedDescriptor
  private var buffer: [UInt8] = []
  private var start = 0
  private var scratch = [UInt8](repeating: 0, count: 64 << 10)

  init(_ connection: SharedDescriptor) { self.connection = connection }

  /// Nothing has arrived that was not read.
  var isDrained: Bool { start == buffer.count }

  /// The next head; nil at the end of the connection, and when it is none.
  func readHead() -> WireHead? {
    guard let bytes = read(through: [13, 10, 13, 10]) else { return nil }
    return WireHead(Array(bytes))
  }

  /// Gives the body away in pieces as they stood on the wire, chunk lines included.
  ///
  /// `take` gets true with the last piece, which for a chunked body is what follows the last chunk,
  /// and gives false to end it there.
  func readBody(
    _ framing: BodyFraming, _ take: (ArraySlice<UInt8>, Bool) -> Bool
  ) -> BodyOutcome {
    switch framing {
    case .length(let count): return readCounted(count, take)
    case .chunked: return readChunked(take)
    case .untilEnd:
      while let piece = readSome(Int.max) { if !take(piece, false) { return .refused } }
      return .complete
    }
  }

  private func readCounted(
    _ count: Int, _ take: (ArraySlice<UInt8>, Bool) -> Bool
  ) -> BodyOutcome {
    var rest = count
    while rest > 0 {
      guard let piece = readSome(rest) else { return .cutShort }
      rest -= piece.count
      if !take(piece, rest == 0) { return .refused }
    }
    return .complete
  }

  private func readChunked(_ take: (ArraySlice<UInt8>, Bool) -> Bool) -> BodyOutcome {
    while true {
      guard let line = read(through: [13, 10]) else { return .cutShort }
      let digits = line.prefix { $0 != 13 && $0 != 0x3b }
      guard let size = Int(String(decoding: digits, as: UTF8.self), radix: 16) else {
        return .cutShort
      }
      if size == 0 {
        var last = Array(line)
        while true {
          guard let trailer = read(through: [13, 10]) else { return .cutShort }
          last += trailer
          if trailer.count == 2 { return take(last[...], true) ? .complete : .refused }
        }
      }
      if !take(line, false) { return .refused }
      // The chunk with the line end after it.
      let outcome = readCounted(size + 2) { piece, _ in take(piece, false) }
      if outcome != .complete { return outcome }
    }
  }

  /// At most `limit` bytes, at least one; nil at the end of the connection.
  func readSome(_ limit: Int) -> ArraySlice<UInt8>? {
    if isDrained, !fill() { return nil }
    let end = min(buffer.count, limit > buffer.count - start ? buffer.count : start + limit)
    defer { start = end }
    return buffer[start..<end]
  }

  /// What there is up to the first `ending`; nil at the end of the connection.
  private func read(through ending: [UInt8]) -> ArraySlice<UInt8>? {
    var searched = start
    while true {
      while let next = position(of: ending[ending.count - 1], from: searched) {
        searched = next + 1
        if searched - start >= ending.count,
          Array(buffer[(searched - ending.count)..<searched]) == ending
        {
          defer { start = searched }
          return buffer[start..<searched]
        }
      }
      guard buffer.count - start < WireReader.headSizeMax else { return nil }
      let known = buffer.count - start
      guard fill() else { return nil }
      searched = start + known
    }
  }

  private func position(of byte: UInt8, from offset: Int) -> Int? {
    buffer.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress, offset < bytes.count,
        let found = memchr(base + offset, Int32(byte), bytes.count - offset)
      else { return nil }
      return UnsafeRawPointer(found) - base
    }
  }

  /// Reads once more; false at the end of the connection.
  private func fill() -> Bool {
    let count = retryingOnInterrupt {
      scratch.withUnsafeMutableBytes { Glibc.read(connection.raw, $0.baseAddress, $0.count) }
    }
    guard count > 0 else { return false }
    buffer.removeFirst(start)
    start = 0
    buffer.append(contentsOf: scratch[..<count])
    return true
  }
}
