import HTTPClient
import ObjectStorage
import Platform
import Remotes

/// Copies single files from one side to the other. Any thread may call.
struct Copier: Sendable {
  /// Files up to this size are read once, into memory; larger ones are read for their MD5 first.
  private static let inMemorySizeBytesMax: Int64 = 4 << 20

  let source: MirrorSide
  let destination: MirrorSide
  let mediaTypes: MediaTypes
  /// Where uploads in parts are noted; nil for nowhere.
  let uploads: UploadJournal?
  /// Keeps modes, owners, times and attributes; nil for times alone.
  let metadata: MetadataKeeper?

  /// What a copy was.
  struct Outcome {
    var sizeBytes: Int64
    /// The service itself has copied.
    var isServerSide = false
  }

  func copy(_ entry: MirrorEntry) throws(MirrorError) -> Outcome {
    switch (source, destination) {
    case (.local(let local), .store(let store)): try upload(entry, local, store)
    case (.store(let store), .local(let local)): try download(entry, store, local)
    case (.local(let from), .local(let to)): try copy(entry, from, to)
    case (.store(let from), .store(let to)): try copy(entry, from, to)
    }
  }

  // MARK: To a store

  private func upload(
    _ entry: MirrorEntry, _ local: LocalSide, _ store: StoreSide
  ) throws(MirrorError) -> Outcome {
    let key = try store.key(of: entry)
    try store.makeBucketIfMissing()
    if entry.kind == .link {
      let target = try local.target(entry.path)
      var attributes = attributes(entry, store, entry.modified)
      attributes.contentType = MediaTypes.unknown
      return try put(S3Body(target), store, key, attributes)
    }
    let file = try local.open(entry.path)
    var attributes = attributes(entry, store, file.modified)
    try metadata?.describe(file, &attributes)
    let outcome: Outcome
    if isInParts(file.sizeBytes, store) {
      let upload = ResumableUpload(
        store: store, key: key, file: file, root: local.path, attributes: attributes,
        journal: uploads)
      return Outcome(sizeBytes: try upload.send())
    } else if file.sizeBytes <= Copier.inMemorySizeBytesMax {
      let bytes = try file.content()
      try file.checkUnchanged()
      return try put(S3Body(bytes), store, key, attributes)
    } else {
      let md5 = try file.digests().md5
      try file.checkUnchanged()
      outcome = try put(S3Body(body(of: file), md5: md5), store, key, attributes)
    }
    try file.checkUnchanged()
    return outcome
  }

  private func isInParts(_ sizeBytes: Int64, _ store: StoreSide) -> Bool {
    let transfer = store.options.transfer
    return transfer.usesMultipart && sizeBytes > 0 && sizeBytes >= transfer.uploadCutoffBytes
  }

  private func attributes(
    _ entry: MirrorEntry, _ store: StoreSide, _ modified: WallTime?
  ) -> S3Attributes {
    var attributes = store.attributes
    attributes.contentType = mediaTypes.type(ofName: entry.path)
    if let modified { attributes.metadata = [("mtime", DecimalTime.text(of: modified))] }
    return attributes
  }

  private func put(
    _ body: S3Body, _ store: StoreSide, _ key: String, _ attributes: S3Attributes
  ) throws(MirrorError) -> Outcome {
    _ = try store.calling { (client) throws(S3Error) in
      try client.putObject(
        store.bucket, key, body, attributes, checksETag: store.options.transfer.eTagIsMD5)
    }
    return Outcome(sizeBytes: body.sizeBytes)
  }

  private func body(of file: SourceFile) -> HTTPBody {
    HTTPBody(sizeBytes: file.sizeBytes) { (offset, buffer) throws(HTTPError) in
      do throws(ObjectStoreError) {
        return try file.read(at: offset, into: buffer)
      } catch {
        throw .bodyFailed(error)
      }
    }
  }

  // MARK: To a directory

  private func download(
    _ entry: MirrorEntry, _ store: StoreSide, _ local: LocalSide
  ) throws(MirrorError) -> Outcome {
    let key = try store.key(of: entry)
    if entry.kind == .link { return try downloadLink(entry, key, store, local) }
    let sink = DownloadSink(try StagedFile(local, entry.path), try DigestRun())
    let head = try store.calling { (client) throws(S3Error) in
      try client.getObject(store.bucket, key) { (bytes) throws(HTTPError) in
        store.bandwidth?.receive(bytes.count)
        try sink.take(bytes)
        return .goOn
      }
    }
    guard let head else {
      throw .damaged(path: entry.path, problem: "the store gives nothing of it")
    }
    let facts = store.facts(head)
    try check(entry, sink.digest.sizeBytes, sink.digest.finish().md5, head, facts.md5)
    let missing = try sink.file.finish(
      modified: local.options.leavesTimesAlone ? nil : facts.modified,
      metadata: metadata.map { _ in
        FileMetadata(of: head, usualType: mediaTypes.type(ofName: entry.path))
      })
    metadata?.tell(missing, entry.path)
    return Outcome(sizeBytes: head.sizeBytes)
  }

  private func check(
    _ entry: MirrorEntry, _ sizeBytes: Int64, _ md5: [UInt8], _ head: S3ObjectHead,
    _ expected: [UInt8]?
  ) throws(MirrorError) {
    guard sizeBytes == head.sizeBytes else {
      throw .damaged(
        path: entry.path, problem: "\(sizeBytes) of \(head.sizeBytes) bytes came")
    }
    if let expected, expected != md5 {
      throw .damaged(
        path: entry.path,
        problem: "the store names the MD5 \(hex(expected)), what came has \(hex(md5))")
    }
  }

  private func downloadLink(
    _ entry: MirrorEntry, _ key: String, _ store: StoreSide, _ local: LocalSide
  ) throws(MirrorError) -> Outcome {
    // A link leads to a path of at most PATH_MAX.
    let content = LinkContent()
    let head = try store.calling { (client) throws(S3Error) in
      try client.getObject(store.bucket, key) { (bytes) throws(HTTPError) in
        content.take(bytes)
      }
    }
    let modified = head.flatMap { store.facts($0).modified }
    try local.makeLink(entry.path, target: content.bytes, modified: modified)
    return Outcome(sizeBytes: Int64(content.bytes.count))
  }

  private func copy(
    _ entry: MirrorEntry, _ from: LocalSide, _ to: LocalSide
  ) throws(MirrorError) -> Outcome {
    if entry.kind == .link {
      let target = try from.target(entry.path)
      try to.makeLink(entry.path, target: target, modified: entry.modified)
      return Outcome(sizeBytes: Int64(target.count))
    }
    let file = try from.open(entry.path)
    let staged = try StagedFile(to, entry.path)
    try file.forEachPiece { (piece) throws(MirrorError) in try staged.write(piece) }
    try file.checkUnchanged()
    let missing = try staged.finish(
      modified: to.options.leavesTimesAlone ? nil : file.modified,
      metadata: metadata == nil ? nil : try file.metadata())
    metadata?.tell(missing, entry.path)
    return Outcome(sizeBytes: file.sizeBytes)
  }

  // MARK: Within a service

  /// One request beside the look at the source, which tells its time.
  private func copy(
    _ entry: MirrorEntry, _ from: StoreSide, _ to: StoreSide
  ) throws(MirrorError) -> Outcome {
    guard from.isSameService(as: to) else {
      throw .unserved("copies from one service to another are not served")
    }
    guard entry.sizeBytes < to.options.transfer.copyCutoffBytes else {
      throw .unserved("objects of this size cannot be copied within the service yet")
    }
    let (sourceKey, targetKey) = (try from.key(of: entry), try to.key(of: entry))
    try to.makeBucketIfMissing()
    try to.calling { (client) throws(S3Error) in
      let head = try client.headObject(from.bucket, sourceKey)
      _ = try client.copyObject(
        from: (from.bucket, sourceKey), to: (to.bucket, targetKey),
        to.attributes(of: head, modified: from.facts(head).modified), ifSourceIs: head.etag)
    }
    return Outcome(sizeBytes: entry.sizeBytes, isServerSide: true)
  }

  // MARK: Times

  /// Gives the destination's file the source's time; false when its content has to be sent for
  /// that.
  func setTime(
    _ entry: MirrorEntry, _ time: WallTime
  ) throws(MirrorError) -> Bool {
    switch destination {
    case .local(let local):
      if !local.options.leavesTimesAlone { try local.setTime(entry.path, time) }
      return true
    case .store(let store):
      guard entry.sizeBytes < store.options.transfer.copyCutoffBytes else { return false }
      let key = try store.key(of: entry)
      return try store.calling { (client) throws(S3Error) in
        let head = try client.headObject(store.bucket, key)
        let storage = head.attributes.storageClass ?? ""
        if ["GLACIER", "DEEP_ARCHIVE"].contains(storage) { return false }
        _ = try client.copyObject(
          from: (store.bucket, key), to: (store.bucket, key),
          store.attributes(of: head, modified: time), ifSourceIs: head.etag)
        return true
      }
    }
  }
}

extension StoreSide {
  /// What an object has, with a time of its own, and with what the remote's options say.
  func attributes(of head: S3ObjectHead, modified: WallTime?) -> S3Attributes {
    var result = head.attributes
    result.storageClass = attributes.storageClass ?? head.attributes.storageClass
    result.accessControl = attributes.accessControl
    result.encryption = attributes.encryption
    if let modified {
      result.metadata.removeAll { $0.name == "mtime" }
      result.metadata.append(("mtime", DecimalTime.text(of: modified)))
    }
    return result
  }
}

/// Where a download goes: file and digest. Of one download's thread.
private final class DownloadSink: @unchecked Sendable {
  let file: StagedFile
  let digest: DigestRun

  init(_ file: StagedFile, _ digest: DigestRun) { (self.file, self.digest) = (file, digest) }

  func take(_ bytes: UnsafeRawBufferPointer) throws(HTTPError) {
    digest.update(bytes)
    do throws(MirrorError) { try file.write(bytes) } catch { throw .receiverFailed(error) }
  }
}

/// The few bytes of a link. Of one download's thread.
private final class LinkContent: @unchecked Sendable {
  private static let byteCountMax = 4096
  private(set) var bytes: [UInt8] = []

  func take(_ piece: UnsafeRawBufferPointer) -> HTTPFlow {
    bytes.append(contentsOf: piece.prefix(LinkContent.byteCountMax - bytes.count))
    return bytes.count < LinkContent.byteCountMax ? .goOn : .stop
  }
}
