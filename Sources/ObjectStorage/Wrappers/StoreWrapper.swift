/// A store that stands before another: every call passes through ``around(_:_:_:)``.
package protocol StoreWrapper: ObjectStore {
  var base: any ObjectStore { get }

  /// Runs one call of the store behind. `key` is the key or the prefix, for people.
  func around<Value>(
    _ operation: StoreOperation, _ key: String, _ call: () throws(ObjectStoreError) -> Value
  ) throws(ObjectStoreError) -> Value
}

extension StoreWrapper {
  package var description: String { base.description }
  package var connectionsMax: Int { base.connectionsMax }

  package func put(_ key: ObjectKey, _ body: ObjectBody) throws(ObjectStoreError) {
    try around(.put, key.text) { () throws(ObjectStoreError) in try base.put(key, body) }
  }

  package func get(
    _ key: ObjectKey, offset: Int64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(ObjectStoreError) -> Int {
    try around(.get, key.text) { () throws(ObjectStoreError) in
      try base.get(key, offset: offset, into: buffer)
    }
  }

  package func load(_ key: ObjectKey, sizeBytesMax: Int) throws(ObjectStoreError) -> [UInt8] {
    try around(.get, key.text) { () throws(ObjectStoreError) in
      try base.load(key, sizeBytesMax: sizeBytesMax)
    }
  }

  package func stat(_ key: ObjectKey) throws(ObjectStoreError) -> ObjectInfo {
    try around(.stat, key.text) { () throws(ObjectStoreError) in try base.stat(key) }
  }

  package func list(
    _ prefix: ObjectPrefix, after: ObjectKey?,
    visit: (ObjectKey, ObjectInfo) throws(ObjectStoreError) -> Void
  ) throws(ObjectStoreError) {
    try around(.list, prefix.text) { () throws(ObjectStoreError) in
      try base.list(prefix, after: after, visit: visit)
    }
  }

  package func delete(_ key: ObjectKey) throws(ObjectStoreError) {
    try around(.delete, key.text) { () throws(ObjectStoreError) in try base.delete(key) }
  }

  package func synchronize() throws(ObjectStoreError) {
    try around(.synchronize, "") { () throws(ObjectStoreError) in try base.synchronize() }
  }
}
