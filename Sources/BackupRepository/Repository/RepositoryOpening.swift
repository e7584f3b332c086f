import Chunking
import Cryptography
package import ObjectStorage
import Platform

/// What a program chooses when it opens a repository.
package struct RepositoryOptions: Sendable {
  /// Where local caches stand; nil for none.
  package var cacheDirectory: String?
  /// Where unnamed scratch files stand.
  package var temporaryDirectory = "/tmp"
  package var compression = CompressionMode.auto
  /// The key to try first.
  package var keyHint: KeyID?

  package init() {}
}

extension Repository {
  /// Opens the repository of a store with a password.
  ///
  /// The hinted key is tried first, then the others, at most ``KeyFile/attemptsMax``.
  /// - Throws: `RepositoryError.noRepository`, `.wrongKey`, `.corrupt`, `.unsupported`, `.store`.
  package static func open(
    _ store: any ObjectStore, password: [UInt8], options: RepositoryOptions = RepositoryOptions()
  ) throws(RepositoryError) -> Repository {
    let sealedConfig = try loadConfig(store)
    let found = try findKey(store, password: password, hint: options.keyHint)
    let codec = try RepositoryCodec(key: found.key, version: .v1, compression: .auto)
    let config: RepositoryConfig
    do throws(RepositoryError) {
      config = try sealedConfig.withBorrowedBytes { (sealed) throws(RepositoryError) in
        try RepositoryConfig(decoding: try codec.open(sealed, .config))
      }
    } catch {
      throw error.located(at: store.description)
    }
    do throws(ChunkingError) { _ = try ChunkerPolynomial(hex: config.chunkerPolynomial) } catch {
      throw .corrupt(.config, place: store.description, reason: error.message)
    }
    return Repository(
      store: store, config: config, key: found.key, keyID: found.id, options: options)
  }

  private static func loadConfig(_ store: any ObjectStore) throws(RepositoryError) -> [UInt8] {
    do throws(ObjectStoreError) {
      return try store.load(
        try ObjectKey(RepositoryLayout.config), sizeBytesMax: RepositoryConfig.sizeBytesMax)
    } catch {
      if error.kind == .notFound { throw .noRepository(place: store.description) }
      throw .store(error)
    }
  }

  /// The key files of a store, at most as many as are tried.
  private static func keyIDs(
    _ store: any ObjectStore, hint: KeyID?
  ) throws(RepositoryError) -> [KeyID] {
    var ids: [KeyID] = []
    do throws(ObjectStoreError) {
      let prefix = try ObjectPrefix(RepositoryLayout.prefix(of: .key))
      try store.list(prefix) { key, _ throws(ObjectStoreError) in
        if let id = RepositoryLayout.identifier(KeyID.self, of: key.text) { ids.append(id) }
      }
    } catch {
      throw .store(error)
    }
    if let hint, let index = ids.firstIndex(of: hint) {
      ids.remove(at: index)
      ids.insert(hint, at: 0)
    }
    return ids
  }

  private static func findKey(
    _ store: any ObjectStore, password: [UInt8], hint: KeyID?
  ) throws(RepositoryError) -> (key: SealingKey, id: KeyID) {
    let ids = try keyIDs(store, hint: hint)
    guard !ids.isEmpty else { throw .missing(.key, place: store.description) }
    var firstDamage: RepositoryError?
    for id in ids.prefix(KeyFile.attemptsMax) {
      do throws(RepositoryError) {
        if let key = try masterKey(store, id, password: password) { return (key, id) }
      } catch {
        // A damaged key file must not hide a sound one that the password opens.
        guard error.kind == .corrupt || error.kind == .unsupported else { throw error }
        firstDamage = firstDamage ?? error.located(at: id.short)
      }
    }
    if let firstDamage { throw firstDamage }
    throw .wrongKey(place: store.description, keyCount: ids.count)
  }

  /// The bytes of a key file.
  func loadKeyFile(_ id: KeyID) throws(RepositoryError) -> [UInt8] {
    let path = try path(id)
    do throws(ObjectStoreError) {
      return try store.load(path, sizeBytesMax: KeyFile.sizeBytesMax)
    } catch {
      if error.kind == .notFound { throw .missing(.key, place: id.short) }
      throw .store(error)
    }
  }

  /// nil when the password is not the key's.
  private static func masterKey(
    _ store: any ObjectStore, _ id: KeyID, password: [UInt8]
  ) throws(RepositoryError) -> SealingKey? {
    let bytes: [UInt8]
    do throws(ObjectStoreError) {
      bytes = try store.load(
        try ObjectKey(RepositoryLayout.path(of: id)), sizeBytesMax: KeyFile.sizeBytesMax)
    } catch {
      if error.kind == .notFound { return nil }
      throw .store(error)
    }
    let file = try KeyFile(decoding: bytes)
    let derived = try derive(password, file.derivation)
    let codec = try RepositoryCodec(
      key: try SealingKey(derived: derived), version: .v1, compression: .auto)
    return try file.sealedMasterKey.withBorrowedBytes { (sealed) throws(RepositoryError) in
      let content: UnsafeRawBufferPointer
      do throws(RepositoryError) { content = try codec.open(sealed, .key) } catch { return nil }
      return try SealingKey(decoding: content)
    }
  }

  static func derive(
    _ password: [UInt8], _ derivation: KeyDerivation
  ) throws(RepositoryError) -> [UInt8] {
    do throws(CryptographyError) {
      return try scrypt(
        password: password, salt: derivation.salt, n: Int(derivation.n), r: Int(derivation.r),
        p: Int(derivation.p), byteCount: KeyDerivation.keyByteCount)
    } catch {
      throw .cryptography(error, what: "the key of a password")
    }
  }
}
