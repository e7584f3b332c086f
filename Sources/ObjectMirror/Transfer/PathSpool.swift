import Glibc
import Platform

/// Paths that are put aside and taken back in reverse order. Memory holds a bounded part, the rest
/// stands in a file without a name. Confined to one thread.
final class PathSpool {
  /// A record is its bytes, then their count in four.
  private static let sizeBytesKept = 4 << 20
  private static let footerByteCount = 4

  private let directory: String
  private var recent: [UInt8] = []
  /// Sizes of the blocks in the file, which stand one behind the other.
  private var blockSizes: [Int] = []
  private var fileSizeBytes: Int64 = 0
  private var file: SharedDescriptor?
  private let blockSizeBytes: Int

  /// `directory` is where the file is made, when it is needed.
  init(directory: String = "/tmp", blockSizeBytes: Int = PathSpool.sizeBytesKept) {
    self.directory = directory
    self.blockSizeBytes = blockSizeBytes
  }

  func append(_ record: [UInt8]) throws(MirrorError) {
    recent += record
    let count = UInt32(record.count)
    for shift in stride(from: 0, to: 32, by: 8) {
      recent.append(UInt8(truncatingIfNeeded: count >> UInt32(shift)))
    }
    if recent.count >= blockSizeBytes { try spill() }
  }

  /// The record that was appended last of those that are left.
  func popLast() throws(MirrorError) -> [UInt8]? {
    if recent.isEmpty { try refill() }
    guard recent.count >= PathSpool.footerByteCount else { return nil }
    var count = 0
    for byte in recent.suffix(PathSpool.footerByteCount).reversed() {
      count = count << 8 | Int(byte)
    }
    recent.removeLast(PathSpool.footerByteCount)
    let record = Array(recent.suffix(count))
    recent.removeLast(count)
    return record
  }

  private func spill() throws(MirrorError) {
    do throws(PlatformError) {
      if file == nil { file = try SpoolFile.make(in: directory) }
      if let file { try FileIO.write(file.raw, recent, at: fileSizeBytes) }
    } catch {
      throw .local(error, path: Array(directory.utf8))
    }
    blockSizes.append(recent.count)
    fileSizeBytes += Int64(recent.count)
    recent.removeAll(keepingCapacity: true)
  }

  private func refill() throws(MirrorError) {
    guard let file, let size = blockSizes.popLast() else { return }
    fileSizeBytes -= Int64(size)
    var block = [UInt8](repeating: 0, count: size)
    let result = block.withUnsafeMutableBytes { buffer in
      Result { () throws(PlatformError) in
        try FileIO.read(file.raw, into: buffer, at: fileSizeBytes)
      }
    }
    switch result {
    case .success(let count) where count == size: recent = block
    case .success: throw .local(PlatformError("pread", "", errno: EIO), path: [])
    case .failure(let error): throw .local(error, path: Array(directory.utf8))
    }
  }
}
