import Platform

extension S3RemoteOptions {
  /// S3 takes a part from 5 MiB to 5 GiB, and an object of a single request up to 5 GiB.
  private static let partSizeBytesMin: Int64 = 5 << 20
  private static let partSizeBytesMax: Int64 = 5 << 30

  /// Options that change what a listing shows, or that belong to one provider; a run that ignored
  /// them would do something else than what was asked for.
  private static let refused = [
    "versions", "version_deleted", "directory_bucket", "use_presigned_request",
    "bucket_object_lock_enabled", "object_lock_set_after_upload", "bypass_governance_retention",
  ]
  private static let refusedTexts = [
    "version_at", "object_lock_mode", "object_lock_retain_until_date",
    "object_lock_legal_hold_status", "ibm_api_key", "ibm_resource_instance_id", "download_url",
  ]

  /// - Throws: `.badValue`, `.missingOption`, `.endlessInterpolation`.
  init(_ reader: OptionReader) throws(RemoteError) {
    self.init()
    try S3RemoteOptions.refuseUnserved(reader)
    provider = try reader.text("provider")
    providerIsKnown = provider.isEmpty || S3Provider.isKnown(provider)
    let quirks = S3Provider.quirks(of: provider)
    region = try reader.text("region")
    endpoint = S3RemoteOptions.url(try reader.text("endpoint"))
    credentials = try Credentials(reader)
    roles = try Roles(reader)
    storage = try Storage(reader)
    transfer = try Transfer(reader, quirks)
    listing = try Listing(reader, quirks)
    service = try Service(reader, quirks)
    encoding = try NameEncoding(reader, default: .s3)
  }

  private static func refuseUnserved(_ reader: OptionReader) throws(RemoteError) {
    for option in refused where try reader.truth(option) {
      throw unserved(option, try reader.find(option), reader)
    }
    for option in refusedTexts {
      let text = try reader.text(option)
      if text.isEmpty || option == "version_at" && text == "off" { continue }
      throw unserved(option, try reader.find(option), reader)
    }
  }

  private static func unserved(
    _ option: String, _ value: OptionValue?, _ reader: OptionReader
  ) -> RemoteError {
    .badValue(
      remote: reader.remote, option: option, value?.origin ?? .connection,
      problem: "this option is not served")
  }

  /// A host alone is reached by https.
  private static func url(_ endpoint: String) -> String {
    endpoint.isEmpty || endpoint.lowercased().hasPrefix("http") ? endpoint : "https://" + endpoint
  }

  static func partSize(
    _ reader: OptionReader, _ quirks: S3Quirks
  ) throws(RemoteError) -> Int64 {
    let size = try reader.size(
      "chunk_size", default: partSizeBytesMin, in: partSizeBytesMin...partSizeBytesMax)
    return max(size, quirks.partSizeBytesMin ?? 0)
  }

  static func uploadCutoff(_ reader: OptionReader) throws(RemoteError) -> Int64 {
    try reader.size("upload_cutoff", default: 200 << 20, in: 0...partSizeBytesMax)
  }
}

extension S3RemoteOptions.Credentials {
  init(_ reader: OptionReader) throws(RemoteError) {
    let id = try reader.text("access_key_id")
    let secret = try reader.secret("secret_access_key")
    let isChain = try reader.truth("env_auth")
    switch (id.isEmpty, secret) {
    case (false, let secret?):
      self = .keys(id: id, secret: secret, sessionToken: try reader.secret("session_token"))
    case (true, nil): self = isChain ? .chain : .anonymous
    case (true, _): throw .missingOption(remote: reader.remote, option: "access_key_id")
    case (false, nil): throw .missingOption(remote: reader.remote, option: "secret_access_key")
    }
  }
}

extension S3RemoteOptions.Roles {
  init(_ reader: OptionReader) throws(RemoteError) {
    profile = try reader.text("profile")
    sharedCredentialsFile = try reader.text("shared_credentials_file")
    roleARN = try reader.text("role_arn")
    roleSessionName = try reader.text("role_session_name")
    roleSessionDuration = try reader.text("role_session_duration")
    roleExternalID = try reader.text("role_external_id")
    stsEndpoint = try reader.text("sts_endpoint")
  }
}

extension S3RemoteOptions.Storage {
  init(_ reader: OptionReader) throws(RemoteError) {
    acl = try reader.text("acl")
    let bucketACL = try reader.text("bucket_acl")
    self.bucketACL = bucketACL.isEmpty ? acl : bucketACL
    storageClass = try reader.text("storage_class")
    serverSideEncryption = try reader.text("server_side_encryption")
    kmsKeyID = try reader.text("sse_kms_key_id")
    customerAlgorithm = try reader.text("sse_customer_algorithm")
    customerKey = try S3RemoteOptions.Storage.customerKey(reader)
    customerKeyMD5 = try reader.text("sse_customer_key_md5")
    locationConstraint = try reader.text("location_constraint")
    requesterPays = try reader.truth("requester_pays")
  }

  /// The key in base64, whichever way it is written.
  private static func customerKey(_ reader: OptionReader) throws(RemoteError) -> SecretText? {
    let plain = try reader.text("sse_customer_key")
    let option = "sse_customer_key_base64"
    guard let coded = try reader.find(option), !coded.text.isEmpty else {
      return plain.isEmpty ? nil : SecretText(Base64.text(of: Array(plain.utf8)))
    }
    guard plain.isEmpty else {
      throw .badValue(
        remote: reader.remote, option: option, coded.origin,
        problem: "sse_customer_key is set as well")
    }
    guard Base64.bytes(of: coded.text) != nil else {
      throw .badValue(
        remote: reader.remote, option: option, coded.origin, problem: "base64 is expected")
    }
    return SecretText(coded.text)
  }
}

extension S3RemoteOptions.Transfer {
  init(_ reader: OptionReader, _ quirks: S3Quirks) throws(RemoteError) {
    uploadCutoffBytes = try S3RemoteOptions.uploadCutoff(reader)
    partSizeBytes = try S3RemoteOptions.partSize(reader, quirks)
    let parts = try reader.integer("max_upload_parts", default: 10_000, in: 1...10_000)
    partCountMax = min(parts, quirks.partCountMax ?? parts)
    partsInFlight = try reader.integer("upload_concurrency", default: 4, in: 1...1024)
    let copyCutoff = try reader.size(
      "copy_cutoff", default: 4768 << 20, in: (5 << 20)...Int64.max)
    copyCutoffBytes = quirks.copyCutoffBytes ?? copyCutoff
    storesWholeMD5 = try !reader.truth("disable_checksum")
    leavesPartsOnError = try reader.truth("leave_parts_on_error")
    usesMultipart = try reader.tristate("use_multipart_uploads")
      .value(or: quirks.multipartUploads ?? true)
    eTagIsMD5 = quirks.eTagIsMD5 ?? true
    checksMultipartETag = try reader.tristate("use_multipart_etag")
      .value(or: quirks.multipartETags ?? true)
    unsignedPayload = try reader.tristate("use_unsigned_payload")
      .value(or: quirks.unsignedPayload ?? true)
    integrityProtections = try reader.tristate("use_data_integrity_protections")
      .value(or: quirks.integrityProtections ?? false)
  }
}

extension S3RemoteOptions.Listing {
  init(_ reader: OptionReader, _ quirks: S3Quirks) throws(RemoteError) {
    let asked = try reader.integer("list_version", default: 0, in: 0...2)
    version = asked == 0 ? quirks.listVersion ?? 2 : asked
    pageKeyCountMax = try reader.integer("list_chunk", default: 1000, in: 1...100_000)
    let encodes = try reader.tristate("list_url_encode")
    urlEncodes = encodes.value(or: quirks.urlEncodesListings ?? true)
    urlEncodesIsFixed = encodes != .unset
  }
}

extension S3RemoteOptions.Service {
  init(_ reader: OptionReader, _ quirks: S3Quirks) throws(RemoteError) {
    usesAcceleration = try reader.truth("use_accelerate_endpoint")
    let asked = try reader.truth("force_path_style", default: true)
    // The option can only take path style away: a provider without it keeps names in the host.
    pathStyle = asked && !usesAcceleration && (quirks.pathStyle ?? false)
    usesDualStack = try reader.truth("use_dual_stack")
    usesARNRegion = try reader.truth("use_arn_region")
    signsWithVersion2 = try reader.truth("v2_auth")
    trustsAlreadyExists = try reader.tristate("use_already_exists")
      .value(or: quirks.trustsAlreadyExists ?? true)
    acceptsGzip = try reader.tristate("use_accept_encoding_gzip")
      .value(or: quirks.acceptsGzip ?? true)
    mightGzip = try reader.tristate("might_gzip").value(or: quirks.mightGzip ?? true)
    sendsOperationID = try reader.tristate("use_x_id").value(or: quirks.sendsOperationID ?? true)
    signsAcceptEncoding = try reader.tristate("sign_accept_encoding")
      .value(or: quirks.signsAcceptEncoding ?? true)
    objectLock = try reader.tristate("object_lock_supported").value(or: quirks.objectLock ?? true)
    checksBucket = try !reader.truth("no_check_bucket")
    verifiesUploads = try !reader.truth("no_head")
    headsObjects = try !reader.truth("no_head_object")
    directoryMarkers = try reader.truth("directory_markers")
    readsSystemMetadata = try !reader.truth("no_system_metadata")
    decompresses = try reader.truth("decompress")
  }
}
