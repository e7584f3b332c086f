package import Platform

/// What a store tells about an object without its content.
package struct ObjectInfo: Sendable, Hashable {
  package var sizeBytes: Int64
  /// The store's own mark of the content; nil where the store has none.
  package var etag: String?
  package var modified: WallTime?

  package init(sizeBytes: Int64, etag: String? = nil, modified: WallTime? = nil) {
    self.sizeBytes = sizeBytes
    self.etag = etag
    self.modified = modified
  }
}

/// The calls of a store, for messages, counts and faults.
package enum StoreOperation: String, Sendable, CaseIterable {
  case put
  case get
  case stat
  case list
  case delete
  case synchronize
}

/// Where bytes rest: whole objects under keys. There is no rename and no change in place, so that
/// an object store can be behind it.
///
/// All calls block; all may be made from any thread, `connectionsMax` of them at a time being
/// useful. Errors are of kind `unreachable` only when the same call may succeed later.
package protocol ObjectStore: AnyObject, Sendable {
  /// Where it is, for people; never holds a secret.
  var description: String { get }
  var connectionsMax: Int { get }

  /// Stores an object, whole or not at all, in place of one that has the key already.
  /// It is durable when the call returns. `body` may be read several times.
  func put(_ key: ObjectKey, _ body: ObjectBody) throws(ObjectStoreError)

  /// Fills `buffer` from `offset` on; gives the count, less than the buffer's only at the end of
  /// the object, and 0 at and behind it.
  /// - Throws: ``ObjectStoreError/notFound(key:store:)``, also for an empty buffer.
  func get(
    _ key: ObjectKey, offset: Int64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(ObjectStoreError) -> Int

  /// A whole object of at most `sizeBytesMax` bytes.
  /// - Throws: ``ObjectStoreError/tooLarge(key:sizeBytes:sizeBytesMax:)``, without reading it.
  func load(_ key: ObjectKey, sizeBytesMax: Int) throws(ObjectStoreError) -> [UInt8]

  func stat(_ key: ObjectKey) throws(ObjectStoreError) -> ObjectInfo

  /// Visits the objects whose keys start with `prefix` and come after `after`, in the order of
  /// their keys' bytes. What is stored or deleted meanwhile may be in it or not.
  ///
  /// Nothing under a prefix is an empty listing, not an error. An error of `visit` ends the
  /// listing and is thrown as it is.
  func list(
    _ prefix: ObjectPrefix, after: ObjectKey?,
    visit: (ObjectKey, ObjectInfo) throws(ObjectStoreError) -> Void
  ) throws(ObjectStoreError)

  /// Removes an object; one that is not there is no error, as object stores do not tell.
  func delete(_ key: ObjectKey) throws(ObjectStoreError)

  /// Makes the deletions made so far durable, so that later ones cannot overtake them in a crash.
  func synchronize() throws(ObjectStoreError)
}

extension ObjectStore {
  package func list(
    _ prefix: ObjectPrefix, visit: (ObjectKey, ObjectInfo) throws(ObjectStoreError) -> Void
  ) throws(ObjectStoreError) {
    try list(prefix, after: nil, visit: visit)
  }

  package func put(_ key: ObjectKey, _ bytes: [UInt8]) throws(ObjectStoreError) {
    try put(key, ObjectBody(bytes))
  }

  package func load(_ key: ObjectKey, sizeBytesMax: Int) throws(ObjectStoreError) -> [UInt8] {
    let sizeBytes = try stat(key).sizeBytes
    guard sizeBytes <= sizeBytesMax else {
      throw .tooLarge(key: key.description, sizeBytes: sizeBytes, sizeBytesMax: sizeBytesMax)
    }
    var bytes = [UInt8](repeating: 0, count: Int(sizeBytes))
    let result = bytes.withUnsafeMutableBytes { buffer in
      Result { () throws(ObjectStoreError) in try get(key, offset: 0, into: buffer) }
    }
    let count = try result.get()
    bytes.removeLast(bytes.count - count)
    return bytes
  }

  package func synchronize() throws(ObjectStoreError) {}
}
