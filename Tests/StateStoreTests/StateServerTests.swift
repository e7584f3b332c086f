import Glibc
import Manifests
import Platform
import TestSupport
import Testing

@testable import StateStore

@Suite("State socket")
struct StateServerTests {
  /// A directory that is served.
  private final class Served {
    let fixture: StateFixture
    let directory: StateDirectory
    let server: StateServer

    init() throws {
      fixture = try StateFixture()
      directory = try fixture.filled()
      server = try StateServer(StateService(directory))
    }

    deinit { server.stop() }

    var client: StateClient { StateClient(path: fixture.path, patienceSeconds: 0) }

    /// Sends bytes as they are and gives what comes back until the end.
    func exchange(_ bytes: [UInt8], closes: Bool = true) throws -> String {
      let socket = try #require(try StateSocket.connect(fixture.path))
      let signals = BrokenPipeGuard()
      defer { signals.end() }
      // The server may end it before all is sent.
      try? SmallFile.write(bytes, to: socket.raw, subject: "socket")
      if closes { shutdown(socket.raw, Int32(SHUT_WR)) }
      var answer: [UInt8] = []
      var piece = [UInt8](repeating: 0, count: 4096)
      while true {
        let count = recv(socket.raw, &piece, piece.count, 0)
        if count <= 0 { break }
        answer += piece[..<count]
      }
      return String(decoding: answer, as: UTF8.self)
    }
  }

  @Test("A command asks the daemon when it runs, whatever the length of the path")
  func asksDaemon() throws {
    let served = try Served()
    #expect(served.client.hasDaemon)
    #expect(try served.client.list().objects.count == 2)
    #expect(try served.client.object(Samples.sourceKey).document["status"] == nil)
    #expect(try served.client.trigger(Samples.sourceKey, tag: "t").map(\.outcome) == [.patched])
    #expect(try served.client.delete([Samples.sourceKey]).map(\.outcome) == [.deleted])
    #expect(served.fixture.mode(StateSocket.name) == 0o600)
    do {
      _ = try served.client.object(Samples.sourceKey)
      Issue.record("a deleted object is there")
    } catch {
      #expect(error.kind == .notFound)
    }
    // A path far above the 108 bytes of a socket's name.
    let long = served.fixture.temporary.path(String(repeating: "d", count: 150))
    let directory = try #require(try StateDirectory.open(long))
    let server = try StateServer(StateService(directory))
    #expect(try StateClient(path: long, patienceSeconds: 0).list().objects.isEmpty)
    server.stop()
  }

  @Test("A socket that a killed daemon has left is no daemon, and the next one takes its place")
  func leftSocket() throws {
    let fixture = try StateFixture()
    do {
      let directory = try fixture.filled()
      _ = try StateSocket.listen(fixture.path)
      withExtendedLifetime(directory) {}
    }
    #expect(fixture.exists(StateSocket.name))
    let client = StateClient(path: fixture.path)
    #expect(!client.hasDaemon)
    #expect(try client.list().objects.count == 2)
    let server = try StateServer(StateService(try fixture.open()))
    #expect(client.hasDaemon)
    server.stop()
    #expect(!fixture.exists(StateSocket.name))
  }

  @Test("Hostile and half requests end their own connection at the worst")
  func hostile() throws {
    let served = try Served()
    let list = JSONValue.object(StateRequest.list(kind: nil, namespace: nil).document).encoded()
    let deep = Array(String(repeating: "[", count: 5000).utf8)
    for (bytes, expected) in [
      (Array("nonsense\n".utf8), "not valid JSON"), (deep + [0x0a], "not valid JSON"),
      (Array("[1]\n".utf8), "must be an object"), (Array("{}\n".utf8), "version"),
      (Array("{\"version\":9}\n".utf8), "version 9 is not spoken here"),
      (Array("{\"version\":1,\"operation\":\"x\"}\n".utf8), "no operation"),
      (Array("{\"version\":1,\"operation\":\"get\",\"key\":3}\n".utf8), "must be an object"),
      (Array(list.dropLast(3)), "cut short"),
      ([UInt8](repeating: 0x20, count: StateLimits.requestSizeBytesMax + (1 << 20)), "longer than"),
      ([0xff, 0x00, 0x0a], "not valid JSON"), ([], ""),
    ] {
      let answer = try served.exchange(bytes)
      #expect(answer.contains(expected) && (expected.isEmpty == answer.isEmpty), "\(answer)")
    }
    var generator = SeededGenerator(seed: 3)
    for _ in 0..<200 {
      var bytes = list
      for _ in 0..<3 { bytes[generator.below(bytes.count)] = UInt8(generator.below(256)) }
      _ = try served.exchange(bytes + [0x0a])
    }
    // A bad request in the middle does not end a connection that keeps to its lines.
    let mixed = try served.exchange(Array("{\"version\":1}\n".utf8) + list + [0x0a])
    #expect(mixed.split(separator: "\n").count == 2)
    #expect(try served.client.list().objects.count == 2)
  }

  @Test("More connections than are served are turned away, and others are not harmed")
  func manyConnections() throws {
    let served = try Served()
    var open: [SharedDescriptor] = []
    for _ in 0..<(StateLimits.connectionCountMax + 20) {
      if let socket = try StateSocket.connect(served.fixture.path) { open.append(socket) }
    }
    // Half a request each.
    for socket in open { _ = send(socket.raw, "{", 1, Int32(MSG_NOSIGNAL)) }
    open = []
    let deadline = MonotonicTime.now().advanced(bySeconds: 60)
    var count: Int?
    while count == nil, MonotonicTime.now() < deadline {
      // Turned away until the server has noticed that the others are gone.
      count = try? served.client.list().objects.count
    }
    #expect(count == 2)
  }

  @Test("A watch tells what is there and then each change; one that nobody hears ends")
  func watch() throws {
    let served = try Served()
    var notices: [String] = []
    try served.client.watch(until: MonotonicTime.now().advanced(bySeconds: 60)) { notice in
      guard let notice else {
        notices.append("-")
        _ = try? served.client.setPaused(Samples.sourceKey, true)
        return true
      }
      notices.append("\(notice.change.rawValue) \(notice.object.key.name)")
      if notice.change == .modified { _ = try? served.client.delete([Samples.sourceKey]) }
      return notice.change != .deleted
    }
    #expect(
      notices == ["ADDED data", "ADDED key", "-", "MODIFIED data", "DELETED data"], "\(notices)")
  }

  @Test("A watch of files without a daemon sees changes too")
  func watchFiles() throws {
    let fixture = try StateFixture()
    do { _ = try fixture.filled() }
    let client = StateClient(path: fixture.path)
    var names: [String] = []
    try client.watch(kind: "Secret") { notice in
      guard let notice else {
        _ = try? client.delete([Samples.secretKey])
        return true
      }
      names.append(notice.change.rawValue)
      return notice.change != .deleted
    }
    #expect(names == ["ADDED", "DELETED"])
    // A deadline ends a watch in which nothing happens.
    try client.watch(until: MonotonicTime.now().advanced(bySeconds: 0.2)) { _ in true }
  }

  @Test("A watch of files goes on with a daemon that starts, and tells nothing twice")
  func watchGoesOnWithDaemon() throws {
    let fixture = try StateFixture()
    do { _ = try fixture.filled() }
    let client = StateClient(path: fixture.path)
    var server: StateServer?
    defer { server?.stop() }
    var notices: [String] = []
    try client.watch(until: MonotonicTime.now().advanced(bySeconds: 60)) { notice in
      guard let notice else {
        notices.append("-")
        do {
          _ = try client.delete([Samples.secretKey])
          server = try StateServer(StateService(fixture.open()))
        } catch {
          Issue.record(error)
          return false
        }
        return true
      }
      notices.append("\(notice.change.rawValue) \(notice.object.key.name)")
      if notice.change == .deleted { _ = try? client.setPaused(Samples.sourceKey, true) }
      return notice.change != .modified
    }
    #expect(
      notices == ["ADDED data", "ADDED key", "-", "DELETED key", "MODIFIED data"], "\(notices)")
  }

  @Test("Many at once: each change is stored once, and all are there")
  func concurrent() throws {
    let served = try Served()
    let path = served.fixture.path
    let threads = (0..<8).map { number in
      Thread("client") {
        for index in 0..<10 {
          let name = "s\(number)-\(index)"
          let changes = try StateClient(path: path, patienceSeconds: 0).apply([
            ManifestFile(name: "f", text: Array(Samples.source(name).utf8))
          ])
          guard changes.map(\.outcome) == [.created] else {
            throw StateError.badMessage("\(changes)")
          }
        }
      }
    }
    for thread in threads { try thread.join() }
    #expect(try served.client.list(kind: "ReplicationSource").objects.count == 81)
  }
}
