import Cryptography
import FileTree
import Glibc
import Pipelines
import Platform

/// One piece of a volume as it was read.
struct VolumePiece: Sendable {
  let offset: Int64
  let count: Int
  /// Tells pieces apart; equality of the whole is decided by SHA-256.
  let digest: Digest128
}

/// Reads a block device or raw image on a thread of its own, and tells each piece.
final class VolumeReader {
  let path: String
  let sizeBytes: Int64
  private let descriptor: SharedDescriptor
  private let isSparse: Bool
  private let pieces = BoundedChannel<VolumePiece>(countMax: 64)
  private var thread: Thread<Result<[UInt8], PlatformError>>?

  init(_ path: String) throws(VerificationError) {
    self.path = path
    let raw = retryingOnInterrupt { open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) }
    guard raw >= 0 else { throw .root(.last("open"), path: path) }
    descriptor = SharedDescriptor(owning: raw)
    var status = stat()
    guard fstat(raw, &status) == 0 else { throw .root(.last("fstat"), path: path) }
    if status.st_mode & S_IFMT == S_IFBLK {
      guard let size = FileSystem.blockDeviceSize(raw) else {
        throw .root(.last("BLKGETSIZE64"), path: path)
      }
      sizeBytes = size
      isSparse = false
    } else {
      sizeBytes = Int64(status.st_size)
      isSparse = Int64(status.st_blocks) * 512 < sizeBytes
    }
  }

  var summary: SideSummary {
    var summary = SideSummary()
    summary.entryCount = 1
    summary.fileCount = 1
    summary.sizeBytes = sizeBytes
    return summary
  }

  /// Starts reading; ``next()`` gives the pieces.
  func start() {
    thread = Thread("hash") { [descriptor, sizeBytes, isSparse, pieces] in
      defer { pieces.close() }
      let hash = try ContentHash()
      FileSystem.adviseSequential(descriptor.raw)
      var offset: Int64 = 0
      return Result { () throws(PlatformError) in
        try hash.digest(descriptor.raw, sizeBytes: sizeBytes, isSparse: isSparse) {
          (piece) throws(PlatformError) in
          let told = VolumePiece(
            offset: offset, count: piece.count, digest: XXH3.hash128(piece))
          offset += Int64(piece.count)
          do throws(ChannelClosed) {
            try pieces.send(told)
          } catch {
            throw PlatformError("pread", "", errno: ECANCELED)
          }
        }
      }
    }
  }

  /// The next piece, or nil when all was read or reading failed.
  func next() throws -> VolumePiece? { try pieces.receive() }

  /// The SHA-256 of the whole, after the last piece; a failure of the volume as a value.
  func digest() throws -> Result<[UInt8], PlatformError> {
    guard let thread else { preconditionFailure("the reader was started") }
    self.thread = nil
    return try thread.join()
  }

  /// Ends the thread, if it still runs, and waits for it.
  func stop() {
    guard let thread else { return }
    pieces.fail()
    self.thread = nil
    // Its result is of no interest any more.
    _ = try? thread.join()
  }
}
