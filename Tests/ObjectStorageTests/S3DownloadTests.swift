import HTTPClient
import ObjectStorage
import Platform
import TestSupport
import Testing

/// Downloads that break, resume, or meet another object.
@Suite struct S3DownloadTests {
  private static let content: [UInt8] = {
    var random = SeededGenerator(seed: 9)
    return random.bytes(100_000)
  }()

  /// Answers a range as a server does; `cut` bytes of the body arrive.
  private static func serve(
    _ request: ScriptedRequest, etag: String = "\"e1\"", cut: Int = .max
  ) -> ScriptedReply {
    var start = 0
    var end = content.count
    if let range = request["range"] {
      let bounds = range.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
      start = Int(bounds[0]) ?? 0
      end = min(Int(bounds[1]).map { $0 + 1 } ?? end, end)
    }
    guard start < content.count else { return .text(416, errorDocument("InvalidRange")) }
    let head =
      "HTTP/1.1 \(request["range"] == nil ? 200 : 206) X\r\nETag: \(etag)\r\n"
      + "Content-Length: \(end - start)\r\n"
      + (request["range"] == nil
        ? "" : "Content-Range: bytes \(start)-\(end - 1)/\(content.count)\r\n") + "\r\n"
    let body = content[start..<end]
    return cut < body.count
      ? .raw(Array(head.utf8) + body.prefix(cut)) : .rawOpen(Array(head.utf8) + body)
  }

  @Test func aBrokenDownloadGoesOnWhereItBroke() throws {
    let server = try ReplyServer { request, number in
      S3DownloadTests.serve(request, cut: number < 4 ? 30_000 : .max)
    }
    let client = try scriptedClient(server)
    #expect(try objectBytes(of: client, "bucket", "k") == S3DownloadTests.content)
    #expect(
      server.requests.map { $0["range"] } == [
        nil, "bytes=30000-", "bytes=60000-", "bytes=90000-",
      ])
    #expect(server.requests.map { $0["if-match"] } == [nil, "\"e1\"", "\"e1\"", "\"e1\""])
  }

  @Test func aRangeGoesOnToo() throws {
    let server = try ReplyServer { request, number in
      S3DownloadTests.serve(request, cut: number == 1 ? 10_000 : .max)
    }
    let client = try scriptedClient(server)
    let read = try objectBytes(of: client, "bucket", "k", range: 50_000..<90_000)
    #expect(read == Array(S3DownloadTests.content[50_000..<90_000]))
    #expect(server.requests.map { $0["range"] } == ["bytes=50000-89999", "bytes=60000-89999"])
  }

  @Test(arguments: [true, false])
  func anotherObjectMeanwhileIsNoticed(_ knowsCondition: Bool) throws {
    let server = try ReplyServer { request, number in
      if number == 1 { return S3DownloadTests.serve(request, cut: 30_000) }
      return knowsCondition
        ? .text(412, errorDocument("PreconditionFailed"))
        : S3DownloadTests.serve(request, etag: "\"e2\"")
    }
    let error = s3Failure { _ = try objectBytes(of: try scriptedClient(server), "bucket", "k") }
    guard case .changed = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  /// A server without ranges gives the whole object.
  @Test func rangesOfAServerWithoutThem() throws {
    let server = try ReplyServer { _, _ in
      .answer(200, [("ETag", "\"e\"")], body: S3DownloadTests.content)
    }
    let store = S3Store(try scriptedClient(server), bucket: "bucket")
    #expect(
      try bytes(of: store, "k", at: 70_000, 10_000)
        == Array(S3DownloadTests.content[70_000..<80_000]))
    #expect(
      try bytes(of: store, "k", at: 99_000, 10_000) == Array(S3DownloadTests.content[99_000...]))
    #expect(try bytes(of: store, "k", at: 100_000, 10) == [])
  }

  @Test(arguments: [
    "HTTP/1.1 206 X\r\nContent-Range: bytes 5-9/100000\r\nContent-Length: 5\r\n\r\nabcde",
    "HTTP/1.1 206 X\r\nContent-Length: 5\r\n\r\nabcde",
    "HTTP/1.1 206 X\r\nContent-Range: bytes 0-4/100000\r\nContent-Length: 5\r\n\r\nabcde",
  ])
  func rangesThatAreNotThoseAskedForAreRefused(_ answer: String) throws {
    let server = try ReplyServer { _, _ in .rawOpen(Array(answer.utf8)) }
    let store = S3Store(try scriptedClient(server), bucket: "bucket")
    expectError(.failed) { _ = try bytes(of: store, "k", at: 0, 10) }
  }

  @Test func whatIsTooLargeIsNotRead() throws {
    let server = try ReplyServer { _, _ in
      .answer(200, [("ETag", "\"e\"")], body: S3DownloadTests.content)
    }
    let store = S3Store(try scriptedClient(server), bucket: "bucket")
    expectError(.corrupt) { _ = try store.load(key("k"), sizeBytesMax: 99_999) }
    #expect(try store.load(key("k"), sizeBytesMax: 100_000) == S3DownloadTests.content)
  }

  @Test func headersAreRead() throws {
    let server = try ReplyServer { _, _ in
      .answer(
        200,
        [
          ("ETag", "W/\"e\""), ("Content-Length", "12"), ("x-amz-meta-MTime", "1.5"),
          ("Content-Encoding", "aws-chunked, gzip"), ("x-amz-storage-class", "GLACIER"),
          ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"), ("Content-Type", "text/plain"),
          ("x-amz-version-id", "v1"),
        ])
    }
    let head = try scriptedClient(server).headObject("bucket", "k")
    #expect(head.sizeBytes == 12)
    #expect(head.etag == "e")
    #expect(head.modified == WallTime(seconds: 784_111_777))
    #expect(head.versionID == "v1")
    var attributes = S3Attributes()
    attributes.contentType = "text/plain"
    attributes.contentEncoding = "gzip"
    attributes.storageClass = "GLACIER"
    attributes.metadata = [("mtime", "1.5")]
    #expect(head.attributes == attributes)
  }
}
