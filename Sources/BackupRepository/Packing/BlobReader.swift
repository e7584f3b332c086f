import ObjectStorage
import Platform

/// Reads single blobs. Confined to one thread; keeps its buffers.
final class BlobReader {
  private let repository: Repository
  private let index: BlobIndex
  private let codec: RepositoryCodec
  private let buffer = CodecBuffer()

  init(_ repository: Repository, _ index: BlobIndex) throws(RepositoryError) {
    self.repository = repository
    self.index = index
    codec = try repository.makeCodec()
  }

  /// A blob's contents, checked against its identifier; valid until the next call.
  ///
  /// Of several copies a damaged one is passed over.
  /// - Throws: `RepositoryError.missing`, `.corrupt` of the last copy, `.store`.
  func read(_ handle: BlobHandle) throws(RepositoryError) -> UnsafeRawBufferPointer {
    let copies: [BlobLocation]
    do throws(IndexError) { copies = try index.locations(of: handle) } catch {
      throw RepositoryError(error)
    }
    let part: RepositoryPart = handle.type == .tree ? .tree : .data
    var failure = RepositoryError.missing(part, place: handle.id.short)
    for copy in copies {
      do throws(RepositoryError) { return try read(handle, copy) } catch {
        guard error.kind == .corrupt || error.kind == .notFound else { throw error }
        failure = error
      }
    }
    throw failure
  }

  /// One copy of a blob.
  func read(
    _ handle: BlobHandle, _ copy: BlobLocation
  ) throws(RepositoryError) -> UnsafeRawBufferPointer {
    guard copy.byteCount <= RepositoryLimits.blobByteCountMax else {
      throw .tooLarge(
        what: "blob \(handle.id.short) of \(copy.byteCount) bytes",
        limit: RepositoryLimits.blobByteCountMax)
    }
    let target = buffer.reserve(Int(copy.sealedLength))
    let path = try repository.path(copy.pack)
    let count: Int
    do throws(ObjectStoreError) {
      count = try repository.store.get(path, offset: Int64(copy.offset), into: target)
    } catch {
      if error.kind == .notFound { throw .missing(.pack, place: copy.pack.short) }
      throw .store(error)
    }
    guard count == target.count else {
      throw .corrupt(.pack, place: copy.pack.short, reason: "it ends before byte \(copy.offset)")
    }
    return try codec.openBlob(
      UnsafeRawBufferPointer(target), plaintextLength: copy.plaintextLength, handle)
  }

  /// A decoded tree.
  func tree(
    _ id: BlobID, _ decoder: TreeDecoder, _ tolerance: TreeTolerance
  ) throws(RepositoryError) -> Tree {
    let bytes = try read(BlobHandle(.tree, id))
    do throws(RepositoryError) { return try decoder.decode(bytes, tolerance) } catch {
      throw error.located(at: id.short)
    }
  }
}
