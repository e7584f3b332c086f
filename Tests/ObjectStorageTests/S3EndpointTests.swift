import ObjectStorage
import Platform
import Testing

@Suite struct S3EndpointTests {
  @Test(arguments: [
    ("http://127.0.0.1:9000", "http://127.0.0.1:9000"), ("https://host/", "https://host"),
    ("Host.Example", "https://host.example"), ("http://host:80/a+b/c//", "http://host/a%2Bb/c"),
    ("https://host:443", "https://host"), ("http://[::1]:9000/x", "http://[::1]:9000/x"),
    ("http://[::1]", "http://[::1]"),
  ])
  func endpointsAreRead(_ text: String, _ shown: String) throws {
    #expect(try S3Endpoint(text).description == shown)
  }

  @Test(arguments: [
    "", "http://", "https:///x", "http://user:geheim@host", "http://host:0", "http://host:x",
    "http://host:70000", "http://ho st", "http://host?x", "http://host/\n", "ftp://host",
  ])
  func otherTextsAreNone(_ text: String) {
    let error = s3Failure { _ = try S3Endpoint(text) }
    #expect(error?.kind == .usage, "\(text)")
    #expect(error?.description.contains("geheim") == false)
  }

  @Test(arguments: [
    ("s3.eu-west-1.amazonaws.com", "eu-west-1"), ("s3-eu-west-1.amazonaws.com", "eu-west-1"),
    ("s3.dualstack.eu-west-1.amazonaws.com", "eu-west-1"),
    ("s3.cn-north-1.amazonaws.com.cn", "cn-north-1"), ("s3.amazonaws.com", nil),
    ("s3.eu-west-1.example.com", nil), ("127.0.0.1", nil),
  ])
  func amazonsHostsNameTheRegion(_ host: String, _ region: String?) throws {
    #expect(try S3Endpoint(host).amazonRegion == region)
  }
}

@Suite struct S3PartPlanTests {
  static let cases: [(size: Int64, wanted: Int64, partSize: Int64, count: Int)] = [
    (0, 16 << 20, 16 << 20, 1), (1, 1, 5 << 20, 1), (5 << 20, 5 << 20, 5 << 20, 1),
    (5_242_881, 5 << 20, 5 << 20, 2), (100 << 30, 5 << 20, 11 << 20, 9310),
    (5 << 40, 16 << 20, 525 << 20, 9987),
  ]

  @Test(arguments: cases)
  func partsStayWithinTheLimits(
    _ size: Int64, _ wanted: Int64, _ partSize: Int64, _ count: Int
  ) throws {
    let plan = try #require(S3PartPlan(sizeBytes: size, wanted: wanted))
    #expect(plan.partCount <= S3Limits.partCountMax)
    #expect(plan.partSizeBytes == partSize)
    #expect(plan.partCount == count)
    var end: Int64 = 0
    for number in 1...plan.partCount {
      let range = plan.range(number, of: size)
      #expect(range.lowerBound == end)
      end = range.upperBound
    }
    #expect(end == size)
  }

  @Test func tooLargeIsTooLarge() {
    #expect(S3PartPlan(sizeBytes: (5 << 40) + 1, wanted: 5 << 20) == nil)
    #expect(S3PartPlan(sizeBytes: -1, wanted: 5 << 20) == nil)
  }
}
