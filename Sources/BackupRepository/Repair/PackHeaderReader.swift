import ObjectStorage
import Platform

/// Reads the headers at the ends of packs.
enum PackHeaderReader {
  /// The entries of a pack of `sizeBytes`, which its header has to add up to.
  ///
  /// One read brings a short header, two a long one.
  /// - Throws: `RepositoryError.corrupt`, `.missing`, `.store`.
  static func read(
    _ repository: Repository, _ id: PackID, sizeBytes: Int64, _ codec: RepositoryCodec
  ) throws(RepositoryError) -> [PackEntry] {
    do throws(RepositoryError) {
      guard sizeBytes >= Int64(PackHeader.packByteCountMin) else {
        throw .corrupt(.packHeader, place: "", reason: "the pack has only \(sizeBytes) bytes")
      }
      let first = min(sizeBytes, Int64(PackHeader.firstReadByteCount))
      var end = try bytes(repository, id, sizeBytes - first..<sizeBytes)
      let length = try end.withBorrowedBytes { (bytes) throws(RepositoryError) in
        let field = UnsafeRawBufferPointer(
          rebasing: bytes[(bytes.count - PackHeader.lengthFieldByteCount)...])
        return try PackHeader.sealedLength(lengthField: field, packByteCount: sizeBytes)
      }
      let total = length + PackHeader.lengthFieldByteCount
      if total > end.count {
        end = try bytes(repository, id, sizeBytes - Int64(total)..<sizeBytes)
      }
      return try end.withBorrowedBytes { (bytes) throws(RepositoryError) in
        let start = bytes.count - total
        let header = try codec.open(
          UnsafeRawBufferPointer(rebasing: bytes[start..<start + length]), .packHeader)
        return try PackHeader.decode(
          header, packByteCount: sizeBytes, allowsCompression: repository.version != .v1)
      }
    } catch {
      throw error.located(at: id.short)
    }
  }

  private static func bytes(
    _ repository: Repository, _ id: PackID, _ range: Range<Int64>
  ) throws(RepositoryError) -> [UInt8] {
    let path = try repository.path(id)
    var bytes = [UInt8](repeating: 0, count: Int(range.upperBound - range.lowerBound))
    let outcome = bytes.withUnsafeMutableBytes { target -> Result<Int, ObjectStoreError> in
      Result { () throws(ObjectStoreError) in
        try repository.store.get(path, offset: range.lowerBound, into: target)
      }
    }
    switch outcome {
    case .success(let count) where count == bytes.count: return bytes
    case .success(let count):
      throw .corrupt(
        .packHeader, place: "", reason: "the pack ends at \(range.lowerBound + Int64(count))")
    case .failure(let error):
      if error.kind == .notFound { throw .missing(.pack, place: id.short) }
      throw .store(error)
    }
  }
}
