import FileTree
import Glibc
import Pipelines
import Platform

/// Decides about one entry of the source against what stands here, and does what needs no data.
/// Runs on the control thread.
final class EntryApplier {
  enum Outcome {
    case unchanged
    /// Something in the directory was or will be made, replaced or renamed.
    case touched
  }

  private let state: ReceiverState
  private let builder: RecordBuilder
  private let journal: RunJournal?
  private let writer: TreeWriter
  private let pending: PendingFiles
  private let deltas: BoundedChannel<PendingFile>
  private let timer: StageTimer
  private var deltaFiles: [PendingFile] = []
  /// Removes directories that are in the way, when there are entries that must stay.
  private let removal: TreeRemoval?

  /// Smaller files travel whole: a signature and its answer would cost more.
  private static let deltaSizeMin: Int64 = 16 << 10

  init(
    state: ReceiverState, builder: RecordBuilder, journal: RunJournal?, writer: TreeWriter,
    pending: PendingFiles, deltas: BoundedChannel<PendingFile>, filter: FilterRules,
    timer: StageTimer
  ) {
    removal = filter.isEmpty ? nil : TreeRemoval(root: writer.root, filter: filter)
    self.state = state
    self.builder = builder
    self.journal = journal
    self.writer = writer
    self.pending = pending
    self.deltas = deltas
    self.timer = timer
  }

  /// Sends the requests so far, then starts the deltas among them.
  func handOver(flushing builder: RecordBuilder) throws {
    guard !deltaFiles.isEmpty else { return }
    try builder.flush()
    for file in deltaFiles { try deltas.send(file, timer: timer) }
    deltaFiles.removeAll(keepingCapacity: true)
  }

  func apply(
    _ part: DirectoryListing, _ index: Int, local: Entry?, in directory: TreeComparer.OpenDirectory,
    sourceIndex: UInt32
  ) throws -> Outcome {
    let entry = part.entries[index]
    var local = local
    if let there = local, isInTheWay(there, of: entry) {
      guard try clear(there, for: entry, part, directory) else { return .unchanged }
      local = nil
    }
    if entry.kind == .directory { return try applyDirectory(part, entry, local, directory) }
    if entry.linkPath.count > 0 { return try applyLink(part, entry, local, directory) }
    if entry.kind == .regular {
      return try applyRegular(part, index, local, directory, sourceIndex)
    }
    return try applySpecial(part, entry, local, directory)
  }

  // MARK: What is in the way

  private func isInTheWay(_ local: Entry, of entry: Entry) -> Bool {
    (local.kind == .directory) != (entry.kind == .directory)
  }

  /// Moves a directory away for a file or a file for a directory; false when that is not allowed.
  private func clear(
    _ local: Entry, for entry: Entry, _ part: DirectoryListing,
    _ directory: TreeComparer.OpenDirectory
  ) throws -> Bool {
    if local.kind == .directory, !state.flags.contains(.delete) {
      state.warn(
        part.path(of: entry), "a directory is in the way and nothing may be deleted",
        tell: builder)
      return false
    }
    if state.isDryRun { return true }
    if local.kind == .directory, let removal {
      // Rules may be bound to the path, so what they protect is looked for where it stands.
      directory.isTouched = true
      let isGone = try builder.activity.busy { () throws(TreeError) in
        try removal.remove(directory.path, [UInt8](part.name(of: entry)))
      }
      if isGone { return true }
      state.warn(
        part.path(of: entry), "a directory that holds excluded entries is in the way",
        tell: builder)
      return false
    }
    let name = try writer.moveAside(directory.path, part.cName(of: entry)) {
      part.path(of: entry)
    }
    try journal?.append(.deletion(.own, directory: directory.path, name: name))
    directory.isTouched = true
    return true
  }

  // MARK: Kinds

  private func applyDirectory(
    _ part: DirectoryListing, _ entry: Entry, _ local: Entry?,
    _ directory: TreeComparer.OpenDirectory
  ) throws -> Outcome {
    guard let local else {
      var change = ItemChange(.created, .directory)
      change.isNew = true
      try state.item(change, part.path(of: entry) + [0x2f], tell: builder)
      state.created()
      if state.isDryRun { return .touched }
      try writer.makeDirectory(directory.path, part.cName(of: entry)) { part.path(of: entry) }
      try noteAttributes(part, entry)
      return .touched
    }
    let change = difference(part, entry, directory.local, local)
    guard change.hasAttributes else { return .unchanged }
    try state.item(change, part.path(of: entry) + [0x2f], tell: builder)
    state.attributesChanged()
    try noteAttributes(part, entry)
    return .unchanged
  }

  private func noteAttributes(_ part: DirectoryListing, _ entry: Entry) throws {
    guard let journal else { return }
    let single = DirectoryListing(path: part.path)
    single.append(entry, from: part)
    try journal.append(.attributes(path: part.path(of: entry), single))
  }

  private func applyLink(
    _ part: DirectoryListing, _ entry: Entry, _ local: Entry?,
    _ directory: TreeComparer.OpenDirectory
  ) throws -> Outcome {
    let first = [UInt8](part.bytes(entry.linkPath))
    if let local, local.kind == entry.kind, local.linkPath.count > 0,
      directory.local.bytes(local.linkPath).elementsEqual(first),
      !needsData(part, entry, directory.local, local),
      !difference(part, entry, directory.local, local).hasAttributes
    {
      try journal?.append(
        .link(first: first, directory: part.path, name: [UInt8](part.name(of: entry))))
      return .unchanged
    }
    var change = ItemChange(.linked, entry.kind)
    change.isNew = local == nil
    try state.item(change, part.path(of: entry), tell: builder)
    if local == nil { state.created() }
    try journal?.append(
      .link(first: first, directory: part.path, name: [UInt8](part.name(of: entry))))
    return .touched
  }

  private func applySpecial(
    _ part: DirectoryListing, _ entry: Entry, _ local: Entry?,
    _ directory: TreeComparer.OpenDirectory
  ) throws -> Outcome {
    guard let local, local.kind == entry.kind, local.linkPath.count == 0,
      !needsData(part, entry, directory.local, local)
    else {
      var change = ItemChange(.created, entry.kind)
      change.isNew = local == nil
      try state.item(change, part.path(of: entry), tell: builder)
      if local == nil { state.created() }
      if state.isDryRun { return .touched }
      do throws(TreeError) {
        try writer.makeSpecial(entry, in: part)
      } catch {
        guard case .system(let cause, _) = error, cause.errno == EPERM else { throw error }
        state.warn(part.path(of: entry), "cannot be made without privilege", tell: builder)
        return .unchanged
      }
      return .touched
    }
    return try applyAttributes(part, entry, local, directory)
  }

  private func applyRegular(
    _ part: DirectoryListing, _ index: Int, _ local: Entry?,
    _ directory: TreeComparer.OpenDirectory, _ sourceIndex: UInt32
  ) throws -> Outcome {
    let entry = part.entries[index]
    if let local, local.kind == .regular, local.linkPath.count == 0,
      state.flags.contains(.checksum)
        ? local.size == 0 && entry.size == 0 : !needsData(part, entry, directory.local, local)
    {
      return try applyAttributes(part, entry, local, directory)
    }
    var change = ItemChange(.transferred, .regular)
    if let local, local.kind == .regular {
      change = difference(part, entry, directory.local, local)
      change.update = .transferred
      change.size = local.size != entry.size
    } else {
      change.isNew = true
    }
    if change.isNew { state.created() }
    if state.isDryRun {
      // Whether the content differs is not known without reading it.
      if !state.flags.contains(.checksum) || change.isNew || change.size {
        try state.item(change, part.path(of: entry), tell: builder)
        state.fileRequested(sizeBytes: entry.size)
        state.fileDone()
      }
      return .touched
    }
    try request(part, index, local, directory, sourceIndex, change)
    return .touched
  }

  private func applyAttributes(
    _ part: DirectoryListing, _ entry: Entry, _ local: Entry,
    _ directory: TreeComparer.OpenDirectory
  ) throws -> Outcome {
    let change = difference(part, entry, directory.local, local)
    guard change.hasAttributes else { return .unchanged }
    try state.item(change, part.path(of: entry), tell: builder)
    state.attributesChanged()
    if state.isDryRun { return .unchanged }
    let parent = try writer.directories.descriptor(of: part.path)
    writer.attributes.apply(
      entry, in: part, directory: parent, name: part.cName(of: entry)
    ) { part.path(of: entry) }
    return .unchanged
  }

  // MARK: Differences

  private func needsData(
    _ part: DirectoryListing, _ entry: Entry, _ there: DirectoryListing, _ local: Entry
  ) -> Bool {
    switch entry.kind {
    case .regular: local.size != entry.size || !local.hasSameTime(as: entry)
    case .symbolicLink:
      compareBytes(part.bytes(entry.target), there.bytes(local.target)) != 0
    case .characterDevice, .blockDevice:
      local.deviceMajor != entry.deviceMajor || local.deviceMinor != entry.deviceMinor
    case .directory, .fifo, .socket: false
    }
  }

  private func difference(
    _ part: DirectoryListing, _ entry: Entry, _ there: DirectoryListing, _ local: Entry
  ) -> ItemChange {
    var change = ItemChange(.attributes, entry.kind)
    change.time = !local.hasSameTime(as: entry)
    change.mode = entry.kind != .symbolicLink && local.mode != entry.mode
    // Without privilege owners cannot be changed, and are not compared.
    change.user = state.isPrivileged && local.userID != entry.userID
    change.group = state.isPrivileged && local.groupID != entry.groupID
    if compareBytes(part.bytes(entry.attributes), there.bytes(local.attributes)) != 0 {
      change.attributes = true
    }
    return change
  }

  // MARK: Requests

  private func request(
    _ part: DirectoryListing, _ index: Int, _ local: Entry?,
    _ directory: TreeComparer.OpenDirectory, _ sourceIndex: UInt32, _ change: ItemChange
  ) throws {
    let entry = part.entries[index]
    let number = try pending.reserve(timer: timer) {
      try self.handOver(flushing: self.builder)
      try self.builder.flush()
    }
    let isWhole =
      state.flags.contains(.wholeFile) || entry.size > SegmentLayout.sizeBytesMax
    let basis = isWhole ? nil : chooseBasis(part, entry, local, directory)
    let hashed = isWhole ? makeHashed(part, entry, local) : nil
    let rebuild = try basis.map { try makeRebuild(number, part, entry, $0, local) }
    let file = PendingFile(
      request: number, listing: part, index: index, sourceIndex: sourceIndex,
      directoryNumber: directory.number, change: change, rebuild: rebuild,
      hashed: hashed)
    pending.add(file)
    state.fileRequested(sizeBytes: entry.size)
    guard let basisSize = rebuild?.basisSizeBytes ?? hashed?.sizeBytes else {
      try builder.append(.needWhole, size: 12) { writer in
        writer.put(number)
        writer.put(directory.number)
        writer.put(sourceIndex)
      }
      return
    }
    try builder.append(.needDelta, size: 21) { writer in
      writer.put(number)
      writer.put(basisSize)
      writer.put(UInt8(rebuild?.isInPlace == true ? 1 : 0))
      writer.put(directory.number)
      writer.put(sourceIndex)
    }
    deltaFiles.append(file)
  }

  /// Prepares a rebuild, and notes what it leaves to be removed at the end of the run.
  private func makeRebuild(
    _ number: UInt32, _ part: DirectoryListing, _ entry: Entry, _ basis: Basis, _ local: Entry?
  ) throws -> FileRebuild {
    let name = [UInt8](part.name(of: entry))
    // In place a file with other names would change under them too, while they may be the basis of
    // something else or belong to another group by now.
    let isInPlace =
      state.flags.contains(.inPlace) && basis.isTarget && (local?.linkCount ?? 1) == 1
    if isInPlace {
      let undo = Array(PartialName.undo(for: name).utf8)
      try journal?.append(.deletion(.undo, directory: part.path, name: undo))
    }
    if !basis.isTarget {
      let earlier = Array(PartialName.earlier(for: name).utf8)
      try journal?.append(.deletion(.own, directory: part.path, name: earlier))
    }
    return FileRebuild(
      request: number, directory: part.path, name: name, sizeBytes: entry.size,
      basisName: basis.name, basisSizeBytes: basis.size, isInPlace: isInPlace,
      mustSeparate: (local?.linkPath.count ?? 0) > 0, activity: builder.activity)
  }

  /// With `--checksum` a file is only wanted when its content differs, also where it then comes
  /// whole. Another size tells that without reading. A later name of a hard-link group has to
  /// become a file of its own.
  private func makeHashed(
    _ part: DirectoryListing, _ entry: Entry, _ local: Entry?
  ) -> HashedBasis? {
    guard state.flags.contains(.checksum), let local, local.kind == .regular,
      local.size == entry.size, local.linkPath.count == 0
    else { return nil }
    return HashedBasis(name: [UInt8](part.name(of: entry)), sizeBytes: entry.size)
  }

  private struct Basis {
    var name: [UInt8]
    var size: Int64
    /// The basis is the file itself rather than what an interrupted run has left.
    var isTarget: Bool
  }

  private func chooseBasis(
    _ part: DirectoryListing, _ entry: Entry, _ local: Entry?,
    _ directory: TreeComparer.OpenDirectory
  ) -> Basis? {
    var best: Basis?
    let checks = state.flags.contains(.checksum) || (local?.linkPath.count ?? 0) > 0
    if let local, local.kind == .regular, local.size > 0,
      entry.size >= EntryApplier.deltaSizeMin || (checks && entry.size > 0)
    {
      best = Basis(name: [UInt8](part.name(of: entry)), size: local.size, isTarget: true)
    }
    guard entry.size >= EntryApplier.deltaSizeMin else { return best }
    guard let leftover = largestLeftover(of: [UInt8](part.name(of: entry)), directory.local) else {
      return best
    }
    if best == nil || (leftover.dataBytes > entry.size / 2 && !state.flags.contains(.inPlace)) {
      best = leftover.basis
    }
    return best
  }

  /// What interrupted runs have left of a file: the last one's, or that of one before which it
  /// started from, whichever holds more. Their sizes say little: segments come in any order.
  private func largestLeftover(
    of name: [UInt8], _ there: DirectoryListing
  ) -> (basis: Basis, dataBytes: Int64)? {
    var best: (basis: Basis, dataBytes: Int64)?
    for leftover in [PartialName.temporary(for: name), PartialName.earlier(for: name)] {
      let bytes = Array(leftover.utf8)
      guard let found = bytes.withUnsafeBytes({ there.index(of: $0) }),
        there.entries[found].kind == .regular, there.entries[found].size > 0
      else { continue }
      // A directory that cannot be opened has nothing to start from.
      guard let parent = try? writer.directories.descriptor(of: there.path) else { continue }
      var status = stat()
      guard fstatat(parent, leftover, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
      let dataBytes = Int64(status.st_blocks) * 512
      if dataBytes > (best?.dataBytes ?? 0) {
        let basis = Basis(name: bytes, size: there.entries[found].size, isTarget: false)
        best = (basis, dataBytes)
      }
    }
    return best
  }
}
