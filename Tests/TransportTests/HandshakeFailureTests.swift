import Glibc
import Platform
import Testing

@testable import Transport

/// What each side says when the other one cannot be authenticated, or is no peer at all.
@Suite struct HandshakeFailureTests {
  private let short = StreamTimeouts(timeoutSeconds: 20)

  /// Both ends' errors of a handshake between these key files.
  private func errors(
    server: String, client: String
  ) throws -> (server: TransportError?, client: TransportError?) {
    let listener = try Listener(on: Endpoint(parsing: "127.0.0.1:0"), wakeup: Wakeup())
    let serverKeys = try keyRing(server)
    let clientKey = try keyRing(client).clientKey()
    let serving = Thread("server") {
      transportError { _ = try accept(listener, keys: serverKeys) }
    }
    let atClient = transportError { _ = try connect(port: listener.boundPort, key: clientKey) }
    return (try serving.join(), atClient)
  }

  @Test func wrongKey() throws {
    let errors = try errors(server: "a:\(keyHex("01"))", client: "a:\(keyHex("02"))")
    guard case .wrongKey("a", _) = errors.server else {
      Issue.record("server: \(String(describing: errors.server))")
      return
    }
    guard case .keyRefused("a", _) = errors.client else {
      Issue.record("client: \(String(describing: errors.client))")
      return
    }
    for error in [errors.server, errors.client] {
      #expect(error?.kind == .wrongKey)
      #expect(error?.hint != nil)
      #expect(error?.message.contains("0101") == false)
    }
  }

  @Test func unknownIdentity() throws {
    let errors = try errors(server: "a:\(keyHex("01"))", client: "b:\(keyHex("01"))")
    guard case .unknownIdentity("b", _) = errors.server else {
      Issue.record("server: \(String(describing: errors.server))")
      return
    }
    guard case .keyRefused("b", _) = errors.client else {
      Issue.record("client: \(String(describing: errors.client))")
      return
    }
    #expect(errors.server?.kind == .wrongKey)
    #expect(errors.client?.kind == .wrongKey)
  }

  @Test func identitiesAreComparedInFull() throws {
    let errors = try errors(server: "peer1:\(keyHex("01"))", client: "peer:\(keyHex("01"))")
    #expect(errors.server?.kind == .wrongKey)
  }

  @Test func anyLineOfTheServersFileIsTaken() throws {
    let keys = try keyRing("old:\(keyHex("01"))\nnew:\(keyHex("02"))")
    for identity in ["old", "new"] {
      let listener = try Listener(on: Endpoint(parsing: "127.0.0.1:0"), wakeup: Wakeup())
      let serving = Thread("server") { try accept(listener, keys: keys) }
      let client = try connect(
        port: listener.boundPort, key: keys.clientKey(identity: identity))
      let server = try serving.join()
      #expect(server.peerIdentity == identity)
      #expect(client.peerIdentity == identity)
    }
  }

  @Test(arguments: [
    Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8), Array("@RSYNCD: 31.0\n".utf8),
    Array("SSH-2.0-OpenSSH_9.2\r\n".utf8), [UInt8](repeating: 0, count: 64),
    pattern(seed: 9, count: 4_096),
  ])
  func garbageFromAClient(bytes: [UInt8]) throws {
    let error = try errorOfServer { raw in
      _ = bytes.withUnsafeBytes { write(raw, $0.baseAddress, $0.count) }
    }
    guard case .notTLS = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.kind == .wrongKey)
  }

  @Test func aServerThatSpeaksPlainText() throws {
    let listener = try Listener(on: Endpoint(parsing: "127.0.0.1:0"), wakeup: Wakeup())
    let serving = Thread("server") {
      let connection = try listener.accept(wakeup: Wakeup())
      _ = "@RSYNCD: 31.0\n".withCString { write(connection.socket.raw, $0, strlen($0)) }
      SystemClock().sleep(seconds: 0.5)
    }
    let key = try keyRing("a:\(keyHex("01"))").clientKey()
    let error = transportError { _ = try connect(port: listener.boundPort, key: key) }
    try serving.join()
    guard case .notTLS = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func silence() throws {
    let error = try errorOfServer(timeouts: StreamTimeouts(timeoutSeconds: 0.3)) { _ in
      SystemClock().sleep(seconds: 1)
    }
    guard case .timedOut(.handshake, _, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.kind == .unreachable)
  }

  @Test func aClientThatHangsUp() throws {
    let error = try errorOfServer { shutdown($0, Int32(SHUT_RDWR)) }
    guard case .truncated = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.kind == .unreachable)
  }

  @Test(arguments: [
    ["-tls1_2", "-psk_identity", "a", "-psk", keyHex("01"), "-cipher", "PSK"],
    ["-tls1_3"],
  ])
  func openSSLClients(arguments: [String]) throws {
    let directory = try TemporaryDirectory()
    let log = "\(directory.path)/log"
    let listener = try Listener(on: Endpoint(parsing: "127.0.0.1:0"), wakeup: Wakeup())
    let keys = try keyRing("a:\(keyHex("01"))")
    let client = try Program(
      ["openssl", "s_client", "-connect", "127.0.0.1:\(listener.boundPort)"] + arguments, log: log)
    let error = transportError { _ = try accept(listener, keys: keys) }
    withExtendedLifetime(client) {}
    if arguments == ["-tls1_3"] {
      guard case .noPreSharedKey = error else {
        Issue.record("\(String(describing: error))")
        return
      }
    } else {
      guard case .versionRefused = error else {
        Issue.record("\(String(describing: error))")
        return
      }
    }
    #expect(error?.kind == .wrongKey)
  }

  /// The error of a server whose client does `body` on a plain socket.
  private func errorOfServer(
    timeouts: StreamTimeouts = StreamTimeouts(timeoutSeconds: 20),
    _ body: @escaping @Sendable (Int32) -> Void
  ) throws -> TransportError? {
    let listener = try Listener(on: Endpoint(parsing: "127.0.0.1:0"), wakeup: Wakeup())
    let keys = try keyRing("a:\(keyHex("01"))")
    let port = listener.boundPort
    let client = Thread("client") {
      let connection = try Connection.connect(
        to: Endpoint(host: "127.0.0.1", port: port), wakeup: Wakeup())
      body(connection.socket.raw)
      // Held until the server has ended its side.
      _ = try connection.wakeup.wait(
        for: connection.socket.raw, .reading, until: .now().advanced(bySeconds: 5))
    }
    let error = transportError { _ = try accept(listener, keys: keys, timeouts: timeouts) }
    try client.join()
    return error
  }
}
