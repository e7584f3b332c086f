import HTTPClient
import Platform
import TestSupport
import Testing

/// What goes on the wire.
@Suite struct HTTPRequestTests {
  @Test(arguments: HTTPMethod.allCases)
  func methodsAndBodiesArriveAsTheyAre(_ method: HTTPMethod) throws {
    let server = try ReplyServer { _, _ in .text(200, "fine", [("X-Answer", " padded ")]) }
    let client = directClient()
    let hasBody = method == .put || method == .post
    for size in hasBody ? [0, 1, 70_000] : [0] {
      var random = SeededGenerator(seed: UInt64(size))
      let content = random.bytes(size)
      var request = HTTPRequest(
        method, "\(server.endpoint)/a%20b/%2F..%2F?x=%2B&y=",
        fields: [HTTPField("X-One", "1"), HTTPField("X-Empty", "")])
      if hasBody { request.body = HTTPBody(content) }
      let response = try client.perform(request)
      #expect(response.status == 200)
      #expect(response["x-answer"] == "padded")
      #expect(response.body == (method == .head ? [] : Array("fine".utf8)))
      let seen = try #require(server.requests.last)
      #expect(seen.method == method.rawValue)
      #expect(seen.target == "/a%20b/%2F..%2F?x=%2B&y=")
      #expect(seen["x-one"] == "1")
      #expect(seen["x-empty"] == "")
      #expect(seen["content-length"] == (hasBody ? String(size) : nil))
      #expect(seen["transfer-encoding"] == nil)
      #expect(seen["expect"] == nil)
      #expect(seen["content-type"] == nil)
      #expect(seen.body == content)
    }
    #expect(server.connections == 1, "the connection was not kept")
  }

  @Test func dotSegmentsStay() throws {
    let server = try ReplyServer { _, _ in .answer(200) }
    _ = try directClient().perform(HTTPRequest(.get, "\(server.endpoint)/a/../b/./c//d"))
    #expect(server.requests.map(\.target) == ["/a/../b/./c//d"])
  }

  @Test func memoryGoesOutPieceByPiece() throws {
    let server = try ReplyServer { _, _ in .answer(200) }
    let memory = HeldBytes(300_000)
    let cuts = [0, 0, 1, 100_000, 100_000, 299_999, 300_000]
    let pieces = zip(cuts, cuts.dropFirst()).map { memory.range($0..<$1) }
    var request = HTTPRequest(.put, "\(server.endpoint)/x")
    request.body = HTTPBody(memory: pieces, owner: memory)
    _ = try directClient().perform(request)
    #expect(server.requests.first?.body == memory.bytes)
  }

  @Test func aSourceIsPulledAndPaced() throws {
    let server = try ReplyServer { _, _ in .answer(200) }
    let memory = HeldBytes(200_000)
    let paced = Counter()
    var request = HTTPRequest(.put, "\(server.endpoint)/x")
    request.body = memory.pulled(step: 777)
    request.pace = { paced.add($0) }
    _ = try directClient().perform(request)
    #expect(server.requests.first?.body == memory.bytes)
    #expect(paced.value == 200_000)
  }

  /// A connection that the server has closed meanwhile costs nothing but a second sending.
  @Test func aDeadKeptConnectionIsReplaced() throws {
    let server = try ReplyServer { request, number in
      number == 1 || number == 2 && request.connection == 1
        ? (number == 1 ? .answer(200) : .close) : .answer(200)
    }
    let client = directClient()
    _ = try client.perform(HTTPRequest(.get, "\(server.endpoint)/first"))
    let memory = HeldBytes(50_000)
    var request = HTTPRequest(.put, "\(server.endpoint)/second")
    request.body = memory.pulled(step: 4096)
    #expect(try client.perform(request).status == 200)
    #expect(server.requests.map(\.connection) == [1, 1, 2])
    #expect(server.requests.last?.body == memory.bytes)
  }

  @Test func largeBodiesAskForLeave() throws {
    let server = try ReplyServer { _, _ in .answer(200) }
    let client = directClient { $0.expectByteCountMin = 1000 }
    for size in [999, 1000, 2000] {
      var request = HTTPRequest(.put, "\(server.endpoint)/x")
      request.body = HTTPBody([UInt8](repeating: 7, count: size))
      _ = try client.perform(request)
    }
    #expect(server.requests.map { $0["expect"] } == [nil, "100-continue", "100-continue"])
  }

  @Test func aServerThatGivesNoLeaveIsNotAskedAgain() throws {
    let server = try ReplyServer(givesLeave: false) { _, _ in .answer(200) }
    let client = directClient { $0.expectByteCountMin = 1000 }
    for _ in 0..<2 {
      var request = HTTPRequest(.put, "\(server.endpoint)/x")
      request.body = HTTPBody([UInt8](repeating: 7, count: 2000))
      _ = try client.perform(request)
    }
    #expect(server.requests.map { $0["expect"] } == ["100-continue", nil])
  }

  @Test(arguments: [
    HTTPRequest(.get, "ftp://127.0.0.1/x"), HTTPRequest(.get, "http://127.0.0.1/a b"),
    HTTPRequest(.get, "http://127.0.0.1/a\r\nX: y"),
    HTTPRequest(.get, "http://127.0.0.1/", fields: [HTTPField("X", "1\r\nY: 2")]),
    HTTPRequest(.get, "http://127.0.0.1/", fields: [HTTPField("X:", "1")]),
    HTTPRequest(.get, "http://127.0.0.1/", fields: [HTTPField("", "1")]),
  ])
  func whatCannotBeSentIsRefused(_ request: HTTPRequest) {
    expectError(.usage) { _ = try directClient().perform(request) }
  }

  @Test func messagesHoldNoSecret() throws {
    let url = "http://user:geheim@127.0.0.1:1/path?X-Amz-Signature=geheim"
    let fields = [HTTPField("Authorization", "geheim")]
    let error = try #require(
      failure { _ = try directClient().perform(HTTPRequest(.get, url, fields: fields)) })
    #expect(error.kind == .unreachable)
    #expect(!"\(error)".contains("geheim"))
    #expect("\(error)".contains("http://127.0.0.1:1"))
  }
}
