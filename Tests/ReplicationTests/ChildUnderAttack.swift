import FileTree
import Glibc
import Platform
import TestSupport
import Testing
import Transport

@testable import Replication

/// A real `drover` process as one end, this process as its hostile peer behind the same TLS.
final class ChildUnderAttack {
  /// What a hostile peer may drive a process to, all its libraries and stacks included.
  static let peakBytesMax = 200 << 20

  let trees: TreePair
  private let keyFile: String
  private let keys: KeyRing
  private let timeouts = StreamTimeouts(timeoutSeconds: 120)

  init() throws {
    trees = try TreePair()
    keyFile = trees.directory.path("psk")
    let line = "test:\(hex(SecureRandom.bytes(32)))\n"
    try ByteFiles.write(Array(keyFile.utf8), Array(line.utf8), mode: 0o600)
    keys = try KeyRing(file: keyFile)
  }

  /// Attacks `drover replicate receive`; gives the most memory it has held.
  func attackReceiver(
    _ greeting: SenderGreeting, _ script: (ScriptedPeer) throws -> Void
  ) throws -> Int {
    let child = try start(["receive", "--listen", "127.0.0.1:0"], trees.destination)
    defer { child.kill(SIGKILL) }
    let line = try #require(child.nextLine(), "the receiver does not listen")
    let digits = line.split(separator: "\"port\":").last?.prefix { $0.isNumber }
    let port = try #require(digits.flatMap { UInt16($0) }, "\(line)")
    let connection = try Connection.connect(
      to: Endpoint(host: "127.0.0.1", port: port), timeouts: timeouts, wakeup: Wakeup())
    let stream = try TLSStream(connection, context: .client(keys.clientKey()), timeouts: timeouts)
    return try attack(child, stream) { peer in
      try Greeting.send(greeting.encoded(), over: stream)
      _ = try Greeting.receive(from: stream)
      try script(peer)
    }
  }

  /// Attacks `drover replicate send`; gives the most memory it has held.
  func attackSender(
    _ options: [String] = [], _ script: (ScriptedPeer) throws -> Void
  ) throws -> Int {
    let listener = try Listener(on: Endpoint(parsing: "127.0.0.1:0"), wakeup: Wakeup())
    let address = "127.0.0.1:\(listener.boundPort)"
    let child = try start(["send", "--connect", address, "--no-compress"] + options, trees.source)
    defer { child.kill(SIGKILL) }
    let connection = try listener.accept(wakeup: Wakeup())
    let stream = try TLSStream(connection, context: .server(keys), timeouts: timeouts)
    return try attack(child, stream) { peer in
      _ = try Greeting.receive(from: stream)
      try Greeting.send(
        ReceiverGreeting(nonce: [UInt8](repeating: 9, count: 32)).encoded(), over: stream)
      try script(peer)
    }
  }

  private func start(_ arguments: [String], _ root: String) throws -> ChildProcess {
    try ChildProcess(
      try DroverBinary.path,
      ["replicate"] + arguments + ["--psk-file", keyFile, "--json", root])
  }

  private func attack(
    _ child: ChildProcess, _ stream: any ByteStream, _ script: (ScriptedPeer) throws -> Void
  ) throws -> Int {
    let peak = PeakMemory(of: child.processID)
    let peer = try ScriptedPeer(stream)
    do {
      try script(peer)
    } catch is ScriptedPeer.SessionOver {
      // The child has ended the session; what it took until then counts.
    } catch is TransportError {
      // The same, met by the stream itself.
    }
    let bytes = peak.stop()
    stream.abort()
    #expect(bytes > 0, "the child's memory could not be read")
    return bytes
  }
}
