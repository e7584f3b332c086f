import HTTPClient
import ObjectStorage
import Platform
import Remotes

extension Copier {
  /// Takes an object straight out of its request into the file.
  func download(
    _ entry: MirrorEntry, _ store: StoreSide, _ local: LocalSide
  ) throws(MirrorError) -> Outcome {
    let key = try store.key(of: entry)
    let sink = DownloadSink(try StagedFile(local, entry.path), DigestRun())
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
    share.counter.add(Int(sink.digest.sizeBytes))
    guard sink.digest.sizeBytes == head.sizeBytes else {
      throw .damaged(
        path: entry.path,
        problem: "\(sink.digest.sizeBytes) of \(head.sizeBytes) bytes came")
    }
    let md5 = sink.digest.finish().md5
    if let told = facts.md5, told != md5 {
      throw .damaged(path: entry.path, told: told, came: md5)
    }
    let (file, missing) = try sink.file.finish(
      modified: local.options.leavesTimesAlone ? nil : facts.modified,
      metadata: metadata.map { _ in
        FileMetadata(of: head, usualType: mediaTypes.type(ofName: entry.path))
      })
    metadata?.tell(missing, entry.path)
    var outcome = Outcome(sizeBytes: head.sizeBytes)
    if head.etag == entry.etag, let stored = entry.modified?.seconds,
      file.modified == facts.modified
    {
      outcome.pair = CopiedPair(
        file: file,
        object: ObjectIdentity(
          etag: head.etag, sizeBytes: head.sizeBytes, storedSeconds: stored...stored))
    }
    return outcome
  }

  func downloadLink(
    _ entry: MirrorEntry, _ store: StoreSide, _ local: LocalSide
  ) throws(MirrorError) -> Outcome {
    let key = try store.key(of: entry)
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
