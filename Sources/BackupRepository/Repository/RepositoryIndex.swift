import Cryptography
import ObjectStorage
import Platform

extension Repository {
  /// Loads the index of all index files that the store lists now; snapshots that are to be found in
  /// it have to be listed before.
  /// - Throws: `RepositoryError` of the index file that cannot be read.
  func loadIndex(
    threadCount: Int = 2, temporaryDirectory: String? = nil
  ) throws(RepositoryError) -> BlobIndex {
    let ids = try list(IndexID.self)
    var repository = [UInt8](repeating: 0, count: 32)
    repository.withUnsafeMutableBytes { config.id.copy(to: $0) }
    do throws(IndexError) {
      let loader = try IndexLoader(
        repository: repository, secret: key.encryption + key.macK,
        cacheDirectory: cacheDirectory,
        temporaryDirectory: temporaryDirectory ?? self.temporaryDirectory,
        compression: version == .v1 ? .refused : .allowed, threadCount: threadCount)
      return try loader.load(ids) { id, text in
        let codec = try self.makeCodec()
        let json = try self.load(id, codec)
        let isTaken = try json.withBorrowedBytes { (bytes) throws(RepositoryError) in
          text.assign(bytes)
        }
        guard isTaken else {
          throw RepositoryError.tooLarge(what: "an index file", limit: IndexText.byteCountMax)
        }
      }
    } catch {
      throw RepositoryError(error)
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
