import HTTPClient
import Platform
import TestSupport
import Testing

/// What comes back, and what may not.
@Suite struct HTTPResponseTests {
  private func raw(_ text: String) -> [UInt8] { Array(text.utf8) }

  @Test func bodiesArriveInChunksAndPieces() throws {
    var random = SeededGenerator(seed: 5)
    let content = random.bytes(600_000)
    let server = try ReplyServer { request, _ in
      if request.path == "/chunks" {
        var bytes = Array("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
        for start in stride(from: 0, to: content.count, by: 50_000) {
          bytes += Array("\(String(50_000, radix: 16))\r\n".utf8)
          bytes += content[start..<(start + 50_000)] + [13, 10]
        }
        return .rawOpen(bytes + Array("0\r\nX-Late: 1\r\n\r\n".utf8))
      }
      return .answer(200, body: content)
    }
    let client = directClient()
    for path in ["/chunks", "/length"] {
      let request = HTTPRequest(.get, server.endpoint + path)
      var pushed: [UInt8] = []
      let response = try client.perform(
        request,
        .push { (head, bytes) throws(HTTPError) in
          #expect(head.status == 200)
          pushed.append(contentsOf: bytes)
          return .goOn
        })
      #expect(pushed == content)
      #expect(response.receivedByteCount == 600_000)
      #expect(response.isWhole)
      #expect(response.body == [])
      #expect(try client.perform(request, .collect(byteCountMax: 600_000)).body == content)
    }
  }

  @Test func aBufferIsFilledAndNotBeyond() throws {
    let server = try ReplyServer { request, _ in
      request.path == "/length"
        ? .text(200, "0123456789") : .raw(Array("HTTP/1.1 200 OK\r\n\r\n0123456789".utf8))
    }
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 12, alignment: 1)
    defer { memory.deallocate() }
    for path in ["/length", "/unknown"] {
      memory.copyBytes(from: [UInt8](repeating: 1, count: 12))
      let request = HTTPRequest(.get, server.endpoint + path)
      let client = directClient()
      let room = UnsafeMutableRawBufferPointer(rebasing: memory[..<10])
      #expect(try client.perform(request, .buffer(room)).receivedByteCount == 10)
      #expect(Array(memory) == Array("0123456789".utf8) + [1, 1])
      let small = UnsafeMutableRawBufferPointer(rebasing: memory[..<9])
      expectError(.corrupt) { _ = try client.perform(request, .buffer(small)) }
      expectError(.corrupt) { _ = try client.perform(request, .collect(byteCountMax: 9)) }
    }
  }

  @Test func aReceiverMayStopOrFail() throws {
    let server = try ReplyServer { _, _ in
      .answer(200, body: [UInt8](repeating: 1, count: 5_000_000))
    }
    let client = directClient()
    let request = HTTPRequest(.get, "\(server.endpoint)/x")
    var count = 0
    let response = try client.perform(
      request,
      .push { (_, bytes) throws(HTTPError) in
        count += bytes.count
        return .stop
      })
    #expect(!response.isWhole)
    #expect(count < 5_000_000 && count > 0)
    let cause = PlatformError("write", "the disk", errno: 28)
    let error = failure {
      _ = try client.perform(
        request, .push { (_, _) throws(HTTPError) in throw .receiverFailed(cause) })
    }
    #expect(error?.cause?.message == cause.message)
    // The client goes on after both.
    _ = try client.perform(HTTPRequest(.head, "\(server.endpoint)/x"))
  }

  @Test func failuresHaveTheirBodiesCollected() throws {
    let server = try ReplyServer { request, _ in
      request.path == "/long"
        ? .answer(500, body: [UInt8](repeating: 65, count: 200_000))
        : .text(404, "<Error/>", [("Date", "Sun, 06 Nov 1994 08:49:37 GMT")])
    }
    let client = directClient()
    let push = HTTPReceiver.push { (_, _) throws(HTTPError) in
      Issue.record("the body of a failure is none of the receiver's")
      return .goOn
    }
    let short = try client.perform(HTTPRequest(.get, "\(server.endpoint)/short"), push)
    #expect(short.status == 404)
    #expect(short.body == raw("<Error/>"))
    let long = try client.perform(HTTPRequest(.get, "\(server.endpoint)/long"), push)
    #expect(long.status == 500)
    #expect(long.body.count == 64 << 10)
  }

  @Test func redirectsAreAnswers() throws {
    let server = try ReplyServer { _, _ in
      .text(307, "elsewhere", [("Location", "http://127.0.0.1:1/")])
    }
    let response = try directClient().perform(HTTPRequest(.get, "\(server.endpoint)/x"))
    #expect(response.status == 307)
    #expect(server.requests.count == 1)
  }

  @Test func interimAnswersAreSkipped() throws {
    let server = try ReplyServer { _, _ in
      .raw(
        Array(
          ("HTTP/1.1 103 Early Hints\r\nX-A: 1\r\n\r\nHTTP/1.1 200 OK\r\nX-B: 2\r\n"
            + "Content-Length: 2\r\n\r\nok").utf8))
    }
    let response = try directClient().perform(HTTPRequest(.get, "\(server.endpoint)/x"))
    #expect(response.status == 200)
    #expect(response["x-a"] == nil)
    #expect(response["x-b"] == "2")
  }

  @Test(arguments: [
    ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234", FailureKind.unreachable),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n", .unreachable),
    ("HTTP/1.1 200 OK\r\nContent-Le", .unreachable),
    ("", .unreachable),
    ("SSH-2.0-OpenSSH_9.2\r\n", .failed),
  ])
  func brokenAnswersAreFailures(_ answer: String, _ kind: FailureKind) throws {
    let server = try ReplyServer { _, _ in .raw(Array(answer.utf8)) }
    expectError(kind) {
      _ = try directClient().perform(HTTPRequest(.get, "\(server.endpoint)/x"))
    }
  }

  @Test func headersHaveLimits() throws {
    let server = try ReplyServer { request, _ in
      let many = (0..<300).map { ("X-\($0)", "1") }
      let long = (0..<20).map { ("X-\($0)", String(repeating: "a", count: 4000)) }
      return .answer(200, request.path == "/many" ? many : long)
    }
    for path in ["/many", "/long"] {
      expectError(.corrupt) {
        _ = try directClient().perform(HTTPRequest(.get, server.endpoint + path))
      }
    }
  }
}
