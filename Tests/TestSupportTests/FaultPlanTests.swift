import TestSupport
import Testing

/// Which request meets which fault, and what a request is called.
@Suite struct FaultPlanTests {
  @Test(
    arguments: [
      ("GET", "/", .listBuckets), ("PUT", "/bucket", .createBucket),
      ("PUT", "/bucket/", .createBucket),
      ("HEAD", "/bucket", .headBucket), ("DELETE", "/bucket", .deleteBucket),
      ("GET", "/bucket?list-type=2&prefix=a%2F", .list), ("GET", "/bucket/?delimiter=/", .list),
      ("GET", "/bucket", .list), ("GET", "/bucket?location", .other),
      ("GET", "/bucket?versioning=", .other), ("PUT", "/bucket?acl", .other),
      ("POST", "/bucket?delete", .deleteObjects), ("GET", "/bucket/?uploads=", .listUploads),
      ("PUT", "/bucket/key", .putObject), ("PUT", "/bucket/a/b/c?x-id=PutObject", .putObject),
      ("PUT", "/bucket/key?partNumber=3&uploadId=x", .uploadPart),
      ("GET", "/bucket/key", .getObject), ("GET", "/bucket/key?versionId=1", .getObject),
      ("HEAD", "/bucket/key", .headObject), ("DELETE", "/bucket/key", .deleteObject),
      ("POST", "/bucket/key?uploads", .createUpload),
      ("POST", "/bucket/key?uploads=", .createUpload),
      ("POST", "/bucket/key?uploadId=x", .completeUpload),
      ("DELETE", "/bucket/key?uploadId=x", .abortUpload),
      ("GET", "/bucket/key?uploadId=x", .listParts),
      ("GET", "/bucket/key?acl", .other), ("PUT", "/bucket/key?tagging", .other),
      ("OPTIONS", "/bucket/key", .other),
    ] as [(String, String, S3RequestKind)])
  func requestsHaveTheirName(method: String, target: String, kind: S3RequestKind) {
    #expect(S3RequestKind(method: method, target: target, copies: false) == kind)
  }

  @Test func copiesAreToldFromUploads() {
    #expect(S3RequestKind(method: "PUT", target: "/b/k", copies: true) == .copyObject)
    #expect(
      S3RequestKind(method: "PUT", target: "/b/k?partNumber=1&uploadId=x", copies: true)
        == .copyPart)
  }

  @Test func seedsDecideWhateverTheOrder() throws {
    let targets = (0..<2000).map { "/bucket/key-\($0)" }
    let first = try faults(seed: 1, targets)
    #expect(try faults(seed: 1, targets) == first)
    #expect(try faults(seed: 1, targets.reversed()) == first.reversed())
    #expect(try faults(seed: 2, targets) != first)
    let met = first.filter { $0 != .none }.count
    // A quarter of 2000, and room for more than five times the deviation.
    #expect((400...600).contains(met))
    #expect(Set(first.map { "\($0)" }).count == 4)
  }

  @Test func whoTriesAgainGetsThrough() throws {
    let seen = try tries(.seeded(3, rate: 1, faults: [.internalError], attemptsMax: 2))
    #expect(seen == [500, 500, 200, 200])
  }

  @Test func triesOfOneUploadAreOneThing() throws {
    let plan = HTTPFaultPlan.seeded(3, rate: 1, faults: [.internalError], attemptsMax: 1)
    let bench = try FaultBench(plan)
    let client = try RawHTTPClient(port: bench.proxy.port)
    let statuses = [
      "uploadId=a&partNumber=1", "partNumber=1&uploadId=b", "partNumber=2&uploadId=b",
    ]
    .map { client.get("/bucket/key?\($0)").status }
    #expect(statuses == [500, 200, 500])
  }

  @Test func plansNameTheirRequests() throws {
    #expect(try tries(.once(.internalError, on: .getObject, number: 2)) == [200, 200, 500, 200])
    #expect(try tries(.once(.internalError, on: .putObject)) == [200, 200, 200, 200])
    #expect(try tries(.always(.internalError, on: [.list])) == [200, 200, 200, 200])
    #expect(try tries(.always(.slowDown())) == [503, 503, 503, 503])
    let last = HTTPFaultPlan { $0.number == 3 && $0.attempt == 3 ? .internalError : .none }
    #expect(try tries(last) == [200, 200, 200, 500])
  }

  /// The answers to four requests for the same thing.
  private func tries(_ plan: HTTPFaultPlan) throws -> [Int?] {
    let bench = try FaultBench(plan)
    let client = try RawHTTPClient(port: bench.proxy.port)
    return (0..<4).map { _ in client.get("/bucket/key").status }
  }

  /// The fault of one request for each target.
  private func faults(seed: UInt64, _ targets: [String]) throws -> [HTTPFault] {
    let faults = [HTTPFault.internalError, .slowDown(), .tooManyRequests()]
    let bench = try FaultBench(.seeded(seed, rate: 0.25, faults: faults))
    let client = try RawHTTPClient(port: bench.proxy.port)
    for target in targets { #expect(client.get(target).ending == .complete) }
    return bench.proxy.requests.map(\.fault)
  }
}
