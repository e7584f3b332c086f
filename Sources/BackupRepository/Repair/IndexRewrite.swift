import ObjectStorage
import Platform

/// Writes index files anew without some of their packs. The old files stay until the caller removes
/// them, so that at every point each pack is listed.
struct IndexRewrite {
  private let repository: Repository
  /// Packs that the new files do not list.
  private let dropped: Set<PackID>
  /// Marks that go on standing, with their times.
  private let marks: [PackID: GoTime]
  private var writer = IndexFileWriter()
  private(set) var newFiles: [IndexID] = []
  /// What was written of each pack: two files may list one.
  private var written: [PackID: Int] = [:]

  init(_ repository: Repository, dropped: Set<PackID>, marks: [PackID: GoTime] = [:]) {
    self.repository = repository
    self.dropped = dropped
    self.marks = marks
  }

  /// Writes what is left of `files`; durable when it returns.
  mutating func run(
    _ files: [IndexID], isCancelled: @Sendable () -> Bool = { false }
  ) throws(RepositoryError) {
    let codec = try repository.makeCodec()
    let reader = IndexReader()
    let text = IndexText()
    var marked: [PackID: [PackEntry]] = [:]
    for file in files.sorted() {
      if isCancelled() { throw .cancelled }
      let json = try repository.load(file, codec)
      guard json.withUnsafeBytes({ text.assign($0) }) else {
        throw .tooLarge(what: "an index file", limit: IndexText.byteCountMax)
      }
      let packs: [ParsedPack]
      do throws(IndexError) {
        let compression: StoredCompression = repository.version == .v1 ? .refused : .allowed
        packs = try reader.read(text, of: file, compression: compression).listedPacks()
      } catch {
        throw RepositoryError(error)
      }
      for pack in packs {
        if pack.isMarked {
          marked[pack.id] = pack.blobs.map(PackEntry.init)
        } else if !dropped.contains(pack.id) {
          try append(pack, codec)
        }
      }
    }
    for (id, entries) in marked.sorted(by: { $0.key < $1.key }) {
      if let time = marks[id] { writer.append(marked: id, since: time, entries) }
    }
    if writer.packCount > 0 { try save(codec) }
  }

  private mutating func append(
    _ pack: ParsedPack, _ codec: RepositoryCodec
  ) throws(RepositoryError) {
    var hasher = Hasher()
    hasher.combine(pack.blobs)
    let content = hasher.finalize()
    guard written[pack.id] != content else { return }
    written[pack.id] = content
    writer.append(pack.id, pack.blobs.lazy.map(PackEntry.init))
    if writer.isFull { try save(codec) }
  }

  private mutating func save(_ codec: RepositoryCodec) throws(RepositoryError) {
    newFiles.append(try repository.save(writer.finish(), as: IndexID.self, codec))
  }
}

extension Repository {
  /// Removes files on as many threads as the store has use for.
  func removeAll<Role: FileRole>(
    _ ids: [Identifier<Role>], isCancelled: @escaping @Sendable () -> Bool = { false }
  ) throws(RepositoryError) {
    guard !ids.isEmpty else { return }
    var paths: [ObjectKey] = []
    for id in ids { paths.append(try path(id)) }
    let keys = paths
    let counter = WorkCounter(ids.count)
    try runRepositoryThreads(
      "remove", min(ids.count, store.connectionsMax), stop: { counter.stop() }
    ) { _ throws(RepositoryError) in
      while let number = counter.take() {
        if isCancelled() { throw .cancelled }
        try self.storing { () throws(ObjectStoreError) in try self.store.delete(keys[number]) }
      }
    }
  }
}
