import Glibc
import Platform
import Testing

@testable import Transport

/// The tunnel of VolSync's movers at the other end: stunnel 5.68 in both roles.
@Suite struct StunnelTests {
  private let keys = "first:\(keyHex("11"))\nsecond:\(keyHex("22"))\n"

  @Test(arguments: ["PSK", "kPSK"])
  func aStunnelClientReachesOurServer(ciphers: String) throws {
    let directory = try TemporaryDirectory()
    let listener = try Listener(on: Endpoint(parsing: "127.0.0.1:0"), wakeup: Wakeup())
    let port = try freePort()
    let stunnel = try Stunnel(
      in: directory, keys: keys,
      service: [
        "client = yes", "accept = 127.0.0.1:\(port)", "connect = 127.0.0.1:\(listener.boundPort)",
        "ciphers = \(ciphers)",
      ])
    let ring = try keyRing(keys)
    let serving = Thread("server") {
      let stream = try accept(listener, keys: ring)
      #expect(stream.negotiated == "TLSv1.3 TLS_AES_128_GCM_SHA256")
      #expect(stream.peerIdentity == "first")
      try echo(stream)
    }
    try exchange(with: stunnel.connectPlain(port: port))
    try serving.join()
  }

  @Test(arguments: [nil, "second"])
  func ourClientReachesAStunnelServer(identity: String?) throws {
    let directory = try TemporaryDirectory()
    let plain = try Listener(on: Endpoint(parsing: "127.0.0.1:0"), wakeup: Wakeup())
    let port = try freePort()
    let stunnel = try Stunnel(
      in: directory, keys: keys,
      service: [
        "accept = 127.0.0.1:\(port)", "connect = 127.0.0.1:\(plain.boundPort)", "ciphers = kPSK",
        "sslVersionMin = TLSv1.3",
      ])
    let serving = Thread("plain server") { try echo(plainStream(plain.accept(wakeup: Wakeup()))) }
    let ring = try keyRing(keys)
    let stream = try stunnel.retrying {
      try connect(port: port, key: ring.clientKey(identity: identity))
    }
    #expect(stream.negotiated == "TLSv1.3 TLS_AES_128_GCM_SHA256")
    try exchange(with: stream)
    try serving.join()
  }

  @Test(arguments: ["first:\(keyHex("33"))", "third:\(keyHex("11"))"])
  func aStunnelServerRefusesAKeyItDoesNotHave(line: String) throws {
    let directory = try TemporaryDirectory()
    let port = try freePort()
    let stunnel = try Stunnel(
      in: directory, keys: keys,
      service: ["accept = 127.0.0.1:\(port)", "connect = 127.0.0.1:9", "ciphers = kPSK"])
    let key = try keyRing(line).clientKey()
    let error = transportError {
      _ = try stunnel.retrying { try connect(port: port, key: key) }
    }
    guard case .keyRefused = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func aStunnelClientWithAnotherKeyIsRefused() throws {
    let error = try errorOfServer(keys: "first:\(keyHex("33"))", options: [])
    guard case .wrongKey("first", _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func aStunnelClientOfTLS12IsRefused() throws {
    let error = try errorOfServer(keys: keys, options: ["sslVersionMax = TLSv1.2"])
    guard case .versionRefused = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.kind == .wrongKey)
  }

  @Test func aStunnelServerOfTLS12IsRefused() throws {
    let directory = try TemporaryDirectory()
    let port = try freePort()
    let stunnel = try Stunnel(
      in: directory, keys: keys,
      service: [
        "accept = 127.0.0.1:\(port)", "connect = 127.0.0.1:9", "ciphers = PSK",
        "sslVersionMax = TLSv1.2",
      ])
    let key = try keyRing(keys).clientKey()
    let error = transportError { _ = try stunnel.retrying { try connect(port: port, key: key) } }
    guard case .versionRefused = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  // MARK: - The exchange

  private static let sizeBytes = 8 << 20

  /// Sends back all that comes, then ends.
  private func echo(_ stream: any ByteStream) throws {
    while true {
      let bytes = try stream.read(atMost: 64 << 10)
      if bytes.isEmpty { break }
      try stream.write(bytes)
    }
    stream.close()
  }

  /// Sends and reads back; ends the writing side only when all is back.
  ///
  /// Once a client has ended its side and the plain side ends too, stunnel 5.68 sees a hangup of
  /// that socket and drops what it has not read from it, then says close_notify as if nothing were
  /// missing. So whoever waits for an answer through stunnel must not end before it.
  private func exchange(with stream: any ByteStream) throws {
    let data = pattern(seed: 7, count: Self.sizeBytes)
    let sending = Thread("sending") { try stream.write(data) }
    var back: [UInt8] = []
    while back.count < data.count {
      let bytes = try stream.read(atMost: 64 << 10)
      if bytes.isEmpty { break }
      back += bytes
    }
    try sending.join()
    expectSame(back, data)
    try stream.finish()
    #expect(try stream.read(atMost: 1).isEmpty)
    stream.close()
  }

  private func plainStream(_ connection: Connection) throws -> DescriptorStream {
    try DescriptorStream(
      reading: connection.socket, writing: connection.socket, peerDescription: "plain")
  }

  private func errorOfServer(keys clientKeys: String, options: [String]) throws -> TransportError? {
    let directory = try TemporaryDirectory()
    let listener = try Listener(on: Endpoint(parsing: "127.0.0.1:0"), wakeup: Wakeup())
    let port = try freePort()
    let stunnel = try Stunnel(
      in: directory, keys: clientKeys,
      service: [
        "client = yes", "accept = 127.0.0.1:\(port)", "connect = 127.0.0.1:\(listener.boundPort)",
        "ciphers = PSK",
      ] + options)
    let ring = try keyRing(keys)
    let serving = Thread("server") { transportError { _ = try accept(listener, keys: ring) } }
    let plain = try stunnel.connectPlain(port: port)
    let error = try serving.join()
    plain.abort()
    return error
  }

  /// A port that was free a moment ago; stunnel cannot say which one it would pick itself.
  private func freePort() throws -> UInt16 {
    try Listener(on: Endpoint(parsing: "127.0.0.1:0"), wakeup: Wakeup()).boundPort
  }
}

/// A stunnel of the calling user, in the foreground, ended with this object.
private final class Stunnel {
  private let program: Program
  private let log: String

  init(in directory: TemporaryDirectory, keys: String, service: [String]) throws {
    let keyFile = try directory.write("psk.txt", keys)
    let settings =
      [
        "foreground = yes", "pid = \(directory.path)/stunnel.pid", "debug = info", "syslog = no",
        "[tunnel]", "PSKsecrets = \(keyFile)",
      ] + service
    let file = try directory.write("stunnel.conf", settings.joined(separator: "\n") + "\n")
    log = "\(directory.path)/log"
    program = try Program(["stunnel", file], log: log)
  }

  /// Repeats until stunnel listens; any other failure than a refused connection is final.
  func retrying<R>(_ body: () throws -> R) throws -> R {
    let deadline = MonotonicTime.now().advanced(bySeconds: 20)
    while true {
      do {
        return try body()
      } catch TransportError.unreachable where MonotonicTime.now() < deadline {
        var status: Int32 = 0
        try #require(waitpid(program.pid, &status, WNOHANG) == 0, "stunnel has ended: \(log)")
        SystemClock().sleep(seconds: 0.02)
      }
    }
  }

  func connectPlain(port: UInt16) throws -> DescriptorStream {
    let connection = try retrying {
      try Connection.connect(to: Endpoint(host: "127.0.0.1", port: port), wakeup: Wakeup())
    }
    return try DescriptorStream(
      reading: connection.socket, writing: connection.socket, peerDescription: "stunnel")
  }
}
