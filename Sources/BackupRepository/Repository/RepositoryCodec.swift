import Compression
import Cryptography
import Platform

/// How hard blobs are compressed in a repository of version 2.
package enum CompressionMode: String, Sendable, CaseIterable {
  case auto, off, fastest, better, max

  /// Reads the word.
  /// - Throws: `RepositoryError.usage`.
  package init(parsing text: String) throws(RepositoryError) {
    guard let mode = CompressionMode(rawValue: text) else {
      throw .usage(
        "'\(printable(text.utf8))' is not a compression: auto, off, fastest, better or max")
    }
    self = mode
  }

  /// The level of zstd. `auto` is the level whose ratio stays within 3 % of restic's default.
  package var level: Int32 {
    switch self {
    case .fastest: 1
    case .auto, .off: 3
    case .better: 9
    case .max: 19
    }
  }
}

/// What one thread needs to seal and open the contents of a repository: cipher, zstd and hash
/// contexts, and buffers that are kept from call to call. Confined to one thread.
package final class RepositoryCodec {
  let version: RepositoryVersion
  private let sealer: Sealer
  private let compressor: BlobCompressor
  let decompressor: BlobDecompressor
  private var hash: SHA256
  let opened = CodecBuffer()
  let expanded = CodecBuffer()
  /// For the second of two blobs that are opened together.
  let openedSecond = CodecBuffer()
  let expandedSecond = CodecBuffer()
  var lane: SHA256Lane
  var laneSecond: SHA256Lane

  init(
    key: SealingKey, version: RepositoryVersion, compression: CompressionMode
  ) throws(RepositoryError) {
    self.version = version
    do throws(CryptographyError) {
      sealer = try Sealer(key)
      hash = try SHA256()
      lane = try SHA256Lane()
      laneSecond = try SHA256Lane()
    } catch {
      throw .cryptography(error, what: "the repository's contents")
    }
    do throws(CompressionError) {
      compressor = try BlobCompressor(level: compression.level)
      decompressor = try BlobDecompressor()
    } catch {
      throw .compression(error, what: "the repository's contents")
    }
  }

  /// SHA-256 of bytes as the identifier of what they are.
  package func identifier<Role>(
    of bytes: UnsafeRawBufferPointer, _ role: Identifier<Role>.Type
  ) -> Identifier<Role> {
    hash.update(bytes)
    return withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { digest in
      hash.finish(into: digest)
      return Identifier<Role>(UnsafeRawBufferPointer(digest))
    }
  }

  /// Seals `plaintext` into `target`, which has 32 bytes more.
  package func seal(
    _ plaintext: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
  ) throws(RepositoryError) {
    do throws(CryptographyError) { try sealer.seal(plaintext, into: target) } catch {
      throw .cryptography(error, what: "a part of the repository")
    }
  }

  /// The sealed form of bytes.
  func sealed(_ plaintext: [UInt8]) throws(RepositoryError) -> [UInt8] {
    var failure: RepositoryError?
    let count = plaintext.count + Sealer.overheadByteCount
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, used in
      do throws(RepositoryError) {
        try plaintext.withBorrowedBytes { bytes throws(RepositoryError) in
          try seal(bytes, into: UnsafeMutableRawBufferPointer(buffer))
        }
        used = count
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return bytes
  }

  /// Opens a sealed part; what is given back is valid until the next call.
  func open(
    _ sealed: UnsafeRawBufferPointer, _ part: RepositoryPart
  ) throws(RepositoryError) -> UnsafeRawBufferPointer {
    try open(sealed, part, into: opened)
  }

  func open(
    _ sealed: UnsafeRawBufferPointer, _ part: RepositoryPart, into opened: CodecBuffer
  ) throws(RepositoryError) -> UnsafeRawBufferPointer {
    guard sealed.count >= Sealer.overheadByteCount else {
      throw .corrupt(part, place: "", reason: "it has only \(sealed.count) bytes")
    }
    let target = opened.reserve(sealed.count - Sealer.overheadByteCount)
    do throws(CryptographyError) { try sealer.open(sealed, into: target) } catch {
      throw .corrupt(part, place: "", reason: error.message)
    }
    return UnsafeRawBufferPointer(target)
  }

  /// The JSON of an index, snapshot or lock file.
  func content(
    ofUnpacked sealed: [UInt8], _ part: RepositoryPart
  ) throws(RepositoryError) -> [UInt8] {
    try sealed.withBorrowedBytes { bytes throws(RepositoryError) in
      try UnpackedFile.content(
        of: try open(bytes, part), part: part, version: version, decompressor: decompressor)
    }
  }

  /// The stored form of an index, snapshot or lock file.
  func unpacked(_ json: [UInt8]) throws(RepositoryError) -> [UInt8] {
    try sealed(try UnpackedFile.plaintext(of: json, version: version, compressor: compressor))
  }

  // MARK: Blobs

  /// What is to be sealed of a blob: a frame where compression helps, else the blob itself; valid
  /// until the next call.
  ///
  /// `plaintextLength` is 0 when the blob is stored as it is, as the index writes it.
  /// `keepsLongerFrame` keeps a frame that is longer than the blob: for trees, because restic's
  /// prune stores those anew that are not compressed.
  func compressed(
    _ plaintext: UnsafeRawBufferPointer, isCompressed: Bool, keepsLongerFrame: Bool = false
  ) throws(RepositoryError) -> (content: UnsafeRawBufferPointer, plaintextLength: UInt32) {
    guard plaintext.count <= Int(UInt32.max) - Sealer.overheadByteCount else {
      throw .tooLarge(what: "a blob of \(plaintext.count) bytes", limit: Int(UInt32.max))
    }
    var content = plaintext
    var length: UInt32 = 0
    if isCompressed, version != .v1, !plaintext.isEmpty {
      let room = expanded.reserve(BlobCompressor.bound(plaintext.count))
      do throws(CompressionError) {
        let count = try compressor.compress(plaintext, into: room)
        if keepsLongerFrame || count < plaintext.count {
          content = UnsafeRawBufferPointer(rebasing: room[..<count])
          length = UInt32(plaintext.count)
        }
      } catch {
        throw .compression(error, what: "a blob")
      }
    }
    return (content, length)
  }
}

/// Bounds on what a repository may make this program hold.
package enum RepositoryLimits {
  /// Largest blob that is read. Data blobs have at most 8 MiB; trees of directories with millions
  /// of entries more.
  package static let blobByteCountMax = NodeLimits.treeByteCountMax
  /// Largest sealed blob.
  static let sealedBlobByteCountMax = Int64(blobByteCountMax + Sealer.overheadByteCount)
  /// Largest index, snapshot or lock file as it is stored.
  package static let unpackedByteCountMax = 256 << 20
  /// Largest pack that is read whole; restic writes at most 128 MiB and a blob more.
  package static let packByteCountMax = 1 << 32
}

/// Memory that grows and is kept.
final class CodecBuffer {
  private static let byteCountMin = 64 << 10
  private var memory: PageMemory?

  /// `count` bytes; what was in them is lost.
  func reserve(_ count: Int) -> UnsafeMutableRawBufferPointer {
    if let memory, memory.bytes.count >= count {
      return UnsafeMutableRawBufferPointer(rebasing: memory.bytes[..<count])
    }
    memory = nil
    let grown = PageMemory(byteCount: CodecBuffer.capacity(for: count))
    memory = grown
    return UnsafeMutableRawBufferPointer(rebasing: grown.bytes[..<count])
  }

  /// The next power of two, so that a buffer grows a few times only.
  private static func capacity(for count: Int) -> Int {
    guard count > byteCountMin else { return byteCountMin }
    return 1 << (Int.bitWidth - (count - 1).leadingZeroBitCount)
  }
}

extension Array where Element == UInt8 {
  /// The bytes for the time of the call, with the caller's own error type.
  func withBorrowedBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let outcome = withUnsafeBytes { bytes -> Swift.Result<Result, Failure> in
      do throws(Failure) { return .success(try body(bytes)) } catch { return .failure(error) }
    }
    return try outcome.get()
  }
}
