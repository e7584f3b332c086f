import Platform
import TestSupport
import Testing

/// What passes through the relay unspoiled, and how it is counted.
@Suite struct FaultProxyPassingTests {
  @Test(arguments: RcloneClient.Version.allCases)
  func realClientsSeeNoDifference(version: RcloneClient.Version) throws {
    let server = try RcloneServer()
    try server.makeBucket("bucket-1")
    let counts = try expectSync(server, "bucket-1", version)
    #expect(counts[.createUpload] == 1)
    #expect(counts[.uploadPart] == 3)
    #expect(counts[.completeUpload] == 1)
    #expect(counts[.putObject] == 41)
    #expect(counts[.list, default: 0] >= 2)
    // All, and all without the deleted one.
    #expect(counts[.getObject] == 42 + 41)
    #expect(counts[.deleteObject, default: 0] + counts[.deleteObjects, default: 0] > 0)
    // Nothing that these clients do is unknown.
    #expect(counts[.other] == nil, "\(counts)")
  }

  @Test(arguments: RcloneClient.Version.allCases)
  func aStrictServerSeesNoDifference(version: RcloneClient.Version) throws {
    let server = try SwiftServer.shared
    _ = try expectSync(server, try server.makeFreshBucket(), version)
  }

  @Test func faultsDoNotKeepARealClientFromItsEnd() throws {
    let server = try RcloneServer()
    try server.makeBucket("bucket-1")
    let proxy = try FaultProxy(
      targetPort: server.endpoint.port,
      plan: .seeded(
        5, rate: 0.2,
        faults: [
          .reset(.beforeRequest), .reset(.inRequest(afterBytes: 100)), .reset(.beforeResponse),
          .reset(.inResponse(afterBytes: 50)), .end(.inResponse(afterBytes: 0)), .slowDown(),
          .internalError, .delay(seconds: 0.05),
        ]))
    let client = try RcloneClient(.current, server.endpoint.through(port: proxy.port))
    let source = try makeSource()
    let remote = client.remote("bucket-1/tree")
    try client.runChecked(
      ["copy", "--s3-upload-cutoff", "5Mi", "--low-level-retries", "20", source.path, remote])
    // Asked past the relay.
    let direct = try RcloneClient(.current, server.endpoint)
    try direct.runChecked(["check", "--download", source.path, remote])
    #expect(proxy.faultCount >= 5)
    let met = proxy.requests.filter { $0.fault != .none }
    #expect(Set(met.map { "\($0.fault)" }).count >= 3)
  }

  @Test func chunkedBodiesPassWithAndWithoutBeingAskedFor() throws {
    let bench = try FaultBench(.none, chunked: true)
    let client = try RawHTTPClient(port: bench.proxy.port)
    for expects in [false, true, true, false] {
      client.sendHead(
        "PUT /bucket/key HTTP/1.1",
        ["Transfer-Encoding: chunked"] + (expects ? ["Expect: 100-continue"] : []))
      if expects { #expect(client.receive(method: "PUT").status == 100) }
      client.send(FaultBench.chunks(FaultBench.body))
      let answer = client.receive(method: "PUT")
      #expect(answer.status == 200)
      #expect(answer.body == FaultBench.body)
    }
    #expect(bench.server.requests.allSatisfy { $0.body == FaultBench.chunks(FaultBench.body) })
    #expect(bench.proxy.connectionCount == 1)
    #expect(bench.server.connectionCount == 1)
    #expect(bench.proxy.requestBodyBytes == 4 * FaultBench.chunks(FaultBench.body).count)
  }

  @Test func bodiesLargerThanEveryBufferPass() throws {
    let bench = try FaultBench(.none)
    let client = try RawHTTPClient(port: bench.proxy.port)
    let size = 24 << 20
    var random = SeededGenerator(seed: 4)
    let piece = random.bytes(1 << 20)
    client.sendHead("PUT /bucket/key HTTP/1.1", ["Content-Length: \(size)"])
    for _ in 0..<24 { client.send(piece) }
    // The server keeps and answers the first MiB.
    #expect(client.receive(method: "PUT").body == piece)
    #expect(bench.server.requests.first?.bodySizeBytes == size)
  }

  @Test func anAnswerThatEndsWithTheConnectionPasses() throws {
    let text = "HTTP/1.1 200 OK\r\nX-A:b\r\n\r\nto the end"
    let server = try ScriptedServer { _ in .raw(Array(text.utf8)) }
    let proxy = try FaultProxy(targetPort: server.port)
    let client = try RawHTTPClient(port: proxy.port)
    let answer = client.get("/bucket/key")
    #expect(answer.text == "to the end")
    #expect(answer.head?["x-a"] == "b")
    #expect(client.receive().ending == .cutShort)
  }

  @Test func aServerThatLeavesIsSeenToLeave() throws {
    let bench = try FaultBench(.none)
    bench.server.stop()
    let answer = try RawHTTPClient(port: bench.proxy.port).get("/bucket/key")
    #expect(answer.head == nil)
    #expect(answer.ending == .cutShort)
  }

  @Test func requestsAtOnceAreCounted() throws {
    let bench = try FaultBench(.always(.stall(.beforeRequest)))
    let clients = try (0..<5).map { _ in try RawHTTPClient(port: bench.proxy.port) }
    for client in clients { client.sendHead("GET /bucket/key HTTP/1.1") }
    try waitUntil { bench.proxy.stalledCount == 5 }
    bench.proxy.setPlan(.none)
    bench.proxy.releaseStalled()
    for client in clients { #expect(client.receive().status == 200) }
    #expect(try RawHTTPClient(port: bench.proxy.port).get("/bucket/key").status == 200)
    #expect(bench.proxy.concurrencyMax == 5)
    #expect(bench.proxy.connectionCount == 6)
  }

  @Test func headersAreRecordedAsTheyWereSent() throws {
    let bench = try FaultBench(.none)
    let client = try RawHTTPClient(port: bench.proxy.port)
    client.sendHead("GET /bucket/a%20b?versionId=1 HTTP/1.1", ["X-Amz-Date: now", "x-b:  c: d"])
    #expect(client.receive().status == 200)
    let request = try #require(bench.proxy.requests.first)
    #expect(request.target == "/bucket/a%20b?versionId=1")
    #expect(request["x-amz-date"] == "now")
    #expect(request["x-b"] == "c: d")
    #expect(request.status == 200)
  }

  private func makeSource() throws -> TemporaryDirectory {
    let source = try TemporaryDirectory()
    var random = SeededGenerator(seed: 12)
    for number in 0..<41 {
      try ByteFiles.write(Array(source.path("f\(number)").utf8), random.bytes(number * 100))
    }
    try ByteFiles.write(Array(source.path("big").utf8), random.bytes(11 << 20))
    return source
  }

  /// Copies to a bucket, compares, deletes one; by way of a relay.
  private func expectSync(
    _ server: some BucketServer, _ bucket: String, _ version: RcloneClient.Version
  ) throws -> [S3RequestKind: Int] {
    let proxy = try FaultProxy(targetPort: server.endpoint.port)
    let client = try RcloneClient(version, server.endpoint.through(port: proxy.port))
    let source = try makeSource()
    let remote = client.remote("\(bucket)/tree")
    // Without HEAD after each PUT, so that no request depends on the version.
    try client.runChecked(
      ["copy", "--s3-upload-cutoff", "5Mi", "--s3-no-head", "--s3-no-check-bucket", source.path]
        + [remote])
    try client.runChecked(["check", "--download", source.path, remote])
    try client.runChecked(["deletefile", "\(remote)/f7"])
    #expect(try client.run(["check", "--download", source.path, remote]).status != 0)
    #expect(proxy.faultCount == 0)
    // None was lost on the way, and what the server could not do was tried again.
    #expect(proxy.requests.allSatisfy { $0.status != nil })
    let done = proxy.requests.filter { (200...299).contains($0.status ?? 0) }
    return Dictionary(grouping: done, by: \.kind).mapValues(\.count)
  }
}
