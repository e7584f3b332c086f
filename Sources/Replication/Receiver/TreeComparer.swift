import FileTree
import Glibc
import Pipelines
import Platform

/// The receiver's control thread: compares what the sender announces with what stands here, makes
/// what needs no data, asks for what does, and notes what is done at the end.
final class TreeComparer {
  struct WalkEnd {
    var hadErrors: Bool
    var digest: [UInt8]
  }

  /// A directory whose listing was asked for.
  final class OpenDirectory {
    let number: UInt32
    let path: [UInt8]
    let local: DirectoryListing
    let exists: Bool
    let announcedDigest: [UInt8]
    let isIncomplete: Bool
    /// Bytes of memory of `local`.
    let weight: Int
    var cursor = 0
    var sourceCount: UInt32 = 0
    var lastName: [UInt8] = []
    var isTouched = false

    init(
      number: UInt32, path: [UInt8], local: DirectoryListing?, announcedDigest: [UInt8],
      isIncomplete: Bool
    ) {
      self.number = number
      self.path = path
      self.local = local ?? DirectoryListing(path: path)
      exists = local != nil
      weight = self.local.weight
      self.announcedDigest = announcedDigest
      self.isIncomplete = isIncomplete
    }
  }

  let state: ReceiverState
  let builder: RecordBuilder
  let journal: RunJournal?
  let entries: EntryApplier
  private let reader: DirectoryReader
  private var digester: DirectoryDigester
  private var treeDigester: TreeDigester
  private var listDigesters: [UInt32: ListDigest] = [:]
  private var open: [UInt32: OpenDirectory] = [:]
  /// Bytes of the listings of `open`.
  private var openWeight = 0
  /// Directories that were announced while there was no room for what stands here of them.
  private var undecided = AnnouncementQueue()
  private var announcedCount: UInt32 = 0
  /// What the sender was told of decided directories.
  private var answeredCount: UInt32 = 0
  private var previousPath: [UInt8] = []
  private var walkEnd: WalkEnd?

  init(
    root: TreeRoot, rootListing: DirectoryListing, filter: FilterRules, state: ReceiverState,
    builder: RecordBuilder, journal: RunJournal?, entries: EntryApplier
  ) throws {
    self.state = state
    self.builder = builder
    self.journal = journal
    self.entries = entries
    var options = WalkOptions()
    options.filter = filter
    reader = DirectoryReader(root: root, options: options) { error in
      state.warn([], error.message, tell: builder)
    }
    digester = try DirectoryDigester()
    treeDigester = try TreeDigester()
    digester.update(rootListing.entries[0], in: rootListing)
    treeDigester.add(path: [], digest: digester.finish())
  }

  /// Handles one control record; gives the end of the walk once every directory is decided.
  func handle(_ frames: UnsafeRawBufferPointer) throws -> WalkEnd? {
    var iterator = FrameIterator(frames)
    while let frame = try iterator.next() {
      switch frame.type {
      case .directories: try announced(frame.body)
      case .list: try list(frame.body)
      case .walkEnd: try walkEnded(frame.body)
      case .abort: throw try AbortMessage(decoding: frame.body).error
      default: throw ReplicationError.violation("frame \(frame.type) on the control lane")
      }
    }
    try answer()
    guard let walkEnd, open.isEmpty, undecided.isEmpty else { return nil }
    self.walkEnd = nil
    return walkEnd
  }

  // MARK: Announcements

  private func announced(_ body: UnsafeRawBufferPointer) throws {
    guard walkEnd == nil else { throw ReplicationError.violation("a directory after the end") }
    var frame = ByteReader(body)
    let isIncomplete = try frame.u8() == 1
    let shared = Int(try frame.u16())
    let rest = try frame.bytes(Int(try frame.u16()))
    let digest = [UInt8](try frame.bytes(DirectoryDigester.size))
    guard frame.remaining == 0, shared <= previousPath.count else {
      throw ReplicationError.violation("directory announcement")
    }
    let path = [UInt8](previousPath[..<shared]) + rest
    guard announcedCount == 0 ? path.isEmpty : path.withUnsafeBytes(RelativePath.isSafe),
      announcedCount < .max, announcedCount - answeredCount < WireLimits.announcedCountMax
    else { throw ReplicationError.violation("unsafe path \(printable(path))") }
    previousPath = path
    treeDigester.add(path: path, digest: digest)
    let number = announcedCount
    announcedCount += 1
    undecided.append(
      Announcement(number: number, path: path, digest: digest, isIncomplete: isIncomplete))
    try decideWhatFits()
  }

  /// Decides the announced directories in their order, until what stands here of the open ones has
  /// taken its room. At least one is open then, whose listing the sender will send.
  private func decideWhatFits() throws {
    while open.isEmpty || openWeight < WireLimits.localListingWeightMax,
      let next = undecided.popFirst()
    { try decide(next.number, next.path, next.digest, next.isIncomplete) }
  }

  /// Tells the sender which directories are decided, when there are more of them.
  private func answer() throws {
    let count = announcedCount - UInt32(undecided.count)
    guard count != answeredCount else { return }
    answeredCount = count
    try builder.append(.answered, size: 4) { $0.put(count) }
  }

  private func decide(
    _ number: UInt32, _ path: [UInt8], _ digest: [UInt8], _ isIncomplete: Bool
  ) throws {
    let local = try localListing(path)
    if let local, !isIncomplete, !local.isIncomplete, !state.flags.contains(.checksum),
      digester.digest(local) == digest
    {
      try removeLeftovers(of: local)
      return
    }
    guard open.count < WireLimits.announcedCountMax else {
      throw ReplicationError.violation("more directories announced than allowed")
    }
    let directory = OpenDirectory(
      number: number, path: path, local: local, announcedDigest: digest,
      isIncomplete: isIncomplete)
    open[number] = directory
    openWeight += directory.weight
    listDigesters[number] = try ListDigest()
    try builder.append(.want, size: 4) { $0.put(number) }
  }

  /// What stands at `path` here; nil when it is no directory that can be read.
  private func localListing(_ path: [UInt8]) throws -> DirectoryListing? {
    do throws(TreeError) {
      return try builder.activity.busy { () throws(TreeError) in try reader.read(path) }
    } catch {
      guard case .system(let cause, _) = error else { throw error }
      switch cause.errno {
      case ENOENT, ENOTDIR, ELOOP, EXDEV: return nil
      default: throw error
      }
    }
  }

  /// Leftovers in a directory that is otherwise equal.
  private func removeLeftovers(of local: DirectoryListing) throws {
    var isTouched = false
    for entry in local.entries where entry.isLeftover {
      try noteLeftover(entry, in: local)
      isTouched = true
    }
    if isTouched { try noteTouched(local.path, local.directory) }
  }

  private func noteLeftover(_ entry: Entry, in local: DirectoryListing) throws {
    let name = local.name(of: entry)
    try journal?.append(
      .deletion(
        TemporaryName.isUndo(name) ? .undo : .own, directory: local.path, name: [UInt8](name)))
  }

  private func noteTouched(_ path: [UInt8], _ directory: Entry) throws {
    try journal?.append(
      .time(
        path: path, seconds: directory.modifiedSeconds,
        nanoseconds: directory.modifiedNanoseconds))
  }

  // MARK: Listings

  private func list(_ body: UnsafeRawBufferPointer) throws {
    var frame = ByteReader(body)
    let number = try frame.u32()
    let isLast = try frame.u8() == 1
    guard let directory = open[number], let digest = listDigesters[number] else {
      throw ReplicationError.violation("a listing that was not asked for")
    }
    let part = DirectoryListing(path: directory.path)
    while frame.remaining > 0 {
      let before = frame.offset
      try EntryCodec.decode(&frame, into: part)
      digest.update(UnsafeRawBufferPointer(rebasing: body[before..<frame.offset]))
    }
    guard isLast || !part.entries.isEmpty else { throw ReplicationError.violation("empty part") }
    for index in part.entries.indices {
      let name = part.name(of: part.entries[index])
      let isAscending = directory.lastName.withUnsafeBytes { compareBytes($0, name) < 0 }
      guard isAscending || directory.sourceCount == 0, !TemporaryName.matches(name),
        directory.path.count + 1 + name.count <= TreeLimits.pathBytesMax
      else { throw ReplicationError.violation("listing out of order") }
      directory.lastName = [UInt8](name)
      try merge(part, index, into: directory)
      directory.sourceCount += 1
    }
    if isLast { try close(directory, digest) }
  }

  /// Advances over local names before the entry's, which the source does not have, and compares.
  private func merge(
    _ part: DirectoryListing, _ index: Int, into directory: OpenDirectory
  ) throws {
    let name = part.name(of: part.entries[index])
    var local: Entry?
    while directory.cursor < directory.local.entries.count {
      let candidate = directory.local.entries[directory.cursor]
      let order = compareBytes(directory.local.name(of: candidate), name)
      if order > 0 { break }
      directory.cursor += 1
      if order == 0 {
        local = candidate
        break
      }
      try extra(candidate, in: directory)
    }
    let outcome = try entries.apply(
      part, index, local: local, in: directory, sourceIndex: directory.sourceCount)
    if outcome == .touched { directory.isTouched = true }
  }

  /// A local name that the source does not have.
  private func extra(_ entry: Entry, in directory: OpenDirectory) throws {
    if entry.isLeftover {
      try noteLeftover(entry, in: directory.local)
      directory.isTouched = true
      return
    }
    guard state.flags.contains(.delete), !directory.isIncomplete else { return }
    let name = [UInt8](directory.local.name(of: entry))
    try journal?.append(.deletion(.extra, directory: directory.path, name: name))
    directory.isTouched = true
    if state.isDryRun {
      try state.item(.deletion(), directory.local.path(of: entry), tell: builder)
      state.deleted(1)
    }
  }

  private func close(_ directory: OpenDirectory, _ digest: ListDigest) throws {
    while directory.cursor < directory.local.entries.count {
      try extra(directory.local.entries[directory.cursor], in: directory)
      directory.cursor += 1
    }
    guard digest.finish() == directory.announcedDigest else {
      throw ReplicationError.violation(
        "the listing of \(printable(directory.path)) is not the one that was announced")
    }
    if directory.isTouched, directory.exists {
      try noteTouched(directory.path, directory.local.directory)
    }
    open[directory.number] = nil
    openWeight -= directory.weight
    listDigesters[directory.number] = nil
    let number = directory.number
    try builder.append(.close, size: 4) { $0.put(number) }
    try decideWhatFits()
    try entries.handOver(flushing: builder)
  }

  private func walkEnded(_ body: UnsafeRawBufferPointer) throws {
    var frame = ByteReader(body)
    let count = try frame.u32()
    state.setTotals(
      entryCount: Int64(clamping: try frame.u64()), fileCount: Int64(clamping: try frame.u64()),
      sizeBytes: Int64(clamping: try frame.u64()))
    let hadErrors = try frame.u8() == 1
    let digest = [UInt8](try frame.bytes(32))
    guard walkEnd == nil, frame.remaining == 0, count == announcedCount else {
      throw ReplicationError.violation("end of the walk")
    }
    guard treeDigester.finish() == digest else { throw ReplicationError.digestMismatch }
    walkEnd = WalkEnd(hadErrors: hadErrors, digest: digest)
  }
}

/// A directory that the sender has announced.
private struct Announcement {
  let number: UInt32
  let path: [UInt8]
  let digest: [UInt8]
  let isIncomplete: Bool
}

/// Announcements in their order; at most ``WireLimits/announcedCountMax``.
private struct AnnouncementQueue {
  private var items: [Announcement] = []
  private var head = 0

  var count: Int { items.count - head }
  var isEmpty: Bool { count == 0 }

  mutating func append(_ item: Announcement) { items.append(item) }

  mutating func popFirst() -> Announcement? {
    guard head < items.count else { return nil }
    defer {
      head += 1
      if head == items.count || head == WireLimits.announcedCountMax {
        items.removeFirst(head)
        head = 0
      }
    }
    return items[head]
  }
}

/// The digest of a listing that comes in parts.
final class ListDigest {
  private var digester: DirectoryDigester

  init() throws { digester = try DirectoryDigester() }

  func update(_ encoded: UnsafeRawBufferPointer) { digester.update(encoded) }
  func finish() -> [UInt8] { digester.finish() }
}
