import ObjectStorage
import Platform
import Synchronization

/// What is known of a file of the source when it is open.
struct SourceFacts: Sendable {
  /// The file's time; nil when a store does not keep it.
  var modified: WallTime?
  /// Of an object; nil for files.
  var head: S3ObjectHead?
  /// Of a file; nil for objects.
  var file: FileIdentity?
  /// Of an object; nil for files.
  var contentType: String?
  /// The MD5 of the content, where a store tells it.
  var md5: [UInt8]?
}

/// A file or an object of the source that is open. One thread reads at a time.
protocol SourceContent: AnyObject, Sendable {
  var path: [UInt8] { get }
  var sizeBytes: Int64 { get }
  var facts: SourceFacts { get }

  /// Reads from `offset` on until the buffer is full or the content ends.
  func read(
    at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(MirrorError) -> Int

  /// - Throws: ``MirrorError/changed(path:)`` when it is no more what it was when it was opened.
  func checkUnchanged() throws(MirrorError)

  /// The same content for a reader who goes another way.
  func forAnotherReader() -> any SourceContent
}

extension SourceContent {
  /// Hands out the whole content in order, in pieces that are valid during the call only.
  func forEachPiece(
    _ visit: (UnsafeRawBufferPointer) throws(MirrorError) -> Void
  ) throws(MirrorError) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: Int(min(max(sizeBytes, 1), 1 << 18)), alignment: 4096)
    defer { buffer.deallocate() }
    var offset: Int64 = 0
    while offset < sizeBytes {
      let wanted = Int(min(Int64(buffer.count), sizeBytes - offset))
      let count = try read(
        at: offset, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]))
      guard count == wanted else { throw .changed(path: path) }
      try visit(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      offset += Int64(count)
    }
  }

  /// The MD5 of the content and, for a size of parts, that of each part.
  func digests(partSizeBytes: Int64? = nil) throws(MirrorError) -> ContentDigests {
    let run = DigestRun(partSizeBytes: partSizeBytes)
    try forEachPiece { (piece) throws(MirrorError) in run.update(piece) }
    return run.finish()
  }
}

/// MD5s of one content.
struct ContentDigests: Sendable {
  var md5: [UInt8]
  /// Of parts of one size, 16 bytes each; empty when no size was given.
  var partMD5s: [[UInt8]] = []
  var partSizeBytes: Int64?
  /// The ETag that a store gives an object of these parts.
  var multipartETag: String?
}

/// Bytes that were read of the source, by all threads of a run.
package final class ReadCounter: Sendable {
  private let count = Atomic<Int64>(0)

  package init() {}

  package var byteCount: Int64 { count.load(ordering: .relaxed) }

  func add(_ bytes: Int) { count.add(Int64(bytes), ordering: .relaxed) }
}
