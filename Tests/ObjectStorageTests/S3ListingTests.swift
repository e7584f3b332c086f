import HTTPClient
import ObjectStorage
import Platform
import TestSupport
import Testing

/// A page of a listing.
private func page(
  _ keys: [String], next: String? = nil, isTruncated: Bool? = nil, _ more: String = "",
  etag: String = "&quot;e&quot;"
) -> ScriptedReply {
  let entries = keys.map {
    "<Contents><Key>\($0)</Key><LastModified>1994-11-06T08:49:37.123Z</LastModified>"
      + "<ETag>\(etag)</ETag><Size>3</Size><StorageClass>STANDARD</StorageClass></Contents>"
  }
  return .text(
    200,
    "<?xml version=\"1.0\"?><x:ListBucketResult xmlns:x=\"http://any/\">"
      + "<IsTruncated>\(isTruncated ?? (next != nil))</IsTruncated>"
      + (next.map { "<NextContinuationToken>\($0)</NextContinuationToken>" } ?? "")
      + entries.joined() + more + "</x:ListBucketResult>")
}

/// Listings that real servers seldom give.
@Suite struct S3ListingTests {
  private func listed(_ client: S3Client, after: String? = nil) throws -> [String] {
    var keys: [String] = []
    try client.list("bucket", prefix: "", after: after) { (entry) throws(S3Error) in
      keys.append(String(decoding: entry.key, as: UTF8.self))
    }
    return keys
  }

  @Test func pagesFollowTheirTokens() throws {
    let server = try ReplyServer { _, number in
      switch number {
      case 1: page(["a", "b"], next: "t+1/=")
      case 2: page([], next: "t2")
      default: page(["c"])
      }
    }
    #expect(try listed(try scriptedClient(server)) == ["a", "b", "c"])
    #expect(
      server.requests.map(\.query) == [
        "encoding-type=url&list-type=2&max-keys=1000",
        "continuation-token=t%2B1%2F%3D&encoding-type=url&list-type=2&max-keys=1000",
        "continuation-token=t2&encoding-type=url&list-type=2&max-keys=1000",
      ])
  }

  @Test func entriesAreReadWhateverTheirForm() throws {
    let server = try ReplyServer { _, number in
      page(
        ["a%20b%2Bc+d%01"], "<EncodingType>url</EncodingType>", etag: number == 1 ? "e" : "\"e\"")
    }
    let client = try scriptedClient(server)
    for _ in 0..<2 {
      var entries: [S3Entry] = []
      try client.list("bucket") { (entry) throws(S3Error) in entries.append(entry) }
      #expect(
        entries == [
          S3Entry(
            key: Array("a b+c d\u{1}".utf8), sizeBytes: 3, etag: "e",
            modified: WallTime(seconds: 784_111_777, nanoseconds: 123_000_000),
            storageClass: "STANDARD")
        ])
    }
  }

  @Test func aServerOfTheFirstListingIsServed() throws {
    let server = try ReplyServer { request, _ in
      if request.query.contains("list-type=2") {
        return .text(501, errorDocument("NotImplemented"))
      }
      return request.query.contains("marker=b")
        ? page(["c"]) : page(["a", "b"], isTruncated: true)
    }
    let client = try scriptedClient(server)
    #expect(try listed(client) == ["a", "b", "c"])
    #expect(server.requests.count == 3)
    // It is not asked for the second again.
    #expect(try listed(client, after: "b") == ["c"])
    #expect(server.requests.count == 4)
  }

  /// A server that does not know `list-type` answers with a first listing, and no token.
  @Test func aServerThatIgnoresTheVersionIsServed() throws {
    let server = try ReplyServer { request, _ in
      request.query.contains("marker=") || request.query.contains("start-after=")
        ? page(["c"]) : page(["a", "b"], isTruncated: true, "<NextMarker>b</NextMarker>")
    }
    #expect(try listed(try scriptedClient(server)) == ["a", "b", "c"])
  }

  @Test(arguments: [
    // Out of order, repeated, back to the start, cut off without a place, an entry without a size.
    [page(["b", "a"])], [page(["a", "a"])], [page(["a", "b"], next: "t"), page(["a", "b"])],
    [page([], isTruncated: true)],
    [page([], "<Contents><Key>a</Key></Contents>")],
    [page(["a%2"], "<EncodingType>url</EncodingType>")],
    [.text(200, "<ListAllMyBucketsResult/>")], [.text(200, "")], [.text(200, "<html><br></html>")],
    [.text(200, "<ListBucketResult><Contents>")],
  ])
  func brokenListingsAreFailures(_ replies: [ScriptedReply]) throws {
    let server = try ReplyServer { _, number in replies[min(number, replies.count) - 1] }
    let error = s3Failure { _ = try listed(try scriptedClient(server)) }
    #expect(error?.kind == .failed)
  }

  @Test func aListingInACircleEnds() throws {
    let server = try ReplyServer { _, number in
      page(number == 1 ? ["a"] : [], next: "same")
    }
    #expect(s3Failure { _ = try listed(try scriptedClient(server)) }?.kind == .failed)
    #expect(server.requests.count == 2)
    let endless = try ReplyServer { _, number in page([], next: "t\(number)") }
    #expect(s3Failure { _ = try listed(try scriptedClient(endless)) }?.kind == .failed)
    #expect(endless.requests.count == 1001)
  }

  @Test func anotherPrefixIsAFailure() throws {
    let server = try ReplyServer { _, _ in page(["other"]) }
    let store = S3Store(try scriptedClient(server), bucket: "bucket", prefix: "p/")
    expectError(.failed) { _ = try keys(in: store) }
  }

  /// A page that breaks is asked for again, and visited once.
  @Test func aBrokenPageIsReadAgain() throws {
    let whole =
      "<ListBucketResult><Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>"
    let server = try ReplyServer { _, number in
      number == 1
        ? .raw(Array("HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n\(whole.dropLast(20))".utf8))
        : .text(200, whole)
    }
    #expect(try listed(try scriptedClient(server)) == ["a"])
    #expect(server.requests.count == 2)
  }

  @Test func namesThatAreNoKeysArePassedOver() throws {
    let server = try ReplyServer { _, _ in
      page(["p/", "p/a", "p/b//c", "p/d/", "p/e"])
    }
    let store = S3Store(try scriptedClient(server), bucket: "bucket", prefix: "p/")
    #expect(try keys(in: store) == ["a", "e"])
  }

  @Test(arguments: [
    "<!DOCTYPE a [<!ENTITY x \"y\">]><ListBucketResult>&x;</ListBucketResult>",
    "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><ListBucketResult/>",
    "<ListBucketResult>&unknown;</ListBucketResult>",
    "<ListBucketResult>" + String(repeating: "<a>", count: 50),
    "<ListBucketResult><Contents><Key>" + String(repeating: "k", count: 70_000)
      + "</Key></Contents></ListBucketResult>",
    "<ListBucketResult>" + String(repeating: "<a/>", count: 200_001) + "</ListBucketResult>",
    "<ListBucketResult>"
      + String(repeating: "<Contents><Key>k</Key><Size>1</Size></Contents>", count: 20_001)
      + "</ListBucketResult>",
    "<ListBucketResult>\u{1}</ListBucketResult>", "<ListBucketResult/><second/>", "\u{0}\u{0}\u{0}",
    "<ListBucketResult a='" + String(repeating: "x", count: 100_000) + "'>",
  ])
  func hostileDocumentsAreRefused(_ document: String) throws {
    let server = try ReplyServer { _, _ in .text(200, document) }
    let error = s3Failure { _ = try listed(try scriptedClient(server)) }
    #expect(error?.kind == .failed)
    #expect(server.requests.count == 1)
  }
}
