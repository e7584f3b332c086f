import Glibc
import Platform

/// A request as a ``ReplyServer`` received it.
package struct ScriptedRequest: Sendable {
  package var method: String
  /// Path and query, as sent.
  package var target: String
  package var fields: [(name: String, value: String)]
  package var body: [UInt8]
  /// Counts the connections from 1: equal numbers came on the same one.
  package var connection: Int

  package var path: String { String(target.prefix { $0 != "?" }) }
  package var query: String {
    String(target.drop { $0 != "?" }.dropFirst())
  }

  /// The first value of a field, by its name in lower case.
  package subscript(name: String) -> String? {
    fields.first { $0.name.lowercased() == name }?.value
  }
}

/// What a ``ReplyServer`` does about a request.
package enum ScriptedReply: Sendable {
  /// A whole answer with Content-Length; the connection stays open.
  case answer(Int, [(String, String)] = [], body: [UInt8] = [])
  /// These bytes, then the end of the connection.
  case raw([UInt8])
  /// These bytes; the connection stays open.
  case rawOpen([UInt8])
  /// The end of the connection without an answer.
  case close
  /// Nothing until the server ends.
  case hang

  package static func text(
    _ status: Int, _ body: String, _ fields: [(String, String)] = []
  ) -> ScriptedReply {
    .answer(status, fields, body: Array(body.utf8))
  }
}

/// A small HTTP server on loopback that answers as a test says, also against the rules.
package final class ReplyServer: @unchecked Sendable {
  package typealias Script = @Sendable (ScriptedRequest, _ number: Int) -> ScriptedReply

  package let port: UInt16
  private let script: Script
  private let givesLeave: Bool
  /// Given without reading a body, with the end of the connection.
  private let refusal: Int?
  private let listener: Int32
  private let lock = Lock()
  private var received: [ScriptedRequest] = []
  private var open: Set<Int32> = []
  private var connectionCount = 0
  private var isEnded = false

  /// `script` is called, on the connection's thread, with each request and its number from 1 on.
  /// With `givesLeave` a request that expects it gets `100 Continue` before its body is read.
  package convenience init(givesLeave: Bool = true, _ script: @escaping Script) throws {
    try self.init(givesLeave, nil, script)
  }

  /// A server that answers every request with this status before it reads a body, and closes.
  package convenience init(refusing status: Int) throws {
    try self.init(false, status) { _, _ in .close }
  }

  private init(_ givesLeave: Bool, _ refusal: Int?, _ script: @escaping Script) throws {
    self.script = script
    self.givesLeave = givesLeave
    self.refusal = refusal
    let raw = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard raw >= 0 else { throw PlatformError.last("socket") }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
        bind(raw, name, size) == 0 && listen(raw, 64) == 0
          && getsockname(raw, name, &size) == 0
      }
    }
    guard bound else {
      defer { close(raw) }
      throw PlatformError.last("bind")
    }
    listener = raw
    port = UInt16(bigEndian: address.sin_port)
    let weak = WeakServer(self)
    startBackgroundThread { acceptAll(raw, weak) }
  }

  deinit { end() }

  package var endpoint: String { "http://127.0.0.1:\(port)" }
  package var requests: [ScriptedRequest] { lock.withLock { received } }
  package var connections: Int { lock.withLock { connectionCount } }

  /// Closes everything.
  package func end() {
    let all = lock.withLock { () -> Set<Int32> in
      guard !isEnded else { return [] }
      isEnded = true
      shutdown(listener, Int32(SHUT_RDWR))
      return open
    }
    for raw in all { shutdown(raw, Int32(SHUT_RDWR)) }
  }

  fileprivate func serve(_ raw: Int32) {
    let number = lock.withLock { () -> Int? in
      guard !isEnded else { return nil }
      open.insert(raw)
      connectionCount += 1
      return connectionCount
    }
    var stream = RequestStream(raw: raw)
    if let refusal {
      var byte: UInt8 = 0
      _ = recv(raw, &byte, 1, 0)
      _ = sendAll(Array("HTTP/1.1 \(refusal) No\r\nContent-Length: 0\r\n\r\n".utf8), raw)
    } else if let number {
      while let request = stream.next(connection: number, givesLeave: givesLeave) {
        let count = lock.withLock { () -> Int in
          received.append(request)
          return received.count
        }
        guard reply(to: request, script(request, count), on: raw) else { break }
      }
    }
    lock.withLock { _ = open.remove(raw) }
    // A child of another test may have inherited the descriptor.
    shutdown(raw, Int32(SHUT_RDWR))
    close(raw)
  }

  /// Whether the connection goes on.
  private func reply(
    to request: ScriptedRequest, _ reply: ScriptedReply, on raw: Int32
  ) -> Bool {
    switch reply {
    case .answer(let status, let fields, let body):
      var head = "HTTP/1.1 \(status) Scripted\r\n"
      for (name, value) in fields { head += "\(name): \(value)\r\n" }
      let announces = !fields.contains { $0.0.lowercased() == "content-length" }
      if announces, status != 204, status != 304 { head += "Content-Length: \(body.count)\r\n" }
      let bytes = Array((head + "\r\n").utf8) + (request.method == "HEAD" ? [] : body)
      return sendAll(bytes, raw)
    case .raw(let bytes):
      _ = sendAll(bytes, raw)
      return false
    case .rawOpen(let bytes): return sendAll(bytes, raw)
    case .close: return false
    case .hang:
      var byte: UInt8 = 0
      while recv(raw, &byte, 1, 0) > 0 {}
      return false
    }
  }
}

/// Lets the accepting thread go on without holding the server.
private final class WeakServer: @unchecked Sendable {
  private weak var server: ReplyServer?
  init(_ server: ReplyServer) { self.server = server }
  var held: ReplyServer? { server }
}

private func acceptAll(_ listener: Int32, _ server: WeakServer) {
  while true {
    let raw = retryingOnInterrupt { accept(listener, nil, nil) }
    guard raw >= 0 else { break }
    _ = fcntl(raw, F_SETFD, FD_CLOEXEC)
    startBackgroundThread {
      guard let held = server.held else {
        close(raw)
        return
      }
      held.serve(raw)
    }
  }
  close(listener)
}

private func sendAll(_ bytes: [UInt8], _ raw: Int32) -> Bool {
  var offset = 0
  while offset < bytes.count {
    let count = bytes[offset...].withUnsafeBytes {
      send(raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
    }
    guard count > 0 else { return false }
    offset += count
  }
  return true
}

/// Reads requests off one connection.
private struct RequestStream {
  let raw: Int32
  private var buffered: [UInt8] = []

  init(raw: Int32) { self.raw = raw }

  private mutating func fill() -> Bool {
    var piece = [UInt8](repeating: 0, count: 64 << 10)
    let count = piece.withUnsafeMutableBytes { recv(raw, $0.baseAddress, $0.count, 0) }
    guard count > 0 else { return false }
    buffered.append(contentsOf: piece[..<count])
    return true
  }

  private var headEnd: Int? {
    guard buffered.count >= 4 else { return nil }
    return (0...(buffered.count - 4)).first { index in
      buffered[index] == 13 && buffered[index + 1] == 10 && buffered[index + 2] == 13
        && buffered[index + 3] == 10
    }
  }

  /// Nil at the end of the connection.
  mutating func next(connection: Int, givesLeave: Bool) -> ScriptedRequest? {
    while headEnd == nil { guard fill() else { return nil } }
    guard let end = headEnd else { return nil }
    let lines = String(decoding: buffered[..<end], as: UTF8.self)
      .split(separator: "\r\n", omittingEmptySubsequences: true)
    buffered.removeFirst(end + 4)
    let words = (lines.first ?? "").split(separator: " ")
    guard words.count == 3 else { return nil }
    var request = ScriptedRequest(
      method: String(words[0]), target: String(words[1]), fields: [], body: [],
      connection: connection)
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { continue }
      let value = line[line.index(after: colon)...].drop { $0 == " " }
      request.fields.append((String(line[..<colon]), String(value)))
    }
    let length = request["content-length"].flatMap { Int($0) } ?? 0
    if request["expect"] != nil, givesLeave {
      _ = sendAll(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8), raw)
    }
    while buffered.count < length { guard fill() else { return nil } }
    request.body = Array(buffered[..<length])
    buffered.removeFirst(length)
    return request
  }
}
