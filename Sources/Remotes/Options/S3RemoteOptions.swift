/// Every option of a remote of type `s3`, with what the provider makes of those left open.
///
/// A plain value; secrets are ``SecretText`` and show nowhere.
package struct S3RemoteOptions: Sendable, Hashable {
  /// How requests are signed for.
  package enum Credentials: Sendable, Hashable {
    /// No signature.
    case anonymous
    case keys(id: String, secret: SecretText, sessionToken: SecretText?)
    /// The chain of variables, shared files and services of the host.
    case chain
  }

  /// Options of the chain, and the role that is assumed on top of any credentials.
  package struct Roles: Sendable, Hashable {
    package var profile = ""
    package var sharedCredentialsFile = ""
    package var roleARN = ""
    package var roleSessionName = ""
    /// As it is written, such as `1h`.
    package var roleSessionDuration = ""
    package var roleExternalID = ""
    package var stsEndpoint = ""
  }

  /// Headers of writes that say how an object is kept; empty ones are not sent.
  package struct Storage: Sendable, Hashable {
    package var acl = ""
    package var bucketACL = ""
    package var storageClass = ""
    package var serverSideEncryption = ""
    package var kmsKeyID: String = ""
    package var customerAlgorithm = ""
    /// The key in base64; only with `customerAlgorithm`.
    package var customerKey: SecretText?
    /// Base64; empty to derive it from the key.
    package var customerKeyMD5 = ""
    package var locationConstraint = ""
    package var requesterPays = false
  }

  /// Sizes and counts of transfers.
  package struct Transfer: Sendable, Hashable {
    /// From this size on a file is sent in parts.
    package var uploadCutoffBytes: Int64 = 200 << 20
    package var partSizeBytes: Int64 = 5 << 20
    package var partCountMax = 10_000
    package var partsInFlight = 4
    /// From this size on an object is copied in parts of this size.
    package var copyCutoffBytes: Int64 = 4768 << 20
    /// Keep the MD5 of the whole in metadata when a file is sent in parts (not `disable_checksum`).
    package var storesWholeMD5 = true
    package var leavesPartsOnError = false
    package var usesMultipart = true
    package var eTagIsMD5 = true
    /// The ETag of a multipart upload is checked.
    package var checksMultipartETag = true
    package var unsignedPayload = true
    package var integrityProtections = false
  }

  /// How buckets are listed.
  package struct Listing: Sendable, Hashable {
    /// 1 or 2.
    package var version = 2
    package var pageKeyCountMax = 1000
    package var urlEncodes = true
    /// Whether `urlEncodes` is the user's word, so that it is not changed after an XML error.
    package var urlEncodesIsFixed = false
  }

  /// Names and habits of the service.
  package struct Service: Sendable, Hashable {
    package var pathStyle = true
    package var usesAcceleration = false
    package var usesDualStack = false
    package var usesARNRegion = false
    package var signsWithVersion2 = false
    package var trustsAlreadyExists = true
    package var acceptsGzip = true
    package var mightGzip = true
    package var sendsOperationID = true
    package var signsAcceptEncoding = true
    package var objectLock = true
    package var checksBucket = true
    /// HEAD after each upload (not `no_head`).
    package var verifiesUploads = true
    /// HEAD when an object is opened (not `no_head_object`).
    package var headsObjects = true
    package var directoryMarkers = false
    package var readsSystemMetadata = true
    package var decompresses = false
  }

  /// As it is written.
  package var provider = ""
  /// False when the provider is not in rclone's list, and treated as `Other`.
  package var providerIsKnown = true
  package var credentials = Credentials.anonymous
  package var roles = Roles()
  /// Empty for the default of the credentials' chain, else us-east-1.
  package var region = ""
  /// With a scheme; empty for that of AWS in the region.
  package var endpoint = ""
  package var storage = Storage()
  package var transfer = Transfer()
  package var listing = Listing()
  package var service = Service()
  package var encoding = NameEncoding.s3

  package init() {}
}
