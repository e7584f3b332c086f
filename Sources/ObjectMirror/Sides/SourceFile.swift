import Cryptography
import Glibc
package import ObjectStorage
package import Platform

/// An open regular file on its way to somewhere else. What changes it meanwhile is noticed.
package final class SourceFile: ObjectSource, @unchecked Sendable {
  private static let pieceByteCount = 1 << 20

  let descriptor: SharedDescriptor
  let path: [UInt8]
  package let sizeBytes: Int64
  package let modified: WallTime
  /// What it was when it was opened.
  let identity: FileIdentity

  /// - Throws: ``MirrorError/notAFile(path:)``.
  init(_ descriptor: SharedDescriptor, path: [UInt8]) throws(MirrorError) {
    let status = try SourceFile.status(descriptor, path)
    guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile(path: path) }
    self.descriptor = descriptor
    self.path = path
    sizeBytes = Int64(status.st_size)
    modified = SourceFile.time(status)
    identity = FileIdentity(
      device: UInt64(status.st_dev), inode: UInt64(status.st_ino), sizeBytes: sizeBytes,
      modified: modified,
      changed: WallTime(
        seconds: Int64(status.st_ctim.tv_sec), nanoseconds: Int32(status.st_ctim.tv_nsec)))
  }

  private static func status(
    _ descriptor: SharedDescriptor, _ path: [UInt8]
  ) throws(MirrorError) -> stat {
    var status = stat()
    guard fstat(descriptor.raw, &status) == 0 else { throw .local(.last("fstat"), path: path) }
    return status
  }

  private static func time(_ status: stat) -> WallTime {
    WallTime(seconds: Int64(status.st_mtim.tv_sec), nanoseconds: Int32(status.st_mtim.tv_nsec))
  }

  /// - Throws: ``MirrorError/changed(path:)`` when size or time are no more what they were.
  func checkUnchanged() throws(MirrorError) {
    let status = try SourceFile.status(descriptor, path)
    guard Int64(status.st_size) == sizeBytes, SourceFile.time(status) == modified else {
      throw .changed(path: path)
    }
  }

  package func read(
    at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(ObjectStoreError) -> Int {
    do throws(PlatformError) {
      return try FileIO.read(descriptor.raw, into: buffer, at: offset)
    } catch {
      throw .system(.put, key: printable(path), store: "source", error)
    }
  }

  /// Hands out a range, or the whole content, in order, in pieces that are valid during the call
  /// only.
  func forEachPiece(
    of range: Range<Int64>? = nil,
    _ visit: (UnsafeRawBufferPointer) throws(MirrorError) -> Void
  ) throws(MirrorError) {
    let range = range ?? 0..<sizeBytes
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: min(max(range.count, 1), SourceFile.pieceByteCount), alignment: 4096)
    defer { buffer.deallocate() }
    var offset = range.lowerBound
    while offset < range.upperBound {
      let wanted = Int(min(Int64(buffer.count), range.upperBound - offset))
      let count: Int
      do throws(PlatformError) {
        count = try FileIO.read(
          descriptor.raw, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]),
          at: offset)
      } catch {
        throw .local(error, path: path)
      }
      guard count == wanted else { throw .changed(path: path) }
      try visit(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      offset += Int64(count)
    }
  }

  /// Mode, owner, times and attributes.
  func metadata() throws(MirrorError) -> FileMetadata {
    try FileMetadata(of: descriptor.raw, path)
  }

  /// The MD5 of a range, which has to lie within the file.
  func md5(of range: Range<Int64>) throws(MirrorError) -> [UInt8] {
    let run = try DigestRun()
    try forEachPiece(of: range) { (piece) throws(MirrorError) in run.update(piece) }
    return run.finish().md5
  }

  /// The whole content; only for files of a bounded size.
  func content() throws(MirrorError) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(sizeBytes))
    try forEachPiece { (piece) throws(MirrorError) in bytes.append(contentsOf: piece) }
    return bytes
  }

  /// The MD5 of the content and, for a size of parts, the ETag of an object of such parts.
  func digests(
    partSizeBytes: Int64? = nil
  ) throws(MirrorError) -> (md5: [UInt8], multipartETag: String?) {
    let run = try DigestRun(partSizeBytes: partSizeBytes)
    try forEachPiece { (piece) throws(MirrorError) in run.update(piece) }
    return run.finish()
  }
}

/// MD5 over a content, and over each of its parts.
final class DigestRun {
  private var whole: MessageDigest
  private var part: MessageDigest
  private let partSizeBytes: Int64?
  private var filledBytes: Int64 = 0
  private var partDigests: [UInt8] = []
  private(set) var sizeBytes: Int64 = 0

  init(partSizeBytes: Int64? = nil) throws(MirrorError) {
    do throws(CryptographyError) {
      whole = try MessageDigest(.md5)
      part = try MessageDigest(.md5)
    } catch {
      throw .store(.cryptography(error))
    }
    self.partSizeBytes = partSizeBytes
  }

  func update(_ bytes: UnsafeRawBufferPointer) {
    whole.update(bytes)
    sizeBytes += Int64(bytes.count)
    guard let partSizeBytes else { return }
    var rest = bytes
    while !rest.isEmpty {
      let count = Int(min(Int64(rest.count), partSizeBytes - filledBytes))
      part.update(UnsafeRawBufferPointer(rebasing: rest[..<count]))
      filledBytes += Int64(count)
      if filledBytes == partSizeBytes { endPart() }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  private func endPart() {
    partDigests += part.finish()
    filledBytes = 0
  }

  func finish() -> (md5: [UInt8], multipartETag: String?) {
    let md5 = whole.finish()
    guard partSizeBytes != nil else { return (md5, nil) }
    if filledBytes > 0 || partDigests.isEmpty { endPart() }
    let count = partDigests.count / 16
    partDigests.withUnsafeBytes { part.update($0) }
    return (md5, "\(hex(part.finish()))-\(count)")
  }
}
