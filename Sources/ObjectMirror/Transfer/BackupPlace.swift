import FileTree
import Glibc
import ObjectStorage
import Platform
import Remotes

/// Where a run puts what it would overwrite or delete (`--backup-dir`, `--suffix`). Any thread may
/// call.
package struct BackupPlace: Sendable {
  /// Nil for the destination itself.
  private let side: MirrorSide?
  /// Behind each name.
  private let suffix: [UInt8]
  /// Puts the suffix before the last extension.
  private let keepsExtension: Bool

  package init(_ side: MirrorSide?, suffix: String, keepsExtension: Bool) {
    self.side = side
    self.suffix = Array(suffix.utf8)
    self.keepsExtension = keepsExtension
  }

  /// - Throws: why it cannot be used with these sides.
  func check(_ source: MirrorSide, _ destination: MirrorSide, isFiltered: Bool) throws(MirrorError)
  {
    guard let side else { return }
    switch (side, destination) {
    case (.local, .local): break
    case (.store(let a), .store(let b)) where a.isSameService(as: b): break
    default: throw .usage("--backup-dir has to be of the same remote as the destination")
    }
    // What lies within is mirrored or deleted itself, unless a filter leaves it out.
    for other in [destination, source] where side.overlaps(other) && !isFiltered {
      throw .overlap(side.description, other.description)
    }
  }

  /// `name` with the suffix, which comes before an extension when that is to be kept.
  static func name(_ name: [UInt8], suffix: [UInt8], keepsExtension: Bool) -> [UInt8] {
    let start = (name.lastIndex(of: 0x2f) ?? -1) + 1
    guard keepsExtension, let dot = name[start...].lastIndex(of: 0x2e), dot > start else {
      return name + suffix
    }
    return Array(name[..<dot]) + suffix + Array(name[dot...])
  }

  private func moved(_ entry: MirrorEntry) -> MirrorEntry {
    var moved = entry
    moved.path = BackupPlace.name(entry.path, suffix: suffix, keepsExtension: keepsExtension)
    moved.key = BackupPlace.name(entry.key, suffix: suffix, keepsExtension: keepsExtension)
    return moved
  }

  /// Moves what stands in a destination out of the way; nothing there is no error.
  func keep(_ entry: MirrorEntry, of destination: MirrorSide) throws(MirrorError) {
    let target = moved(entry)
    switch (destination, side ?? destination) {
    case (.local(let from), .local(let to)): try from.move(entry.path, to: target.path, of: to)
    case (.store(let from), .store(let to)):
      do throws(MirrorError) {
        try from.move(entry, to: target, of: to, modified: nil)
      } catch {
        if case .store(let failure) = error, failure.isNotFound { return }
        throw error
      }
    default: preconditionFailure("both are of one kind")
    }
  }
}

extension LocalSide {
  /// Moves a file or a link, in place of what has the new name; makes directories on the way. One
  /// that is not there is no error.
  func move(_ path: [UInt8], to target: [UInt8], of other: LocalSide) throws(MirrorError) {
    let (parent, name) = path.splitLast()
    let (newParent, newName) = target.splitLast()
    let folder = try directory(parent)
    let newFolder = try other.directory(newParent, makes: true)
    let code = name.withCString { old in
      newName.withCString { renameat(folder.raw, old, newFolder.raw, $0) }
    }
    guard code != 0, errno != ENOENT else { return }
    guard errno == EXDEV else { throw .local(.last("renameat"), path: path) }
    let file = try open(path)
    let staged = try StagedFile(other, target)
    try file.forEachPiece { (piece) throws(MirrorError) in try staged.write(piece) }
    try file.checkUnchanged()
    try staged.finish(modified: file.modified, metadata: try file.metadata())
    try remove(path)
  }
}

extension StoreSide {
  /// Copies an object within the service and deletes the old one. The new one has the time of the
  /// old one, or `modified`.
  func move(
    _ entry: MirrorEntry, to target: MirrorEntry, of other: StoreSide, modified: WallTime?
  ) throws(MirrorError) {
    let (key, newKey) = (try self.key(of: entry), try other.key(of: target))
    try other.makeBucketIfMissing()
    try calling { (client) throws(S3Error) in
      let head = try client.headObject(bucket, key)
      guard head.sizeBytes < other.options.transfer.copyCutoffBytes else {
        throw .usage(
          subject: printable(key.utf8), problem: "it is too large to be moved within the service")
      }
      _ = try client.copyObject(
        from: (bucket, key), to: (other.bucket, newKey),
        other.attributes(of: head, modified: modified ?? facts(head).modified),
        ifSourceIs: head.etag)
      try client.deleteObject(bucket, key)
    }
  }
}
