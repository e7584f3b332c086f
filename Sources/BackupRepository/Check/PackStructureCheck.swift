import Platform

/// Compares the packs that the index lists with those that the store lists.
struct PackStructureCheck {
  private let repository: Repository
  private let index: BlobIndex
  private let findings: CheckFindings

  /// A pack as the index describes it: some 60 bytes each are held.
  private struct Described {
    var byteCount: Int64
    var entriesHash: Int
    var file: IndexID
    var listedBytes: Int64 = -1
  }

  init(_ repository: Repository, _ index: BlobIndex, _ findings: CheckFindings) {
    self.repository = repository
    self.index = index
    self.findings = findings
  }

  /// Gives the packs that the index and the store list, by identifier.
  func run() throws(RepositoryError) -> [ListedPack] {
    var marked: Set<PackID> = []
    var described = try describe(&marked)
    var orphanCount = 0
    var orphanBytes: Int64 = 0
    var present: [ListedPack] = []
    try repository.list(PackID.self) { id, sizeBytes in
      if described[id] != nil {
        described[id]?.listedBytes = sizeBytes
        present.append(ListedPack(id: id, sizeBytes: UInt64(max(0, sizeBytes))))
      } else if !marked.contains(id) {
        orphanCount += 1
        orphanBytes += sizeBytes
        if orphanCount <= 10 {
          findings.hint(
            .pack, id.short, "no index lists it",
            remedy: "If blobs are missing, run `repair index`; else `prune` removes it.")
        }
      }
    }
    if orphanCount > 10 {
      findings.hint(
        .pack, "", "\(orphanCount) packs (\(orphanBytes) bytes) that no index lists",
        remedy: "If blobs are missing, run `repair index`; else `prune` removes them.")
    }
    for (id, pack) in described.sorted(by: { $0.key < $1.key }) { compare(id, pack) }
    return present.sorted { $0.id < $1.id }
  }

  private func compare(_ id: PackID, _ pack: Described) {
    if pack.listedBytes < 0 {
      findings.error(
        .pack, id.short, "the index lists it, but it is missing", remedy: CheckRemedy.lostPack)
    } else if pack.listedBytes < pack.byteCount {
      findings.error(
        .pack, id.short,
        "it is cut short: \(pack.listedBytes) bytes instead of \(pack.byteCount), as the index "
          + "describes it",
        remedy: CheckRemedy.shortPack)
    } else if pack.listedBytes > pack.byteCount {
      findings.error(
        .pack, id.short, "\(pack.listedBytes) bytes instead of \(pack.byteCount)",
        remedy: CheckRemedy.repairIndex)
    }
  }

  private func describe(
    _ marked: inout Set<PackID>
  ) throws(RepositoryError) -> [PackID: Described] {
    var described: [PackID: Described] = [:]
    do throws(IndexError) {
      try index.forEachPackWithEntries { pack, blobs in
        if pack.isMarked {
          marked.insert(pack.id)
          return
        }
        var hasher = Hasher()
        hasher.combine(blobs)
        let entries = blobs.lazy.map(PackEntry.init)
        let now = Described(
          byteCount: PackHeader.packByteCount(of: entries), entriesHash: hasher.finalize(),
          file: pack.indexFile)
        if let earlier = described[pack.id] {
          tellTwice(pack, now, earlier)
        } else {
          described[pack.id] = now
          checkPlaces(pack, blobs)
        }
      }
    } catch {
      throw RepositoryError(error)
    }
    return described
  }

  private func tellTwice(_ pack: IndexedPack, _ now: Described, _ earlier: Described) {
    let files = "index files \(earlier.file.short) and \(now.file.short) list it"
    if now.entriesHash == earlier.entriesHash {
      findings.hint(.pack, pack.id.short, files, remedy: CheckRemedy.prune)
    } else {
      findings.error(
        .pack, pack.id.short, "\(files) with different blobs", remedy: CheckRemedy.repairIndex)
    }
  }

  /// Blobs stand one behind the other from the start; trees and data are not mixed since version 2.
  private func checkPlaces(_ pack: IndexedPack, _ blobs: [PackedBlob]) {
    var end: UInt64 = 0
    for blob in blobs {
      guard UInt64(blob.offset) == end else {
        findings.error(
          .index, pack.indexFile.short,
          "in pack \(pack.id.short), \(UInt64(blob.offset) > end ? "a gap" : "an overlap") at byte "
            + "\(min(UInt64(blob.offset), end))",
          remedy: CheckRemedy.repairIndex)
        return
      }
      end += UInt64(blob.sealedLength)
    }
    if let type = blobs.first?.blob.type, blobs.contains(where: { $0.blob.type != type }) {
      findings.hint(
        .pack, pack.id.short, "it holds both trees and data", remedy: CheckRemedy.prune)
    }
  }
}
