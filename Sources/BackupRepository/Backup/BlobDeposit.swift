import Compression
import Cryptography
import Platform

/// Stores blobs that the repository does not have. Shared by all threads of a backup.
final class BlobDeposit: Sendable {
  private let index: BlobIndex
  private let pending = PendingIndex()
  /// Nil in a dry run: everything but storing is done.
  private let writer: PackWriter?
  private let compressesData: Bool

  init(_ index: BlobIndex, _ writer: PackWriter?, compressesData: Bool) {
    self.index = index
    self.writer = writer
    self.compressesData = compressesData
  }

  /// Whether the repository has the blob, or will have it by the end of this run.
  func has(_ handle: BlobHandle) throws(RepositoryError) -> Bool {
    if pending.contains(handle) { return true }
    do throws(IndexError) { return try index.contains(handle) } catch {
      throw RepositoryError(error)
    }
  }

  /// Stores bytes unless they are there, and gives their identifier.
  func store(
    _ bytes: UnsafeRawBufferPointer, _ type: BlobType, _ codec: RepositoryCodec,
    _ tally: inout BackupTally
  ) throws(RepositoryError) -> BlobID {
    let id = codec.identifier(of: bytes, BlobID.self)
    let handle = BlobHandle(type, id)
    if try has(handle) || !pending.insertIfAbsent(handle) { return id }
    let isTree = type == .tree
    // Trees are compressed always: restic's prune rewrites packs that hold others.
    let isCompressed =
      isTree || (compressesData && !Compressibility.looksIncompressible(bytes))
    let blob = try codec.compressed(bytes, isCompressed: isCompressed, keepsLongerFrame: isTree)
    try writer?.add(
      sealing: blob.content, by: codec, handle, plaintextLength: blob.plaintextLength)
    let entryByteCount =
      blob.plaintextLength == 0
      ? PackHeader.entryByteCount : PackHeader.compressedEntryByteCount
    if isTree { tally.summary.treeBlobs += 1 } else { tally.summary.dataBlobs += 1 }
    tally.summary.dataAdded += UInt64(bytes.count)
    tally.summary.dataAddedPacked += UInt64(
      blob.content.count + Sealer.overheadByteCount + entryByteCount)
    return id
  }
}
