import FileTree
import Glibc
import Platform

extension RestorePlanner {
  /// Plans a node that is no directory; its own directory is there.
  func plan(_ node: Node, _ frame: Frame, _ path: [UInt8]) throws(RepositoryError) {
    guard let kind = EntryKind(node.facts.type) else {
      return state.entryFailed(.entry, path, "an irregular file, which cannot be made")
    }
    var found: Found?
    if frame.isOld {
      do throws(TreeError) { found = try existing(frame, path) } catch {
        return try state.entryFailed(error)
      }
    }
    if let found, !overwrites(found, node) { return state.count { $0.entriesSkipped += 1 } }
    let number = frame.listing.append(node, of: frame.tree, as: kind)
    if let first = firstName(node, path) {
      frame.listing.entries[number].linkPath = first.withUnsafeBytes {
        ArenaSlice(offset: frame.listing.arena.appendString($0), count: UInt32($0.count))
      }
      let isDirectory = found?.isDirectory ?? false
      batch.links.append((frame.listing, number, isDirectory ? .directory : .other))
      return
    }
    let start = batch.pieceCount
    guard let size = try planPieces(node, frame, path) else {
      return batch.removePieces(from: start)
    }
    if kind == .regular { state.count { $0.bytesTotal += size } }
    let obstacle = obstacle(found, node, frame, kind)
    batch.append(
      RestoreItem(
        listing: frame.listing, entryNumber: number, pieces: start..<batch.pieceCount,
        obstacle: obstacle, isShared: found?.isShared ?? false,
        isMetadataOnly: obstacle == .file && isUnchanged(found, node), sizeBytes: size))
  }

  /// The path of an earlier name of the same file; nil for the first.
  ///
  /// A fifo has no count of links in a tree; where the device is known, equal inodes tell.
  private func firstName(_ node: Node, _ path: [UInt8]) -> [UInt8]? {
    let facts = node.facts
    guard facts.inode != 0 else { return nil }
    let isUncounted = facts.type == .fifo && facts.deviceID != 0
    guard facts.linkCount > 1 || isUncounted else { return nil }
    var first: [UInt8]?
    links.firstPath(
      fileSystem: facts.deviceID, inode: facts.inode ^ UInt64(facts.type.rawValue) << 56,
      linkCount: isUncounted ? .max : UInt32(clamping: facts.linkCount), path: { path },
      use: { first = [UInt8]($0) })
    return first
  }

  // MARK: What is there

  struct Found {
    let status: stat
    var isDirectory: Bool { status.st_mode & S_IFMT == S_IFDIR }
    var isRegular: Bool { status.st_mode & S_IFMT == S_IFREG }
    var isShared: Bool { !isDirectory && status.st_nlink > 1 }
    var modified: GoTime {
      GoTime(
        seconds: Int64(status.st_mtim.tv_sec), nanoseconds: UInt32(status.st_mtim.tv_nsec))
    }
  }

  private func existing(_ frame: Frame, _ path: [UInt8]) throws(TreeError) -> Found? {
    let parent = try writer.directories.descriptor(of: frame.path)
    var status = stat()
    let code = path.splitLast().name.withCString {
      fstatat(parent, $0, &status, AT_SYMLINK_NOFOLLOW)
    }
    if code == 0 { return Found(status: status) }
    if errno == ENOENT { return nil }
    throw .system(.last("fstatat"), path: path)
  }

  private func overwrites(_ found: Found, _ node: Node) -> Bool {
    switch options.overwrite {
    case .always, .ifChanged: true
    case .ifNewer: found.modified.isBefore(node.facts.modified)
    case .never: false
    }
  }

  private func isUnchanged(_ found: Found?, _ node: Node) -> Bool {
    guard options.overwrite == .ifChanged, let found else { return false }
    return UInt64(clamping: found.status.st_size) == node.facts.size
      && found.modified.isSameInstant(as: node.facts.modified)
  }

  private func obstacle(
    _ found: Found?, _ node: Node, _ frame: Frame, _ kind: EntryKind
  ) -> RestoreObstacle {
    if kind == .regular, hasLeftover(node, frame) { return .partial }
    guard let found else { return .none }
    if found.isDirectory { return .directory }
    guard kind == .regular, found.isRegular else { return .other }
    guard found.isShared else { return .file }
    // Names that are to become different files must not stay one.
    guard node.facts.linkCount > 1 else { return .other }
    let inode = [UInt64(found.status.st_dev), UInt64(found.status.st_ino)]
    return claimed.insert(inode).inserted ? .file : .other
  }

  private func hasLeftover(_ node: Node, _ frame: Frame) -> Bool {
    guard !frame.leftovers.isEmpty else { return false }
    let number = frame.tree.withBytes(node.name) { RestoreTemporary.number(of: $0) }
    return frame.leftovers.contains(Array(RestoreTemporary.name(number).utf8))
  }

  // MARK: Content

  /// Plans the blobs of a file; gives its size, nil when some of them cannot be had, which has been
  /// told.
  private func planPieces(
    _ node: Node, _ frame: Frame, _ path: [UInt8]
  ) throws(RepositoryError) -> Int64? {
    var position: Int64 = 0
    for id in frame.tree.content(of: node) {
      let handle = BlobHandle(.data, id)
      let found = try index.reading { (index) throws(IndexError) in try index.lookup(handle) }
      guard let location = found else {
        state.entryFailed(.damage, path, "its data blob \(id.short) is missing")
        return nil
      }
      let piece = RestorePiece(
        id: id, fileOffset: position, item: batch.nextItem, pack: batch.packNumber(location.pack),
        offset: location.offset, sealedLength: location.sealedLength,
        plaintextLength: location.plaintextLength)
      let limit = RestoreLimits.blobByteCountMax
      let (end, isTooLong) = position.addingReportingOverflow(Int64(piece.byteCount))
      guard piece.byteCount >= 0, piece.byteCount <= limit, location.sealedLength <= limit + 4096,
        !isTooLong
      else {
        state.entryFailed(
          .damage, path, "its data blob \(id.short) is said to have \(piece.byteCount) bytes")
        return nil
      }
      batch.append(piece)
      position = end
    }
    if node.hasContent, UInt64(position) != node.facts.size {
      state.problem(
        .damage, path, "its contents have \(position) bytes, its size is \(node.facts.size)")
    }
    return position
  }
}
