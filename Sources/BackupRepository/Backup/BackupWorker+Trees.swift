import FileTree
import Platform

/// Writing trees.
extension BackupWorker {
  /// Encodes the tree of a directory and stores it unless the repository has it.
  func storeTree(of directory: SourceDirectory) throws(RepositoryError) -> BlobID {
    encoder.restart()
    for index in 0..<directory.count where !directory.entries[index].isOmitted {
      try append(directory.entries[index], index, of: directory)
    }
    if directory.parent == nil, encoder.nodeCount == 0, options.root?.mayBeEmpty != true {
      throw .refused(
        reason: "none of what was to be backed up could be read",
        hint: "Check the paths, the patterns and the permissions.")
    }
    encoder.finish()
    let result = encoder.withBytes { bytes -> Result<BlobID, RepositoryError> in
      guard bytes.count <= NodeLimits.treeByteCountMax else {
        return .failure(
          .tooLarge(
            what: "the directory \(printable(directory.path))",
            limit: NodeLimits.treeByteCountMax))
      }
      do throws(RepositoryError) {
        return .success(try session.deposit.store(bytes, .tree, codec, &tally))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  private func append(
    _ entry: SourceEntry, _ index: Int, of directory: SourceDirectory
  ) throws(RepositoryError) {
    var facts = entry.facts(&zone, withAccessTime: options.withAccessTime)
    var user: [UInt8] = []
    var group: [UInt8] = []
    if options.stream == nil {
      user = accounts.user(entry.userID)
      group = accounts.group(entry.groupID)
    }
    if entry.content == .parent, let node = directory.previousNode(of: entry) {
      facts.size = node.facts.size
    }
    let failure = user.withUnsafeBytes { user in
      group.withUnsafeBytes { group -> RepositoryError? in
        var fields = NodeFields(facts, name: directory.bytes(entry.name))
        fields.user = user
        fields.group = group
        fields.linkTarget = directory.bytes(entry.target)
        fields.attributes = directory.bytes(entry.attributes)
        return append(fields, entry, index, directory)
      }
    }
    if let failure { throw failure }
  }

  /// Adds the contents and writes the node.
  private func append(
    _ fields: NodeFields, _ entry: SourceEntry, _ index: Int, _ directory: SourceDirectory
  ) -> RepositoryError? {
    var fields = fields
    func write() -> RepositoryError? {
      do throws(RepositoryError) {
        try encoder.append(fields)
      } catch {
        return error
      }
      count(fields, entry, index, directory)
      return nil
    }
    switch entry.content {
    case .unknown:
      return write()
    case .empty:
      fields.content = UnsafeBufferPointer(start: nil, count: 0)
      return write()
    case .one:
      return withUnsafePointer(to: entry.blob) { blob in
        fields.content = UnsafeBufferPointer(start: blob, count: 1)
        return write()
      }
    case .many:
      return entry.blobs.withUnsafeBufferPointer { blobs in
        fields.content = blobs
        return write()
      }
    case .parent:
      guard let previous = directory.previous, let node = directory.previousNode(of: entry) else {
        return nil
      }
      return previous.content(of: node).withUnsafeBufferPointer { blobs in
        fields.content = blobs
        return write()
      }
    }
  }

  /// Counts a node as restic's summaries do, and tells of it.
  private func count(
    _ fields: NodeFields, _ entry: SourceEntry, _ index: Int, _ directory: SourceDirectory
  ) {
    let isDirectory = fields.facts.type == .directory
    guard isDirectory || fields.facts.type == .file else { return }
    var change = BackupItem.Change.new
    if let node = directory.previousNode(of: entry), let previous = directory.previous {
      change = previous.withFields(of: node) { $0.isSame(as: fields) } ? .unchanged : .changed
    }
    tally.summary.count(change, isDirectory: isDirectory, sizeBytes: fields.facts.size)
    guard options.reportsItems else { return }
    session.observe(
      .item(
        BackupItem(
          path: directory.path(of: index), isDirectory: isDirectory, change: change,
          sizeBytes: fields.facts.size)))
  }
}

extension SnapshotSummary {
  fileprivate mutating func count(
    _ change: BackupItem.Change, isDirectory: Bool, sizeBytes: UInt64
  ) {
    switch (isDirectory, change) {
    case (true, .new): directoriesNew += 1
    case (true, .changed): directoriesChanged += 1
    case (true, .unchanged): directoriesUnmodified += 1
    case (false, .new): filesNew += 1
    case (false, .changed): filesChanged += 1
    case (false, .unchanged): filesUnmodified += 1
    }
    guard !isDirectory else { return }
    totalFilesProcessed += 1
    totalBytesProcessed &+= sizeBytes
  }
}

extension NodeFields {
  /// Whether both tell the same, times as instants.
  fileprivate func isSame(as other: NodeFields) -> Bool {
    var own = facts
    guard own.modified.isSameInstant(as: other.facts.modified),
      own.accessed.isSameInstant(as: other.facts.accessed),
      own.changed.isSameInstant(as: other.facts.changed)
    else { return false }
    own.modified = other.facts.modified
    own.accessed = other.facts.accessed
    own.changed = other.facts.changed
    guard own == other.facts else { return false }
    guard compareBytes(user, other.user) == 0, compareBytes(group, other.group) == 0,
      compareBytes(linkTarget, other.linkTarget) == 0,
      compareBytes(attributes, other.attributes) == 0
    else { return false }
    guard let content, let otherContent = other.content else {
      return (self.content == nil) == (other.content == nil)
    }
    return content.elementsEqual(otherContent)
  }
}
