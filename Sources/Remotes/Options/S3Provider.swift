/// What is special about a provider of S3, as rclone knows it. Each value that is nil follows the
/// rule of ``S3Provider/standard``.
struct S3Quirks: Sendable {
  var listVersion: Int?
  /// Bucket in the path, not in the name of the host.
  var pathStyle: Bool?
  var urlEncodesListings: Bool?
  /// The ETag of a multipart upload is computed as AWS does it.
  var multipartETags: Bool?
  /// BucketAlreadyExists is answered only for somebody else's bucket.
  var trustsAlreadyExists: Bool?
  var acceptsGzip: Bool?
  var integrityProtections: Bool?
  var mightGzip: Bool?
  var multipartUploads: Bool?
  var unsignedPayload: Bool?
  var sendsOperationID: Bool?
  var signsAcceptEncoding: Bool?
  var eTagIsMD5: Bool?
  var objectLock: Bool?
  var copyCutoffBytes: Int64?
  var partCountMax: Int?
  var partSizeBytesMin: Int64?
}

/// Providers of S3 by the names that rclone gives them, case and all. One that is not in the table
/// is treated as `Other`.
enum S3Provider {
  static let standard = S3Quirks()

  static func quirks(of provider: String) -> S3Quirks { table[provider] ?? other }

  /// Whether the name is in the table; a typing error otherwise goes unseen.
  static func isKnown(_ provider: String) -> Bool { table[provider] != nil }

  private static let other = old(multipartETags: false)

  /// Listings of version 1 without encoding, names in the path: what services had to begin with.
  private static func old(multipartETags: Bool? = nil) -> S3Quirks {
    S3Quirks(
      listVersion: 1, pathStyle: true, urlEncodesListings: false, multipartETags: multipartETags,
      trustsAlreadyExists: false)
  }

  private static let google = S3Quirks(
    trustsAlreadyExists: true, acceptsGzip: false, sendsOperationID: false,
    signsAcceptEncoding: false, objectLock: false, copyCutoffBytes: .max)

  private static let fastly = S3Quirks(
    pathStyle: true, multipartETags: false, trustsAlreadyExists: false, multipartUploads: false,
    eTagIsMD5: false)

  private static let ceph: S3Quirks = {
    var quirks = old()
    quirks.signsAcceptEncoding = false
    return quirks
  }()

  private static let hitachi = S3Quirks(
    pathStyle: true, urlEncodesListings: true, multipartETags: false)

  private static let mega = S3Quirks(
    listVersion: 2, pathStyle: true, urlEncodesListings: true, multipartETags: false,
    trustsAlreadyExists: false, copyCutoffBytes: .max)

  private static let noExists = S3Quirks(trustsAlreadyExists: false)
  private static let noETagsNoExists = S3Quirks(multipartETags: false, trustsAlreadyExists: false)
  private static let pathStyle = S3Quirks(pathStyle: true)
  private static let plainListings = S3Quirks(urlEncodesListings: false)
  private static let pathStylePlainListings = S3Quirks(
    pathStyle: true, urlEncodesListings: false, trustsAlreadyExists: false)
  private static let pathStylePlainNoETags = S3Quirks(
    pathStyle: true, urlEncodesListings: false, multipartETags: false, trustsAlreadyExists: false)

  private static let table: [String: S3Quirks] = [
    "AWS": S3Quirks(integrityProtections: true, mightGzip: false, unsignedPayload: false),
    "Alibaba": S3Quirks(multipartETags: false),
    "ArvanCloud": old(),
    "BizflyCloud": pathStylePlainNoETags,
    "Ceph": ceph,
    "ChinaMobile": old(),
    "Cloudflare": S3Quirks(pathStyle: true, multipartETags: false),
    "Cubbit": S3Quirks(multipartETags: false),
    "DigitalOcean": S3Quirks(urlEncodesListings: false, trustsAlreadyExists: false),
    "Dreamhost": S3Quirks(urlEncodesListings: false, trustsAlreadyExists: false),
    "Exaba": pathStyle,
    "Fastly": fastly,
    "FileLu": S3Quirks(
      listVersion: 2, pathStyle: true, urlEncodesListings: false, multipartETags: false),
    "FlashBlade": S3Quirks(pathStyle: true, mightGzip: false),
    "GCS": google,
    "HCP": hitachi,
    "Hetzner": noExists,
    "HuaweiOBS": S3Quirks(
      listVersion: 1, urlEncodesListings: false, trustsAlreadyExists: false),
    "IBMCOS": old(multipartETags: false),
    "IDrive": S3Quirks(pathStyle: true, trustsAlreadyExists: false),
    "IONOS": pathStylePlainListings,
    "ImpossibleCloud": standard,
    "Intercolo": S3Quirks(unsignedPayload: false),
    "Leviia": noExists,
    "Liara": pathStylePlainNoETags,
    "Linode": S3Quirks(signsAcceptEncoding: false),
    "LyveCloud": noETagsNoExists,
    "Magalu": old(multipartETags: false),
    "Mega": mega,
    "Minio": pathStyle,
    "Netease": S3Quirks(
      listVersion: 1, urlEncodesListings: false, multipartETags: false,
      trustsAlreadyExists: false),
    "OVHcloud": standard,
    "Other": other,
    "Outscale": pathStyle,
    "Petabox": noExists,
    "Qiniu": pathStylePlainNoETags,
    "Rabata": standard,
    "RackCorp": noETagsNoExists,
    "Rclone": S3Quirks(
      pathStyle: true, multipartETags: false, trustsAlreadyExists: false, copyCutoffBytes: .max),
    "Scaleway": S3Quirks(partCountMax: 1000),
    "Scality": pathStyle,
    "SeaweedFS": old(multipartETags: false),
    "Selectel": plainListings,
    "Servercore": plainListings,
    "SpectraLogic": pathStyle,
    "Storj": S3Quirks(
      trustsAlreadyExists: false, copyCutoffBytes: .max, partSizeBytesMin: 64 << 20),
    "Synology": noETagsNoExists,
    "TencentCOS": S3Quirks(listVersion: 1, multipartETags: false, trustsAlreadyExists: false),
    "US3": S3Quirks(
      listVersion: 1, urlEncodesListings: true, multipartETags: false,
      trustsAlreadyExists: false),
    "Wasabi": standard,
    "Zadara": pathStyle,
    "Zata": S3Quirks(
      multipartETags: false, trustsAlreadyExists: false, mightGzip: false,
      unsignedPayload: false),
    "ZeroServices": pathStylePlainListings,
  ]
}
