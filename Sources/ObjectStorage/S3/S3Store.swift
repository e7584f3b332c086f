import HTTPClient
import Platform

/// Settings of a store that are not those of its client.
package struct S3StoreOptions: Sendable {
  /// Stored with every object.
  package var attributes = S3Attributes()
  /// Objects of so many bytes and more go in parts, several at a time.
  package var multipartSizeBytesMin: Int64 = 64 << 20
  package var partSizeBytes: Int64 = 16 << 20
  /// Parts of one object that are under way at once.
  package var partConcurrency = 4

  package init() {}
}

/// Objects in a bucket, below a prefix.
///
/// Names that are no keys here (`a//b`, `folder/`) are passed over in listings; markers of folders
/// are among them.
package final class S3Store: ObjectStore {
  package let description: String
  package let client: S3Client
  package let bucket: String
  /// Empty, or with a slash at the end.
  package let prefix: String
  private let options: S3StoreOptions

  package init(
    _ client: S3Client, bucket: String, prefix: String = "",
    options: S3StoreOptions = S3StoreOptions()
  ) {
    self.client = client
    self.bucket = bucket
    self.prefix = prefix
    self.options = options
    description = "s3:\(client.endpoint)/\(printable("\(bucket)/\(prefix)".utf8.dropLast()))"
  }

  package var connectionsMax: Int { client.options.connectionsMax }

  private func name(_ key: ObjectKey) -> String { prefix + key.text }

  // MARK: Writing

  package func put(_ key: ObjectKey, _ body: ObjectBody) throws(ObjectStoreError) {
    try translating(.put, key.description) { () throws(S3Error) in
      if body.sizeBytes >= options.multipartSizeBytesMin {
        _ = try S3Upload.store(
          client, bucket, name(key), body, options.attributes,
          partSizeBytes: options.partSizeBytes, concurrency: options.partConcurrency)
      } else {
        // Digests are no transfer: a limited rate is for what goes out.
        let digested = try client.prepared(S3Body(body.unpaced.httpBody()))
        var content = S3Body(body.httpBody())
        (content.md5, content.sha256) = (digested.md5, digested.sha256)
        content.checksum = digested.checksum
        _ = try client.putObject(bucket, name(key), content, options.attributes)
      }
    }
  }

  package func delete(_ key: ObjectKey) throws(ObjectStoreError) {
    try translating(.delete, key.description) { () throws(S3Error) in
      try client.deleteObject(bucket, name(key))
    }
  }

  // MARK: Reading

  package func get(
    _ key: ObjectKey, offset: Int64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(ObjectStoreError) -> Int {
    guard offset >= 0 else { throw .invalidRange(key: key.description, offset: offset) }
    guard !buffer.isEmpty else {
      _ = try stat(key)
      return 0
    }
    let (end, overflows) = offset.addingReportingOverflow(Int64(buffer.count))
    var filled = 0
    try translating(.get, key.description) { () throws(S3Error) in
      _ = try client.getObject(
        bucket, name(key), range: offset..<(overflows ? .max : end)
      ) { (bytes) throws(HTTPError) in
        let room = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
        let count = min(bytes.count, room.count)
        room.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        filled += count
        return filled < buffer.count ? .goOn : .stop
      }
    }
    return filled
  }

  /// One request, which is given up when the object is larger.
  package func load(_ key: ObjectKey, sizeBytesMax: Int) throws(ObjectStoreError) -> [UInt8] {
    var bytes: [UInt8] = []
    var isTooLarge = false
    let head = try translating(.get, key.description) { () throws(S3Error) in
      try client.getObject(bucket, name(key)) { (piece) throws(HTTPError) in
        guard bytes.count + piece.count <= sizeBytesMax else {
          isTooLarge = true
          return .stop
        }
        bytes.append(contentsOf: piece)
        return .goOn
      }
    }
    if isTooLarge {
      throw .tooLarge(
        key: key.description, sizeBytes: max(head?.sizeBytes ?? 0, Int64(sizeBytesMax) + 1),
        sizeBytesMax: sizeBytesMax)
    }
    return bytes
  }

  package func stat(_ key: ObjectKey) throws(ObjectStoreError) -> ObjectInfo {
    let head = try translating(.stat, key.description) { () throws(S3Error) in
      try client.headObject(bucket, name(key))
    }
    return ObjectInfo(
      sizeBytes: head.sizeBytes, etag: head.etag.isEmpty ? nil : head.etag,
      modified: head.modified)
  }

  package func list(
    _ prefix: ObjectPrefix, after: ObjectKey?,
    visit: (ObjectKey, ObjectInfo) throws(ObjectStoreError) -> Void
  ) throws(ObjectStoreError) {
    let base = Array(self.prefix.utf8)
    var visitorFailure: ObjectStoreError?
    do throws(ObjectStoreError) {
      try translating(.list, prefix.description) { () throws(S3Error) in
        try client.list(
          bucket, prefix: self.prefix + prefix.text, after: after.map(name)
        ) { (entry) throws(S3Error) in
          guard let key = ObjectKey(bytes: entry.key.dropFirst(base.count)) else { return }
          let info = ObjectInfo(
            sizeBytes: entry.sizeBytes, etag: entry.etag.isEmpty ? nil : entry.etag,
            modified: entry.modified)
          do throws(ObjectStoreError) { try visit(key, info) } catch {
            visitorFailure = error
            throw .cancelled
          }
        }
      }
    } catch {
      throw visitorFailure ?? error
    }
  }

  // MARK: Errors

  private func translating<Value>(
    _ operation: StoreOperation, _ key: String, _ body: () throws(S3Error) -> Value
  ) throws(ObjectStoreError) -> Value {
    do throws(S3Error) { return try body() } catch {
      throw .from(error, operation, key, description)
    }
  }
}

extension ObjectStoreError {
  /// Gives the failures of bodies back as what they are.
  static func from(
    _ error: S3Error, _ operation: StoreOperation, _ key: String, _ store: String
  ) -> ObjectStoreError {
    switch error {
    case .content(let cause):
      (cause as? ObjectStoreError)
        ?? .service(operation, key: key, store: store, error)
    case .cancelled: .cancelled
    case .service(let failure, _, _)
    where error.kind == .notFound && failure.code != "NoSuchBucket" && operation != .put:
      .notFound(key: key, store: store)
    default: .service(operation, key: key, store: store, error)
    }
  }
}
