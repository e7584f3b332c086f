import Platform

/// The outcome of `repair packs`.
package struct RepairPacksReport: Sendable {
  package var savedBlobCount = 0
  /// Blobs that cannot be read: lost unless another pack holds them.
  package var lostBlobs: [BlobHandle] = []
  package var removedPacks: [PackID] = []
}

/// Saves what is readable of damaged packs into new packs, then removes the damaged ones from index
/// and store.
///
/// What stands in a pack is known from the index and from its header, whichever is sound: run it
/// before `repair index` drops a pack whose header is damaged. In the order of a prune, so that
/// nothing that can be read is lost wherever it is interrupted. The caller holds an exclusive lock.
package struct RepairPacks {
  private let repository: Repository
  private let packs: Set<PackID>
  private let isCancelled: @Sendable () -> Bool

  package init(
    _ repository: Repository, _ packs: [PackID],
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) {
    self.repository = repository
    self.packs = Set(packs)
    self.isCancelled = isCancelled
  }

  package func run() throws(RepositoryError) -> RepairPacksReport {
    let index = try repository.loadIndex(cache: .refused)
    var sizes: [PackID: Int64] = [:]
    try repository.list(PackID.self) { id, sizeBytes in
      if packs.contains(id) { sizes[id] = sizeBytes }
    }
    var entries: [PackID: Set<PackEntry>] = [:]
    var files: Set<IndexID> = []
    try index.reading { (index) throws(IndexError) in
      try index.forEachPackWithEntries { pack, blobs in
        guard packs.contains(pack.id) else { return }
        files.insert(pack.indexFile)
        entries[pack.id, default: []].formUnion(blobs.map(PackEntry.init))
      }
    }
    for id in packs where sizes[id] == nil && entries[id] == nil {
      throw .missing(.pack, place: id.short)
    }
    var report = RepairPacksReport()
    try save(index, sizes, entries, &report)
    try replace(files, &report)
    return report
  }

  private func save(
    _ index: BlobIndex, _ sizes: [PackID: Int64], _ entries: [PackID: Set<PackEntry>],
    _ report: inout RepairPacksReport
  ) throws(RepositoryError) {
    let codec = try repository.makeCodec()
    let reader = try BlobReader(repository, index)
    let writer = PackWriter(repository)
    do throws(RepositoryError) {
      for (id, sizeBytes) in sizes.sorted(by: { $0.key < $1.key }) {
        var all = entries[id] ?? []
        do throws(RepositoryError) {
          let header = try PackHeaderReader.read(repository, id, sizeBytes: sizeBytes, codec)
          all.formUnion(header)
        } catch {
          guard error.isDamage else { throw error }
        }
        for entry in all.sorted(by: { $0.offset < $1.offset }) {
          if isCancelled() { throw .cancelled }
          try save(entry, of: id, reader, codec, writer, &report)
        }
      }
      try writer.finish(codec)
    } catch {
      writer.abandon()
      throw error
    }
  }

  private func save(
    _ entry: PackEntry, of pack: PackID, _ reader: BlobReader, _ codec: RepositoryCodec,
    _ writer: PackWriter, _ report: inout RepairPacksReport
  ) throws(RepositoryError) {
    let place = BlobLocation(
      pack: pack, offset: entry.offset, sealedLength: entry.sealedLength,
      plaintextLength: entry.plaintextLength)
    let plaintext: UnsafeRawBufferPointer
    do throws(RepositoryError) { plaintext = try reader.read(entry.handle, place) } catch {
      guard error.isDamage else { throw error }
      report.lostBlobs.append(entry.handle)
      return
    }
    let blob = try codec.compressed(
      plaintext, isCompressed: entry.handle.type == .tree || repository.compression != .off)
    try writer.add(
      sealing: blob.content, by: codec, entry.handle, plaintextLength: blob.plaintextLength)
    report.savedBlobCount += 1
  }

  private func replace(
    _ files: Set<IndexID>, _ report: inout RepairPacksReport
  ) throws(RepositoryError) {
    var rewrite = IndexRewrite(
      repository, dropped: packs, marks: try PackMarks.read(repository, files))
    try rewrite.run(Array(files), isCancelled: isCancelled)
    try repository.removeAll(Array(files))
    try repository.synchronize()
    try repository.removeAll(Array(packs))
    try repository.synchronize()
    report.removedPacks = packs.sorted()
  }
}
