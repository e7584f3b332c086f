import Cryptography
import ObjectStorage
import Platform

/// Reads packs whole: the name is the SHA-256 of the bytes, each blob opens, decompresses and has
/// the hash that names it, and the header says the same as the index. One thread; keeps its
/// buffers.
final class PackContentCheck {
  /// What one read brings in, unless a blob is longer.
  private static let windowByteCount = 4 << 20

  private let repository: Repository
  private let findings: CheckFindings
  private let codec: RepositoryCodec
  private let buffer = CodecBuffer()
  private var hash: SHA256Lane

  init(_ repository: Repository, _ findings: CheckFindings) throws(RepositoryError) {
    self.repository = repository
    self.findings = findings
    codec = try repository.makeCodec()
    do throws(CryptographyError) { hash = try SHA256Lane() } catch {
      throw .cryptography(error, what: "a pack")
    }
  }

  /// Checks one pack; `blobs` in the order of their offsets, as the index lists them.
  func run(
    _ id: PackID, sizeBytes: Int64, _ blobs: [PackedBlob]
  ) throws(RepositoryError) {
    hash.reset()
    do throws(RepositoryError) {
      let end = try readBlobs(id, sizeBytes: sizeBytes, blobs)
      try readRest(id, from: end, sizeBytes: sizeBytes, blobs)
    } catch {
      guard error.isDamage || error.kind == .failed else { throw error }
      findings.error(.pack, id.short, error)
      return
    }
    let found = withUnsafeTemporaryAllocation(byteCount: SHA256.byteCount, alignment: 8) { digest in
      hash.finish(into: digest)
      return PackID(UnsafeRawBufferPointer(digest))
    }
    if found != id {
      findings.error(.pack, id.short, "the SHA-256 of its bytes is not its name")
    }
  }

  /// Reads a range; shorter only when the pack ends within it.
  private func read(
    _ id: PackID, _ range: Range<Int64>
  ) throws(RepositoryError) -> UnsafeRawBufferPointer {
    let target = buffer.reserve(Int(range.upperBound - range.lowerBound))
    let path = try repository.path(id)
    let count: Int
    do throws(ObjectStoreError) {
      count = try repository.store.get(path, offset: range.lowerBound, into: target)
    } catch {
      if error.kind == .notFound { throw .missing(.pack, place: id.short) }
      throw .store(error)
    }
    guard count == target.count else {
      throw .corrupt(
        .pack, place: id.short, reason: "it ends at byte \(range.lowerBound + Int64(count))")
    }
    return UnsafeRawBufferPointer(target)
  }

  /// Reads and opens the blobs that stand one behind the other from the start; gives where they
  /// end. What stands elsewhere by a wrong index is told, and not looked for.
  private func readBlobs(
    _ id: PackID, sizeBytes: Int64, _ blobs: [PackedBlob]
  ) throws(RepositoryError) -> Int64 {
    var position: Int64 = 0
    var next = 0
    while next < blobs.count {
      var last = next
      var end = position
      while last < blobs.count, Int64(blobs[last].offset) == end {
        let length = Int64(blobs[last].sealedLength)
        if last > next, end - position + length > Int64(Self.windowByteCount) { break }
        if end + length > sizeBytes || length > RepositoryLimits.sealedBlobByteCountMax { break }
        end += length
        last += 1
      }
      guard last > next else {
        findings.error(
          .pack, id.short,
          "the index places blob \(blobs[next].blob.id.short) at bytes \(blobs[next].offset) to "
            + "\(UInt64(blobs[next].offset) + UInt64(blobs[next].sealedLength)) of "
            + "\(sizeBytes), which cannot be",
          remedy: CheckRemedy.repairIndex)
        return position
      }
      let bytes = try read(id, position..<end)
      open(blobs[next..<last], id, bytes)
      position = end
      next = last
    }
    return position
  }

  /// Opens blobs that fill `bytes`, one behind the other, and adds the bytes to the pack's hash.
  private func open(
    _ blobs: ArraySlice<PackedBlob>, _ pack: PackID, _ bytes: UnsafeRawBufferPointer
  ) {
    var position = 0
    var next = blobs.startIndex
    while next < blobs.endIndex {
      let blob = sealed(blobs[next], bytes, position)
      let isPair = next + 1 < blobs.endIndex && blob.isSmall
      let second = isPair ? sealed(blobs[next + 1], bytes, position + blob.bytes.count) : nil
      if let second, second.isSmall {
        let count = blob.bytes.count + second.bytes.count
        hash.update(UnsafeRawBufferPointer(rebasing: bytes[position..<position + count]))
        let outcomes = codec.openPair(blob, second)
        tell(outcomes.0, blobs[next], pack)
        tell(outcomes.1, blobs[next + 1], pack)
        position += count
        next += 2
      } else {
        tell(codec.open(blob, addingTo: &hash), blobs[next], pack)
        position += blob.bytes.count
        next += 1
      }
    }
  }

  private func sealed(
    _ blob: PackedBlob, _ bytes: UnsafeRawBufferPointer, _ position: Int
  ) -> SealedBlob {
    let range = position..<position + Int(blob.sealedLength)
    return SealedBlob(
      bytes: UnsafeRawBufferPointer(rebasing: bytes[range]), plaintextLength: blob.plaintextLength,
      handle: blob.blob)
  }

  private func tell(_ outcome: RepositoryCodec.Opened, _ blob: PackedBlob, _ pack: PackID) {
    guard case .failure(let error) = outcome else { return }
    findings.error(
      blob.blob.type == .tree ? .tree : .data, blob.blob.id.short,
      "\(error.message) (pack \(pack.short), byte \(blob.offset))")
  }

  /// Reads what stands behind the blobs: the header and its length.
  private func readRest(
    _ id: PackID, from start: Int64, sizeBytes: Int64, _ blobs: [PackedBlob]
  ) throws(RepositoryError) {
    let headerMax = Int64(PackHeader.sealedByteCountMax + PackHeader.lengthFieldByteCount)
    if sizeBytes - start > headerMax {
      // Not what the index says; the bytes count for the name all the same.
      var position = start
      while position < sizeBytes {
        let end = min(sizeBytes, position + Int64(Self.windowByteCount))
        hash.update(try read(id, position..<end))
        position = end
      }
    } else {
      hash.update(try read(id, start..<sizeBytes))
    }
    do throws(RepositoryError) {
      let entries = try PackHeaderReader.read(repository, id, sizeBytes: sizeBytes, codec)
      if entries != blobs.map(PackEntry.init) {
        findings.error(
          .packHeader, id.short, "it lists other blobs than the index",
          remedy: CheckRemedy.repairIndex)
      }
    } catch {
      guard error.isDamage else { throw error }
      findings.error(.packHeader, id.short, error)
    }
  }
}
