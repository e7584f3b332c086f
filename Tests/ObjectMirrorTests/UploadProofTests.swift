import Cryptography
import HTTPClient
import ObjectStorage
import Platform
import Remotes
import Synchronization
import TestSupport
import Testing

@testable import ObjectMirror

/// What goes out in one read is proved by what the store tells of it; failures that nothing cures
/// end a destination at once.
@Suite struct UploadProofTests {
  private static let emptyListing =
    "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"

  private func bench(large count: Int = 1) throws -> FanOutBench {
    let bench = try FanOutBench(0)
    for number in 0..<count { try bench.write("large\(number)", sizeBytes: 5 << 20) }
    return bench
  }

  private func side(
    _ server: ScriptedServer, _ change: (inout S3RemoteOptions) -> Void = { _ in }
  ) throws -> MirrorSide {
    let endpoint = ServerEndpoint(port: server.port, accessKey: "key", secretKey: "secret")
    return .store(try FanOutBench.store(endpoint, "data", change))
  }

  @Test func anotherETagIsAFailureAndTheObjectIsGone() throws {
    let bench = try bench()
    let server = try ScriptedServer { request in
      switch request.method {
      case "GET": return .text(UploadProofTests.emptyListing)
      case "PUT":
        return ScriptedServer.Answer(
          headers: [WireHeader("ETag", "\"0123456789abcdef0123456789abcdef\"")])
      default: return ScriptedServer.Answer(status: 204)
      }
    }
    let outcome = try bench.run(to: [try side(server)])
    #expect(outcome.destinations[0].figures.errorCount == 1)
    #expect(outcome.destinations[0].figures.lastKind == .corrupt)
    let puts = server.requests.filter { $0.method == "PUT" }
    #expect(puts.count == 3 && puts.allSatisfy { $0["content-md5"] == nil })
    #expect(server.requests.count { $0.method == "DELETE" } == 3)
    #expect(server.requests.last?.method == "DELETE")
  }

  /// A wrong ETag once is cured by sending the content again.
  @Test func aDamagedObjectIsSentAgain() throws {
    let bench = try bench()
    let bytes = try ByteFiles.read(Array("\(bench.source)/large0".utf8))
    let tag = hex(try MessageDigest.of(bytes, .md5))
    let putCount = Atomic<Int>(0)
    let server = try ScriptedServer { request in
      switch request.method {
      case "GET": return .text(UploadProofTests.emptyListing)
      case "PUT":
        let isFirst = putCount.add(1, ordering: .relaxed).oldValue == 0
        let told = isFirst ? "0123456789abcdef0123456789abcdef" : tag
        return ScriptedServer.Answer(headers: [WireHeader("ETag", "\"\(told)\"")])
      default: return ScriptedServer.Answer(status: 204)
      }
    }
    let outcome = try bench.run(to: [try side(server)])
    #expect(outcome.destinations[0].isGood)
    #expect(server.requests.count { $0.method == "PUT" } == 2)
    #expect(server.requests.count { $0.method == "DELETE" } == 1)
    #expect(outcome.sourceReadBytes == 2 * Int64(bytes.count))
  }

  /// A bucket that encrypts with a key by itself has other ETags: then the MD5 goes along.
  @Test func whereTheETagIsNoMD5TheHeaderGoesAlong() throws {
    let bench = try bench(large: 3)
    bench.options.transferCount = 1
    let server = try ScriptedServer { request in
      guard request.method == "PUT" else { return .text(UploadProofTests.emptyListing) }
      return ScriptedServer.Answer(
        headers: [
          WireHeader("ETag", "\"0123456789abcdef0123456789abcdef\""),
          WireHeader("x-amz-server-side-encryption", "aws:kms"),
        ])
    }
    let outcome = try bench.run(to: [try side(server)])
    #expect(outcome.destinations[0].isGood, "\(outcome)")
    let puts = server.requests.filter { $0.method == "PUT" }
    #expect(puts.map { $0["content-md5"] != nil } == [false, true, true, true])
    #expect(!server.requests.contains { $0.method == "DELETE" })
    // Where the options say so, nothing is tried.
    let told = try bench.run(
      to: [try side(server) { $0.storage.serverSideEncryption = "aws:kms" }])
    #expect(told.destinations[0].isGood)
    #expect(
      server.requests.filter { $0.method == "PUT" }.dropFirst(4)
        .allSatisfy { $0["content-md5"] != nil })
    #expect(told.sourceReadBytes == 6 * 5 << 20)
  }

  // MARK: Failures that nothing cures

  @Test func aBucketThatCannotBeMadeEndsItAtOnce() throws {
    let bench = try FanOutBench(1)
    _ = try bench.fillSmall(200)
    let server = try ScriptedServer { request in
      request.method == "GET"
        ? .error(status: 404, code: "NoSuchBucket") : .error(status: 403, code: "AccessDenied")
    }
    let outcome = try bench.run(to: [try side(server), try bench.store(0)])
    let end = outcome.destinations[0]
    #expect(end.figures.errorCount == 0 && end.figures.transferredCount == 0)
    guard case .noBucket? = end.failure else { throw TestFailure("\(end)") }
    #expect(!end.mayBeRetried)
    #expect(server.requestCount < 20)
    #expect(outcome.destinations[1].isGood)
  }

  @Test(arguments: ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"])
  func aListingThatIsRefusedEndsItAtOnce(_ code: String) throws {
    let bench = try FanOutBench(1)
    _ = try bench.fillSmall(50)
    let server = try ScriptedServer { _ in .error(status: 403, code: code) }
    let outcome = try bench.run(to: [try side(server), try bench.store(0)])
    #expect(outcome.destinations[0].failure?.kind == .denied)
    #expect(!outcome.destinations[0].mayBeRetried)
    #expect(server.requestCount == 1)
    #expect(outcome.destinations[1].isGood)
  }

  /// A name without an address is asked for a few times, not as often as a server that is down.
  @Test func aHostThatIsNotThereIsGivenUpSoon() throws {
    let notices = Atomic<Int>(0)
    var options = S3RemoteOptions()
    options.endpoint = "http://no-such-host.invalid"
    options.credentials = .anonymous
    var settings = StoreSideSettings()
    settings.http.proxy = .none
    settings.attemptsMax = 50
    settings.observe = { _ in _ = notices.add(1, ordering: .relaxed) }
    let side = try StoreSide(options, BucketPath(bucket: "bucket-1", path: ""), settings)
    let bench = try bench()
    let outcome = try bench.run(to: [.store(side)])
    #expect(outcome.destinations[0].failure?.kind == .unreachable)
    #expect(!outcome.destinations[0].mayBeRetried)
    #expect(notices.load(ordering: .relaxed) <= 3)
  }
}
