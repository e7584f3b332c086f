import HTTPClient
import Platform
import TestSupport
import Testing

/// Ends of requests that are no answers.
@Suite struct HTTPFailureTests {
  @Test func whatIsNotThereIsUnreachable() {
    for url in ["http://127.0.0.1:1/x", "http://name.invalid/x"] {
      let error = failure { _ = try directClient().perform(HTTPRequest(.get, url)) }
      #expect(error?.kind == .unreachable, "\(url)")
    }
  }

  @Test func aSilentServerTimesOut() throws {
    let server = try ReplyServer { _, _ in .hang }
    let client = directClient { $0.timeouts.idleSeconds = 1 }
    let error = failure {
      _ = try client.perform(HTTPRequest(.get, "\(server.endpoint)/x"))
    }
    guard case .timedOut = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    var request = HTTPRequest(.get, "\(server.endpoint)/x")
    request.timeouts = HTTPTimeouts(idleSeconds: 100, totalSeconds: 0.5)
    expectError(.unreachable) { _ = try directClient().perform(request) }
  }

  @Test func cancellationEndsARequestThatHangs() throws {
    let asked = Counter()
    let server = try ReplyServer { _, _ in
      asked.add()
      return .hang
    }
    let client = directClient { $0.isCancelled = { asked.value > 0 } }
    let error = failure { _ = try client.perform(HTTPRequest(.get, "\(server.endpoint)/x")) }
    #expect(error?.kind == .cancelled)
    expectError(.cancelled) { _ = try client.perform(HTTPRequest(.get, "http://127.0.0.1:1/")) }
    #expect(server.requests.count == 1)
  }

  @Test func contentThatCannotBeReadIsTold() throws {
    let server = try ReplyServer { _, _ in .answer(200) }
    let client = directClient()
    let memory = HeldBytes(400_000)
    var request = HTTPRequest(.put, "\(server.endpoint)/x")
    request.body = memory.pulled(step: 9999, failingAt: 150_000)
    #expect(failure { _ = try client.perform(request) }?.cause is PlatformError)
    request.body = memory.pulled(step: 9999, claimed: 400_001)
    let error = failure { _ = try client.perform(request) }
    #expect(error?.message == HTTPError.bodyEnded(read: 400_000, expected: 400_001).message)
  }

  /// The answer counts, also when the server closes without reading the body. When that breaks the
  /// connection while libcurl sends and before it has read, the connection is lost, which is tried
  /// again.
  @Test func anEarlyRefusalIsAnAnswer() throws {
    let server = try ReplyServer(refusing: 403)
    var request = HTTPRequest(.put, "\(server.endpoint)/x")
    request.body = HTTPBody([UInt8](repeating: 1, count: 8 << 20))
    let client = directClient { $0.expectByteCountMin = .max }
    var statuses: [Int] = []
    for _ in 0..<50 where statuses.isEmpty {
      do throws(HTTPError) {
        statuses.append(try client.perform(request).status)
      } catch {
        #expect(HTTPRetryVerdict(error) == .again, "\(error)")
      }
    }
    #expect(statuses == [403])
  }

  @Test func plainHTTPBehindHTTPSIsRefused() throws {
    let server = try ReplyServer(refusing: 400)
    let error = failure {
      _ = try directClient().perform(HTTPRequest(.get, "https://127.0.0.1:\(server.port)/"))
    }
    guard case .tlsFailed = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func aProxyOfTheOptionsIsUsed() throws {
    let proxy = try ReplyServer { request, _ in .text(200, request.target) }
    let client = directClient { $0.proxy = .url(proxy.endpoint) }
    let response = try client.perform(HTTPRequest(.get, "http://name.invalid/a%2Fb?c"))
    #expect(response.body == Array("http://name.invalid/a%2Fb?c".utf8))
  }
}
