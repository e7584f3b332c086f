import HTTPClient
import ObjectStorage
import Platform
import TestSupport

/// The real servers that the suites run on.
enum S3ServerKind: String, CaseIterable, Sendable {
  /// Fast and lax.
  case rclone
  /// Slow and strict.
  case swift

  /// An empty bucket in a server, which lives as long as the value is held.
  func makeBucket() throws -> S3Bucket {
    switch self {
    case .rclone:
      let server = try RcloneServer()
      try server.makeBucket("bucket-1")
      return S3Bucket(server: server, name: "bucket-1")
    case .swift:
      let server = try SwiftServer.shared
      return S3Bucket(server: server, name: try server.makeFreshBucket())
    }
  }
}

/// A bucket and who serves it.
struct S3Bucket {
  let server: any BucketServer
  let name: String

  func client(_ change: (inout S3Options) -> Void = { _ in }) throws -> S3Client {
    let place = server.endpoint
    let keys = S3Credentials(accessKey: place.accessKey, secret: place.secretKey)
    return try makeClient(place.url, S3StaticCredentials(keys), change)
  }

  func store(
    prefix: String = "", _ options: S3StoreOptions = S3StoreOptions()
  ) throws -> S3Store {
    // What fails at first and later too is not waited for long.
    S3Store(
      try client { $0.retry.attemptsMax = 3 }, bucket: name, prefix: prefix, options: options)
  }
}

/// A client that goes straight to loopback, whatever the environment says.
func makeClient(
  _ url: String, _ credentials: any S3CredentialSource,
  _ change: (inout S3Options) -> Void = { _ in }
) throws -> S3Client {
  var http = HTTPOptions()
  http.proxy = .none
  http.timeouts = HTTPTimeouts(connectSeconds: 20, idleSeconds: 60)
  var options = S3Options(endpoint: try S3Endpoint(url), credentials: credentials)
  change(&options)
  return S3Client(options, http: HTTPClient(http))
}

let testKeys = S3StaticCredentials(S3Credentials(accessKey: "AKIATEST", secret: "geheim"))

/// A client of a scripted server; its waits are turned, not slept.
func scriptedClient(
  _ server: ReplyServer, clock: any Clock = TurnedClock(),
  _ change: (inout S3Options) -> Void = { _ in }
) throws -> S3Client {
  try makeClient(server.endpoint, testKeys) { options in
    options.clock = clock
    options.budget = HTTPRetryBudget(clock: clock)
    change(&options)
  }
}

/// The error of S3 that `body` throws; nil when it throws none, or another.
func s3Failure(_ body: () throws -> Void) -> S3Error? {
  do {
    try body()
    return nil
  } catch {
    return error as? S3Error
  }
}

/// A document of failure as services send it.
func errorDocument(_ code: String, _ more: String = "") -> String {
  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>\(code)</Code><Message>No &amp; no."
    + "</Message>\(more)<RequestId>R1</RequestId></Error>"
}

/// Bytes of an object, by the client's own download.
func objectBytes(
  of client: S3Client, _ bucket: String, _ key: String, range: Range<Int64>? = nil
) throws -> [UInt8] {
  var bytes: [UInt8] = []
  _ = try client.getObject(bucket, key, range: range) { (piece) throws(HTTPError) in
    bytes.append(contentsOf: piece)
    return .goOn
  }
  return bytes
}
