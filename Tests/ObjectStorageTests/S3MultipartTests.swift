import HTTPClient
import ObjectStorage
import Platform
import TestSupport
import Testing

/// Uploads in parts, on real servers and against answers that they seldom give.
@Suite struct S3MultipartTests {
  private let created = ScriptedReply.text(
    200,
    "<InitiateMultipartUploadResult><UploadId>u&amp;1</UploadId></InitiateMultipartUploadResult>")

  @Test(arguments: S3ServerKind.allCases)
  func aBrokenUploadGoesOn(_ kind: S3ServerKind) throws {
    let bucket = try kind.makeBucket()
    let client = try bucket.client()
    var random = SeededGenerator(seed: 21)
    let bytes = random.bytes((11 << 20) + 123)
    let plan = try #require(S3PartPlan(sizeBytes: Int64(bytes.count), wanted: 5 << 20))
    var attributes = S3Attributes()
    attributes.metadata = [("mtime", "1.25")]
    attributes.contentType = "text/x-test"
    let id = try client.createUpload(bucket.name, "big", attributes)
    let first = try client.uploadPart(
      bucket.name, "big", upload: id, number: 2, S3Body(Array(bytes[(5 << 20)..<(10 << 20)])))
    var pending: [S3PendingUpload] = []
    try client.listUploads(bucket.name) { (upload) throws(S3Error) in pending.append(upload) }
    #expect(pending.map(\.key) == ["big"])
    #expect(pending.map(\.id) == [id])
    let held = try client.listParts(bucket.name, "big", upload: id)
    #expect(held == [first])
    let source = ArraySource(bytes, stepByteCount: 100_001)
    let upload = S3Upload(
      client, bucket.name, "big", ObjectBody(source), plan, upload: id, held: held, concurrency: 3)
    let parts = try upload.sendParts()
    #expect(parts.map(\.number) == [1, 2, 3])
    let stored = try client.completeUpload(bucket.name, "big", upload: id, parts)
    #expect(stored.etag.hasSuffix("-3"))
    #expect(try objectBytes(of: client, bucket.name, "big") == bytes)
    let head = try client.headObject(bucket.name, "big")
    #expect(head.attributes.metadata.contains { $0 == ("mtime", "1.25") })
    #expect(head.attributes.contentType == "text/x-test")
  }

  @Test(arguments: S3ServerKind.allCases)
  func anAbortedUploadIsGone(_ kind: S3ServerKind) throws {
    let bucket = try kind.makeBucket()
    let client = try bucket.client()
    let id = try client.createUpload(bucket.name, "big")
    _ = try client.uploadPart(bucket.name, "big", upload: id, number: 1, S3Body([1]))
    try client.abortUpload(bucket.name, "big", upload: id)
    try client.abortUpload(bucket.name, "big", upload: id)
    var count = 0
    try client.listUploads(bucket.name) { (_) throws(S3Error) in count += 1 }
    #expect(count == 0)
    #expect(s3Failure { _ = try client.headObject(bucket.name, "big") }?.isNotFound == true)
  }

  /// A source that ends too early leaves neither an object nor an upload.
  @Test(arguments: S3ServerKind.allCases)
  func aFailedUploadIsAborted(_ kind: S3ServerKind) throws {
    let bucket = try kind.makeBucket()
    var options = S3StoreOptions()
    options.multipartSizeBytesMin = 1
    options.partSizeBytes = 5 << 20
    let store = try bucket.store(options)
    let short = ArraySource(
      [UInt8](repeating: 1, count: 6 << 20), stepByteCount: 99_999, claimed: 12 << 20)
    expectError(.failed) { try store.put(key("short"), ObjectBody(short)) }
    #expect(try keys(in: store) == [])
    var count = 0
    try store.client.listUploads(bucket.name) { (_) throws(S3Error) in count += 1 }
    #expect(count == 0)
  }

  @Test func partsAreSentAtATimeAndInMemoryAsTheyAre() throws {
    let together = Gauge()
    let server = try ReplyServer { request, _ in
      if request.method == "PUT" {
        together.enter()
        SystemClock().sleep(seconds: 0.2)
        together.leave()
        return .answer(200, [("ETag", "\"\(request.body.count)\"")])
      }
      return request.query == "uploads="
        ? .text(
          200,
          "<InitiateMultipartUploadResult><UploadId>u&amp;1</UploadId></InitiateMultipartUploadResult>"
        )
        : .text(
          200, "<CompleteMultipartUploadResult><ETag>\"x-5\"</ETag></CompleteMultipartUploadResult>"
        )
    }
    var random = SeededGenerator(seed: 22)
    let memory = HeldMemory(random.bytes((21 << 20) + 5))
    let body = ObjectBody(
      memory: [memory.range(0..<1000), memory.range(1000..<((21 << 20) + 5))], owner: memory)
    let client = try scriptedClient(server)
    let stored = try S3Upload.store(
      client, "bucket", "k", body, partSizeBytes: 5 << 20, concurrency: 4)
    #expect(stored.etag == "x-5")
    #expect(together.most >= 2 && together.most <= 4)
    let puts = server.requests.filter { $0.method == "PUT" }
    #expect(Set(puts.map(\.query)) == Set((1...5).map { "partNumber=\($0)&uploadId=u%261" }))
    let sent = puts.sorted { $0.query.utf8.lexicographicallyPrecedes($1.query.utf8) }.flatMap(
      \.body)
    #expect(sent == Array(memory.range(0..<((21 << 20) + 5))))
    let list = String(decoding: try #require(server.requests.last).body, as: UTF8.self)
    #expect(
      list.contains("<Part><PartNumber>5</PartNumber><ETag>&quot;1048581&quot;</ETag></Part>"))
  }

  @Test func aFailureInTheAnswerToCompleteCounts() throws {
    let server = try ReplyServer { _, number in
      number == 1
        ? .text(200, "  \n" + errorDocument("InternalError"))
        : .text(200, errorDocument("InvalidPart"))
    }
    let error = s3Failure {
      _ = try scriptedClient(server).completeUpload("bucket", "k", upload: "u", [])
    }
    #expect(error?.failure?.code == "InvalidPart")
    #expect(server.requests.count == 2)
  }

  /// The first answer is lost; the upload is gone then because it was completed.
  @Test(arguments: [(3, true), (4, false)])
  func aLostAnswerToCompleteIsLookedUp(_ size: Int, _ counts: Bool) throws {
    let date = HTTPDate.text(of: WallTime(seconds: 1_700_000_001))
    let server = try ReplyServer { request, number in
      if request.method == "HEAD" {
        return .answer(
          200, [("ETag", "\"e-1\""), ("Content-Length", "\(size)"), ("Last-Modified", date)])
      }
      return number == 1 ? .close : .text(404, errorDocument("NoSuchUpload"))
    }
    let client = try scriptedClient(server)
    let parts = [S3Part(number: 1, etag: "e", sizeBytes: 3)]
    let error = s3Failure {
      let stored = try client.completeUpload("bucket", "k", upload: "u", parts)
      #expect(stored.etag == "e-1")
    }
    #expect((error == nil) == counts)
    // Without a lost answer the upload is simply not there.
    let other = s3Failure { _ = try client.completeUpload("bucket", "k", upload: "u", parts) }
    #expect(other?.failure?.code == "NoSuchUpload")
  }
}

/// How many are inside at a time.
private final class Gauge: @unchecked Sendable {
  private let lock = Lock()
  private var inside = 0
  private var highest = 0
  var most: Int { lock.withLock { highest } }
  func enter() {
    lock.withLock {
      inside += 1
      highest = max(highest, inside)
    }
  }
  func leave() { lock.withLock { inside -= 1 } }
}
