import HTTPClient
import ObjectStorage
import Platform
import TestSupport
import Testing

/// What requests look like, and what is done about answers that real servers seldom give.
@Suite struct S3ScriptedTests {
  private let plain: ScriptedReply = .answer(200, [("ETag", "\"x\"")])

  @Test func attributesBecomeHeaders() throws {
    let server = try ReplyServer { _, _ in .answer(200, [("ETag", "\"x\"")]) }
    let client = try scriptedClient(server) {
      $0.checksum = .crc32c
      $0.requesterPays = true
    }
    var attributes = S3Attributes()
    attributes.contentType = "text/plain"
    attributes.cacheControl = "no-store"
    attributes.metadata = [("MTime", "1.5"), ("mode", "100644")]
    attributes.storageClass = "STANDARD_IA"
    attributes.accessControl = "private"
    attributes.tagging = "a=1"
    attributes.encryption = .keyService(keyID: "key-1")
    _ = try client.putObject(
      "bucket", "a b/ü+&", S3Body(Array("123456789".utf8)), attributes, .absent)
    attributes.encryption = .managed
    _ = try client.putObject("bucket", "x", S3Body([]), attributes, .unchanged(etag: "\"e\""))
    let first = try #require(server.requests.first)
    #expect(first.method == "PUT")
    #expect(first.target == "/bucket/a%20b/%C3%BC%2B%26")
    let fields = [
      "content-type": "text/plain", "cache-control": "no-store", "x-amz-meta-mtime": "1.5",
      "x-amz-meta-mode": "100644", "x-amz-storage-class": "STANDARD_IA", "x-amz-acl": "private",
      "x-amz-tagging": "a=1", "x-amz-server-side-encryption": "aws:kms",
      "x-amz-server-side-encryption-aws-kms-key-id": "key-1", "x-amz-request-payer": "requester",
      "if-none-match": "*", "content-md5": "JfnnlDI7RTiF9RgfG2JNCw==",
      "x-amz-checksum-crc32c": "4waSgw==", "content-length": "9",
      "x-amz-content-sha256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
    ]
    for (name, value) in fields { #expect(first[name] == value, "\(name)") }
    let authorization = try #require(first["authorization"])
    for name in fields.keys where name != "content-length" {
      #expect(authorization.contains(name), "\(name) is not signed")
    }
    #expect(!authorization.contains("accept-encoding"))
    let second = server.requests[1]
    #expect(second["x-amz-server-side-encryption"] == "AES256")
    #expect(second["if-match"] == "\"e\"")
    #expect(second["content-length"] == "0")
  }

  @Test func metadataThatNoHeaderCanCarryIsRefused() throws {
    let server = try ReplyServer { _, _ in .answer(200) }
    let client = try scriptedClient(server)
    for metadata in [("a", "ü"), ("a", "x\ny"), ("a b", "1"), ("a", " padded"), ("ü", "1")] {
      var attributes = S3Attributes()
      attributes.metadata = [metadata]
      let error = s3Failure { _ = try client.putObject("b", "k", S3Body([]), attributes) }
      #expect(error?.kind == .usage, "\(metadata)")
    }
    #expect(server.requests.isEmpty)
  }

  @Test func withoutKeysNothingIsSigned() throws {
    let server = try ReplyServer { _, _ in .answer(200) }
    let client = try makeClient(server.endpoint, S3StaticCredentials(nil))
    try client.headBucket("bucket")
    #expect(server.requests.first?["authorization"] == nil)
  }

  @Test func anotherRegionIsSignedForOnce() throws {
    let server = try ReplyServer { request, _ in
      if request["authorization"]?.contains("/eu-north-1/s3/") == true {
        return .answer(200, request.method == "HEAD" ? [("Content-Length", "5")] : [])
      }
      return request.method == "HEAD"
        ? .answer(301, [("x-amz-bucket-region", "eu-north-1")])
        : .text(
          400, errorDocument("AuthorizationHeaderMalformed", "<Region>eu-north-1</Region>"))
    }
    let first = try scriptedClient(server)
    #expect(try first.headObject("bucket", "k").sizeBytes == 5)
    #expect(server.requests.count == 2)
    // Learned for the bucket.
    _ = try first.headObject("bucket", "k")
    #expect(server.requests.count == 3)
    _ = try scriptedClient(server).createUploadFails("bucket")
    #expect(server.requests.count == 5)
  }

  @Test func aRedirectWithoutAnEndIsAFailure() throws {
    let server = try ReplyServer { _, number in
      .text(
        307, errorDocument("TemporaryRedirect", "<Region>r-\(number)</Region>"),
        [("Location", "http://127.0.0.1:1/")])
    }
    let error = s3Failure { _ = try objectBytes(of: try scriptedClient(server), "bucket", "k") }
    #expect(error?.failure?.status == 307)
    #expect(server.requests.count == 2)
  }

  @Test(arguments: ["RequestTimeTooSkewed", "AccessDenied"])
  func aWrongClockIsCorrectedOnce(_ code: String) throws {
    // The turned clock says 2023-11-14T22:13:20Z; the server is two hours ahead.
    let date = HTTPDate.text(of: WallTime(seconds: 1_700_007_200))
    let server = try ReplyServer { request, _ in
      request["x-amz-date"] == "20231115T001320Z"
        ? .answer(200) : .text(403, errorDocument(code), [("Date", date)])
    }
    let client = try scriptedClient(server)
    try client.headBucket("bucket")
    #expect(server.requests.count == 2)
    try client.headBucket("bucket")
    #expect(server.requests.count == 3)
  }

  @Test func aRefusalWithTheRightClockIsFinal() throws {
    let date = HTTPDate.text(of: WallTime(seconds: 1_700_000_030))
    let server = try ReplyServer { _, _ in
      .text(403, errorDocument("AccessDenied"), [("Date", date)])
    }
    let error = s3Failure { _ = try objectBytes(of: try scriptedClient(server), "bucket", "k") }
    #expect(error?.kind == .denied)
    #expect(server.requests.count == 1)
    #expect(error?.message.contains("No & no.") == true)
    #expect(error?.message.contains("R1") == true)
  }

  @Test func expiredKeysAreRefreshedOnce() throws {
    let server = try ReplyServer { request, _ in
      request["x-amz-security-token"] == "token-2"
        ? .answer(200) : .text(400, errorDocument("ExpiredToken"))
    }
    let source = TurningKeys()
    let client = try makeClient(server.endpoint, source)
    #expect(try objectBytes(of: client, "bucket", "k") == [])
    #expect(source.refreshCount == 1)
    source.isStuck = true
    source.reset()
    let error = s3Failure { _ = try objectBytes(of: client, "bucket", "k") }
    #expect(error?.failure?.code == "ExpiredToken")
    #expect(source.refreshCount == 1)
  }

  @Test func storageThatIsBusyIsAskedAgainLater() throws {
    let clock = TurnedClock()
    let notices = CallCount()
    let server = try ReplyServer { _, number in
      switch number {
      case 1: .text(503, errorDocument("SlowDown"), [("Retry-After", "7")])
      case 2: .text(500, errorDocument("InternalError"))
      case 3: .text(503, "<html><body>gateway</body></html>")
      case 4: .close
      case 5: .answer(429)
      default: .answer(200)
      }
    }
    let client = try scriptedClient(server, clock: clock) {
      $0.connectionsMax = 8
      $0.observe = { _ in notices.add() }
    }
    try client.headBucket("bucket")
    #expect(server.requests.count == 6)
    // The connection that closed had been kept, so that the request went out again by itself.
    #expect(notices.value == 4)
    #expect(clock.sleptSeconds >= 7)
    #expect(client.connectionLimitNow == 1)
    for _ in 0..<100 { try client.headBucket("bucket") }
    #expect(client.connectionLimitNow == 3)
  }

  @Test func aStormEndsWithTheAttemptsOrTheBudget() throws {
    let server = try ReplyServer { _, _ in .text(503, errorDocument("ServiceUnavailable")) }
    let client = try scriptedClient(server) { $0.retry.attemptsMax = 4 }
    let error = s3Failure { try client.headBucket("bucket") }
    guard case .exhausted(4, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.kind == .unreachable)
    #expect(server.requests.count == 4)
    let poor = try scriptedClient(server) {
      $0.budget = HTTPRetryBudget(tokensMax: 2, tokensPerSecond: 0)
    }
    guard case .budgetSpent = s3Failure({ try poor.headBucket("bucket") }) else {
      Issue.record("the budget did not count")
      return
    }
    #expect(server.requests.count == 7)
  }

  @Test func cancellationEndsTheWaits() throws {
    let clock = TurnedClock()
    let server = try ReplyServer { _, _ in
      .text(503, errorDocument("SlowDown"), [("Retry-After", "60")])
    }
    let client = try scriptedClient(server, clock: clock) {
      $0.isCancelled = { clock.sleptSeconds > 2 }
    }
    #expect(s3Failure { try client.headBucket("bucket") }?.kind == .cancelled)
    #expect(server.requests.count == 1)
    #expect(clock.sleptSeconds < 3)
  }

  @Test func damageOnTheWayIsSentAgainOnce() throws {
    let server = try ReplyServer { _, number in
      number == 2 ? .answer(200, [("ETag", "\"x\"")]) : .text(400, errorDocument("BadDigest"))
    }
    let client = try scriptedClient(server)
    _ = try client.putObject("bucket", "k", S3Body([1]))
    let error = s3Failure { _ = try client.putObject("bucket", "k", S3Body([1])) }
    #expect(error?.failure?.code == "BadDigest")
    #expect(server.requests.count == 4)
  }

  @Test func anETagThatLiesIsNoticed() throws {
    let server = try ReplyServer { _, _ in
      .answer(200, [("ETag", "\"900150983cd24fb0d6963f7d28e17f72\"")])
    }
    let client = try scriptedClient(server)
    _ = try client.putObject("bucket", "k", S3Body(Array("abc".utf8)))
    let error = s3Failure { _ = try client.putObject("bucket", "k", S3Body(Array("abd".utf8))) }
    #expect(error?.kind == .corrupt)
    #expect(
      s3Failure { _ = try client.uploadPart("b", "k", upload: "u", number: 1, S3Body([1])) }?.kind
        == .corrupt)
    var attributes = S3Attributes()
    attributes.encryption = .keyService(keyID: nil)
    _ = try client.putObject("bucket", "k", S3Body(Array("abd".utf8)), attributes)
  }

  /// The condition fails because of the attempt whose answer was lost.
  @Test func aLostAnswerToAConditionalPutCounts() throws {
    let server = try ReplyServer { request, number in
      switch (request.method, number) {
      case ("PUT", 1): .close
      case ("PUT", _): .text(412, errorDocument("PreconditionFailed"))
      default:
        .answer(200, [("ETag", "\"900150983cd24fb0d6963f7d28e17f72\""), ("Content-Length", "3")])
      }
    }
    let client = try scriptedClient(server)
    let stored = try client.putObject(
      "bucket", "k", S3Body(Array("abc".utf8)), S3Attributes(), .absent)
    #expect(stored.etag == "900150983cd24fb0d6963f7d28e17f72")
    let error = s3Failure {
      _ = try client.putObject("bucket", "k", S3Body(Array("abd".utf8)), S3Attributes(), .absent)
    }
    #expect(error?.isConditionFailed == true)
  }

  @Test(arguments: [
    (200, "", FailureKind.failed), (200, "<html>", .failed),
    (200, errorDocument("AccessDenied"), .failed), (404, errorDocument("NoSuchKey"), .notFound),
    (200, "\n\n  " + errorDocument("NoSuchKey"), .notFound),
  ])
  func copiesThatFailAfterAllAreFailures(
    _ status: Int, _ body: String, _ kind: FailureKind
  ) throws {
    let server = try ReplyServer { _, _ in .text(status, body) }
    let error = s3Failure {
      _ = try scriptedClient(server).copyObject(
        from: ("bucket", "a+b"), to: ("bucket", "c"), S3Attributes())
    }
    #expect(error?.kind == kind)
    let request = try #require(server.requests.first)
    #expect(request["x-amz-copy-source"] == "bucket/a%2Bb")
    #expect(request["x-amz-metadata-directive"] == "REPLACE")
  }

  @Test func aCopyThatFailsInternallyIsMadeAgain() throws {
    let server = try ReplyServer { _, number in
      number < 3
        ? .text(200, errorDocument("InternalError"))
        : .text(200, "<CopyObjectResult><ETag>&quot;e&quot;</ETag></CopyObjectResult>")
    }
    let stored = try scriptedClient(server).copyObject(
      from: ("bucket", "a"), to: ("bucket", "b"))
    #expect(stored.etag == "e")
    #expect(server.requests.count == 3)
  }
}

extension S3Client {
  /// Fails, after it has been sent to the right region.
  fileprivate func createUploadFails(_ bucket: String) -> S3Error? {
    s3Failure { _ = try createUpload(bucket, "k") }
  }
}

/// Keys with a token that counts up with each refresh.
private final class TurningKeys: S3CredentialSource, @unchecked Sendable {
  private let lock = Lock()
  private var count = 0
  private var token = 1
  private var stuck = false

  var refreshCount: Int { lock.withLock { count } }
  var isStuck: Bool {
    get { lock.withLock { stuck } }
    set { lock.withLock { stuck = newValue } }
  }
  func reset() { lock.withLock { (count, token) = (0, 1) } }

  func credentials(refreshing: Bool) throws(S3Error) -> S3Credentials? {
    let token = lock.withLock {
      if refreshing {
        count += 1
        if !stuck { self.token += 1 }
      }
      return self.token
    }
    return S3Credentials(accessKey: "A", secret: "S", sessionToken: "token-\(token)")
  }
}

final class CallCount: @unchecked Sendable {
  private let lock = Lock()
  private var count = 0
  var value: Int { lock.withLock { count } }
  func add() { lock.withLock { count += 1 } }
}
