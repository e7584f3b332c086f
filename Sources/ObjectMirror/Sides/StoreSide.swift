package import HTTPClient
package import ObjectStorage
import Platform
package import Remotes

/// What the way to a store takes besides its remote.
package struct StoreSideSettings: Sendable {
  /// A variable of the environment; nil when it is not set or empty.
  package var variable: @Sendable (String) -> String? = { _ in nil }
  package var http = HTTPOptions()
  /// Requests under way at once.
  package var connectionsMax = 16
  /// Attempts of one request (`--low-level-retries`).
  package var attemptsMax = 10
  package var isCancelled: @Sendable () -> Bool = { false }
  package var observe: @Sendable (S3RetryNotice) -> Void = { _ in }
  /// Of all transfers together.
  package var bandwidth: BandwidthLimit?
  package var requests: RequestLimit?

  package init() {}
}

/// A prefix in a bucket as one end of a mirror. Calls come from any thread.
package final class StoreSide: Sendable {
  package let client: S3Client
  package let bucket: String
  let paths: KeyPaths
  let encoding: NameEncoding
  let options: S3RemoteOptions
  /// Of every object that is stored.
  let attributes: S3Attributes
  package let description: String
  /// Below the bucket, as it was named.
  private let path: String
  /// The key, below the prefix, of the one object that takes part; nil for all.
  let only: [UInt8]?
  private let bucketState: BucketState
  let bandwidth: BandwidthLimit?
  let activity = Activity()

  /// - Throws: `.usage`, `.unserved`, `.store` for options that are wrong.
  package init(
    _ options: S3RemoteOptions, _ place: BucketPath, _ settings: StoreSideSettings
  ) throws(MirrorError) {
    guard !place.bucket.isEmpty else {
      throw .unserved("the remote names no bucket: write NAME:BUCKET/PATH")
    }
    try StoreSide.refuseUnserved(options)
    var http = settings.http
    http.activity = activity
    do throws(S3Error) {
      client = S3Client(try StoreSide.clientOptions(options, settings), http: HTTPClient(http))
    } catch {
      throw .store(error)
    }
    self.options = options
    bandwidth = settings.bandwidth
    bucket = place.bucket
    encoding = options.encoding
    paths = KeyPaths(path: place.path, encoding: options.encoding)
    attributes = StoreSide.attributes(options.storage)
    path = place.path
    let shown = path.isEmpty ? "" : "/\(path)"
    description = "s3:\(client.endpoint)/\(printable("\(place.bucket)\(shown)".utf8))"
    only = nil
    bucketState = BucketState()
  }

  private init(_ side: StoreSide, paths: KeyPaths, only: [UInt8]) {
    (client, bucket, options) = (side.client, side.bucket, side.options)
    (encoding, attributes, description) = (side.encoding, side.attributes, side.description)
    (self.paths, self.only, bucketState) = (paths, only, side.bucketState)
    (path, bandwidth) = (side.path, side.bandwidth)
  }

  /// The side as one object and not as a prefix; nil when there is no such object. One request,
  /// unless the side is a whole bucket.
  package func asObject() throws(MirrorError) -> StoreSide? {
    guard
      let key = paths.prefix.isEmpty
        ? nil
        : String(
          validating: paths.prefix.dropLast(), as: UTF8.self)
    else { return nil }
    do throws(MirrorError) {
      _ = try calling { (client) throws(S3Error) in try client.headObject(bucket, key) }
    } catch {
      // Who may list alone learns there what is to be had.
      guard [.notFound, .denied].contains(error.kind) else { throw error }
      return nil
    }
    let slash = path.lastIndex(of: "/")
    let above = KeyPaths(path: slash.map { String(path[..<$0]) } ?? "", encoding: encoding)
    return StoreSide(
      self, paths: above, only: Array(paths.prefix.dropLast().dropFirst(above.prefix.count)))
  }

  func overlaps(_ other: StoreSide) -> Bool {
    guard isSameService(as: other), bucket == other.bucket else { return false }
    // An object lies in its directory and in no other.
    if only != nil || other.only != nil { return paths.prefix == other.paths.prefix }
    return paths.prefix.starts(with: other.paths.prefix)
      || other.paths.prefix.starts(with: paths.prefix)
  }

  /// Whether objects of the other one can be copied by the service itself.
  func isSameService(as other: StoreSide) -> Bool {
    client.endpoint == other.client.endpoint && options.credentials == other.options.credentials
  }

  /// The key of an entry, as the service has it.
  func key(of entry: MirrorEntry) throws(MirrorError) -> String {
    let bytes = paths.prefix + entry.key
    guard bytes.count <= KeyPaths.keySizeBytesMax else {
      throw .unusable(name: bytes, .keyTooLong)
    }
    guard let key = String(validating: bytes, as: UTF8.self) else {
      throw .unusable(name: bytes, .foreignEncoding)
    }
    return key
  }

  /// Runs calls of the service, with failures that are those of a mirror.
  func calling<Value>(
    _ body: (S3Client) throws(S3Error) -> Value
  ) throws(MirrorError) -> Value {
    do throws(S3Error) {
      return try body(client)
    } catch {
      switch error {
      case .content(let cause): throw (cause as? MirrorError) ?? .store(error)
      case .cancelled: throw .cancelled
      default: throw .store(error)
      }
    }
  }

  // MARK: What is known of objects

  /// What a header tells of the object.
  func facts(_ head: S3ObjectHead) -> (modified: WallTime?, md5: [UInt8]?) {
    let metadata = head.attributes.metadata
    let time = metadata.first { $0.name == "mtime" }.flatMap { DecimalTime.time(of: $0.value) }
    let kept = metadata.first { $0.name == "md5chksum" }.flatMap { Base64.bytes(of: $0.value) }
    let md5 = kept.flatMap { $0.count == 16 ? $0 : nil } ?? md5(ofETag: head.etag)
    return (time ?? head.modified, md5)
  }

  /// The MD5 of an object's content that its ETag is; nil when it is none.
  func md5(ofETag etag: String) -> [UInt8]? { trustsETags ? ETag.md5(etag) : nil }

  /// Whether the ETag of an object that was stored at once is its MD5.
  var trustsETags: Bool {
    options.transfer.eTagIsMD5 && options.storage.customerAlgorithm.isEmpty
      && options.storage.serverSideEncryption != "aws:kms"
      && bucketState.lock.withLock { !bucketState.hasOtherETags }
  }

  /// An answer has told that they are none, as in a bucket that encrypts by itself.
  func distrustETags() { bucketState.lock.withLock { bucketState.hasOtherETags = true } }

  /// How many parts an object was stored in, by its ETag.
  static func partCount(ofETag etag: String) -> Int? {
    let parts = etag.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
    guard parts.count == 2, parts[0].count == 32 else { return nil }
    return Int(String(decoding: parts[1], as: UTF8.self))
  }

  // MARK: The bucket

  private final class BucketState: @unchecked Sendable {
    let lock = Lock()
    // Guarded by `lock`.
    var isMissing = false
    var hasOtherETags = false
  }

  /// Remembers that the bucket was not there.
  func bucketIsMissing() { bucketState.lock.withLock { bucketState.isMissing = true } }

  /// Makes the bucket when it was not there.
  func makeBucketIfMissing() throws(MirrorError) {
    try bucketState.lock.withLock { () throws(MirrorError) in
      guard bucketState.isMissing, options.service.checksBucket else { return }
      let storage = options.storage
      do throws(S3Error) {
        try client.createBucket(
          bucket,
          locationConstraint: storage.locationConstraint.isEmpty
            ? nil : storage.locationConstraint,
          accessControl: storage.bucketACL.isEmpty ? nil : storage.bucketACL,
          trustsExists: options.service.trustsAlreadyExists)
      } catch {
        if case .cancelled = error { throw .cancelled }
        throw .noBucket(description, error)
      }
      bucketState.isMissing = false
    }
  }
}

extension StoreSide {
  private static func refuseUnserved(_ options: S3RemoteOptions) throws(MirrorError) {
    let service = options.service
    let refused: [(Bool, String)] = [
      (service.signsWithVersion2, "v2_auth"),
      (service.usesAcceleration, "use_accelerate_endpoint"),
      (service.usesDualStack, "use_dual_stack"),
      (!options.roles.roleARN.isEmpty, "role_arn"),
      (!options.storage.customerAlgorithm.isEmpty, "sse_customer_algorithm"),
      (service.directoryMarkers, "directory_markers"),
      (service.decompresses, "decompress"),
    ]
    if let first = refused.first(where: { $0.0 }) {
      throw .unserved("the option \(first.1) of the remote is not served")
    }
  }

  private static func clientOptions(
    _ options: S3RemoteOptions, _ settings: StoreSideSettings
  ) throws(S3Error) -> S3Options {
    let chain = S3EnvironmentCredentials(
      profile: options.roles.profile.isEmpty ? nil : options.roles.profile,
      lookup: settings.variable)
    let source: any S3CredentialSource
    var region = options.region
    switch options.credentials {
    case .anonymous: source = S3StaticCredentials(nil)
    case .keys(let id, let secret, let token):
      source = S3StaticCredentials(
        S3Credentials(accessKey: id, secret: secret.revealed, sessionToken: token?.revealed))
    case .chain:
      source = chain
      if region.isEmpty {
        let named = settings.variable("AWS_REGION") ?? settings.variable("AWS_DEFAULT_REGION")
        if let named {
          region = named
        } else if let named = try chain.region() {
          region = named
        }
      }
    }
    let host = "s3.\(region.isEmpty ? "us-east-1" : region).amazonaws.com"
    let endpoint = try S3Endpoint(options.endpoint.isEmpty ? "https://\(host)" : options.endpoint)
    var result = S3Options(endpoint: endpoint, credentials: source)
    result.region = region
    result.addressing =
      options.service.pathStyle ? .path : endpoint.isAmazon ? .auto : .host
    result.listVersion = options.listing.version == 1 ? .first : .auto
    result.requesterPays = options.storage.requesterPays
    result.connectionsMax = settings.connectionsMax
    result.retry.attemptsMax = settings.attemptsMax
    result.isCancelled = settings.isCancelled
    result.observe = settings.observe
    if let bandwidth = settings.bandwidth { result.pace = { bandwidth.send($0) } }
    if let requests = settings.requests { result.paceRequest = { requests.pass() } }
    return result
  }

  private static func attributes(_ storage: S3RemoteOptions.Storage) -> S3Attributes {
    var attributes = S3Attributes()
    attributes.storageClass = storage.storageClass.isEmpty ? nil : storage.storageClass
    attributes.accessControl = storage.acl.isEmpty ? nil : storage.acl
    switch storage.serverSideEncryption {
    case "AES256": attributes.encryption = .managed
    case "aws:kms":
      attributes.encryption = .keyService(keyID: storage.kmsKeyID.isEmpty ? nil : storage.kmsKeyID)
    default: break
    }
    return attributes
  }
}
