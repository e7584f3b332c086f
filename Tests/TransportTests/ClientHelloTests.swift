import Glibc
import Platform
import Testing

@testable import Transport

/// The first message of a client, as the gate of a daemon reads it.
@Suite struct ClientHelloTests {
  /// What OpenSSL's client says first with a key.
  private func hello(_ key: PreSharedKey) throws -> [UInt8] {
    let listener = try Listener(on: Endpoint(parsing: "127.0.0.1:0"), wakeup: Wakeup())
    let port = listener.boundPort
    let client = Thread("client") { try? connect(port: port, key: key) }
    let connection = try listener.accept(wakeup: Wakeup())
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while case .incomplete = read(bytes) {
      _ = try connection.wakeup.wait(for: connection.socket.raw, .reading, until: nil)
      let count = recv(connection.socket.raw, &buffer, buffer.count, 0)
      if count > 0 { bytes += buffer[..<count] }
    }
    _ = shutdown(connection.socket.raw, Int32(SHUT_RDWR))
    _ = try client.join()
    return bytes
  }

  private func read(_ bytes: [UInt8]) -> ClientHello.Reading {
    bytes.withUnsafeBytes { ClientHello.read($0) }
  }

  @Test func provesTheKeyItWasMadeWithAndNoOther() throws {
    let ring = try keyRing("volsync:\(keyHex("a5"))\nother:\(keyHex("5a"))")
    let bytes = try hello(ring.keys[0])
    guard case .complete(let hello) = read(bytes) else { throw Failure("not read") }
    #expect(hello.offers(Array("volsync".utf8)) && !hello.offers(Array("other".utf8)))
    #expect(hello.isProved(by: ring.keys[0]))
    #expect(!hello.isProved(by: ring.keys[1]))
    #expect(!hello.isProved(by: try keyRing("volsync:\(keyHex("a6"))").keys[0]))
    #expect(!hello.isProved(by: try keyRing("other:\(keyHex("a5"))").keys[0]))
  }

  @Test func takesNothingFromPartsOfItAndCutsAnywhere() throws {
    let key = try keyRing("volsync:\(keyHex("a5"))").keys[0]
    let bytes = try hello(key)
    for count in 0..<bytes.count {
      guard case .incomplete(let wanted) = read(Array(bytes[..<count])) else {
        throw Failure("\(count) bytes are enough")
      }
      #expect(wanted > count && wanted <= bytes.count)
    }
    // The same message in records of one byte each.
    let pieces = bytes[5...].flatMap { byte -> [UInt8] in [22, 3, 1, 0, 1, byte] }
    guard case .complete(let hello) = read(pieces) else { throw Failure("records of a byte") }
    #expect(hello.isProved(by: key))
    // A changed byte is no proof, wherever it stands.
    for index in bytes.indices.dropFirst(5) {
      var changed = bytes
      changed[index] ^= 1
      if case .complete(let hello) = read(changed) { #expect(!hello.isProved(by: key), "\(index)") }
    }
  }

  @Test(arguments: [
    Array("GET / HTTP/1.1\r\n".utf8), Array("@RSYNCD: 31.0\n".utf8), [22, 3, 1, 0, 0],
    [22, 3, 1, 255, 255], [21, 3, 3, 0, 2, 2, 40], [22, 3, 1, 0, 4, 2, 0, 0, 0],
    [22, 3, 1, 0, 4, 1, 255, 255, 255],
  ])
  func refusesWhatIsNoHello(bytes: [UInt8]) {
    guard case .notTLS = read(bytes) else {
      Issue.record("taken: \(bytes)")
      return
    }
  }

  @Test func readsAnyBytesWithoutEnd() throws {
    let bytes = try hello(try keyRing("volsync:\(keyHex("a5"))").keys[0])
    var state: UInt64 = 7
    for _ in 0..<20_000 {
      var changed = bytes
      for _ in 0..<4 {
        state = state &* 6_364_136_223_846_793_005 &+ 1
        changed[Int(state >> 33) % changed.count] = UInt8(truncatingIfNeeded: state >> 25)
      }
      _ = read(changed)
    }
  }

  private struct Failure: Error {
    let text: String
    init(_ text: String) { self.text = text }
  }
}
