import Glibc
import Platform
import Testing

@testable import Transport

@Suite struct EndpointTests {
  @Test(arguments: [
    ("host", "host", 8000), ("host:1", "host", 1), ("10.0.0.1:65535", "10.0.0.1", 65_535),
    (":9000", "", 9_000), ("9000", "", 9_000), ("[::1]", "::1", 8_000), ("[::1]:0", "::1", 0),
    ("[fe80::1%eth0]:7", "fe80::1%eth0", 7), ("::", "", 8_000), ("[::]:80", "", 80),
  ])
  func reads(text: String, host: String, port: UInt16) throws {
    #expect(try Endpoint(parsing: text) == Endpoint(host: host, port: port))
  }

  @Test(arguments: [
    "", ":", "host:", "host:x", "host:65536", "host:-1", "host:1:2", "::1", "::1:8000", "[::1",
    "[::1]8000", "[::1]:", "[host]:1", "[]:1", "a b:1", "user@host:1", "rsync://host", "hö:1",
    "host: 1", "host:+1",
  ])
  func refuses(text: String) {
    let error = transportError { _ = try Endpoint(parsing: text) }
    #expect(error?.kind == .usage)
    #expect(error?.message.contains("'\(text)'") == true)
    #expect(error?.hint != nil)
  }

  @Test(arguments: [("host", "host:8000"), ("[::1]:5", "[::1]:5"), (":5", "*:5")])
  func prints(text: String, printed: String) throws {
    #expect(try Endpoint(parsing: text).description == printed)
  }
}

@Suite struct ListenerTests {
  @Test func listensOnBothFamiliesAndPicksAPort() throws {
    let listener = try Listener(on: Endpoint(parsing: ":0"), wakeup: Wakeup())
    #expect(listener.boundPort != 0)
    for host in ["127.0.0.1", "::1", "localhost"] {
      let endpoint = Endpoint(host: host, port: listener.boundPort)
      let connection = try Connection.connect(to: endpoint, wakeup: Wakeup())
      let accepted = try listener.accept(wakeup: Wakeup())
      #expect(accepted.peer.host == connection.peer.host, "an IPv4 peer is shown as IPv4")
    }
  }

  @Test func aPortInUseIsNamed() throws {
    let listener = try Listener(on: Endpoint(parsing: "127.0.0.1:0"), wakeup: Wakeup())
    let endpoint = Endpoint(host: "127.0.0.1", port: listener.boundPort)
    let error = transportError { _ = try Listener(on: endpoint, wakeup: Wakeup()) }
    guard case .addressInUse(let address) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(address == endpoint.description)
    #expect(error?.hint != nil)
  }

  @Test func nobodyListeningIsUnreachable() throws {
    let port: UInt16 = try {
      try Listener(on: Endpoint(parsing: "127.0.0.1:0"), wakeup: Wakeup()).boundPort
    }()
    let error = transportError {
      _ = try Connection.connect(to: Endpoint(host: "127.0.0.1", port: port), wakeup: Wakeup())
    }
    guard case .unreachable = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.kind == .unreachable)
  }

  @Test func anUnknownHostIsUnreachable() throws {
    let error = transportError {
      _ = try Connection.connect(to: Endpoint(host: "no-such-host.invalid"), wakeup: Wakeup())
    }
    guard case .unresolved(host: "no-such-host.invalid", _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func portZeroAndNoHostCannotBeConnectedTo() {
    for endpoint in [Endpoint(host: "a", port: 0), Endpoint(host: "", port: 1)] {
      let error = transportError {
        _ = try Connection.connect(to: endpoint, wakeup: Wakeup())
      }
      #expect(error?.kind == .usage)
    }
  }

  /// Also while a child that is just starting has a copy of the descriptor.
  @Test func anAddressIsFreeWhenItsListenerHasGone() throws {
    let (endpoint, copy): (Endpoint, Int32)
    do {
      let listener = try Listener(on: Endpoint(parsing: "127.0.0.1:0"), wakeup: Wakeup())
      copy = dup(listener.descriptor)
      endpoint = Endpoint(host: "127.0.0.1", port: listener.boundPort)
      #expect(throws: TransportError.self) { try Listener(on: endpoint, wakeup: Wakeup()) }
      withExtendedLifetime(listener) {}
    }
    defer { close(copy) }
    let next = try Listener(on: endpoint, wakeup: Wakeup())
    #expect(next.boundPort == endpoint.port)
  }
}
