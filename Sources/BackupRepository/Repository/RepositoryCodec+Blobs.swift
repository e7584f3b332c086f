import Compression
import Cryptography

/// A blob as it stands in a pack, and what the index says of it.
struct SealedBlob {
  let bytes: UnsafeRawBufferPointer
  /// 0 when it is stored uncompressed.
  let plaintextLength: UInt32
  let handle: BlobHandle

  /// Whether two of them are opened together: the second one needs as much memory again.
  var isSmall: Bool {
    bytes.count <= SealedBlob.smallByteCountMax
      && plaintextLength <= UInt32(SealedBlob.smallByteCountMax)
  }

  private static let smallByteCountMax = 1 << 20

  var part: RepositoryPart { handle.type == .tree ? .tree : .data }
}

/// Opening blobs. What is given back is valid until the next call.
extension RepositoryCodec {
  typealias Opened = Result<UnsafeRawBufferPointer, RepositoryError>

  /// Opens a sealed blob, checks length and identifier.
  /// - Throws: `RepositoryError.corrupt` with the blob as its place.
  package func openBlob(
    _ sealed: UnsafeRawBufferPointer, plaintextLength: UInt32, _ handle: BlobHandle
  ) throws(RepositoryError) -> UnsafeRawBufferPointer {
    try open(SealedBlob(bytes: sealed, plaintextLength: plaintextLength, handle: handle)).get()
  }

  func open(_ blob: SealedBlob) -> Opened {
    proved(blob, plaintext(of: blob, opened, expanded)) { content in
      identifier(of: content, BlobID.self)
    }
  }

  /// Opens two blobs, whose hashes are computed side by side.
  func openPair(_ first: SealedBlob, _ second: SealedBlob) -> (Opened, Opened) {
    let contents = (
      plaintext(of: first, opened, expanded),
      plaintext(of: second, openedSecond, expandedSecond)
    )
    if case (.success(let a), .success(let b)) = contents {
      SHA256Lane.update(&lane, a, &laneSecond, b)
    } else {
      if case .success(let a) = contents.0 { lane.update(a) }
      if case .success(let b) = contents.1 { laneSecond.update(b) }
    }
    return (
      proved(first, contents.0) { _ in RepositoryCodec.identifier(&lane) },
      proved(second, contents.1) { _ in RepositoryCodec.identifier(&laneSecond) }
    )
  }

  /// Opens a blob, and adds its sealed bytes to the hash of its pack, side by side with its own.
  func open(_ blob: SealedBlob, addingTo pack: inout SHA256Lane) -> Opened {
    let content = plaintext(of: blob, opened, expanded)
    if case .success(let bytes) = content {
      SHA256Lane.update(&lane, bytes, &pack, blob.bytes)
    } else {
      pack.update(blob.bytes)
    }
    return proved(blob, content) { _ in RepositoryCodec.identifier(&lane) }
  }

  private static func identifier(_ lane: inout SHA256Lane) -> BlobID {
    withUnsafeTemporaryAllocation(byteCount: SHA256.byteCount, alignment: 8) { digest in
      lane.finish(into: digest)
      return BlobID(UnsafeRawBufferPointer(digest))
    }
  }

  /// Compares with the identifier, which `hashed` computes where there is content.
  private func proved(
    _ blob: SealedBlob, _ content: Opened, _ hashed: (UnsafeRawBufferPointer) -> BlobID
  ) -> Opened {
    switch content {
    case .failure(let error): return .failure(error.located(at: blob.handle.id.short))
    case .success(let bytes):
      if hashed(bytes) == blob.handle.id { return content }
      return .failure(
        .corrupt(
          blob.part, place: blob.handle.id.short, reason: "its contents have another SHA-256"))
    }
  }

  /// What a blob holds, not compared with its identifier.
  private func plaintext(
    of blob: SealedBlob, _ opened: CodecBuffer, _ expanded: CodecBuffer
  ) -> Opened {
    do throws(RepositoryError) {
      let content = try open(blob.bytes, blob.part, into: opened)
      guard blob.plaintextLength != 0 else { return .success(content) }
      return .success(try expand(content, to: Int(blob.plaintextLength), blob.part, into: expanded))
    } catch {
      return .failure(error)
    }
  }

  private func expand(
    _ frame: UnsafeRawBufferPointer, to count: Int, _ part: RepositoryPart,
    into expanded: CodecBuffer
  ) throws(RepositoryError) -> UnsafeRawBufferPointer {
    guard count <= RepositoryLimits.blobByteCountMax else {
      throw .corrupt(part, place: "", reason: "it announces \(count) bytes")
    }
    let target = expanded.reserve(count)
    let got: Int
    do throws(CompressionError) { got = try decompressor.decompress(frame, into: target) } catch {
      throw .corrupt(part, place: "", reason: error.message)
    }
    guard got == count else {
      throw .corrupt(part, place: "", reason: "\(got) bytes instead of \(count)")
    }
    return UnsafeRawBufferPointer(target)
  }
}
