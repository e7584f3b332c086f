import FileTree
import Glibc
import Platform

/// What one thread of a restore works with: contexts and buffers that are kept from batch to batch.
final class RestoreWorker: @unchecked Sendable {
  let repository: Repository
  let options: RestoreOptions
  let state: RestoreState
  let codec: RepositoryCodec
  let reader: BlobReader
  let writer: TreeWriter
  let removal: TreeRemoval
  let writeBehind: WriteBehind?
  let staged = StagedWriter()
  let buffer = CodecBuffer()

  init(
    _ repository: Repository, _ index: BlobIndex, options: RestoreOptions, root: TreeRoot,
    state: RestoreState, writeBehind: WriteBehind?
  ) throws(RepositoryError) {
    self.repository = repository
    self.options = options
    self.state = state
    self.writeBehind = writeBehind
    codec = try repository.makeCodec()
    reader = try BlobReader(repository, index)
    writer = TreeWriter(root: root) { path, message in state.problem(.attribute, path, message) }
    removal = TreeRemoval(root: root, filter: FilterRules())
  }

  // MARK: Names and temporary files

  func parent(_ item: RestoreItem) throws(TreeError) -> Int32 {
    try writer.directories.descriptor(of: item.listing.path)
  }

  /// Runs a step for one item; what fails is told, and the item counts as failed.
  func step(
    _ batch: RestoreBatch, _ number: Int, _ body: () throws(TreeError) -> Void
  ) throws(RepositoryError) {
    do throws(TreeError) { try body() } catch { try fail(batch, number, error) }
  }

  func fail(_ batch: RestoreBatch, _ number: Int, _ error: TreeError) throws(RepositoryError) {
    guard markFailed(batch, number) else { return }
    let path = batch.item(number).path
    if case .system(let cause, _) = error {
      try state.entryFailed(.system(cause, path: path))
    } else {
      try state.entryFailed(error)
    }
  }

  /// True for the first failure of an item, which is told.
  func markFailed(_ batch: RestoreBatch, _ number: Int) -> Bool {
    batch.change(number) { item in
      defer { item.hasFailed = true }
      return !item.hasFailed
    }
  }

  /// Makes the temporary file of an item; it is empty and nobody else's.
  func makeTemporary(
    _ item: RestoreItem, _ parent: Int32
  ) throws(TreeError) -> (file: SharedDescriptor, number: UInt64) {
    var number = RestoreTemporary.number(of: item.listing.name(of: item.entry))
    let mode = writer.modeAtCreation(item.entry)
    for _ in 0..<3 {
      let name = RestoreTemporary.name(number)
      let flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
      let raw = retryingOnInterrupt { openat(parent, name, flags, mode) }
      if raw >= 0 { return (SharedDescriptor(owning: raw), number) }
      guard errno == EEXIST else { throw .system(.last("openat"), path: item.path) }
      // What an earlier run has left, or something that is not ours and cannot be removed.
      if unlinkat(parent, name, 0) != 0 { number = SecureRandom.integer() }
    }
    throw .system(PlatformError("openat", "", errno: EEXIST), path: item.path)
  }

  /// The file of an item that is written in one go: without a name where nothing is in its way and
  /// that is possible.
  func makeWhole(
    _ item: RestoreItem, _ parent: Int32
  ) throws(TreeError) -> (file: SharedDescriptor, number: UInt64?) {
    if item.obstacle == .none, let file = writer.makeUnnamed(item.entry, in: parent) {
      return (file, nil)
    }
    let (file, number) = try makeTemporary(item, parent)
    return (file, number)
  }

  /// Gives a complete file its attributes and its name; a `number` of nil is one that has none yet.
  func complete(
    _ item: RestoreItem, _ file: SharedDescriptor, _ number: UInt64?, _ parent: Int32
  ) throws(TreeError) {
    let entry = item.entry
    let name = item.listing.cName(of: entry)
    if let number {
      writer.attributes.apply(entry, in: item.listing, to: file.raw) { item.path }
      try writer.rename(parent, RestoreTemporary.name(number), to: name) { item.path }
    } else {
      writer.applyToUnnamed(entry, in: item.listing, file) { item.path }
      try writer.link(
        file, parent,
        temporary: RestoreTemporary.name(RestoreTemporary.number(of: item.listing.name(of: entry))),
        to: name
      ) { item.path }
    }
    writeBehind?.add(file)
    state.count { $0.filesRestored += 1 }
    state.tell(.restored(path: item.path, .regular))
  }

  /// Takes away a directory that stands where something else has to be: an empty one, with
  /// `deletesExtra` any.
  func clearDirectory(_ directory: [UInt8], _ name: [UInt8]) throws(TreeError) {
    let path = name.withUnsafeBytes { directory.appending($0) }
    let parent = try writer.directories.descriptor(of: directory)
    let code = name.withCString { unlinkat(parent, $0, FileSystem.atRemoveDirectory) }
    if code == 0 || errno == ENOENT { return }
    guard errno == ENOTEMPTY || errno == EEXIST, options.deletesExtra else {
      throw .system(.last("unlinkat"), path: path)
    }
    guard try removal.remove(directory, name) else {
      throw .system(PlatformError("unlinkat", "", errno: ENOTEMPTY), path: path)
    }
  }

  // MARK: Entries without content to fetch

  /// Does what needs no blob: special entries, empty files, files whose content is there already;
  /// decides about the others how they are written.
  func settle(_ batch: RestoreBatch, _ number: Int) throws(RepositoryError) {
    try step(batch, number) { () throws(TreeError) in
      let item = batch.item(number)
      if item.obstacle == .directory {
        try clearDirectory(item.listing.path, [UInt8](item.listing.name(of: item.entry)))
      }
      guard item.entry.kind == .regular else {
        try writer.makeSpecial(item.entry, in: item.listing)
        state.count { $0.specials += 1 }
        return state.tell(.restored(path: item.path, item.entry.kind))
      }
      if item.isMetadataOnly { return try keepContent(item) }
      if item.pieces.isEmpty { return try settleEmpty(item) }
      let present = item.pieces.reduce(0) { $0 + (batch.pieces[$1].isPresent ? 1 : 0) }
      batch.change(number) { $0.missingCount = item.pieces.count }
      guard present > 0 else { return }
      try settle(batch, number, present: present)
    }
  }

  private func settleEmpty(_ item: RestoreItem) throws(TreeError) {
    let parent = try parent(item)
    if item.obstacle == .file {
      var status = stat()
      let name = item.listing.cName(of: item.entry)
      if fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_size == 0,
        status.st_mode & S_IFMT == S_IFREG
      {
        return try keepContent(item)
      }
    }
    let (file, number) = try makeWhole(item, parent)
    try complete(item, file, number, parent)
  }

  /// Sets the attributes of a file whose content is right.
  private func keepContent(_ item: RestoreItem) throws(TreeError) {
    let parent = try parent(item)
    writer.attributes.apply(
      item.entry, in: item.listing, directory: parent, name: item.listing.cName(of: item.entry)
    ) { item.path }
    state.count {
      $0.filesUnchanged += 1
      $0.bytesUnchanged += item.sizeBytes
    }
  }

  /// A file of which some or all pieces are there.
  private func settle(
    _ batch: RestoreBatch, _ number: Int, present: Int
  ) throws(TreeError) {
    let item = batch.item(number)
    let parent = try parent(item)
    let name = item.listing.cName(of: item.entry)
    let isWhole = present == item.pieces.count
    if item.obstacle == .file {
      if isWhole, try cut(item, parent) { return try keepContent(item) }
      guard !item.isShared, item.pieces.count > 1 else { return clearMarks(batch, item) }
    }
    let temporary = RestoreTemporary.number(of: item.listing.name(of: item.entry))
    if item.obstacle == .file {
      // Under its own name nothing unfinished ever stands.
      guard renameat(parent, name, parent, RestoreTemporary.name(temporary)) == 0 else {
        throw .system(.last("renameat"), path: item.path)
      }
    }
    batch.change(number) {
      $0.temporary = temporary
      $0.hasBasis = true
      $0.missingCount = item.pieces.count - present
    }
    let kept = item.pieces.reduce(Int64(0)) {
      $0 + (batch.pieces[$1].isPresent ? Int64(batch.pieces[$1].byteCount) : 0)
    }
    state.count { $0.bytesUnchanged += kept }
    guard isWhole else { return }
    let file = try openTemporary(batch, number, parent)
    try finish(batch, number, file.0, file.1, parent)
  }

  /// Everything has to be fetched after all.
  private func clearMarks(_ batch: RestoreBatch, _ item: RestoreItem) {
    for piece in item.pieces { batch.pieces[piece].isPresent = false }
  }

  /// Cuts a file with the right beginning to its size; false when that is not to be done in place.
  private func cut(_ item: RestoreItem, _ parent: Int32) throws(TreeError) -> Bool {
    var status = stat()
    let name = item.listing.cName(of: item.entry)
    guard fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
      throw .system(.last("fstatat"), path: item.path)
    }
    if Int64(status.st_size) == item.sizeBytes { return true }
    guard !item.isShared else { return false }
    let flags = O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
    let raw = retryingOnInterrupt { openat(parent, name, flags) }
    guard raw >= 0 else { return false }
    let file = SharedDescriptor(owning: raw)
    do throws(PlatformError) { try FileIO.truncate(file.raw, to: item.sizeBytes) } catch {
      throw .system(error, path: item.path)
    }
    return true
  }

  // MARK: Files of several blobs

  /// Opens the temporary file of an item, which is made when there is none. Called for one item by
  /// one thread at a time.
  func openTemporary(
    _ batch: RestoreBatch, _ number: Int, _ parent: Int32
  ) throws(TreeError) -> (SharedDescriptor, UInt64) {
    let item = batch.item(number)
    if let temporary = item.temporary {
      let flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
      let raw = retryingOnInterrupt { openat(parent, RestoreTemporary.name(temporary), flags) }
      guard raw >= 0 else { throw .system(.last("openat"), path: item.path) }
      return (SharedDescriptor(owning: raw), temporary)
    }
    let (file, temporary) = try makeTemporary(item, parent)
    batch.change(number) { $0.temporary = temporary }
    if options.isSparse {
      do throws(PlatformError) { try FileIO.truncate(file.raw, to: item.sizeBytes) } catch {
        throw .system(error, path: item.path)
      }
    }
    return (file, temporary)
  }

  /// All pieces of a file are there.
  func finish(
    _ batch: RestoreBatch, _ number: Int, _ file: SharedDescriptor, _ temporary: UInt64,
    _ parent: Int32
  ) throws(TreeError) {
    let item = batch.item(number)
    if item.hasBasis {
      do throws(PlatformError) { try FileIO.truncate(file.raw, to: item.sizeBytes) } catch {
        throw .system(error, path: item.path)
      }
    }
    try complete(item, file, temporary, parent)
    batch.change(number) { $0.temporary = nil }
  }
}
