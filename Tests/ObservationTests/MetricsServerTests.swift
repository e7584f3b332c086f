import Glibc
import Observation
import Platform
import TestSupport
import Testing
import Transport

/// The endpoint of the metrics against clients of every kind.
@Suite("Metrics: the endpoint")
struct MetricsServerTests {
  private func withServer(
    _ text: [UInt8] = Array("a 1\n".utf8), _ body: (UInt16) throws -> Void
  ) throws {
    let server = try MetricsServer(on: Endpoint(host: "127.0.0.1", port: 0)) { text }
    defer { server.stop() }
    try body(server.address.port)
  }

  private func get(_ line: String, _ port: UInt16) throws -> RawHTTPClient.Answer {
    let client = try RawHTTPClient(port: port)
    client.sendHead(line)
    return client.receive(method: String(line.prefix { $0 != " " }))
  }

  @Test("Pages, methods and heads")
  func answers() throws {
    try withServer { port in
      for (line, status, text) in [
        ("GET /metrics HTTP/1.1", 200, "a 1\n"), ("GET /metrics?x=1 HTTP/1.0", 200, "a 1\n"),
        ("GET /healthz HTTP/1.1", 200, "ok\n"), ("HEAD /metrics HTTP/1.1", 200, ""),
        ("GET /other HTTP/1.1", 404, nil), ("POST /metrics HTTP/1.1", 405, nil),
        ("GET metrics HTTP/1.1", 400, nil), ("GET /metrics", 400, nil),
        ("GET /a b HTTP/1.1", 400, nil), ("GET /\u{1b}[2J HTTP/1.1", 400, nil),
        ("PRI * HTTP/2.0", 400, nil),
      ] as [(String, Int, String?)] {
        let answer = try get(line, port)
        #expect(answer.status == status, "\(line)")
        #expect(answer.ending == .complete, "\(line)")
        if let text { #expect(answer.text == text, "\(line)") }
      }
    }
  }

  @Test("A head without end is refused at 8 KiB, and so is what follows it")
  func longHead() throws {
    try withServer { port in
      let client = try RawHTTPClient(port: port)
      client.send("GET /metrics HTTP/1.1\r\n")
      for _ in 0..<300 { client.send("X-Filler: \(String(repeating: "a", count: 90))\r\n") }
      #expect(client.receive().status == 431)
      #expect(try get("GET /metrics HTTP/1.1", port).status == 200)
    }
  }

  @Test("Clients that say nothing, or a byte now and then, hold nobody up")
  func silentClients() throws {
    try withServer { port in
      var silent: [RawHTTPClient] = []
      for number in 0..<200 {
        let client = try RawHTTPClient(port: port)
        if number % 2 == 0 { client.send("GET /met") }
        silent.append(client)
        if number % 20 == 0 { #expect(try get("GET /metrics HTTP/1.1", port).status == 200) }
      }
      #expect(try get("GET /metrics HTTP/1.1", port).text == "a 1\n")
      // The oldest had to make room.
      #expect(silent[1].receive(timeoutSeconds: 30).ending != .silence)
    }
  }

  @Test("An answer that nobody reads is dropped, and the next client is served meanwhile")
  func slowReader() throws {
    let large = [UInt8](repeating: 0x61, count: 32 << 20)
    try withServer(large) { port in
      let slow = try RawHTTPClient(port: port)
      slow.sendHead("GET /metrics HTTP/1.1")
      let answer = try get("GET /metrics HTTP/1.1", port)
      #expect(answer.body.count == large.count)
      usleep(UInt32((MetricsServer.secondsMax + 1) * 1e6))
      #expect(slow.receive().ending != .complete)
    }
  }

  @Test("An address in use is an error, and a stopped endpoint is free again")
  func addresses() throws {
    var isFreeAgain = false
    for _ in 0..<10 where !isFreeAgain {
      let endpoint = Endpoint(host: "127.0.0.1", port: try freePort())
      do throws(TransportError) {
        let server = try MetricsServer(on: endpoint) { [] }
        #expect(throws: TransportError.self) { _ = try MetricsServer(on: endpoint) { [] } }
        server.stop()
        let next = try MetricsServer(on: endpoint) { [] }
        next.stop()
        isFreeAgain = true
      } catch {
        // Something else on the machine may have taken the port, not each time.
        guard case .addressInUse = error else { throw error }
      }
    }
    #expect(isFreeAgain)
  }
}
