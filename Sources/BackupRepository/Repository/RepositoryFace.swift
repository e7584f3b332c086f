import ObjectStorage
import Platform

/// What commands show of a repository: its files as they are, its blobs one by one.
package final class RepositoryInspection {
  package let repository: Repository
  private let codec: RepositoryCodec
  private var loaded: BlobReader?

  package init(_ repository: Repository) throws(RepositoryError) {
    self.repository = repository
    codec = try repository.makeCodec()
  }

  // MARK: Files

  /// The file of a kind whose name begins with `prefix`.
  /// - Throws: `RepositoryError.usage` for a prefix that is none or fits several, `.missing`.
  package func find<Role: FileRole>(
    _ role: Identifier<Role>.Type, prefix: String
  ) throws(RepositoryError) -> Identifier<Role> {
    if let id = Identifier<Role>(hex: prefix) { return id }
    guard !prefix.isEmpty, prefix.utf8.count <= 64, prefix.utf8.allSatisfy(isLowerHex) else {
      throw .usage("'\(printable(prefix.utf8.prefix(80)))' is not the beginning of an identifier")
    }
    let found = try repository.list(role).filter { $0.hex.hasPrefix(prefix) }
    guard let first = found.first else { throw .missing(Role.kind.part, place: prefix) }
    guard found.count == 1 else {
      throw .usage("'\(prefix)' is the beginning of \(found.count) identifiers: give more digits")
    }
    return first
  }

  /// The JSON of an index, snapshot or lock file.
  package func json<Role: FileRole>(
    _ id: Identifier<Role>
  ) throws(RepositoryError) -> [UInt8] {
    try repository.load(id, codec)
  }

  /// The JSON of a key file: what is secret in it is sealed.
  package func keyFile(_ id: KeyID) throws(RepositoryError) -> [UInt8] {
    try repository.loadKeyFile(id)
  }

  /// The JSON of the master key, in clear: whoever has it can read the whole repository.
  package var masterKey: [UInt8] { repository.key.encoded() }

  /// Gives a pack's bytes piece by piece, and at the end whether their SHA-256 is its name.
  package func pack(
    _ id: PackID, _ visit: (UnsafeRawBufferPointer) -> Void
  ) throws(RepositoryError) -> Bool {
    let bytes: [UInt8]
    do throws(ObjectStoreError) {
      bytes = try repository.store.load(
        try ObjectKey(RepositoryLayout.path(of: id)),
        sizeBytesMax: RepositoryLimits.packByteCountMax)
    } catch {
      if error.kind == .notFound { throw .missing(.pack, place: id.short) }
      throw .store(error)
    }
    return bytes.withBorrowedBytes { bytes in
      visit(bytes)
      return codec.identifier(of: bytes, PackID.self) == id
    }
  }

  // MARK: Blobs

  /// Loads the index; called before blobs are read, and after the snapshots were listed.
  package func loadIndex() throws(RepositoryError) {
    loaded = try BlobReader(repository, try repository.loadIndex())
  }

  private func reader() throws(RepositoryError) -> BlobReader {
    if loaded == nil { try loadIndex() }
    guard let loaded else { preconditionFailure("an index was loaded") }
    return loaded
  }

  /// A blob's contents.
  package func blob(_ handle: BlobHandle) throws(RepositoryError) -> [UInt8] {
    [UInt8](try reader().read(handle))
  }

  /// A blob of either type.
  package func blob(_ id: BlobID) throws(RepositoryError) -> [UInt8] {
    do throws(RepositoryError) { return try blob(BlobHandle(.data, id)) } catch {
      guard case .missing(.data, _) = error else { throw error }
      do throws(RepositoryError) { return try blob(BlobHandle(.tree, id)) } catch .missing {
        throw error
      }
    }
  }

  /// The tree of a folder of a snapshot; `path` has its components divided by slashes.
  /// - Throws: `RepositoryError.usage` when there is no such folder.
  package func folder(
    _ path: String, of snapshot: SnapshotRecord
  ) throws(RepositoryError) -> BlobID {
    let decoder = try TreeDecoder()
    var tree = snapshot.tree
    for part in path.utf8.split(separator: UInt8(ascii: "/")) {
      let nodes = try reader().tree(tree, decoder, .tolerant)
      let index = Array(part).withUnsafeBytes { nodes.index(of: $0) }
      guard let index, let subtree = nodes.nodes[index].facts.subtree else {
        throw .usage("the snapshot has no folder '\(printable(path.utf8))'")
      }
      tree = subtree
    }
    return tree
  }

  /// Deepest folder that is walked into; paths of Linux have at most 2048 parts.
  package static let depthMax = 1 << 14

  /// Gives every node below a tree, a folder before what is in it, by the order of the names; and
  /// goes into folders for which `visit` says so.
  ///
  /// `path` is the one of the tree itself, empty for the root. Damaged nodes are given to
  /// `onDamage` and left out.
  package func walk(
    _ tree: BlobID, at path: [UInt8] = [], onDamage: (String) -> Void,
    _ visit: (_ path: [UInt8], NodeFields) -> Bool
  ) throws(RepositoryError) {
    let decoder = try TreeDecoder()
    var stack: [(tree: Tree, next: Int, path: [UInt8])] = []
    func enter(_ id: BlobID, _ path: [UInt8]) throws(RepositoryError) {
      guard stack.count < RepositoryInspection.depthMax else {
        throw .tooLarge(what: "folders in folders", limit: RepositoryInspection.depthMax)
      }
      let tree = try reader().tree(id, decoder, .tolerant)
      for fault in tree.damage { onDamage("\(printable(path))/\(fault.name): \(fault.reason)") }
      stack.append((tree, 0, path))
    }
    try enter(tree, path)
    while let top = stack.last {
      guard top.next < top.tree.nodes.count else {
        stack.removeLast()
        continue
      }
      stack[stack.count - 1].next += 1
      let node = top.tree.nodes[top.next]
      let path = top.path + [UInt8(ascii: "/")] + top.tree.name(of: node)
      let goesOn = top.tree.withFields(of: node) { visit(path, $0) }
      if goesOn, let subtree = node.facts.subtree { try enter(subtree, path) }
    }
  }
}

private func isLowerHex(_ byte: UInt8) -> Bool {
  (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
}

extension Repository {
  /// All snapshots, oldest first; see ``snapshots(_:onDamage:)``.
  package func snapshots(
    onDamage: (SnapshotID, RepositoryError) -> Void
  ) throws(RepositoryError) -> [StoredSnapshot] {
    try snapshots(try makeCodec(), onDamage: onDamage)
  }
}
