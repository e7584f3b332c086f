import HTTPClient
import ObjectStorage
import Platform
import Remotes

/// Copies single files from the source to one destination. Any thread may call.
struct Copier: Sendable {
  let source: MirrorSide
  let destination: MirrorSide
  let mediaTypes: MediaTypes
  let share: SourceShare
  let lane: Int
  /// Destinations that read the same source.
  let laneCount: Int
  /// Where uploads in parts are noted; nil for nowhere.
  var uploads: UploadJournal?
  /// Keeps modes, owners, times and attributes; nil for times alone.
  var metadata: MetadataKeeper?

  /// What a copy was.
  struct Outcome {
    var sizeBytes: Int64
    /// The service itself has copied.
    var isServerSide = false
    /// What both are now, where that is known.
    var pair: CopiedPair?
  }

  func copy(_ item: NumberedEntry) throws(MirrorError) -> Outcome {
    let entry = item.entry
    switch (source, destination) {
    case (.local(let local), .store(let store)) where entry.kind == .link:
      share.skip(item.number, lane: lane)
      return try uploadLink(entry, local, store)
    case (.store(let from), .local(let to)) where entry.kind == .link:
      share.skip(item.number, lane: lane)
      return try downloadLink(entry, from, to)
    case (.local(let from), .local(let to)) where entry.kind == .link:
      share.skip(item.number, lane: lane)
      return try copyLink(entry, from, to)
    case (.store(let from), .store(let to))
    where from.isSameService(as: to)
      && entry.sizeBytes < to.options.transfer.copyCutoffBytes:
      share.skip(item.number, lane: lane)
      return try copy(entry, from, to)
    case (.store(let from), .local(let to)) where laneCount == 1:
      return try download(entry, from, to)
    case (_, .store(let store)): return try upload(item, store)
    case (_, .local(let local)): return try write(item, local)
    }
  }

  // MARK: To a store

  private func upload(_ item: NumberedEntry, _ store: StoreSide) throws(MirrorError) -> Outcome {
    let key: String
    let reader: ContentReader
    do throws(MirrorError) {
      key = try store.key(of: item.entry)
      try store.makeBucketIfMissing()
      reader = try share.open(item, lane: lane)
    } catch {
      share.skip(item.number, lane: lane)
      throw error
    }
    defer { reader.close() }
    var upload = Upload(store: store, key: key, reader: reader, laneCount: laneCount)
    if case .local(let local) = source { (upload.root, upload.journal) = (local.path, uploads) }
    let began = MonotonicTime.now()
    let stored: S3Stored?
    do throws(MirrorError) {
      var attributes = attributes(item.entry, store, reader.facts)
      if let metadata, let file = try sourceFile(of: reader) {
        try metadata.describe(file, &attributes)
      }
      stored = try upload.send(attributes)
      try reader.checkUnchanged()
    } catch {
      // Why the source could not be read says more than that the request has failed.
      throw reader.failure ?? error
    }
    var outcome = Outcome(sizeBytes: reader.sizeBytes)
    let seconds = MonotonicTime.now().seconds(since: began)
    if let file = reader.facts.file, let stored,
      let object = ObjectIdentity(stored, sizeBytes: reader.sizeBytes, elapsedSeconds: seconds)
    {
      outcome.pair = CopiedPair(file: file, object: object)
    }
    return outcome
  }

  /// The file behind a reader once more, for what else it has; nil for an object.
  private func sourceFile(of reader: ContentReader) throws(MirrorError) -> SourceFile? {
    guard case .local(let local) = source else { return nil }
    let file = try local.open(reader.path)
    guard file.identity == reader.facts.file else { throw .changed(path: reader.path) }
    return file
  }

  private func uploadLink(
    _ entry: MirrorEntry, _ local: LocalSide, _ store: StoreSide
  ) throws(MirrorError) -> Outcome {
    let key = try store.key(of: entry)
    try store.makeBucketIfMissing()
    let target = try local.target(entry.path)
    var attributes = attributes(entry, store, SourceFacts(modified: entry.modified))
    attributes.contentType = MediaTypes.unknown
    _ = try store.calling { (client) throws(S3Error) in
      try client.putObject(
        store.bucket, key, S3Body(target), attributes, checksETag: store.trustsETags)
    }
    return Outcome(sizeBytes: Int64(target.count))
  }

  private func attributes(
    _ entry: MirrorEntry, _ store: StoreSide, _ facts: SourceFacts
  ) -> S3Attributes {
    var attributes = store.attributes
    attributes.contentType = facts.contentType ?? mediaTypes.type(ofName: entry.path)
    if let modified = facts.modified {
      attributes.metadata = [("mtime", DecimalTime.text(of: modified))]
    }
    return attributes
  }

  // MARK: To a directory

  /// Writes what passes for all destinations.
  private func write(_ item: NumberedEntry, _ local: LocalSide) throws(MirrorError) -> Outcome {
    let reader: ContentReader
    do throws(MirrorError) {
      reader = try share.open(item, lane: lane)
    } catch {
      share.skip(item.number, lane: lane)
      throw error
    }
    defer { reader.close() }
    let staged = try StagedFile(local, item.entry.path)
    try reader.forEachPiece { (piece) throws(MirrorError) in try staged.write(piece) }
    try reader.checkUnchanged()
    if case .store = source, let told = reader.facts.md5 {
      let md5 = try reader.md5()
      guard told == md5 else { throw .damaged(path: item.entry.path, told: told, came: md5) }
    }
    let kept = try metadata.flatMap { (_) throws(MirrorError) in
      try sourceMetadata(of: reader, item.entry)
    }
    let (_, missing) = try staged.finish(
      modified: local.options.leavesTimesAlone ? nil : reader.facts.modified, metadata: kept)
    metadata?.tell(missing, item.entry.path)
    return Outcome(sizeBytes: reader.sizeBytes)
  }

  private func sourceMetadata(
    of reader: ContentReader, _ entry: MirrorEntry
  ) throws(MirrorError) -> FileMetadata? {
    if let file = try sourceFile(of: reader) { return try file.metadata() }
    return reader.facts.head.map {
      FileMetadata(of: $0, usualType: mediaTypes.type(ofName: entry.path))
    }
  }

  private func copyLink(
    _ entry: MirrorEntry, _ from: LocalSide, _ to: LocalSide
  ) throws(MirrorError) -> Outcome {
    let target = try from.target(entry.path)
    try to.makeLink(entry.path, target: target, modified: entry.modified)
    return Outcome(sizeBytes: Int64(target.count))
  }

  // MARK: Within a service

  /// One request beside the look at the source, which tells its time.
  private func copy(
    _ entry: MirrorEntry, _ from: StoreSide, _ to: StoreSide
  ) throws(MirrorError) -> Outcome {
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
