import ObjectStorage
import Platform

/// An object of the source, read by a request that runs on a thread of its own and is ahead by a
/// bounded number of bytes. Going on elsewhere costs another request. One thread reads.
final class SourceObject: SourceContent, @unchecked Sendable {
  let path: [UInt8]
  let sizeBytes: Int64
  let facts: SourceFacts
  private let store: StoreSide
  private let key: String
  private let etag: String
  private let counter: ReadCounter?
  // Of the thread that reads.
  private var stream: ObjectStream?

  /// Looks at the object: one request.
  init(
    _ store: StoreSide, _ entry: MirrorEntry, counter: ReadCounter? = nil
  ) throws(MirrorError) {
    let key = try store.key(of: entry)
    let head = try store.calling { (client) throws(S3Error) in
      try client.headObject(store.bucket, key)
    }
    (self.store, self.key, self.counter, path) = (store, key, counter, entry.path)
    sizeBytes = head.sizeBytes
    etag = head.etag
    facts = SourceFacts(head, of: store)
  }

  private init(_ other: SourceObject) {
    (store, key, path, counter) = (other.store, other.key, other.path, other.counter)
    (sizeBytes, etag, facts) = (other.sizeBytes, other.etag, other.facts)
  }

  func forAnotherReader() -> any SourceContent { SourceObject(self) }

  /// Every request holds the object to the ETag that it had when it was opened.
  func checkUnchanged() throws(MirrorError) {}

  func read(
    at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(MirrorError) -> Int {
    let wanted = Int(min(Int64(buffer.count), sizeBytes - offset))
    guard wanted > 0 else { return 0 }
    if stream?.offset != offset {
      stream = nil
      stream = ObjectStream(store, key, from: offset, etag: etag.isEmpty ? nil : etag)
    }
    let room = UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted])
    let count = try stream?.read(into: room) ?? 0
    counter?.add(count)
    guard count == wanted else { throw .changed(path: path) }
    // The request has ended; its connection is for others now.
    if offset + Int64(count) == sizeBytes { stream = nil }
    return count
  }
}

extension SourceFacts {
  init(_ head: S3ObjectHead, of store: StoreSide) {
    let told = store.facts(head)
    self.init(
      modified: told.modified, head: head, contentType: head.attributes.contentType,
      md5: told.md5)
  }
}
