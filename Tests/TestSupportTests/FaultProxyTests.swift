import Glibc
import Platform
import TestSupport
import Testing

/// Each fault of the relay as a client sees it, and what the server behind has seen.
@Suite struct FaultProxyTests {
  @Test(arguments: [
    (HTTPFault.Point.beforeRequest, 0), (.inRequest(afterBytes: 1000), 0), (.beforeResponse, 1),
    (.inResponse(afterBytes: 1000), 1),
  ])
  func connectionsEndWhereThePlanSays(point: HTTPFault.Point, served: Int) throws {
    for fault in [HTTPFault.reset(point), .end(point)] {
      let bench = try FaultBench(.once(fault, on: .putObject))
      let answer = try bench.put(Bench.body)
      #expect(answer.ending == (fault == .end(point) ? .cutShort : .reset))
      #expect(answer.body.count < Bench.body.count)
      if fault == .end(.inResponse(afterBytes: 1000)) {
        #expect(answer.status == 200)
        #expect(answer.body == Array(Bench.body[..<1000]))
      }
      #expect(bench.server.requestCount == served)
      // The next one gets through.
      #expect(try bench.put(Bench.body).body == Bench.body)
      #expect(bench.proxy.faultCount == 1)
      #expect(bench.proxy.requests.map(\.fault) == [fault, .none])
      #expect(bench.server.requestCount == served + 1)
    }
  }

  @Test(arguments: [
    HTTPFault.Point.inRequest(afterBytes: 1 << 20), .inRequest(afterBytes: 0),
    .inResponse(afterBytes: 1 << 20), .inResponse(afterBytes: 0),
  ])
  func shortBodiesAreSpoiledToo(point: HTTPFault.Point) throws {
    let isRequest = if case .inRequest = point { true } else { false }
    for body in [[UInt8](), [7], Bench.body] {
      for isChunked in [false, true] {
        let bench = try FaultBench(.once(.end(point), on: .putObject), chunked: isChunked)
        let answer = try bench.put(body, chunked: isChunked)
        #expect(answer.ending == .cutShort)
        #expect(bench.server.requestCount == (isRequest ? 0 : 1))
        #expect(try bench.put(body, chunked: isChunked).body == body)
      }
    }
  }

  @Test(arguments: [
    (HTTPFault.Point.beforeRequest, 0), (.inRequest(afterBytes: 1000), 0), (.beforeResponse, 1),
    (.inResponse(afterBytes: 1000), 1),
  ])
  func stalledRequestsGoOnWhenReleased(point: HTTPFault.Point, served: Int) throws {
    let bench = try FaultBench(.once(.stall(point), on: .putObject))
    let client = try RawHTTPClient(port: bench.proxy.port)
    Bench.send(Bench.body, by: client)
    try waitUntil { bench.proxy.stalledCount == 1 }
    let before = client.receive(method: "PUT", timeoutSeconds: 0.2)
    #expect(before.ending == .silence)
    #expect(bench.server.requestCount == served)
    bench.proxy.releaseStalled()
    if case .inResponse(let count) = point {
      #expect(before.body == Array(Bench.body[..<count]))
      #expect(client.receiveBytes(Bench.body.count - count) == Array(Bench.body[count...]))
    } else {
      #expect(client.receive(method: "PUT").body == Bench.body)
    }
    #expect(bench.proxy.stalledCount == 0)
  }

  @Test func aStalledRequestEndsWithItsClient() throws {
    let bench = try FaultBench(.once(.stall(.beforeResponse), on: .putObject))
    do {
      let client = try RawHTTPClient(port: bench.proxy.port)
      Bench.send(Bench.body, by: client)
      try waitUntil { bench.proxy.stalledCount == 1 }
    }
    try waitUntil { bench.proxy.stalledCount == 0 }
  }

  @Test func stoppingEndsWhatIsStalled() throws {
    let bench = try FaultBench(.always(.stall(.beforeRequest)))
    let client = try RawHTTPClient(port: bench.proxy.port)
    client.sendHead("GET /bucket/key HTTP/1.1")
    try waitUntil { bench.proxy.stalledCount == 1 }
    bench.proxy.stop()
    #expect(client.receive().ending != .silence)
    #expect(throws: TestFailure.self) { try RawHTTPClient(port: bench.proxy.port) }
  }

  @Test func requestsWaitAndBodiesTrickle() throws {
    let bench = try FaultBench(.once(.delay(seconds: 0.3), on: .getObject))
    let before = MonotonicTime.now()
    #expect(try RawHTTPClient(port: bench.proxy.port).get("/bucket/key").ending == .complete)
    #expect(MonotonicTime.now().seconds(since: before) >= 0.3)
    // Both directions, one after the other.
    bench.proxy.setPlan(.always(.throttle(bytesPerSecond: 5 * Bench.body.count)))
    let start = MonotonicTime.now()
    #expect(try bench.put(Bench.body).body == Bench.body)
    #expect(MonotonicTime.now().seconds(since: start) >= 0.38)
  }

  @Test(
    arguments: [
      (HTTPFault.slowDown(), 503, nil), (.slowDown(retryAfterSeconds: 3), 503, "3"),
      (.tooManyRequests(retryAfterSeconds: 1), 429, "1"), (.internalError, 500, nil),
      (.answer(CannedAnswer(status: 200, code: "InternalError")), 200, nil),
    ] as [(HTTPFault, Int, String?)])
  func cannedAnswersComeInTheServersPlace(
    fault: HTTPFault, status: Int, retryAfter: String?
  ) throws {
    let bench = try FaultBench(.once(fault, on: .putObject))
    let client = try RawHTTPClient(port: bench.proxy.port)
    Bench.send(Bench.body, by: client)
    let answer = client.receive(method: "PUT")
    #expect(answer.status == status)
    #expect(answer.head?["retry-after"] == retryAfter)
    #expect(answer.text.contains("<Error><Code>"))
    #expect(bench.server.requestCount == 0)
    // The connection is good for more.
    Bench.send(Bench.body, by: client)
    #expect(client.receive(method: "PUT").body == Bench.body)
    #expect(bench.proxy.connectionCount == 1)
    #expect(bench.proxy.requests.map(\.status) == [status, 200])
  }

  @Test func aRefusedBodyIsNotAskedFor() throws {
    let bench = try FaultBench(.once(.slowDown(), on: .putObject))
    let client = try RawHTTPClient(port: bench.proxy.port)
    client.sendHead(
      "PUT /bucket/key HTTP/1.1", ["Content-Length: 9000", "Expect: 100-continue"])
    let answer = client.receive(method: "PUT")
    #expect(answer.status == 503)
    #expect(answer.head?["connection"] == "close")
    #expect(client.receive().ending == .cutShort)
  }

  @Test func headRequestsAreAnsweredWithoutBody() throws {
    let bench = try FaultBench(.once(.internalError, on: .headObject))
    let client = try RawHTTPClient(port: bench.proxy.port)
    #expect(client.get("/bucket/key", method: "HEAD").status == 500)
    #expect(client.get("/bucket/key", method: "HEAD").status == 200)
    #expect(client.get("/bucket/key").status == 200)
    #expect(bench.proxy.connectionCount == 1)
    #expect(bench.proxy.count(of: .headObject) == 2)
    #expect(bench.proxy.count(ofMethod: "HEAD") == 2)
  }
}

private typealias Bench = FaultBench

/// A server that answers with the body it was sent, behind a relay.
struct FaultBench {
  static let body = (0..<20_000).map { UInt8(truncatingIfNeeded: $0 * 7) }

  let server: ScriptedServer
  let proxy: FaultProxy

  init(_ plan: HTTPFaultPlan, chunked: Bool = false) throws {
    server = try ScriptedServer { request in
      let sent = request["transfer-encoding"] == nil ? request.body : unchunked(request.body)
      return ScriptedServer.Answer(
        body: chunked ? .chunks { $0 == 0 ? sent : nil } : .bytes(sent))
    }
    proxy = try FaultProxy(targetPort: server.port, plan: plan)
  }

  /// One PUT on a connection of its own.
  func put(_ body: [UInt8], chunked: Bool = false) throws -> RawHTTPClient.Answer {
    let client = try RawHTTPClient(port: proxy.port)
    FaultBench.send(body, chunked: chunked, by: client)
    return client.receive(method: "PUT")
  }

  static func send(_ body: [UInt8], chunked: Bool = false, by client: RawHTTPClient) {
    let framing = chunked ? "Transfer-Encoding: chunked" : "Content-Length: \(body.count)"
    client.sendHead("PUT /bucket/key HTTP/1.1", [framing])
    client.send(chunked ? chunks(body) : body)
  }

  static func chunks(_ body: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var rest = body[...]
    while !rest.isEmpty {
      let piece = rest.prefix(3000)
      result += Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + [13, 10]
      rest = rest.dropFirst(3000)
    }
    return result + Array("0\r\nX-Trailer: 1\r\n\r\n".utf8)
  }
}

/// Waits for something that has to happen.
func waitUntil(_ condition: () -> Bool) throws {
  let deadline = MonotonicTime.now().advanced(bySeconds: 60)
  while !condition() {
    guard MonotonicTime.now() < deadline else { throw TestFailure("it did not happen") }
    SystemClock().sleep(seconds: 0.005)
  }
}

private func unchunked(_ bytes: [UInt8]) -> [UInt8] {
  var result: [UInt8] = []
  var rest = bytes[...]
  while let end = rest.firstIndex(of: 13),
    let size = Int(String(decoding: rest[..<end], as: UTF8.self), radix: 16), size > 0
  {
    result += rest[(end + 2)...].prefix(size)
    rest = rest[(end + 2)...].dropFirst(size + 2)
  }
  return result
}
