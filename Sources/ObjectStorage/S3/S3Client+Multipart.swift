import HTTPClient
package import Platform

/// A part that the service holds.
package struct S3Part: Sendable, Equatable {
  /// 1…10,000.
  package var number: Int
  /// Without quotes.
  package var etag: String
  package var sizeBytes: Int64

  package init(number: Int, etag: String, sizeBytes: Int64) {
    self.number = number
    self.etag = etag
    self.sizeBytes = sizeBytes
  }
}

/// An upload that was begun and neither completed nor aborted.
package struct S3PendingUpload: Sendable, Equatable {
  package var key: String
  package var id: String
  package var initiated: WallTime?
}

/// What the service allows.
package enum S3Limits {
  package static let partCountMax = 10_000
  /// Of every part but the last.
  package static let partSizeBytesMin: Int64 = 5 << 20
  package static let partSizeBytesMax: Int64 = 5 << 30
  package static let objectSizeBytesMax: Int64 = 5 << 40
  package static let deleteCountMax = 1000
}

extension S3Client {
  /// Begins an upload in parts; its attributes are those of the object. An upload whose answer was
  /// lost stays with the service: ``listUploads(_:prefix:visit:)`` finds it.
  package func createUpload(
    _ bucket: String, _ key: String, _ attributes: S3Attributes = S3Attributes()
  ) throws(S3Error) -> String {
    try beginUpload(bucket, key, attributes).id
  }

  /// As ``createUpload(_:_:_:)``, and tells whether the service may hold another upload that an
  /// attempt has begun whose answer was lost.
  package func beginUpload(
    _ bucket: String, _ key: String, _ attributes: S3Attributes
  ) throws(S3Error) -> (id: String, isDoubtful: Bool) {
    let subject = S3Client.subject(bucket, key)
    if let problem = attributes.problem { throw .usage(subject: subject, problem: problem) }
    return try send(.createUpload, subject) { (_) throws(S3Error) in
      var call = S3Call(.post, bucket, key)
      call.ask("uploads", "")
      call.fields = attributes.fields
      if let algorithm = options.checksum {
        call.add("x-amz-checksum-algorithm", algorithm.rawValue.uppercased())
      }
      call.body = S3Body([])
      call.isSentOnce = true
      return call
    } read: { (response, tries) throws(S3Error) in
      let texts = try document(of: response, .createUpload, subject)
      guard let id = texts["UploadId"], !id.isEmpty else {
        throw .answer(
          operation: .createUpload, subject: subject, problem: "the answer names no upload")
      }
      return (id, tries.isInDoubt)
    }
  }

  /// Stores one part, in place of an earlier one of the same number.
  package func uploadPart(
    _ bucket: String, _ key: String, upload: String, number: Int, _ body: S3Body,
    checksETag: Bool = true
  ) throws(S3Error) -> S3Part {
    let subject = "\(S3Client.subject(bucket, key)) part \(number)"
    let body = try prepared(body)
    let response = try send(.uploadPart, subject) { (_) throws(S3Error) in
      var call = S3Call(.put, bucket, key)
      call.ask("partNumber", String(number))
      call.ask("uploadId", upload)
      call.body = body
      return call
    }
    let etag = ETag.plain(response["etag"] ?? "")
    if checksETag, let sent = body.md5, let told = ETag.md5(etag), told != sent {
      throw .integrity(
        operation: .uploadPart, subject: subject,
        problem: "the store holds \(hex(told)), sent was \(hex(sent))")
    }
    return S3Part(number: number, etag: etag, sizeBytes: body.sizeBytes)
  }

  /// Makes a part of a range of a stored object.
  package func copyPart(
    from source: (bucket: String, key: String), range: Range<Int64>, ifSourceIs etag: String? = nil,
    to target: (bucket: String, key: String), upload: String, number: Int
  ) throws(S3Error) -> S3Part {
    let subject = "\(S3Client.subject(target.bucket, target.key)) part \(number)"
    return try send(.copyPart, subject) { (_) throws(S3Error) in
      var call = S3Call(.put, target.bucket, target.key)
      call.ask("partNumber", String(number))
      call.ask("uploadId", upload)
      call.add("x-amz-copy-source", S3Client.copySource(source))
      call.add("x-amz-copy-source-range", "bytes=\(range.lowerBound)-\(range.upperBound - 1)")
      call.add("x-amz-copy-source-if-match", etag.map(ETag.quoted))
      call.idleSeconds = S3Client.longIdleSeconds
      return call
    } read: { (response, _) throws(S3Error) in
      let texts = try document(of: response, .copyPart, subject)
      return S3Part(
        number: number, etag: ETag.plain(texts["ETag"] ?? ""), sizeBytes: Int64(range.count))
    }
  }

  /// Makes the object of its parts, which are in the order of their numbers.
  ///
  /// When an attempt's answer was lost and the upload is gone then, the object is looked at: it
  /// counts when it has the size of the parts and was stored since.
  package func completeUpload(
    _ bucket: String, _ key: String, upload: String, _ parts: [S3Part],
    _ condition: S3Condition = .none
  ) throws(S3Error) -> S3Stored {
    let subject = S3Client.subject(bucket, key)
    let body = try prepared(S3Body(S3Client.partList(parts)))
    let begun = now()
    var wasInDoubt = false
    do throws(S3Error) {
      return try send(.completeUpload, subject) { (tries) throws(S3Error) in
        wasInDoubt = tries.isInDoubt
        var call = S3Call(.post, bucket, key)
        call.ask("uploadId", upload)
        call.body = body
        if let field = condition.field { call.fields.append(field) }
        call.idleSeconds = S3Client.longIdleSeconds
        call.isSentOnce = true
        return call
      } read: { (response, _) throws(S3Error) in
        let texts = try document(of: response, .completeUpload, subject)
        guard texts.root == "CompleteMultipartUploadResult" else {
          throw .answer(
            operation: .completeUpload, subject: subject, problem: "the answer names no object")
        }
        return S3Stored(
          etag: ETag.plain(texts["ETag"] ?? ""), versionID: response["x-amz-version-id"],
          answered: response["date"].flatMap(HTTPDate.time))
      }
    } catch {
      let isGone = error.failure?.code == "NoSuchUpload" || error.isConditionFailed
      // A failure of this look is less telling than the first one.
      guard wasInDoubt, isGone, let head = try? headObject(bucket, key),
        head.sizeBytes == parts.reduce(0, { $0 + $1.sizeBytes }),
        let modified = head.modified, modified.seconds >= begun.seconds - 60
      else { throw error }
      return S3Stored(etag: head.etag, versionID: head.versionID)
    }
  }

  static func partList(_ parts: [S3Part]) -> [UInt8] {
    var text = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
    for part in parts {
      // ETags come from the service and may hold anything.
      let etag = XMLText.escaped(part.etag) ?? ""
      text += "<Part><PartNumber>\(part.number)</PartNumber><ETag>&quot;\(etag)&quot;</ETag></Part>"
    }
    return Array((text + "</CompleteMultipartUpload>").utf8)
  }

  /// Gives an upload up with its parts; one that is not there is no error.
  package func abortUpload(_ bucket: String, _ key: String, upload: String) throws(S3Error) {
    do throws(S3Error) {
      _ = try send(.abortUpload, S3Client.subject(bucket, key)) { (_) throws(S3Error) in
        var call = S3Call(.delete, bucket, key)
        call.ask("uploadId", upload)
        return call
      }
    } catch {
      guard error.kind == .notFound else { throw error }
    }
  }

  /// The parts that the service holds of an upload, in the order of their numbers.
  package func listParts(
    _ bucket: String, _ key: String, upload: String
  ) throws(S3Error) -> [S3Part] {
    let subject = S3Client.subject(bucket, key)
    var parts: [S3Part] = []
    var marker: String?
    while true {
      let response = try send(.listParts, subject) { (_) throws(S3Error) in
        var call = S3Call(.get, bucket, key)
        call.ask("uploadId", upload)
        call.ask("part-number-marker", marker)
        return call
      }
      let records = try records(
        of: response, .listParts, subject, element: "Part", keys: ["PartNumber", "ETag", "Size"])
      for record in records.found {
        guard let number = record["PartNumber"].flatMap({ Int($0) }),
          let size = record["Size"].flatMap({ Int64($0) }), number > parts.last?.number ?? 0
        else {
          throw .answer(
            operation: .listParts, subject: subject, problem: "a part without number or size")
        }
        parts.append(
          S3Part(number: number, etag: ETag.plain(record["ETag"] ?? ""), sizeBytes: size))
      }
      guard records.isTruncated, !records.found.isEmpty else { return parts }
      marker = parts.last.map { String($0.number) }
    }
  }

  /// Visits the unfinished uploads whose keys start with `prefix`, also those of others.
  package func listUploads(
    _ bucket: String, prefix: String = "", visit: (S3PendingUpload) throws(S3Error) -> Void
  ) throws(S3Error) {
    let subject = S3Client.subject(bucket, prefix.isEmpty ? nil : prefix)
    var marker: (key: String, upload: String)?
    while true {
      let response = try send(.listUploads, subject) { (_) throws(S3Error) in
        var call = S3Call(.get, bucket)
        call.ask("uploads", "")
        call.ask("encoding-type", "url")
        call.ask("prefix", prefix.isEmpty ? nil : prefix)
        call.ask("key-marker", marker?.key)
        call.ask("upload-id-marker", marker?.upload)
        return call
      }
      let records = try records(
        of: response, .listUploads, subject, element: "Upload",
        keys: ["Key", "UploadId", "Initiated"])
      var last: S3PendingUpload?
      for record in records.found {
        guard let key = record["Key"], let id = record["UploadId"] else { continue }
        let upload = S3PendingUpload(
          key: records.isEncoded ? plain(key) : key, id: id,
          initiated: record["Initiated"].flatMap { WallTime(rfc3339: $0) })
        last = upload
        try visit(upload)
      }
      guard records.isTruncated, let last, marker?.upload != last.id else { return }
      marker = (last.key, last.id)
    }
  }

  private func plain(_ key: String) -> String {
    S3Encoding.decoded(Array(key.utf8)).map { String(decoding: $0, as: UTF8.self) } ?? key
  }

  private struct Records {
    var found: [[String: String]] = []
    var isTruncated = false
    var isEncoded = false
  }

  /// The elements of one name below the root, each with its own texts.
  private func records(
    of response: HTTPResponse, _ operation: S3Operation, _ subject: String, element: String,
    keys: Set<String>
  ) throws(S3Error) -> Records {
    let texts = try document(of: response, operation, subject)
    var records = Records()
    var current: [String: String] = [:]
    for (path, text) in texts.texts {
      if path == element {
        records.found.append(current)
        current = [:]
      } else if path.hasPrefix("\(element)/") {
        let name = String(path.dropFirst(element.count + 1))
        if keys.contains(name) { current[name] = text }
      }
    }
    records.isTruncated = texts["IsTruncated"] == "true"
    records.isEncoded = texts["EncodingType"] == "url"
    return records
  }
}
