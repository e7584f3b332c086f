import Chunking
import Cryptography
package import ObjectStorage
import Platform

extension Repository {
  /// What a new repository gets.
  package struct Creation: Sendable {
    package var version = RepositoryVersion.v2
    /// Another repository's polynomial, so that both cut files alike; nil for a new one.
    package var chunkerPolynomial: String?
    package var username = ""
    package var hostname = ""

    package init() {}
  }

  /// Makes a repository in a store. The key comes first and the config last: only with it there is
  /// a repository, so that an interrupted call leaves none.
  /// - Throws: `RepositoryError.exists` when config, a key or a snapshot is there.
  package static func create(
    _ store: any ObjectStore, password: [UInt8], _ creation: Creation,
    options: RepositoryOptions = RepositoryOptions(), now: GoTime
  ) throws(RepositoryError) -> Repository {
    try requireEmpty(store)
    let key = SealingKey.generated()
    let polynomial: String
    do throws(ChunkingError) {
      polynomial =
        try creation.chunkerPolynomial.map { (hex) throws(ChunkingError) in
          try ChunkerPolynomial(hex: hex).hex
        } ?? ChunkerPolynomial.random { SecureRandom.integer() }.hex
    } catch {
      throw .usage("the chunker polynomial: \(error.message)")
    }
    let config = RepositoryConfig(
      version: creation.version, id: randomIdentifier(), chunkerPolynomial: polynomial)
    let keyID = try addKey(key, password: password, creation, to: store, now: now)
    let codec = try RepositoryCodec(key: key, version: .v1, compression: .auto)
    let sealed = try codec.sealed(config.encoded())
    do throws(ObjectStoreError) {
      try store.put(try ObjectKey(RepositoryLayout.config), sealed)
    } catch {
      throw .store(error)
    }
    return Repository(store: store, config: config, key: key, keyID: keyID, options: options)
  }

  private static func randomIdentifier<Role>() -> Identifier<Role> {
    Identifier(
      words: (
        SecureRandom.integer(), SecureRandom.integer(), SecureRandom.integer(),
        SecureRandom.integer()
      ))
  }

  private static func requireEmpty(_ store: any ObjectStore) throws(RepositoryError) {
    var found: String?
    do throws(ObjectStoreError) {
      let config = try ObjectKey(RepositoryLayout.config)
      do throws(ObjectStoreError) {
        _ = try store.stat(config)
        found = "config"
      } catch {
        guard error.kind == .notFound else { throw error }
      }
      for kind in [RepositoryFileKind.key, .snapshot] where found == nil {
        try store.list(try ObjectPrefix(RepositoryLayout.prefix(of: kind))) { key, _ in
          found = found ?? key.text
        }
      }
    } catch {
      throw .store(error)
    }
    if let found { throw .exists(place: store.description, found: found) }
  }

  /// Stores a key file that opens `key` with `password`.
  private static func addKey(
    _ key: SealingKey, password: [UInt8], _ creation: Creation, to store: any ObjectStore,
    now: GoTime
  ) throws(RepositoryError) -> KeyID {
    let standard = KeyDerivation.standard
    let derivation = try KeyDerivation(
      n: UInt64(standard.n), r: UInt64(standard.r), p: UInt64(standard.p),
      salt: SecureRandom.bytes(KeyDerivation.saltByteCount))
    let derived = try derive(password, derivation)
    let codec = try RepositoryCodec(
      key: try SealingKey(derived: derived), version: .v1, compression: .auto)
    let file = KeyFile(
      created: now, username: creation.username, hostname: creation.hostname,
      derivation: derivation, sealedMasterKey: try codec.sealed(key.encoded()))
    let bytes = file.encoded()
    let id = try bytes.withBorrowedBytes { (bytes) throws(RepositoryError) in
      codec.identifier(of: bytes, KeyID.self)
    }
    do throws(ObjectStoreError) {
      try store.put(try ObjectKey(RepositoryLayout.path(of: id)), bytes)
    } catch {
      throw .store(error)
    }
    return id
  }
}
