import Glibc
import Platform

/// One client's connection to a ``FaultProxy``, served by one thread; a second one passes on the
/// body of a request while the first waits for the answer.
final class FaultConnection: @unchecked Sendable {
  private let state: FaultState
  private let connections: OpenConnections
  private let targetPort: UInt16
  private let client: WireReader
  /// The connection to the server, kept for further requests.
  private var upstream: WireReader?

  init(
    _ state: FaultState, _ client: SharedDescriptor, _ connections: OpenConnections,
    _ targetPort: UInt16
  ) {
    self.state = state
    self.client = WireReader(client)
    self.connections = connections
    self.targetPort = targetPort
  }

  /// Serves requests until one side ends.
  func serve() {
    while let head = client.readHead() {
      let admission = state.admit(head)
      let goesOn = pass(head, admission)
      state.finish()
      if !goesOn { break }
    }
    disconnect()
  }

  /// One request with its answer; true when the connection can take another.
  private func pass(_ head: WireHead, _ admission: FaultState.Admission) -> Bool {
    let gate = FaultGate(admission.fault, hasRequestBody: !head.requestFraming.isEmpty)
    guard meet(gate.atRequest) else { return false }
    switch admission.fault {
    case .delay(let seconds): SystemClock().sleep(seconds: seconds)
    case .answer(let answer): return send(answer, instead: head, admission)
    default: break
    }
    guard let server = connect(), sendAll(head.bytes[...], to: server.connection) else {
      return false
    }
    guard !head.requestFraming.isEmpty else {
      return passAnswer(head, admission, gate, server) == .kept
    }
    let pump = Thread("fault-pump") { self.passBody(head, gate, server) }
    var outcome = passAnswer(head, admission, gate, server)
    // A client that was refused before it sent its body need not send it.
    if outcome == .kept, head.expectsContinue, !gate.hasContinued { outcome = .closing }
    switch outcome {
    case .kept: break
    case .closing:
      shutdown(server.connection.raw, Int32(SHUT_RDWR))
      shutdown(client.connection.raw, Int32(SHUT_WR))
    case .failed:
      // A body was cut short here, and the server is through with what it had of it.
      if gate.isSpoiled, case .reset = admission.fault { resetConnection(client.connection) }
      disconnect(client: true)
    }
    // It throws nothing, so there is nothing that could be lost.
    let isWhole = (try? pump.join()) ?? false
    if outcome == .closing { drainClient() }
    return outcome == .kept && isWhole
  }

  /// Takes what the client still sends, until it has seen its answer and ends the connection: a
  /// reset would take the answer from it.
  private func drainClient() {
    while client.readSome(Int.max) != nil {}
  }

  /// The body of a request; false when it did not reach the server whole.
  ///
  /// A server is told of a body that ends early by the end of what it reads alone, and its answer
  /// is waited for before the client sees a fault: some remove what they have of an object only
  /// then, and whoever tries again meanwhile would lose the new one.
  private func passBody(_ head: WireHead, _ gate: FaultGate, _ server: WireReader) -> Bool {
    let framing = head.requestFraming
    let limit = gate.requestBodyLimit(framing)
    let outcome = spoil(framing, client, at: limit, gate, isRequest: true) { piece in
      state.passed(requestBytes: piece.count)
      return sendAll(piece, to: server.connection)
    }
    if outcome == .cutShort || gate.isSpoiled {
      shutdown(server.connection.raw, Int32(SHUT_WR))
    }
    return outcome == .complete
  }

  private enum AnswerOutcome {
    case kept
    /// The answer is whole, and the connection ends with it.
    case closing
    case failed
  }

  /// The server's answer.
  private func passAnswer(
    _ head: WireHead, _ admission: FaultState.Admission, _ gate: FaultGate, _ server: WireReader
  ) -> AnswerOutcome {
    while let answer = server.readHead() {
      if answer.status < 200 {
        if answer.status == 100 { gate.setContinued() }
        guard gate.isSpoiled || sendAll(answer.bytes[...], to: client.connection) else {
          return .failed
        }
        continue
      }
      let framing = answer.responseFraming(method: head.method)
      if gate.isSpoiled { return .failed }
      guard meet(gate.atResponse(isEmpty: framing.isEmpty)) else { return .failed }
      state.answered(admission, status: answer.status)
      guard sendAll(answer.bytes[...], to: client.connection) else { return .failed }
      let outcome = spoil(framing, server, at: gate.responseBodyLimit(framing), gate) { piece in
        state.passed(responseBytes: piece.count)
        return sendAll(piece, to: client.connection)
      }
      guard outcome == .complete else { return .failed }
      let closes = framing == .untilEnd || answer.closesConnection || head.closesConnection
      return closes ? .closing : .kept
    }
    return .failed
  }

  /// Passes a body on, at most `limit` bytes before the fault.
  private func spoil(
    _ framing: BodyFraming, _ source: WireReader, at limit: Int?, _ gate: FaultGate,
    isRequest: Bool = false, _ send: (ArraySlice<UInt8>) -> Bool
  ) -> BodyOutcome {
    var rest = limit ?? Int.max
    return source.readBody(framing) { piece, isLast in
      var piece = piece
      // A chunked body's length shows at its end only: that is where it is spoiled at the latest.
      let isDue = piece.count > rest || isLast && framing == .chunked && rest < Int.max
      if isDue {
        let before = piece.prefix(isLast && framing == .chunked ? 0 : rest)
        guard sendSlowly(before, gate, send) else { return false }
        if isRequest, gate.fault.endsConnection {
          gate.setSpoiled()
          return false
        }
        guard meet(gate.fault) else { return false }
        piece = piece.dropFirst(before.count)
        rest = Int.max
      } else if rest < Int.max {
        rest -= piece.count
      }
      return sendSlowly(piece, gate, send)
    }
  }

  private func sendSlowly(
    _ bytes: ArraySlice<UInt8>, _ gate: FaultGate, _ send: (ArraySlice<UInt8>) -> Bool
  ) -> Bool {
    guard case .throttle(let rate) = gate.fault else { return bytes.isEmpty || send(bytes) }
    var rest = bytes
    while !rest.isEmpty {
      // Twenty steps a second.
      let piece = rest.prefix(max(1, rate / 20))
      SystemClock().sleep(seconds: Double(piece.count) / Double(rate))
      guard !connections.isStopped, send(piece) else { return false }
      rest = rest.dropFirst(piece.count)
    }
    return true
  }

  /// Does what a fault says at the point that has been reached; false when the connection is over.
  private func meet(_ fault: HTTPFault?) -> Bool {
    switch fault {
    case .reset:
      for reader in [client, upstream].compactMap({ $0 }) { resetConnection(reader.connection) }
      disconnect(client: true)
      return false
    case .end:
      disconnect(client: true)
      return false
    case .stall:
      state.stall { self.isClientGone || connections.isStopped }
      return !isClientGone && !connections.isStopped
    case .none?, .delay, .throttle, .answer, nil:
      return true
    }
  }

  /// Answers in the server's place, once the body has been taken from a client that sends it.
  private func send(
    _ answer: CannedAnswer, instead head: WireHead, _ admission: FaultState.Admission
  ) -> Bool {
    if !head.expectsContinue {
      let outcome = client.readBody(head.requestFraming) { piece, _ in
        state.passed(requestBytes: piece.count)
        return true
      }
      guard outcome == .complete else { return false }
    }
    let closes = head.expectsContinue && !head.requestFraming.isEmpty || head.closesConnection
    state.answered(admission, status: answer.status)
    let bytes = answer.message(for: head.method, closes: closes)
    guard sendAll(bytes[...], to: client.connection) else { return false }
    if closes {
      shutdown(client.connection.raw, Int32(SHUT_WR))
      drainClient()
    }
    return !closes
  }

  /// The connection to the server: the one of the last request when the server keeps it.
  private func connect() -> WireReader? {
    if let upstream, upstream.isDrained, !hasInput(upstream.connection) { return upstream }
    disconnect()
    guard let connection = connectToLoopback(port: targetPort), connections.add(connection) else {
      return nil
    }
    let reader = WireReader(connection)
    upstream = reader
    return reader
  }

  /// Ends the connection to the server, and on demand the client's.
  private func disconnect(client endsClient: Bool = false) {
    if let upstream { connections.remove(upstream.connection) }
    if endsClient { shutdown(client.connection.raw, Int32(SHUT_RDWR)) } else { upstream = nil }
  }

  private var isClientGone: Bool {
    var entry = pollfd(fd: client.connection.raw, events: pollPeerClosed, revents: 0)
    return poll(&entry, 1, 0) > 0
  }

  /// Data, the end or an error: nothing of which a kept connection has between two requests.
  private func hasInput(_ connection: SharedDescriptor) -> Bool {
    var entry = pollfd(fd: connection.raw, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, 0) != 0
  }
}

/// `POLLRDHUP`: Glibc's module does not show it.
private let pollPeerClosed: Int16 = 0x2000

/// Where in one request its fault is due.
private final class FaultGate: @unchecked Sendable {
  let fault: HTTPFault
  private let point: HTTPFault.Point?
  private let hasRequestBody: Bool
  private let lock = Lock()
  private var continued = false
  private var spoiled = false

  init(_ fault: HTTPFault, hasRequestBody: Bool) {
    self.fault = fault
    self.hasRequestBody = hasRequestBody
    switch fault {
    case .reset(let point), .end(let point), .stall(let point): self.point = point
    case .none, .delay, .throttle, .answer: point = nil
    }
  }

  /// The client was told to send its body.
  var hasContinued: Bool { lock.withLock { continued } }
  func setContinued() { lock.withLock { continued = true } }

  /// The body was cut short: what the server says to that is not passed on.
  var isSpoiled: Bool { lock.withLock { spoiled } }
  func setSpoiled() { lock.withLock { spoiled = true } }

  var atRequest: HTTPFault? {
    switch point {
    case .beforeRequest: return fault
    case .inRequest: return hasRequestBody ? nil : fault
    case .beforeResponse, .inResponse, nil: return nil
    }
  }

  func atResponse(isEmpty: Bool) -> HTTPFault? {
    switch point {
    case .beforeResponse: return fault
    case .inResponse: return isEmpty ? fault : nil
    case .beforeRequest, .inRequest, nil: return nil
    }
  }

  func requestBodyLimit(_ framing: BodyFraming) -> Int? {
    if case .inRequest(let count) = point { limit(count, framing) } else { nil }
  }

  func responseBodyLimit(_ framing: BodyFraming) -> Int? {
    if case .inResponse(let count) = point { limit(count, framing) } else { nil }
  }

  private func limit(_ count: Int, _ framing: BodyFraming) -> Int {
    if case .length(let length) = framing { min(count, length - 1) } else { count }
  }
}

extension HTTPFault {
  fileprivate var endsConnection: Bool {
    switch self {
    case .reset, .end: true
    case .none, .delay, .throttle, .answer, .stall: false
    }
  }
}

extension CannedAnswer {
  /// The bytes that answer a request of `method`.
  func message(for method: String, closes: Bool) -> [UInt8] {
    var lines = ["HTTP/1.1 \(status) \(status == 200 ? "OK" : "Injected")"]
    lines += headers.map { "\($0.name): \($0.value)" }
    lines += ["Content-Length: \(body.count)"] + (closes ? ["Connection: close"] : [])
    return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
      + (method == "HEAD" ? [] : body)
  }
}
