import Cryptography
package import ObjectStorage
import Platform

/// An open repository: where it is stored, its keys and its config. Shared by all threads; each
/// thread that seals or opens has a ``RepositoryCodec`` of its own.
package final class Repository: Sendable {
  package let store: any ObjectStore
  package let config: RepositoryConfig
  /// The key file that the password has opened.
  package let keyID: KeyID
  /// Where local caches stand; nil without one.
  package let cacheDirectory: String?
  /// Where unnamed scratch files stand.
  package let temporaryDirectory: String
  package let compression: CompressionMode
  let key: SealingKey

  /// Where it is, for people.
  package var place: String { store.description }
  package var version: RepositoryVersion { config.version }

  init(
    store: any ObjectStore, config: RepositoryConfig, key: SealingKey, keyID: KeyID,
    options: RepositoryOptions
  ) {
    self.store = store
    self.config = config
    self.key = key
    self.keyID = keyID
    cacheDirectory = options.cacheDirectory
    temporaryDirectory = options.temporaryDirectory
    compression = options.compression
  }

  package func makeCodec() throws(RepositoryError) -> RepositoryCodec {
    try RepositoryCodec(key: key, version: version, compression: compression)
  }

  // MARK: Files

  func path<Role: FileRole>(_ id: Identifier<Role>) throws(RepositoryError) -> ObjectKey {
    try storing { () throws(ObjectStoreError) in try ObjectKey(RepositoryLayout.path(of: id)) }
  }

  /// The names of all files of a kind, with their sizes, in order. Other things that lie around are
  /// passed over.
  package func list<Role: FileRole>(
    _ role: Identifier<Role>.Type,
    _ visit: (Identifier<Role>, Int64) throws(RepositoryError) -> Void
  ) throws(RepositoryError) {
    var failure: RepositoryError?
    do throws(ObjectStoreError) {
      let prefix = try ObjectPrefix(RepositoryLayout.prefix(of: Role.kind))
      try store.list(prefix) { key, info throws(ObjectStoreError) in
        guard failure == nil, let id = RepositoryLayout.identifier(role, of: key.text) else {
          return
        }
        do throws(RepositoryError) { try visit(id, info.sizeBytes) } catch { failure = error }
      }
    } catch {
      throw .store(error)
    }
    if let failure { throw failure }
  }

  /// The names of all files of a kind, in order.
  package func list<Role: FileRole>(
    _ role: Identifier<Role>.Type
  ) throws(RepositoryError) -> [Identifier<Role>] {
    var ids: [Identifier<Role>] = []
    try list(role) { id, _ in ids.append(id) }
    return ids
  }

  /// The JSON of an index, snapshot or lock file, whose bytes have the name that they stand under.
  /// - Throws: `RepositoryError.missing`, `.corrupt` with the name, `.store`.
  package func load<Role: FileRole>(
    _ id: Identifier<Role>, _ codec: RepositoryCodec
  ) throws(RepositoryError) -> [UInt8] {
    let part = Role.kind.part
    let bytes: [UInt8]
    do throws(ObjectStoreError) {
      bytes = try store.load(
        try ObjectKey(RepositoryLayout.path(of: id)),
        sizeBytesMax: RepositoryLimits.unpackedByteCountMax)
    } catch {
      if error.kind == .notFound { throw .missing(part, place: id.short) }
      throw .store(error)
    }
    let found = try bytes.withBorrowedBytes { (bytes) throws(RepositoryError) in
      codec.identifier(of: bytes, Identifier<Role>.self)
    }
    guard found == id else {
      throw .corrupt(part, place: id.short, reason: "the file's SHA-256 is not its name")
    }
    do throws(RepositoryError) { return try codec.content(ofUnpacked: bytes, part) } catch {
      throw error.located(at: id.short)
    }
  }

  /// Stores the JSON of an index, snapshot or lock file; durable when it returns.
  @discardableResult
  package func save<Role: FileRole>(
    _ json: [UInt8], as role: Identifier<Role>.Type, _ codec: RepositoryCodec
  ) throws(RepositoryError) -> Identifier<Role> {
    let bytes = try codec.unpacked(json)
    let id = try bytes.withBorrowedBytes { (bytes) throws(RepositoryError) in
      codec.identifier(of: bytes, role)
    }
    let path = try path(id)
    try storing { () throws(ObjectStoreError) in try store.put(path, bytes) }
    return id
  }

  /// Removes a file; one that is gone already is no failure.
  package func remove<Role: FileRole>(_ id: Identifier<Role>) throws(RepositoryError) {
    let path = try path(id)
    try storing { () throws(ObjectStoreError) in try store.delete(path) }
  }

  /// Makes deletions durable before those that follow.
  package func synchronize() throws(RepositoryError) {
    try storing { () throws(ObjectStoreError) in try store.synchronize() }
  }

  func storing<Result>(
    _ body: () throws(ObjectStoreError) -> Result
  ) throws(RepositoryError) -> Result {
    do throws(ObjectStoreError) { return try body() } catch { throw .store(error) }
  }

  // MARK: Snapshots

  /// A snapshot's record.
  package func snapshot(
    _ id: SnapshotID, _ codec: RepositoryCodec
  ) throws(RepositoryError) -> SnapshotRecord {
    let json = try load(id, codec)
    do throws(RepositoryError) { return try SnapshotRecord(decoding: json) } catch {
      throw error.located(at: id.short)
    }
  }

  /// All snapshots, oldest first. Those that vanish meanwhile are left out; a damaged one is given
  /// to `onDamage` and left out.
  package func snapshots(
    _ codec: RepositoryCodec, onDamage: (SnapshotID, RepositoryError) -> Void
  ) throws(RepositoryError) -> [StoredSnapshot] {
    var found: [StoredSnapshot] = []
    for id in try list(SnapshotID.self) {
      do throws(RepositoryError) {
        found.append(StoredSnapshot(id: id, record: try snapshot(id, codec)))
      } catch {
        switch error {
        case .missing: continue
        case .corrupt, .unsupported: onDamage(id, error)
        default: throw error
        }
      }
    }
    return found.sorted { a, b in
      if a.record.time.isSameInstant(as: b.record.time) { return a.id < b.id }
      return a.record.time.isBefore(b.record.time)
    }
  }
}

/// A snapshot and its name.
package struct StoredSnapshot: Sendable {
  package let id: SnapshotID
  package let record: SnapshotRecord

  package init(id: SnapshotID, record: SnapshotRecord) {
    self.id = id
    self.record = record
  }
}

extension RepositoryFileKind {
  /// What a file of this kind is in messages.
  var part: RepositoryPart {
    switch self {
    case .key: .key
    case .pack: .pack
    case .index: .index
    case .snapshot: .snapshot
    case .lock: .lock
    }
  }
}
