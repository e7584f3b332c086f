import FileTree
import Glibc
import Platform

/// A file that the receiver has asked for in parts; its descriptor is shared by the lanes.
final class SenderFile: @unchecked Sendable {
  let request: UInt32
  let path: [UInt8]
  let entry: Entry
  /// Size of what the receiver has to start from.
  let basisSizeBytes: Int64
  /// The receiver rewrites the file in place, and will not ask for it whole.
  let isInPlace: Bool
  /// Where the proofs of a volume's segments are kept; nil for a file of a tree.
  let volumeProofs: VolumeProofs?
  private let lock = Lock()
  private var opened: Result<OpenSource, PlatformError>?

  init(
    request: UInt32, path: [UInt8], entry: Entry, basisSizeBytes: Int64, isInPlace: Bool = false,
    volumeProofs: VolumeProofs? = nil
  ) {
    self.volumeProofs = volumeProofs
    self.isInPlace = isInPlace
    self.request = request
    self.path = path
    self.entry = entry
    self.basisSizeBytes = basisSizeBytes
  }

  /// How well rolling has done so far: counts segments to pass over after one that found nothing.
  private var rollingPause = 0

  /// Rolling over data that is all new costs much and gives nothing: it is tried again now and
  /// then.
  func shouldTryRolling(segment: UInt32) -> Bool {
    lock.withLock {
      guard rollingPause > 0 else { return true }
      rollingPause -= 1
      return false
    }
  }

  func recordRolling(spanBytes: Int, codedBytes: Int) {
    lock.withLock { rollingPause = codedBytes > spanBytes / 10 * 9 ? 16 : 0 }
  }

  private var hasFailed = false

  /// True once: the failure of a file is told for its first segment only.
  func isFirstFailure() -> Bool {
    lock.withLock {
      defer { hasFailed = true }
      return !hasFailed
    }
  }

  /// Opens the file at the first call.
  func source(in root: SourceRoot) -> Result<OpenSource, PlatformError> {
    lock.withLock {
      if let opened { return opened }
      let result = OpenSource.open(path, in: root)
      if case .success(let source) = result {
        source.sparse?.readAheadOfDataOnly()
      }
      opened = result
      return result
    }
  }
}

/// An open source file with its state at the time of opening.
final class OpenSource: @unchecked Sendable {
  let descriptor: Int32
  let status: SourceStatus
  fileprivate let sparse: SparseFile?

  private init(descriptor: Int32, status: SourceStatus) {
    self.descriptor = descriptor
    self.status = status
    sparse = status.isSparse ? SparseFile(descriptor: descriptor) : nil
  }

  deinit { close(descriptor) }

  /// Gives less than asked for only at the end.
  func read(
    into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
  ) throws(PlatformError) -> Int {
    guard let sparse else { return try FileIO.read(descriptor, into: buffer, at: offset) }
    return try sparse.read(into: buffer, at: offset)
  }

  /// The next range of data at or behind `offset`; empty at `end` when only a hole is left.
  func nextData(from offset: Int64, end: Int64) -> Range<Int64> {
    guard let sparse else { return offset..<end }
    guard offset < end, let run = sparse.data(from: offset) else { return end..<end }
    return run.clamped(to: offset..<end)
  }

  static func open(_ path: [UInt8], in root: SourceRoot) -> Result<OpenSource, PlatformError> {
    let raw = root.openFile(path)
    guard raw >= 0 else { return .failure(.last("openat2")) }
    guard let status = SourceStatus(of: raw, isVolume: root.isVolume) else {
      let error = PlatformError.last("fstat")
      close(raw)
      return .failure(error)
    }
    return .success(OpenSource(descriptor: raw, status: status))
  }

  /// Whether the file is still as it was when it was opened.
  var isUnchanged: Bool { SourceStatus(of: descriptor, isVolume: status.isVolume) == status }
}

/// What tells whether a file has changed.
struct SourceStatus: Equatable {
  var sizeBytes: Int64
  var modifiedSeconds: Int64
  var modifiedNanoseconds: UInt32
  var isSparse: Bool
  var isVolume: Bool

  /// nil, with `errno`, when it cannot be had or the file is of another kind.
  init?(of descriptor: Int32, isVolume: Bool) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return nil }
    self.isVolume = isVolume
    modifiedSeconds = Int64(status.st_mtim.tv_sec)
    modifiedNanoseconds = UInt32(status.st_mtim.tv_nsec)
    switch status.st_mode & S_IFMT {
    case S_IFREG:
      sizeBytes = Int64(status.st_size)
      isSparse = SparseFile.hasHoles(status)
    case S_IFBLK where isVolume:
      guard let size = FileSystem.blockDeviceSize(descriptor) else { return nil }
      sizeBytes = size
      isSparse = false
      // A mounted device's own times say nothing about its content.
      modifiedSeconds = 0
      modifiedNanoseconds = 0
    default:
      errno = ESTALE
      return nil
    }
  }
}

/// Where files are opened: a tree, or the one file or device of a volume.
final class SourceRoot: Sendable {
  let tree: TreeRoot?
  private let volumePath: String

  init(tree: TreeRoot) {
    self.tree = tree
    volumePath = ""
  }

  init(volumePath: String) {
    tree = nil
    self.volumePath = volumePath
  }

  var isVolume: Bool { tree == nil }

  /// A tree goes on without one of its files; a volume is all there is.
  func requireTree(_ reason: String) throws {
    if isVolume { throw ReplicationError.root(path: volumePath, reason: reason) }
  }

  /// A read-only descriptor without touching the access time where that is allowed.
  func openFile(_ path: [UInt8]) -> Int32 {
    let flags = O_RDONLY | O_NONBLOCK | O_NOCTTY
    guard let tree else {
      let all = flags | O_CLOEXEC
      return retryingOnInterrupt { open(volumePath, all) }
    }
    return tree.openRaw(path, flags: flags)
  }
}
