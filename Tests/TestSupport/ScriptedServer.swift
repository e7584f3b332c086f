import Glibc
import Platform

/// An HTTP/1.1 server whose answers a closure gives.
///
///     let server = try ScriptedServer { request in
///       request.method == "GET" ? .text("<a/>") : ScriptedServer.Answer(status: 405)
///     }
///     // http://127.0.0.1:\(server.port)
package final class ScriptedServer: Sendable {
  package struct Request: Sendable {
    /// Of all requests, from 0, in the order in which they were complete.
    package let number: Int
    package let method: String
    /// The path with the query, as it stood in the request.
    package let target: String
    /// The path without its escapes.
    package let path: String
    /// Names and values without their escapes, in the order of the request.
    package let query: [(name: String, value: String)]
    /// Names in lower case.
    package let headers: [WireHeader]
    /// Its first MiB as it stood on the wire, chunk lines included.
    package let body: [UInt8]
    package let bodySizeBytes: Int

    /// The value of a header named in lower case.
    package subscript(_ name: String) -> String? { headers.first { $0.name == name }?.value }

    /// The first value of that name in the query.
    package func query(_ name: String) -> String? { query.first { $0.name == name }?.value }
  }

  package struct Answer: Sendable {
    package enum Body: Sendable {
      case bytes([UInt8])
      /// A body of that length whose pieces a closure gives, from the offset that it is told; a
      /// piece goes on until the end or is cut there.
      case generated(sizeBytes: Int, @Sendable (Int) -> [UInt8])
      /// Chunks until the closure, told their number from 0, gives nil.
      case chunks(@Sendable (Int) -> [UInt8]?)
    }

    package var status: Int
    package var headers: [WireHeader]
    package var body: Body
    /// Before the head is sent.
    package var delaySeconds = 0.0
    /// Ends the connection after the answer, and says so.
    package var closes = false
    /// Sent in place of everything else, after which the connection ends.
    package var raw: [UInt8]?

    package init(status: Int = 200, headers: [WireHeader] = [], body: Body = .bytes([])) {
      self.status = status
      self.headers = headers
      self.body = body
    }

    package static func text(
      _ text: String, status: Int = 200, type: String = "application/xml"
    ) -> Answer {
      Answer(
        status: status, headers: [WireHeader("Content-Type", type)],
        body: .bytes(Array(text.utf8)))
    }

    /// An S3 error document.
    package static func error(status: Int, code: String) -> Answer {
      let canned = CannedAnswer(status: status, code: code)
      return Answer(status: status, headers: canned.headers, body: .bytes(canned.body))
    }

    /// Bytes that need not be HTTP.
    package static func raw(_ bytes: [UInt8]) -> Answer {
      var answer = Answer()
      answer.raw = bytes
      return answer
    }
  }

  /// Where the server listens.
  package var port: UInt16 { server.port }
  private let server: LoopbackServer
  private let log: ScriptLog

  /// `answer` is called on the thread of the connection, for several at once. With
  /// `recordsRequests` every request is kept for ``requests``.
  package init(
    recordsRequests: Bool = true, _ answer: @escaping @Sendable (Request) -> Answer
  ) throws {
    let log = ScriptLog(recordsRequests)
    self.log = log
    server = try LoopbackServer { connection, _ in
      ScriptedConnection(connection, log, answer).serve()
    }
  }

  deinit { stop() }

  package var requestCount: Int { log.count }
  package var requests: [Request] { log.requests }
  /// Connections of clients so far.
  package var connectionCount: Int { server.connections.acceptedCount }

  /// Ends all connections and listens no more.
  package func stop() { server.stop() }
}

/// What all connections of a server share.
private final class ScriptLog: @unchecked Sendable {
  private let lock = Lock()
  private let recordsRequests: Bool
  private var recorded: [ScriptedServer.Request] = []
  private var counted = 0

  init(_ recordsRequests: Bool) { self.recordsRequests = recordsRequests }

  var count: Int { lock.withLock { counted } }
  var requests: [ScriptedServer.Request] { lock.withLock { recorded } }

  func add(_ make: (Int) -> ScriptedServer.Request) -> ScriptedServer.Request {
    lock.withLock {
      let request = make(counted)
      counted += 1
      if recordsRequests { recorded.append(request) }
      return request
    }
  }
}

private struct ScriptedConnection {
  private static let bodySizeKept = 1 << 20
  let reader: WireReader
  let log: ScriptLog
  let answer: @Sendable (ScriptedServer.Request) -> ScriptedServer.Answer

  init(
    _ connection: SharedDescriptor, _ log: ScriptLog,
    _ answer: @escaping @Sendable (ScriptedServer.Request) -> ScriptedServer.Answer
  ) {
    reader = WireReader(connection)
    self.log = log
    self.answer = answer
  }

  func serve() {
    while let head = reader.readHead() {
      if head.expectsContinue, !send("HTTP/1.1 100 Continue\r\n\r\n") { return }
      var body: [UInt8] = []
      var size = 0
      let outcome = reader.readBody(head.requestFraming) { piece, _ in
        size += piece.count
        body += piece.prefix(ScriptedConnection.bodySizeKept - body.count)
        return true
      }
      guard outcome == .complete else { return }
      let parts = splitTarget(head.target)
      let request = log.add {
        ScriptedServer.Request(
          number: $0, method: head.method, target: head.target, path: parts.path,
          query: parts.query, headers: head.headers, body: body, bodySizeBytes: size)
      }
      if !send(answer(request), to: head) { return }
    }
  }

  /// False when the connection is over.
  private func send(_ answer: ScriptedServer.Answer, to head: WireHead) -> Bool {
    SystemClock().sleep(seconds: answer.delaySeconds)
    if let raw = answer.raw {
      _ = sendAll(raw[...], to: reader.connection)
      return false
    }
    let closes = answer.closes || head.closesConnection
    var lines = ["HTTP/1.1 \(answer.status) Scripted"]
    lines += answer.headers.map { "\($0.name): \($0.value)" }
    switch answer.body {
    case .bytes(let bytes): lines.append("Content-Length: \(bytes.count)")
    case .generated(let size, _): lines.append("Content-Length: \(size)")
    case .chunks: lines.append("Transfer-Encoding: chunked")
    }
    if closes { lines.append("Connection: close") }
    guard send(lines.joined(separator: "\r\n") + "\r\n\r\n") else { return false }
    let hasBody = head.method != "HEAD" && answer.status != 204 && answer.status != 304
    return (!hasBody || send(answer.body)) && !closes
  }

  private func send(_ body: ScriptedServer.Answer.Body) -> Bool {
    switch body {
    case .bytes(let bytes): return sendAll(bytes[...], to: reader.connection)
    case .generated(let size, let piece):
      var offset = 0
      while offset < size {
        let bytes = piece(offset).prefix(size - offset)
        guard !bytes.isEmpty, sendAll(bytes, to: reader.connection) else { return false }
        offset += bytes.count
      }
      return true
    case .chunks(let chunk):
      var number = 0
      while let bytes = chunk(number) {
        number += 1
        guard !bytes.isEmpty else { continue }
        guard send("\(String(bytes.count, radix: 16))\r\n"),
          sendAll((bytes + [13, 10])[...], to: reader.connection)
        else { return false }
      }
      return send("0\r\n\r\n")
    }
  }

  private func send(_ text: String) -> Bool {
    sendAll(Array(text.utf8)[...], to: reader.connection)
  }
}

/// A target without its escapes.
private func splitTarget(
  _ target: String
) -> (path: String, query: [(name: String, value: String)]) {
  let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
  guard parts.count == 2 else { return (unescaped(parts[0]), []) }
  let query = parts[1].split(separator: "&").map { part in
    let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    return (name: unescaped(sides[0]), value: sides.count == 2 ? unescaped(sides[1]) : "")
  }
  return (unescaped(parts[0]), query)
}

/// Percent escapes undone; a `+` stays one.
private func unescaped(_ text: Substring) -> String {
  var result: [UInt8] = []
  var rest = Array(text.utf8)[...]
  while let byte = rest.popFirst() {
    if byte == 0x25, rest.count >= 2,
      let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
    {
      result.append(value)
      rest = rest.dropFirst(2)
    } else {
      result.append(byte)
    }
  }
  return String(decoding: result, as: UTF8.self)
}
