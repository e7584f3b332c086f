package import Platform

/// Objects in memory: for tests and for dry runs.
package final class MemoryStore: ObjectStore, @unchecked Sendable {
  private struct Object {
    var bytes: [UInt8]
    var info: ObjectInfo
  }

  package let description: String
  package let connectionsMax: Int
  private let clock: any Clock
  private let lock = Lock()
  private var objects: [ObjectKey: Object] = [:]
  private var putCount = 0

  package init(
    _ description: String = "memory", connectionsMax: Int = 8, clock: any Clock = SystemClock()
  ) {
    self.description = description
    self.connectionsMax = connectionsMax
    self.clock = clock
  }

  package func put(_ key: ObjectKey, _ body: ObjectBody) throws(ObjectStoreError) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(body.sizeBytes))
    try body.forEachPiece { (piece) throws(ObjectStoreError) in bytes.append(contentsOf: piece) }
    let modified = clock.wallTime()
    lock.withLock {
      putCount += 1
      let info = ObjectInfo(
        sizeBytes: Int64(bytes.count), etag: String(putCount), modified: modified)
      objects[key] = Object(bytes: bytes, info: info)
    }
  }

  package func get(
    _ key: ObjectKey, offset: Int64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(ObjectStoreError) -> Int {
    guard offset >= 0 else { throw .invalidRange(key: key.description, offset: offset) }
    let bytes = try object(key).bytes
    guard offset < bytes.count else { return 0 }
    let count = min(buffer.count, bytes.count - Int(offset))
    bytes.withUnsafeBytes { all in
      buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: all[Int(offset)...].prefix(count)))
    }
    return count
  }

  package func stat(_ key: ObjectKey) throws(ObjectStoreError) -> ObjectInfo {
    try object(key).info
  }

  package func list(
    _ prefix: ObjectPrefix, after: ObjectKey?,
    visit: (ObjectKey, ObjectInfo) throws(ObjectStoreError) -> Void
  ) throws(ObjectStoreError) {
    let found = lock.withLock { objects.mapValues(\.info) }
    for key in found.keys.filter(prefix.matches).sorted() {
      if let after, key <= after { continue }
      if let info = found[key] { try visit(key, info) }
    }
  }

  package func delete(_ key: ObjectKey) throws(ObjectStoreError) {
    lock.withLock { objects[key] = nil }
  }

  private func object(_ key: ObjectKey) throws(ObjectStoreError) -> Object {
    guard let object = lock.withLock({ objects[key] }) else {
      throw .notFound(key: key.description, store: description)
    }
    return object
  }
}
