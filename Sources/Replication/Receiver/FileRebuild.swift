import DeltaCoding
import FileTree
import Glibc
import Platform

/// A file that is rebuilt from a basis, by segments, in a temporary file or in place. Shared by the
/// signature thread and the lanes.
final class FileRebuild: @unchecked Sendable {
  let request: UInt32
  /// Path of the directory and name in it; both empty for a volume.
  let directory: [UInt8]
  private let name: [UInt8]
  let basisName: [UInt8]
  let isInPlace: Bool
  let sizeBytes: Int64
  let basisSizeBytes: Int64
  private let lock = Lock()
  private(set) var basis: BasisFile?
  private var target: SharedDescriptor?
  private(set) var temporaryName: String?
  private(set) var directTarget: DirectTarget?
  private(set) var undo: UndoJournal?
  /// The temporary file shares the extents of the basis (XFS, btrfs): only what differs is written.
  private(set) var isClone = false
  private var segments: [UInt32: BasisSegment] = [:]
  private var cleanSegments: Set<UInt32> = []
  private var dirtyCount = 0
  private var hasDifference: Bool
  private var openCount = 0
  private var allRequested = false
  private var isFinishing = false
  private var hasBeenReplaced = false
  private var isUnproven = false
  private var isBasisTrusted = true
  private var worst = FileEnd.Outcome.complete
  private var retried: Set<UInt32> = []
  /// The target is a later name of another hard-link group here.
  private let mustSeparate: Bool
  private let activity: SessionActivity
  /// The proofs of a volume's segments, for the end of the run.
  let volumeProofs: VolumeProofs?

  /// What the signature pass found out about a segment of the basis.
  struct BasisSegment {
    let layout: SegmentLayout
    let zeroBlocks: [UInt8]
    /// Tags of the blocks, 16 bytes each, when blocks that stay are not written.
    let tags: [UInt8]
    /// Window that a rolling delta copies from; nil until the sender has asked for its signature.
    var window: Range<Int64>?
  }

  init(
    request: UInt32, directory: [UInt8], name: [UInt8], sizeBytes: Int64, basisName: [UInt8],
    basisSizeBytes: Int64, isInPlace: Bool, mustSeparate: Bool,
    activity: SessionActivity
  ) {
    self.activity = activity
    volumeProofs = nil
    self.mustSeparate = mustSeparate
    self.request = request
    self.directory = directory
    self.name = name
    self.basisName = basisName
    self.basisSizeBytes = basisSizeBytes
    self.isInPlace = isInPlace
    self.sizeBytes = sizeBytes
    hasDifference = basisSizeBytes != sizeBytes
  }

  /// For a volume: the device or image is basis and target.
  init(
    volume request: UInt32, descriptor: SharedDescriptor, undo: UndoJournal, sizeBytes: Int64,
    basisSizeBytes: Int64, activity: SessionActivity
  ) {
    self.activity = activity
    volumeProofs = VolumeProofs(sizeBytes: sizeBytes)
    self.request = request
    directory = []
    name = []
    basisName = []
    mustSeparate = false
    isInPlace = true
    self.sizeBytes = sizeBytes
    self.basisSizeBytes = basisSizeBytes
    hasDifference = false
    basis = BasisFile(volume: descriptor)
    target = descriptor
    self.undo = undo
  }

  // MARK: Opening

  /// Opens basis and target. The temporary file of an interrupted run is moved to another name
  /// first when it is the basis.
  func open(in directory: Int32) throws(PlatformError) {
    guard basis == nil else { return }
    let temporary = PartialName.temporary(for: name)
    var basisName = basisName
    if basisName == Array(temporary.utf8) {
      let earlier = PartialName.earlier(for: name)
      guard renameat(directory, temporary, directory, earlier) == 0 else {
        throw .last("renameat", earlier)
      }
      basisName = Array(earlier.utf8)
    }
    let flags = (isInPlace ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
    let raw = basisName.withCString { name in
      retryingOnInterrupt { openat(directory, name, flags) }
    }
    guard raw >= 0 else { throw .last("openat", printable(basisName)) }
    let descriptor = SharedDescriptor(owning: raw)
    let basis = try BasisFile(descriptor, sizeBytesMin: basisSizeBytes, name: basisName)
    if isInPlace {
      target = descriptor
      let status = basis.status
      undo = try UndoJournal(
        directory: directory, name: PartialName.undo(for: name), targetName: name,
        sizeBytes: Int64(status.st_size), modifiedSeconds: Int64(status.st_mtim.tv_sec),
        modifiedNanoseconds: UInt32(status.st_mtim.tv_nsec))
    } else {
      try openTemporary(directory, temporary, basis)
    }
    self.basis = basis
  }

  private func openTemporary(
    _ directory: Int32, _ name: String, _ basis: BasisFile
  ) throws(PlatformError) {
    let flags = O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC
    let raw = retryingOnInterrupt { openat(directory, name, flags, 0o600) }
    guard raw >= 0 else { throw .last("openat", name) }
    let made = SharedDescriptor(owning: raw)
    target = made
    temporaryName = name
    directTarget = DirectTarget(made, sizeBytes: sizeBytes)
    var status = stat()
    isClone =
      FileSystem.clone(basis.descriptor.raw, to: raw) && fstat(raw, &status) == 0
      && status.st_size >= basis.status.st_size
    // A clone may have grown since it was listed; one that failed half way, or that some kernels
    // call done though it was cut short, must not show through.
    try FileIO.truncate(raw, to: isClone ? basisSizeBytes : 0)
  }

  /// Blocks that are as in the basis stand in the target from the start.
  var keepsBlocks: Bool { isInPlace || isClone }

  /// The basis of an opened file.
  func openBasis() throws -> BasisFile {
    guard let basis else { throw ReplicationError.violation("data for a file that is not open") }
    return basis
  }

  var targetDescriptor: Int32 { target?.raw ?? -1 }

  // MARK: Segments

  func begin(_ segment: BasisSegment) {
    lock.withLock {
      segments[segment.layout.segment] = segment
      openCount += 1
    }
  }

  /// The signature thread has read the basis and asked for everything.
  func completeRequests() -> NextStep {
    // Blocks that stay are proved by what was read, and stand in the clone that was made before.
    let isTrusted = !isClone || basis?.isUnchanged == true
    return lock.withLock {
      isBasisTrusted = isTrusted
      allRequested = true
      return nextStep()
    }
  }

  var isGivenUp: Bool { lock.withLock { worst != .complete || (isUnproven && !isInPlace) } }

  func segment(_ number: UInt32) throws -> BasisSegment {
    guard let segment = lock.withLock({ segments[number] }) else {
      throw ReplicationError.violation("data for a segment that was not asked for")
    }
    return segment
  }

  /// Whether something of the file is known to differ from the basis: it will be replaced then.
  var differs: Bool { lock.withLock { hasDifference } }
  func noteDifference() { lock.withLock { hasDifference = true } }

  func setWindow(_ window: Range<Int64>, of segment: UInt32) {
    lock.withLock { segments[segment]?.window = window }
  }

  /// What follows the end of a segment.
  enum NextStep {
    case wait
    case resend(UInt32)
    /// Ask the sender how the file's reading ended.
    case finish
    /// Ask for the whole file.
    case askWhole
  }

  /// Notes the end of a segment; `isDirty` when something of it differs from the basis, `isWritten`
  /// when all of it stands in the target.
  func end(
    _ segment: UInt32, outcome: FileEnd.Outcome, isProven: Bool, isDirty: Bool, isWritten: Bool
  ) -> NextStep {
    lock.withLock {
      if outcome == .complete, !isProven, retried.insert(segment).inserted {
        return .resend(segment)
      }
      segments[segment] = nil
      openCount -= 1
      if outcome != .complete {
        if worst == .complete || outcome.rawValue > worst.rawValue { worst = outcome }
      } else if !isProven {
        isUnproven = true
      } else {
        if isDirty { dirtyCount += 1 }
        if !isWritten { cleanSegments.insert(segment) }
      }
      return nextStep()
    }
  }

  private func nextStep() -> NextStep {
    guard allRequested, openCount == 0 else { return .wait }
    let isRefused =
      worst == .changed || (worst == .complete && (isUnproven || !isBasisTrusted))
    if isRefused, !isInPlace { return .askWhole }
    isFinishing = true
    return .finish
  }

  /// What becomes of the file, all told.
  enum Verdict {
    case commit
    /// Rewritten in place while it changed: not the content of any one moment.
    case commitAsChanged
    case askWhole
    /// Nothing came of it: what was there before stays.
    case drop(FileEnd.Outcome)
  }

  /// Judges by the segments and by how the sender's reading ended.
  /// - Throws: a violation when the end was not asked for.
  func verdict(_ end: FileEnd.Outcome) throws -> Verdict {
    let (isFinishing, worst, isUnproven) = lock.withLock {
      (self.isFinishing, self.worst, self.isUnproven)
    }
    guard isFinishing, worst != .equal, end != .equal else {
      throw ReplicationError.violation("the end of a file that was not asked for")
    }
    if worst != .complete { return .drop(worst) }
    switch end {
    case .unreadable, .vanished: return .drop(end)
    case .changed: return isInPlace ? .commitAsChanged : .askWhole
    case .complete, .equal:
      return isUnproven ? .commitAsChanged : .commit
    }
  }

  /// The whole file was asked for instead.
  var isReplaced: Bool { lock.withLock { hasBeenReplaced } }
  func replace() { lock.withLock { hasBeenReplaced = true } }

  /// Whether a segment comes for the second time.
  func isRetried(_ segment: UInt32) -> Bool { lock.withLock { retried.contains(segment) } }

  /// Puts back what was overwritten in place, or removes the temporary file.
  func takeBack(in directory: Int32) throws(PlatformError) {
    if let undo {
      try undo.rollBack(target: targetDescriptor)
    } else if let temporaryName {
      _ = unlinkat(directory, temporaryName, 0)
    }
  }

  /// Whether what was proved is just what the basis holds.
  var isIdentical: Bool {
    lock.withLock {
      dirtyCount == 0 && basisSizeBytes == sizeBytes && worst == .complete && !isUnproven
    }
  }

  /// Whether the name still is the basis, and only that: a file that shares its inode with a name
  /// of another group must become one of its own.
  func mayStay(directory: Int32, name: UnsafePointer<CChar>) -> Bool {
    var status = stat()
    guard let basis, fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
      return false
    }
    return status.st_ino == basis.status.st_ino && status.st_dev == basis.status.st_dev
      && !mustSeparate
  }

  // MARK: Completing

  /// Fills the segments that are as in the basis and sets the final size; false when the basis has
  /// changed since they were proved.
  func complete(with writer: StagedWriter) throws(PlatformError) -> Bool {
    if !isInPlace {
      let clean = lock.withLock { cleanSegments }
      for segment in clean.sorted() {
        let start = Int64(segment) * Int64(Granularity.segmentSize)
        let end = min(start + Int64(Granularity.segmentSize), min(sizeBytes, basisSizeBytes))
        if start < end { try copyFromBasis(start..<end, with: writer) }
      }
      try writer.flush()
      if !clean.isEmpty, basis?.isUnchanged != true { return false }
    }
    if isDevice { return true }
    if isInPlace { try saveTail() }
    try FileIO.truncate(targetDescriptor, to: sizeBytes)
    return true
  }

  private var isDevice: Bool {
    var status = stat()
    return fstat(targetDescriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFBLK
  }

  /// What a shrinking file loses goes to the undo journal first.
  private func saveTail() throws(PlatformError) {
    guard let undo, basisSizeBytes > sizeBytes else { return }
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: Granularity.blockSize, alignment: 4096)
    let record = UnsafeMutableRawBufferPointer.allocate(
      byteCount: UndoJournal.recordSize(Granularity.blockSize), alignment: 8)
    defer {
      buffer.deallocate()
      record.deallocate()
    }
    var offset = sizeBytes
    while offset < basisSizeBytes {
      activity.step()
      let data = FileSystem.seekData(targetDescriptor, from: offset)
      if data < 0, errno == ENXIO { break }
      offset = max(offset, data)
      let count = Int(min(Int64(buffer.count), basisSizeBytes - offset))
      guard count > 0 else { break }
      let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
      let read = try FileIO.read(targetDescriptor, into: piece, at: offset)
      if read == 0 { break }
      let size = UndoJournal.encode(
        UnsafeRawBufferPointer(rebasing: piece[..<read]), at: offset,
        into: record.baseAddress.unsafelyUnwrapped)
      try undo.append(UnsafeRawBufferPointer(rebasing: record[..<size]))
      offset += Int64(read)
    }
    try undo.synchronize()
  }

  /// Copies data ranges of the basis to the same place of the target; holes stay holes.
  func copyFromBasis(
    _ range: Range<Int64>, with writer: StagedWriter
  ) throws(PlatformError) {
    guard let basis, let directTarget else { return }
    var offset = range.lowerBound
    while offset < range.upperBound {
      let data = basis.data(from: offset, end: range.upperBound)
      offset = data.lowerBound
      while offset < data.upperBound {
        activity.step()
        let count = try writer.fill(upTo: data.upperBound - offset, at: offset, to: directTarget) {
          (buffer) throws(PlatformError) in try basis.read(into: buffer, at: offset)
        }
        if count == 0 { return }  // the basis ends here
        offset += Int64(count)
      }
    }
  }
}
