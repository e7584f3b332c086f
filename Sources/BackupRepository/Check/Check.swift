import Platform

/// Checks a repository: that everything snapshots refer to is there, in the right form, and with
/// ``CheckOptions/Reading`` that every byte is as it was written.
///
/// Damage is a finding, and the check goes on; only a store that fails ends it. The index is read
/// from the store, never from a cache. The caller holds an exclusive lock, or accepts findings that
/// a writer at work causes.
/// Source: the restic repository format, "forget / prune / check".
package struct Check {
  private let repository: Repository
  private let options: CheckOptions
  private let observe: @Sendable (CheckEvent) -> Void
  private let findings: CheckFindings
  private var threadCount: Int {
    options.threadCount > 0 ? options.threadCount : processorCount
  }

  package init(
    _ repository: Repository, _ options: CheckOptions = CheckOptions(),
    observe: @escaping @Sendable (CheckEvent) -> Void = { _ in }
  ) {
    self.repository = repository
    self.options = options
    self.observe = observe
    findings = CheckFindings(observe)
  }

  package func run() throws(RepositoryError) -> CheckReport {
    var report = CheckReport()
    let codec = try repository.makeCodec()
    try checkKeys(codec)
    // Snapshots before the index: what is added meanwhile is in the index then.
    let roots = try snapshotTrees(codec, &report)
    observe(.started(.index))
    report.indexFileCount = try repository.list(IndexID.self).count
    let index = try repository.loadIndex(
      threadCount: threadCount, temporaryDirectory: options.temporaryDirectory, cache: .refused
    ) { [findings] id, error in
      findings.error(.index, id.short, error)
    }
    try checkCancelled()
    observe(.started(.packs))
    let packs = try PackStructureCheck(repository, index, findings).run()
    report.packCount = packs.count
    try checkCancelled()
    observe(.started(.snapshots))
    let used = try walk(roots, index)
    try count(index, used, &report)
    try readData(index, packs, &report)
    findings.fill(&report)
    return report
  }

  private func checkCancelled() throws(RepositoryError) {
    if options.isCancelled() { throw .cancelled }
  }

  // MARK: Keys and snapshots

  private func checkKeys(_ codec: RepositoryCodec) throws(RepositoryError) {
    for id in try repository.list(KeyID.self) {
      do throws(RepositoryError) {
        let bytes = try repository.loadKeyFile(id)
        let found = bytes.withUnsafeBytes { codec.identifier(of: $0, KeyID.self) }
        guard found == id else {
          throw .corrupt(.key, place: id.short, reason: "the file's SHA-256 is not its name")
        }
        _ = try KeyFile(decoding: bytes)
      } catch {
        guard error.isDamage else { throw error }
        findings.error(.key, id.short, error)
      }
    }
  }

  private func snapshotTrees(
    _ codec: RepositoryCodec, _ report: inout CheckReport
  ) throws(RepositoryError) -> [BlobID] {
    let snapshots = try repository.snapshots(codec) { id, error in
      findings.error(.snapshot, id.short, error)
    }
    report.snapshotCount = snapshots.count
    return snapshots.map(\.record.tree)
  }

  // MARK: Trees

  private func walk(_ roots: [BlobID], _ index: BlobIndex) throws(RepositoryError) -> UsedBlobSet {
    var walk = UsedBlobs.Options()
    walk.threadCount = max(threadCount, repository.readerCount)
    walk.isCancelled = options.isCancelled
    let findings = findings
    return try UsedBlobs.walk(
      repository, index, roots: roots, options: walk,
      visitTree: { (id, tree) throws(RepositoryError) in
        for damage in tree.damage {
          let name = damage.name.isEmpty ? "a node" : "node \(damage.name)"
          findings.error(.tree, id.short, "\(name): \(damage.reason)")
        }
        if tree.damageCount > tree.damage.count {
          findings.error(
            .tree, id.short, "\(tree.damageCount - tree.damage.count) more damaged nodes")
        }
      },
      visitBlob: { (blob, isIndexed) throws(RepositoryError) in
        guard !isIndexed else { return }
        findings.error(
          blob.type == .tree ? .tree : .data, blob.id.short,
          "a snapshot refers to it, but no index lists it", remedy: CheckRemedy.missingBlob)
      },
      onDamage: { (id, error) throws(RepositoryError) in
        // That the index lacks it was told above.
        if case .missing(.tree, _) = error { return }
        findings.error(.tree, id.short, error)
      })
  }

  private func count(
    _ index: BlobIndex, _ used: UsedBlobSet, _ report: inout CheckReport
  ) throws(RepositoryError) {
    var unused = 0
    var unusedBytes: UInt64 = 0
    var duplicates = 0
    try index.reading { (index) throws(IndexError) in
      try IndexedEntries(index).forEachBlob { _, copies in
        duplicates += copies.count - 1
        guard !copies.contains(where: { used.known.contains($0.entry) }) else { return }
        unused += 1
        for copy in copies { unusedBytes &+= UInt64(copy.sealedLength) }
      }
    }
    report.usedBlobCount = used.count
    report.unusedBlobCount = unused
    report.duplicateCount = duplicates
    if unused > 0 {
      findings.hint(
        .data, "", "\(unused) blobs (\(unusedBytes) bytes) that no snapshot uses",
        remedy: CheckRemedy.prune)
    }
  }

  // MARK: Data

  private func readData(
    _ index: BlobIndex, _ packs: [ListedPack], _ report: inout CheckReport
  ) throws(RepositoryError) {
    let chosen: [ListedPack]
    switch options.reading {
    case .none: return
    case .all: chosen = packs
    case .subset(let subset):
      var generator = SecureGenerator()
      chosen = subset.choose(among: packs, using: &generator)
    }
    observe(.started(.data))
    let reading = PackReading(
      repository, index, findings, chosen, isCancelled: options.isCancelled, observe: observe)
    try reading.run(threadCount: threadCount)
    report.readPackCount = chosen.count
    report.readBytes = reading.byteCount
  }
}

/// Numbers of the kernel as a generator.
private struct SecureGenerator: RandomNumberGenerator {
  mutating func next() -> UInt64 { SecureRandom.integer() }
}
