package import HTTPClient
package import Platform

/// Which listing to ask for.
package enum S3ListVersion: Sendable {
  /// The second, and the first when the server does not know it.
  case auto
  case first
  case second
}

/// Whether bodies are covered by the signature.
package enum S3PayloadSigning: Sendable {
  /// Where TLS does not cover them already.
  case auto
  case always
  case never
}

/// Encryption by the service.
package enum S3Encryption: Sendable, Equatable {
  /// Keys of the service: `AES256`.
  case managed
  /// `aws:kms`, with a key or the account's own.
  case keyService(keyID: String?)
}

/// Settings of a client.
package struct S3Options: Sendable {
  package var endpoint: S3Endpoint
  /// For signatures; the endpoint's, or `us-east-1`, when empty.
  package var region = ""
  package var addressing: S3Addressing = .auto
  package var credentials: any S3CredentialSource
  package var listVersion: S3ListVersion = .auto
  package var payloadSigning: S3PayloadSigning = .auto
  /// Sends the MD5 of each body, which the server compares.
  package var sendsMD5 = true
  /// A check in addition, for services that want one: `x-amz-checksum-…`.
  package var checksum: S3ChecksumAlgorithm?
  package var requesterPays = false
  /// Requests under way at once; fewer after the service has asked for less.
  package var connectionsMax = 5
  package var retry = HTTPRetryPolicy()
  package var budget: HTTPRetryBudget
  package var clock: any Clock
  package var jitter: @Sendable () -> UInt64 = { SecureRandom.integer() }
  package var isCancelled: @Sendable () -> Bool = { false }
  /// Called with body bytes before they go out; may block, to hold a rate.
  package var pace: (@Sendable (Int) -> Void)?
  /// Called before each request; may block, to hold a rate.
  package var paceRequest: (@Sendable () -> Void)?
  /// Told, on the caller's thread, of every failure that another attempt follows.
  package var observe: @Sendable (S3RetryNotice) -> Void = { _ in }

  package init(
    endpoint: S3Endpoint, credentials: any S3CredentialSource, clock: any Clock = SystemClock()
  ) {
    self.endpoint = endpoint
    self.credentials = credentials
    self.clock = clock
    budget = HTTPRetryBudget(clock: clock)
  }
}

/// One attempt that failed and is made again.
package struct S3RetryNotice: Sendable {
  package var operation: S3Operation
  package var subject: String
  package var attempt: Int
  package var delaySeconds: Double
  package var error: S3Error
}

/// Checks that services compute over bodies.
package enum S3ChecksumAlgorithm: String, Sendable, CaseIterable {
  case crc32, crc32c, sha1, sha256

  package var fieldName: String { "x-amz-checksum-\(rawValue)" }
}

/// What is stored with an object, besides its bytes.
package struct S3Attributes: Sendable, Equatable {
  package var contentType: String?
  package var cacheControl: String?
  package var contentDisposition: String?
  package var contentEncoding: String?
  package var contentLanguage: String?
  /// Names without `x-amz-meta-`; stored in lower case.
  package var metadata: [(name: String, value: String)] = []
  package var storageClass: String?
  /// One of the service's own lists, such as `private`.
  package var accessControl: String?
  package var encryption: S3Encryption?
  /// As in a query: `a=1&b=2`.
  package var tagging: String?

  package init() {}

  package static func == (a: S3Attributes, b: S3Attributes) -> Bool {
    a.plainFields == b.plainFields && a.encryption == b.encryption
  }

  private var plainFields: [HTTPField] {
    var fields: [HTTPField] = []
    func add(_ name: String, _ value: String?) {
      if let value { fields.append(HTTPField(name, value)) }
    }
    add("content-type", contentType)
    add("cache-control", cacheControl)
    add("content-disposition", contentDisposition)
    add("content-encoding", contentEncoding)
    add("content-language", contentLanguage)
    add("x-amz-storage-class", storageClass)
    add("x-amz-acl", accessControl)
    add("x-amz-tagging", tagging)
    for (name, value) in metadata { add("x-amz-meta-" + name.lowercased(), value) }
    return fields
  }

  /// Why the attributes cannot be sent; nil when they can.
  package var problem: String? {
    for field in plainFields {
      let isText = field.value.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f }
      guard isText, field.value.utf8.first != 0x20, field.value.utf8.last != 0x20 else {
        return "the value of \(printable(field.name.utf8)) cannot be sent as a header"
      }
      guard field.name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != 0x3a }) else {
        return "'\(printable(field.name.utf8))' cannot be a name of metadata"
      }
    }
    return nil
  }

  /// The header fields of a request that stores.
  package var fields: [HTTPField] {
    var fields = plainFields
    switch encryption {
    case .managed: fields.append(HTTPField("x-amz-server-side-encryption", "AES256"))
    case .keyService(let keyID):
      fields.append(HTTPField("x-amz-server-side-encryption", "aws:kms"))
      if let keyID {
        fields.append(HTTPField("x-amz-server-side-encryption-aws-kms-key-id", keyID))
      }
    case nil: break
    }
    return fields
  }
}
