/// Remembers the first name of each hard-linked inode of one walk, until all its names were seen.
/// Compact: one slot an inode and its path in one arena. Confined to the walk's thread.
final class HardLinkTable {
  private struct Key: Hashable {
    let fileSystem: UInt64
    let inode: UInt64
  }
  private struct Group {
    let path: ArenaSlice
    var namesLeft: UInt32
  }

  private var groups: [Key: Group] = [:]
  private var arena = ByteArena()

  /// Path of the group's first member, or nil when this name is the first.
  func firstPath(
    fileSystem: UInt64, inode: UInt64, linkCount: UInt32, path: () -> [UInt8],
    use: (UnsafeRawBufferPointer) -> Void
  ) {
    let key = Key(fileSystem: fileSystem, inode: inode)
    guard var group = groups[key] else {
      let bytes = path()
      let offset = bytes.withUnsafeBytes { arena.append($0) }
      groups[key] = Group(
        path: ArenaSlice(offset: offset, count: UInt32(bytes.count)), namesLeft: linkCount - 1)
      return
    }
    use(arena.bytes(at: group.path.offset, count: Int(group.path.count)))
    group.namesLeft -= group.namesLeft > 0 ? 1 : 0
    if group.namesLeft == 0 { groups[key] = nil } else { groups[key] = group }
  }
}
