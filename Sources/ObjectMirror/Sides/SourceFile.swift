import Glibc
import Platform

/// An open regular file on its way to somewhere else. What changes it meanwhile is noticed. Any
/// number of threads may read.
final class SourceFile: SourceContent {
  let descriptor: SharedDescriptor
  let path: [UInt8]
  let sizeBytes: Int64
  let modified: WallTime
  /// What it was when it was opened.
  let identity: FileIdentity
  private let counter: ReadCounter?

  /// - Throws: ``MirrorError/notAFile(path:)``.
  init(
    _ descriptor: SharedDescriptor, path: [UInt8], counter: ReadCounter? = nil
  ) throws(MirrorError) {
    let status = try SourceFile.status(descriptor, path)
    guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile(path: path) }
    self.descriptor = descriptor
    self.path = path
    self.counter = counter
    sizeBytes = Int64(status.st_size)
    modified = WallTime(status.st_mtim)
    identity = FileIdentity(status)
  }

  var facts: SourceFacts { SourceFacts(modified: modified, file: identity) }

  private static func status(
    _ descriptor: SharedDescriptor, _ path: [UInt8]
  ) throws(MirrorError) -> stat {
    var status = stat()
    guard fstat(descriptor.raw, &status) == 0 else { throw .local(.last("fstat"), path: path) }
    return status
  }

  func checkUnchanged() throws(MirrorError) {
    let status = try SourceFile.status(descriptor, path)
    guard Int64(status.st_size) == sizeBytes, WallTime(status.st_mtim) == modified else {
      throw .changed(path: path)
    }
  }

  func read(
    at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(MirrorError) -> Int {
    do throws(PlatformError) {
      let count = try FileIO.read(descriptor.raw, into: buffer, at: offset)
      counter?.add(count)
      return count
    } catch {
      throw .local(error, path: path)
    }
  }

  func forAnotherReader() -> any SourceContent { self }

  /// Mode, owner, times and attributes.
  func metadata() throws(MirrorError) -> FileMetadata {
    try FileMetadata(of: descriptor.raw, path)
  }
}
