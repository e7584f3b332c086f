import HTTPClient
import ObjectStorage
import Platform
import TestSupport
import Testing

/// Calls beyond those of a store, on real servers.
@Suite struct S3ServerTests {
  @Test(arguments: S3ServerKind.allCases)
  func attributesComeBack(_ kind: S3ServerKind) throws {
    let bucket = try kind.makeBucket()
    let client = try bucket.client()
    var attributes = S3Attributes()
    attributes.contentType = "image/x-test"
    attributes.metadata = [("mtime", "1709296496.5"), ("mode", "100640")]
    let stored = try client.putObject(bucket.name, "a b/c", S3Body(Array("abc".utf8)), attributes)
    #expect(stored.etag == "900150983cd24fb0d6963f7d28e17f72")
    let head = try client.headObject(bucket.name, "a b/c")
    #expect(head.sizeBytes == 3)
    #expect(head.attributes.contentType == "image/x-test")
    for pair in attributes.metadata {
      #expect(head.attributes.metadata.contains { $0 == pair })
    }
    // New ones by a copy onto itself.
    attributes.metadata = [("mtime", "2")]
    _ = try client.copyObject(
      from: (bucket.name, "a b/c"), to: (bucket.name, "a b/c"), attributes)
    let copied = try client.headObject(bucket.name, "a b/c")
    #expect(copied.attributes.metadata.contains { $0 == ("mtime", "2") })
    #expect(try objectBytes(of: client, bucket.name, "a b/c") == Array("abc".utf8))
    _ = try client.copyObject(from: (bucket.name, "a b/c"), to: (bucket.name, "d+e%20"))
    #expect(try objectBytes(of: client, bucket.name, "d+e%20") == Array("abc".utf8))
  }

  @Test func conditionsHoldOnAStrictServer() throws {
    let bucket = try S3ServerKind.swift.makeBucket()
    let client = try bucket.client()
    _ = try client.putObject(bucket.name, "k", S3Body([1]), S3Attributes(), .absent)
    let error = s3Failure {
      _ = try client.putObject(bucket.name, "k", S3Body([2]), S3Attributes(), .absent)
    }
    #expect(error?.isConditionFailed == true)
    #expect(try objectBytes(of: client, bucket.name, "k") == [1])
  }

  @Test func aStrictServerChecksWhatIsSigned() throws {
    let bucket = try S3ServerKind.swift.makeBucket()
    let client = try bucket.client { $0.retry.attemptsMax = 2 }
    for wrong in [
      S3Body(HTTPBody([1, 2]), sha256: [UInt8](repeating: 1, count: 32)),
      S3Body(HTTPBody([1, 2]), md5: [UInt8](repeating: 1, count: 16)),
    ] {
      let error = s3Failure { _ = try client.putObject(bucket.name, "k", wrong) }
      #expect(error?.failure?.status == 400, "\(String(describing: error))")
    }
    #expect(s3Failure { _ = try client.headObject(bucket.name, "k") }?.isNotFound == true)
    for algorithm in S3ChecksumAlgorithm.allCases where algorithm != .crc32c {
      let checking = try bucket.client { $0.checksum = algorithm }
      _ = try checking.putObject(bucket.name, "k-\(algorithm)", S3Body(Array("abc".utf8)))
    }
    let unsigned = try bucket.client { $0.payloadSigning = .never }
    _ = try unsigned.putObject(bucket.name, "unsigned", S3Body(Array("abc".utf8)))
  }

  @Test(arguments: S3ServerKind.allCases)
  func wrongKeysAreDenied(_ kind: S3ServerKind) throws {
    let bucket = try kind.makeBucket()
    let place = bucket.server.endpoint
    let keys = S3Credentials(accessKey: place.accessKey, secret: "geheim")
    let client = try makeClient(place.url, S3StaticCredentials(keys))
    let error = s3Failure { _ = try objectBytes(of: client, bucket.name, "k") }
    #expect(error?.failure?.code == "SignatureDoesNotMatch")
    #expect(error?.kind == .denied)
    #expect(error?.description.contains("geheim") == false)
  }

  @Test(arguments: S3ServerKind.allCases)
  func bucketsAreMadeOnce(_ kind: S3ServerKind) throws {
    let bucket = try kind.makeBucket()
    let client = try bucket.client()
    let name = "\(bucket.name)-more"
    #expect(s3Failure { try client.headBucket(name) }?.isNotFound == true)
    let store = S3Store(client, bucket: name)
    #expect(failure { try store.put(key("a"), [1]) }?.kind == .notFound)
    try client.createBucket(name)
    try client.createBucket(name)
    try client.headBucket(name)
    try store.put(key("a"), [1])
    #expect(try keys(in: store) == ["a"])
  }

  @Test(arguments: S3ServerKind.allCases)
  func whatIsNotThereIsDeleted(_ kind: S3ServerKind) throws {
    let bucket = try kind.makeBucket()
    let store = try bucket.store()
    for name in ["a/one", "a/two"] { try store.put(key(name), [1]) }
    for name in ["a/one", "a/one", "a/none", "none", "b/c/d", "a"] { try store.delete(key(name)) }
    #expect(try keys(in: store) == ["a/two"])
  }

  @Test(arguments: S3ServerKind.allCases)
  func batchesAreDeleted(_ kind: S3ServerKind) throws {
    let bucket = try kind.makeBucket()
    let client = try bucket.client()
    let names = ["a", "b&<>\"'", "c\u{1}d", "e\r\nf", "ü/x", " g ", "keep"]
    for name in names { _ = try client.putObject(bucket.name, name, S3Body([1])) }
    let failures = try client.deleteObjects(
      bucket.name, names.dropLast() + ["missing", "missing\u{2}"])
    #expect(failures.isEmpty, "\(failures)")
    var left: [String] = []
    try client.list(bucket.name) { (entry) throws(S3Error) in left.append(entry.keyText ?? "") }
    #expect(left == ["keep"])
  }

  @Test(arguments: S3ServerKind.allCases)
  func listingsHaveManyPagesAndFolders(_ kind: S3ServerKind) throws {
    let bucket = try kind.makeBucket()
    let client = try bucket.client()
    // The slow one has just enough for folders.
    let count = kind == .rclone ? 2500 : 25
    let names = (0..<count).map { "d\($0 % 10)/\($0)" } + ["top"]
    let threads = (0..<4).map { number in
      Thread("put-\(number)") {
        for index in stride(from: number, to: names.count, by: 4) {
          _ = try client.putObject(bucket.name, names[index], S3Body([1]))
        }
      }
    }
    for thread in threads { try thread.join() }
    for version in [S3ListVersion.second, .first] {
      let client = try bucket.client { $0.listVersion = version }
      var keys: [String] = []
      try client.list(bucket.name) { (entry) throws(S3Error) in keys.append(entry.keyText ?? "") }
      #expect(keys == names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
      var folders: [String] = []
      keys = []
      try client.list(
        bucket.name, delimiter: "/", folder: { folders.append(String(decoding: $0, as: UTF8.self)) }
      ) { (entry) throws(S3Error) in keys.append(entry.keyText ?? "") }
      #expect(keys == ["top"])
      #expect(folders == (0..<10).map { "d\($0)/" })
    }
  }

  @Test func perKeyFailuresOfABatchAreTold() throws {
    let server = try ReplyServer { request, number in
      if request.method == "DELETE" { return .answer(204) }
      return number == 1
        ? .text(
          200,
          "<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code></Error>"
            + "<Error><Key>b</Key><Code>InternalError</Code></Error></DeleteResult>")
        : .text(200, errorDocument("AccessDenied"))
    }
    let client = try scriptedClient(server)
    let failures = try client.deleteObjects("bucket", ["a", "b", "c"])
    #expect(failures.map(\.key) == ["a"])
    #expect(failures.first?.error.kind == .denied)
    // The one that may go later went by itself.
    #expect(server.requests.map(\.target) == ["/bucket?delete=", "/bucket/b"])
    #expect(server.requests[0]["content-md5"] != nil)
    #expect(s3Failure { _ = try client.deleteObjects("bucket", ["a"]) } != nil)
  }
}
