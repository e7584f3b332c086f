import Remotes
import Testing

/// Options of `s3`, and what a provider makes of those left open.
@Suite struct S3RemoteOptionsTests {
  private func options(_ pairs: [String: String]) throws -> S3RemoteOptions {
    let lines = pairs.map { "\($0.key) = \($0.value)\n" }.joined()
    let file = try ConfigFile(Array("[s]\ntype = s3\n\(lines)".utf8), path: "f")
    let configuration = RemoteConfiguration(file: file, workingDirectory: "/")
    guard case .s3(let options, _) = try configuration.remote("s:b") else { return .init() }
    return options
  }

  @Test func withoutAWordEverythingIsAsForOther() throws {
    let open = try options([:])
    #expect(
      open
        == {
          var other = $0; other.provider = ""; return other
        }(
          try options(["provider": "Other"])))
    #expect(open.credentials == .anonymous)
    #expect(open.transfer.uploadCutoffBytes == 200 << 20)
    #expect(open.transfer.partSizeBytes == 5 << 20)
    #expect(open.transfer.copyCutoffBytes == 4768 << 20)
    #expect(open.transfer.partCountMax == 10_000)
    #expect(open.transfer.partsInFlight == 4)
    #expect(open.transfer.unsignedPayload)
    #expect(!open.transfer.checksMultipartETag)
    #expect(open.listing.version == 1)
    #expect(!open.listing.urlEncodes)
    #expect(!open.listing.urlEncodesIsFixed)
    #expect(open.service.pathStyle)
    #expect(!open.service.trustsAlreadyExists)
    #expect(open.encoding == .s3)
  }

  struct Row: Sendable, CustomTestStringConvertible {
    var provider: String
    var pathStyle: Bool
    var list: Int
    var encodes: Bool
    var checksETag: Bool
    var trusts: Bool
    var testDescription: String { provider }
    init(
      _ provider: String, path: Bool, list: Int, encodes: Bool, etag: Bool, trusts: Bool = true
    ) {
      self.provider = provider
      (pathStyle, self.list, self.encodes) = (path, list, encodes)
      (checksETag, self.trusts) = (etag, trusts)
    }
  }

  static let rows: [Row] = [
    Row("AWS", path: false, list: 2, encodes: true, etag: true),
    Row("Minio", path: true, list: 2, encodes: true, etag: true),
    Row("Ceph", path: true, list: 1, encodes: false, etag: true, trusts: false),
    Row("Other", path: true, list: 1, encodes: false, etag: false, trusts: false),
    Row("SeaweedFS", path: true, list: 1, encodes: false, etag: false, trusts: false),
    Row("Rclone", path: true, list: 2, encodes: true, etag: false, trusts: false),
    Row("Cloudflare", path: true, list: 2, encodes: true, etag: false),
    Row("GCS", path: false, list: 2, encodes: true, etag: true),
    Row("DigitalOcean", path: false, list: 2, encodes: false, etag: true, trusts: false),
    Row("Wasabi", path: false, list: 2, encodes: true, etag: true),
    Row("nonsense", path: true, list: 1, encodes: false, etag: false, trusts: false),
    Row("aws", path: true, list: 1, encodes: false, etag: false, trusts: false),
  ]

  @Test(arguments: rows)
  func providersHaveQuirks(row: Row) throws {
    let options = try options(["provider": row.provider])
    #expect(options.service.pathStyle == row.pathStyle)
    #expect(options.listing.version == row.list)
    #expect(options.listing.urlEncodes == row.encodes)
    #expect(options.transfer.checksMultipartETag == row.checksETag)
    #expect(options.service.trustsAlreadyExists == row.trusts)
    #expect(options.providerIsKnown == !["nonsense", "aws"].contains(row.provider))
  }

  @Test func quirksOfSingleProviders() throws {
    let amazon = try options(["provider": "AWS"])
    #expect(amazon.transfer.integrityProtections)
    #expect(!amazon.transfer.unsignedPayload)
    #expect(!amazon.service.mightGzip)
    let google = try options(["provider": "GCS", "copy_cutoff": "10M"])
    #expect(google.transfer.copyCutoffBytes == .max)
    #expect(!google.service.sendsOperationID)
    #expect(!google.service.signsAcceptEncoding)
    #expect(try options(["provider": "Scaleway"]).transfer.partCountMax == 1000)
    #expect(try options(["provider": "Storj"]).transfer.partSizeBytes == 64 << 20)
    let fastly = try options(["provider": "Fastly"])
    #expect(!fastly.transfer.usesMultipart)
    #expect(!fastly.transfer.eTagIsMD5)
  }

  @Test func theUsersWordStandsBeforeTheProviders() throws {
    let options = try options([
      "provider": "Other", "list_version": "2", "list_url_encode": "true",
      "use_multipart_etag": "1", "force_path_style": "false", "list_chunk": "7",
      "chunk_size": "16M", "upload_cutoff": "1G", "upload_concurrency": "9",
      "max_upload_parts": "500", "disable_checksum": "true", "use_unsigned_payload": "false",
      "no_check_bucket": "true", "encoding": "None", "use_already_exists": "true",
      "copy_cutoff": "10000", "region": "eu-x", "acl": "private", "no_head": "true",
    ])
    #expect(options.listing.version == 2)
    #expect(options.listing.urlEncodes)
    #expect(options.listing.urlEncodesIsFixed)
    #expect(options.listing.pageKeyCountMax == 7)
    #expect(options.transfer.checksMultipartETag)
    #expect(options.transfer.partSizeBytes == 16 << 20)
    #expect(options.transfer.uploadCutoffBytes == 1 << 30)
    #expect(options.transfer.partsInFlight == 9)
    #expect(options.transfer.partCountMax == 500)
    // A bare number means KiB, in the file as well.
    #expect(options.transfer.copyCutoffBytes == 10_000 << 10)
    #expect(!options.transfer.storesWholeMD5)
    #expect(!options.transfer.unsignedPayload)
    #expect(!options.service.pathStyle)
    #expect(!options.service.checksBucket)
    #expect(!options.service.verifiesUploads)
    #expect(options.service.trustsAlreadyExists)
    #expect(options.encoding == .local)
    #expect(options.region == "eu-x")
    #expect(options.storage.acl == "private")
    #expect(options.storage.bucketACL == "private")
  }

  @Test func pathStyleCannotBeForcedOnAProviderWithoutIt() throws {
    #expect(try !options(["provider": "AWS", "force_path_style": "true"]).service.pathStyle)
    #expect(
      try !options(["provider": "Minio", "use_accelerate_endpoint": "true"]).service.pathStyle)
  }

  @Test func credentials() throws {
    #expect(try options(["env_auth": "true"]).credentials == .chain)
    let keys = S3RemoteOptions.Credentials.keys(
      id: "a", secret: SecretText("b"), sessionToken: nil)
    #expect(
      try options(["env_auth": "true", "access_key_id": "a", "secret_access_key": "b"]).credentials
        == keys)
    #expect(throws: RemoteError.missingOption(remote: "s", option: "secret_access_key")) {
      try options(["access_key_id": "a"])
    }
    #expect(throws: RemoteError.missingOption(remote: "s", option: "access_key_id")) {
      try options(["secret_access_key": "a"])
    }
  }

  @Test func keysOfCustomers() throws {
    let plain = try options(["sse_customer_algorithm": "AES256", "sse_customer_key": "abc"])
    let coded = try options(["sse_customer_algorithm": "AES256", "sse_customer_key_base64": "YWJj"])
    #expect(plain.storage.customerKey == SecretText("YWJj"))
    #expect(plain == coded)
    #expect(throws: RemoteError.self) { try options(["sse_customer_key_base64": "@@"]) }
    #expect(throws: RemoteError.self) {
      try options(["sse_customer_key_base64": "YWJj", "sse_customer_key": "abc"])
    }
  }

  @Test(arguments: [
    ("chunk_size", "1M"), ("chunk_size", "6G"), ("upload_cutoff", "6G"), ("upload_cutoff", "off"),
    ("list_chunk", "x"), ("list_version", "3"), ("list_url_encode", "maybe"), ("env_auth", "yes"),
    ("encoding", "Colon"), ("versions", "true"), ("version_at", "1h"), ("upload_concurrency", "0"),
    ("object_lock_mode", "GOVERNANCE"), ("directory_bucket", "true"),
  ])
  func valuesThatAreNoneAreNamed(option: String, value: String) throws {
    let error = #expect(throws: RemoteError.self) { try options([option: value]) }
    let message = try #require(error?.message)
    #expect(message.hasPrefix("f:3: option \(option) of remote \"s\": "))
  }
}
