import Cryptography
import ObjectStorage
import Platform

extension Repository {
  /// Loads the index of all index files that the store lists now; snapshots that are to be found in
  /// it have to be listed before.
  ///
  /// With `onDamage`, called on several threads, damaged index files are told and passed over.
  /// - Throws: `RepositoryError` of the index file that cannot be read.
  func loadIndex(
    threadCount: Int = 2, temporaryDirectory: String? = nil, cache: IndexCacheUse = .allowed,
    onDamage: (@Sendable (IndexID, RepositoryError) -> Void)? = nil
  ) throws(RepositoryError) -> BlobIndex {
    var ids = try list(IndexID.self)
    var repository = [UInt8](repeating: 0, count: 32)
    repository.withUnsafeMutableBytes { config.id.copy(to: $0) }
    while true {
      do throws(IndexError) {
        let loader = try IndexLoader(
          repository: repository, secret: key.encryption + key.macK,
          cacheDirectory: cache == .allowed ? cacheDirectory : nil,
          temporaryDirectory: temporaryDirectory ?? self.temporaryDirectory,
          compression: version == .v1 ? .refused : .allowed, threadCount: threadCount)
        return try loader.load(ids) { id, text in try self.read(id, into: text, onDamage) }
      } catch {
        guard let onDamage, case .corrupt(let id, _, _) = error, ids.contains(id) else {
          throw RepositoryError(error)
        }
        onDamage(id, RepositoryError(error))
        ids.removeAll { $0 == id }
      }
    }
  }

  private func read(
    _ id: IndexID, into text: IndexText, _ onDamage: ((IndexID, RepositoryError) -> Void)?
  ) throws(RepositoryError) {
    let json: [UInt8]
    do throws(RepositoryError) { json = try load(id, try makeCodec()) } catch {
      guard let onDamage, error.isDamage else { throw error }
      onDamage(id, error)
      json = IndexFileWriter.emptyText
    }
    let isTaken = json.withUnsafeBytes { text.assign($0) }
    guard isTaken else {
      throw .tooLarge(what: "an index file", limit: IndexText.byteCountMax)
    }
  }

  /// Writes an index file of stored packs.
  @discardableResult
  func saveIndex(
    _ packs: [StoredPack], _ codec: RepositoryCodec
  ) throws(RepositoryError) -> IndexID {
    var writer = IndexFileWriter()
    for pack in packs { writer.append(pack.id, pack.blobs.lazy.map(PackEntry.init)) }
    return try save(writer.finish(), as: IndexID.self, codec)
  }
}

/// Whether an index may come from the local cache.
enum IndexCacheUse: Sendable {
  case allowed
  /// Every index file is read from the store, and nothing is kept.
  case refused
}

extension PackEntry {
  init(_ blob: PackedBlob) {
    self.init(
      blob.blob, offset: blob.offset, sealedLength: blob.sealedLength,
      plaintextLength: blob.plaintextLength)
  }
}

extension PackedBlob {
  init(_ entry: PackEntry) {
    self.init(
      blob: entry.handle, offset: entry.offset, sealedLength: entry.sealedLength,
      plaintextLength: entry.plaintextLength)
  }
}

extension RepositoryError {
  /// An index failure in the terms of the repository: damage keeps its kind.
  init(_ error: IndexError) {
    switch error {
    case .unreadable(_, let cause):
      if let cause = cause as? RepositoryError { self = cause } else { self = .other(error) }
    default: self = .other(error)
    }
  }
}
