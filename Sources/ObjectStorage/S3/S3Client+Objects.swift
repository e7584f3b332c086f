import HTTPClient
package import Platform

/// What the service tells of an object.
package struct S3ObjectHead: Sendable {
  package var sizeBytes: Int64
  /// Without quotes.
  package var etag: String
  package var modified: WallTime?
  /// Content type, metadata, storage class, as far as the service tells them.
  package var attributes: S3Attributes
  package var versionID: String?

  /// Reads a header; `aws-chunked` was a matter of the transfer and is no encoding of the object.
  init(_ head: HTTPResponseHead, sizeBytes: Int64) {
    let fields = head.fields
    self.sizeBytes = sizeBytes
    etag = ETag.plain(fields["etag"] ?? "")
    modified = fields["last-modified"].flatMap(HTTPDate.time)
    versionID = fields["x-amz-version-id"]
    attributes = S3Attributes()
    attributes.contentType = fields["content-type"]
    attributes.cacheControl = fields["cache-control"]
    attributes.contentDisposition = fields["content-disposition"]
    attributes.contentLanguage = fields["content-language"]
    attributes.storageClass = fields["x-amz-storage-class"]
    let codings = (fields["content-encoding"] ?? "").split(separator: ",")
      .map { $0.filter { $0 != " " } }.filter { $0 != "aws-chunked" && !$0.isEmpty }
    attributes.contentEncoding = codings.isEmpty ? nil : codings.joined(separator: ",")
    let prefix = "x-amz-meta-"
    for field in fields.all {
      let name = field.name.lowercased()
      guard name.hasPrefix(prefix) else { continue }
      attributes.metadata.append((String(name.dropFirst(prefix.count)), field.value))
    }
  }
}

/// On which state of an object a request depends.
package enum S3Condition: Sendable, Equatable {
  case none
  /// There is no such object yet.
  case absent
  case unchanged(etag: String)

  var field: HTTPField? {
    switch self {
    case .none: nil
    case .absent: HTTPField("if-none-match", "*")
    case .unchanged(let etag): HTTPField("if-match", ETag.quoted(etag))
    }
  }
}

/// An object as it was stored.
package struct S3Stored: Sendable, Equatable {
  /// Without quotes.
  package var etag: String
  package var versionID: String?
  /// The ETag is no MD5, as the service encrypts with a key of a service or of the customer.
  package var isEncryptedByKey = false
  /// When the service has answered, by its own clock.
  package var answered: WallTime?
}

extension S3Client {
  /// - Throws: an error of kind `notFound` when there is no such object.
  package func headObject(
    _ bucket: String, _ key: String, _ condition: S3Condition = .none
  ) throws(S3Error) -> S3ObjectHead {
    let subject = S3Client.subject(bucket, key)
    let response = try send(.headObject, subject) { (_) throws(S3Error) in
      var call = S3Call(.head, bucket, key)
      if let field = condition.field { call.fields.append(field) }
      return call
    }
    guard let size = response.head.contentLength, size >= 0 else {
      throw .answer(operation: .headObject, subject: subject, problem: "no size is told")
    }
    return S3ObjectHead(response.head, sizeBytes: size)
  }

  /// Stores an object in one request.
  ///
  /// The ETag is compared with the MD5 where it can be one and `checksETag` says so.
  package func putObject(
    _ bucket: String, _ key: String, _ body: S3Body, _ attributes: S3Attributes = S3Attributes(),
    _ condition: S3Condition = .none, checksETag: Bool = true
  ) throws(S3Error) -> S3Stored {
    let subject = S3Client.subject(bucket, key)
    if let problem = attributes.problem { throw .usage(subject: subject, problem: problem) }
    let body = try prepared(body)
    var wasInDoubt = false
    do throws(S3Error) {
      let stored = try send(.putObject, subject) { (tries) throws(S3Error) in
        wasInDoubt = tries.isInDoubt
        var call = S3Call(.put, bucket, key)
        call.body = body
        call.fields = attributes.fields
        if let field = condition.field { call.fields.append(field) }
        return call
      } read: { (response, _) in
        var stored = S3Stored(
          etag: ETag.plain(response["etag"] ?? ""), versionID: response["x-amz-version-id"])
        let prefix = "x-amz-server-side-encryption"
        stored.isEncryptedByKey =
          response[prefix].map { $0 != "AES256" } ?? false
          || response["\(prefix)-customer-algorithm"] != nil
        stored.answered = response["date"].flatMap(HTTPDate.time)
        return stored
      }
      if checksETag, !stored.isEncryptedByKey {
        try compare(stored.etag, body, attributes, .putObject, subject)
      }
      return stored
    } catch {
      // The condition may have failed because of the attempt whose answer was lost.
      guard error.isConditionFailed, wasInDoubt, let md5 = body.md5,
        let head = try? headObject(bucket, key), ETag.md5(head.etag) == md5
      else { throw error }
      return S3Stored(etag: head.etag, versionID: head.versionID)
    }
  }

  /// Refuses an ETag that is another MD5. With encryption by a key service it is none.
  private func compare(
    _ etag: String, _ body: S3Body, _ attributes: S3Attributes, _ operation: S3Operation,
    _ subject: String
  ) throws(S3Error) {
    if case .keyService = attributes.encryption { return }
    guard let sent = body.md5, let told = ETag.md5(etag), told != sent else { return }
    throw .integrity(
      operation: operation, subject: subject,
      problem: "the store holds \(hex(told)), sent was \(hex(sent))")
  }

  /// Copies an object within the service. `attributes` are stored in place of the source's own; nil
  /// takes those over. The answer is taken for success only when it tells the copy's ETag, or at
  /// least no error.
  package func copyObject(
    from source: (bucket: String, key: String), to target: (bucket: String, key: String),
    _ attributes: S3Attributes? = nil, ifSourceIs etag: String? = nil
  ) throws(S3Error) -> S3Stored {
    let subject = S3Client.subject(target.bucket, target.key)
    if let problem = attributes?.problem { throw .usage(subject: subject, problem: problem) }
    return try send(.copyObject, subject) { (_) throws(S3Error) in
      var call = S3Call(.put, target.bucket, target.key)
      call.fields = attributes?.fields ?? []
      call.add("x-amz-copy-source", S3Client.copySource(source))
      call.add("x-amz-metadata-directive", attributes == nil ? "COPY" : "REPLACE")
      call.add("x-amz-copy-source-if-match", etag.map(ETag.quoted))
      call.idleSeconds = S3Client.longIdleSeconds
      return call
    } read: { (response, _) throws(S3Error) in
      let texts = try document(of: response, .copyObject, subject)
      return S3Stored(
        etag: ETag.plain(texts["ETag"] ?? ""), versionID: response["x-amz-version-id"])
    }
  }

  static func copySource(_ source: (bucket: String, key: String)) -> String {
    "\(S3Encoding.path(source.bucket))/\(S3Encoding.path(source.key))"
  }

  /// How long the service may work without a word on what it does with whole objects.
  static let longIdleSeconds = 900.0

  /// Deletes an object; one that is not there is no error.
  package func deleteObject(_ bucket: String, _ key: String) throws(S3Error) {
    do throws(S3Error) {
      _ = try send(.deleteObject, S3Client.subject(bucket, key)) { (_) throws(S3Error) in
        S3Call(.delete, bucket, key)
      }
    } catch {
      if error.failure?.code == "NoSuchKey" || error.failure?.code == "NotFound" { return }
      // Servers over directories fail to delete one, which is no object.
      guard case .exhausted(_, .service) = error,
        isMissing({ () throws(S3Error) in _ = try headObject(bucket, key) })
      else { throw error }
    }
  }

  private func isMissing(_ look: () throws(S3Error) -> Void) -> Bool {
    do throws(S3Error) { try look() } catch { return error.isNotFound }
    return false
  }

  /// The texts of an answer of success, which may be a failure after all.
  func document(
    of response: HTTPResponse, _ operation: S3Operation, _ subject: String
  ) throws(S3Error) -> XMLTexts {
    guard let texts = XMLTexts.of(response.body) else {
      throw .answer(
        operation: operation, subject: subject, problem: "the answer is no whole XML document")
    }
    guard texts.root != "Error" else {
      throw .service(
        S3Failure(status: response.status, texts: texts), operation: operation, subject: subject)
    }
    return texts
  }

  // MARK: Buckets

  package func headBucket(_ bucket: String) throws(S3Error) {
    _ = try send(.headBucket, S3Client.subject(bucket)) { (_) throws(S3Error) in
      S3Call(.head, bucket)
    }
  }

  /// Makes a bucket unless it can be used already. `trustsExists` takes BucketAlreadyExists for a
  /// bucket of somebody else, as Amazon means it; others say it of one's own.
  package func createBucket(
    _ bucket: String, locationConstraint: String? = nil, accessControl: String? = nil,
    trustsExists: Bool = false
  ) throws(S3Error) {
    let region = locationConstraint ?? region(of: bucket)
    var body: S3Body?
    if region != "us-east-1", S3Endpoint.isRegion(region) {
      let namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
      body = try prepared(
        S3Body(
          Array(
            ("<CreateBucketConfiguration xmlns=\"\(namespace)\"><LocationConstraint>\(region)"
              + "</LocationConstraint></CreateBucketConfiguration>").utf8)))
    }
    do throws(S3Error) {
      _ = try send(.createBucket, S3Client.subject(bucket)) { (_) throws(S3Error) in
        var call = S3Call(.put, bucket)
        call.body = body ?? S3Body([])
        call.add("x-amz-acl", accessControl)
        return call
      }
    } catch {
      switch error.failure?.code {
      case "BucketAlreadyOwnedByYou": return
      case "BucketAlreadyExists" where trustsExists: throw error
      case "BucketAlreadyExists": break
      default:
        // Who may not make buckets may still use one.
        guard error.kind == .denied else { throw error }
      }
      // The first refusal tells the reason; answers to HEAD have no body.
      let refusal = error
      do throws(S3Error) { try headBucket(bucket) } catch { throw refusal }
    }
  }
}
