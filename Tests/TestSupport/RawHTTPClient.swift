import Glibc
import Platform

/// A client that sends bytes as they are and says what came back, for what no real client shows.
package final class RawHTTPClient {
  /// An answer, or how the connection ended without a whole one.
  package struct Answer: Sendable {
    package enum Ending: Sendable, Equatable {
      /// The body is whole by its own length.
      case complete
      /// The connection ended cleanly before the end of the answer.
      case cutShort
      case reset
      /// Nothing came any more in the time that was given.
      case silence
    }
    /// Nil when not even the head arrived.
    package var head: WireHead?
    /// What arrived of the body, without chunk lines.
    package var body: [UInt8] = []
    package var ending: Ending

    package var status: Int? { head?.status }
    package var text: String { String(decoding: body, as: UTF8.self) }
  }

  private let connection: SharedDescriptor
  private let reader: WireReader
  private var wasReset = false

  package init(port: UInt16) throws {
    guard let connection = connectToLoopback(port: port) else {
      throw TestFailure("nobody listens on port \(port)")
    }
    self.connection = connection
    reader = WireReader(connection)
  }

  /// Sends a head made of `line` and `headers`; a `Host` is added.
  package func sendHead(_ line: String, _ headers: [String] = []) {
    send(([line, "Host: 127.0.0.1"] + headers).joined(separator: "\r\n") + "\r\n\r\n")
  }

  /// Sends bytes; a connection that has ended shows in the answer.
  package func send(_ bytes: [UInt8]) {
    // The first call after a reset is told of it, be it one that sends, and no other.
    if !sendAll(bytes[...], to: connection) { wasReset = wasReset || Glibc.errno == ECONNRESET }
  }
  package func send(_ text: String) { send(Array(text.utf8)) }

  /// Waits for one answer to a request of `method`.
  package func receive(
    method: String = "GET", timeoutSeconds: Double = 60
  ) -> Answer {
    setTimeout(timeoutSeconds)
    guard let head = reader.readHead() else { return Answer(ending: ending) }
    var answer = Answer(head: head, ending: .complete)
    let framing = head.responseFraming(method: method)
    let outcome = reader.readBody(framing) { piece, _ in
      answer.body += piece
      return true
    }
    if outcome != .complete { answer.ending = ending }
    if framing == .chunked { answer.body = withoutChunkLines(answer.body) }
    return answer
  }

  /// The next bytes, for what comes after a silence in a body; fewer when no more come.
  package func receiveBytes(_ count: Int, timeoutSeconds: Double = 60) -> [UInt8] {
    setTimeout(timeoutSeconds)
    var result: [UInt8] = []
    while result.count < count, let piece = reader.readSome(count - result.count) {
      result += piece
    }
    return result
  }

  /// One request without a body.
  package func get(_ target: String, method: String = "GET", timeoutSeconds: Double = 60) -> Answer
  {
    sendHead("\(method) \(target) HTTP/1.1")
    return receive(method: method, timeoutSeconds: timeoutSeconds)
  }

  private func setTimeout(_ timeoutSeconds: Double) {
    var time = timeval(
      tv_sec: Int(timeoutSeconds),
      tv_usec: Int(timeoutSeconds.truncatingRemainder(dividingBy: 1) * 1e6))
    setsockopt(
      connection.raw, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
  }

  private var ending: Answer.Ending {
    switch reader.readError {
    case 0: wasReset ? .reset : .cutShort
    case EAGAIN: .silence
    default: .reset
    }
  }

  private func withoutChunkLines(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var rest = bytes[...]
    while let end = rest.firstIndex(of: 13) {
      let size = Int(String(decoding: rest[..<end], as: UTF8.self), radix: 16) ?? 0
      rest = rest[end...].dropFirst(2)
      result += rest.prefix(size)
      rest = rest.dropFirst(size + 2)
      if size == 0 { break }
    }
    return result
  }
}
