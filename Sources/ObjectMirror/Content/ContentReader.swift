import HTTPClient
import ObjectStorage
import Platform

/// One destination's way through the content of a file: bytes that are in memory, a window that it
/// shares with others, or the file itself. One thread at a time.
final class ContentReader: ObjectSource, @unchecked Sendable {
  let path: [UInt8]
  let sizeBytes: Int64
  let facts: SourceFacts
  /// The whole content, when it is in memory.
  let bytes: SharedBytes?
  private let file: SharedFile?
  private let lane: Int
  private let pace: LanePace?
  private var isInWindow: Bool
  // Of reading for itself.
  private var own: (any SourceContent)?
  private var digest: DigestRun?
  private var ownMD5: [UInt8]?
  private var hashes: Bool
  /// What has ended a read.
  private(set) var failure: MirrorError?

  init(_ bytes: SharedBytes, path: [UInt8]) {
    self.path = path
    self.bytes = bytes
    sizeBytes = Int64(bytes.memory.count)
    facts = bytes.facts
    (file, lane, pace, isInWindow, hashes) = (nil, 0, nil, false, false)
  }

  /// With `isInWindow` the destination has joined the file's window.
  init(_ file: SharedFile, lane: Int, pace: LanePace?, isInWindow: Bool) {
    path = file.content.path
    sizeBytes = file.content.sizeBytes
    facts = file.content.facts
    bytes = nil
    (self.file, self.lane, self.pace, self.isInWindow) = (file, lane, pace, isInWindow)
    hashes = file.hashes
  }

  deinit { close() }

  /// Lets go of the window.
  func close() {
    guard isInWindow else { return }
    isInWindow = false
    file?.window?.leave(lane)
  }

  // MARK: Reading

  func read(
    at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(ObjectStoreError) -> Int {
    do throws(MirrorError) {
      return try take(at: offset, into: buffer)
    } catch {
      failure = error
      throw .service(.put, key: printable(path), store: "source", error)
    }
  }

  func take(
    at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(MirrorError) -> Int {
    if let bytes {
      let count = min(buffer.count, bytes.memory.count - Int(offset))
      buffer.copyMemory(
        from: UnsafeRawBufferPointer(rebasing: bytes.memory[Int(offset)..<(Int(offset) + count)]))
      return count
    }
    guard let file else { return 0 }
    if isInWindow {
      if let count = try file.window?.read(lane, at: offset, into: buffer) { return count }
      isInWindow = false
    }
    return try readAlone(file, at: offset, into: buffer)
  }

  private func readAlone(
    _ file: SharedFile, at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(MirrorError) -> Int {
    pace?.progress()
    let content = own ?? file.contentForReader()
    own = content
    let count = try content.read(at: offset, into: buffer)
    guard count > 0 || offset >= sizeBytes else { throw .changed(path: path) }
    guard hashes else { return count }
    // The content goes out anew after a failure, and then it is what is sent last that counts.
    if offset == 0 { digest = DigestRun() }
    if let digest, digest.sizeBytes == offset {
      digest.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      if digest.sizeBytes == sizeBytes { ownMD5 = digest.finish().md5 }
    }
    return count
  }

  /// Hands out the whole content in order, in pieces that are valid during the call only.
  func forEachPiece(
    _ visit: (UnsafeRawBufferPointer) throws(MirrorError) -> Void
  ) throws(MirrorError) {
    if let bytes { return try visit(UnsafeRawBufferPointer(bytes.memory)) }
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: Int(min(max(sizeBytes, 1), 256 << 10)), alignment: 4096)
    defer { buffer.deallocate() }
    var offset: Int64 = 0
    while offset < sizeBytes {
      let count = try take(at: offset, into: buffer)
      try visit(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      offset += Int64(count)
    }
  }

  func checkUnchanged() throws(MirrorError) { try file?.content.checkUnchanged() }

  // MARK: Digests

  /// The MD5 of the content that has passed; costs another read when it did not pass as a whole.
  func md5() throws(MirrorError) -> [UInt8] {
    if let md5 = bytes?.md5 ?? ownMD5 ?? file?.window?.md5 { return md5 }
    return try digestsInAdvance().md5
  }

  /// The digests of a content that has not passed yet: a read of its own, once for all
  /// destinations.
  func digestsInAdvance(partSizeBytes: Int64? = nil) throws(MirrorError) -> ContentDigests {
    if let bytes {
      if let md5 = bytes.md5, partSizeBytes == nil { return ContentDigests(md5: md5) }
      let run = DigestRun(partSizeBytes: partSizeBytes)
      run.update(UnsafeRawBufferPointer(bytes.memory))
      return run.finish()
    }
    guard let file else { preconditionFailure("a reader has bytes or a file") }
    let digests =
      if let pace {
        try pace.working { () throws(MirrorError) in
          try file.digests(partSizeBytes: partSizeBytes)
        }
      } else {
        try file.digests(partSizeBytes: partSizeBytes)
      }
    hashes = false
    return digests
  }

  /// What an earlier read of the file has found; nil without one.
  func knownDigests(partSizeBytes: Int64) -> ContentDigests? {
    file?.knownDigests(partSizeBytes: partSizeBytes)
  }

  /// The content as a body of a request.
  var httpBody: HTTPBody {
    if let bytes {
      return HTTPBody(memory: [UnsafeRawBufferPointer(bytes.memory)], owner: bytes)
    }
    return HTTPBody(sizeBytes: sizeBytes) { (offset, buffer) throws(HTTPError) in
      do throws(ObjectStoreError) {
        return try self.read(at: offset, into: buffer)
      } catch {
        throw .bodyFailed(error)
      }
    }
  }
}
