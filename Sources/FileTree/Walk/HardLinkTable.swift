/// Remembers the first name of each hard-linked inode of one walk, until all its names were seen.
///
/// Compact: one slot a group and its path among all paths, which are moved together when half of
/// them belong to groups that are complete. Confined to the walk's thread.
package final class HardLinkTable {
  private struct Key: Hashable {
    let fileSystem: UInt64
    let inode: UInt64
  }
  private struct Group {
    var offset: Int
    let count: UInt16
    var namesLeft: UInt32
  }

  private var groups: [Key: Group] = [:]
  private var paths: [UInt8] = []
  private var deadBytes = 0
  /// Paths of less than this are not worth moving, bytes.
  private let compactionBytesMin: Int

  package init(compactionBytesMin: Int = 1 << 20) { self.compactionBytesMin = compactionBytesMin }

  /// Bytes of paths held, of complete groups included.
  package var pathBytes: Int { paths.count }

  /// Gives the path of the group's first member to `use`, unless this name is the first.
  package func firstPath(
    fileSystem: UInt64, inode: UInt64, linkCount: UInt32, path: () -> [UInt8],
    use: (UnsafeRawBufferPointer) -> Void
  ) {
    let key = Key(fileSystem: fileSystem, inode: inode)
    guard var group = groups[key] else {
      let bytes = path()
      groups[key] = Group(
        offset: paths.count, count: UInt16(bytes.count), namesLeft: linkCount - 1)
      paths.append(contentsOf: bytes)
      return
    }
    let range = group.offset..<group.offset + Int(group.count)
    paths.withUnsafeBytes { use(UnsafeRawBufferPointer(rebasing: $0[range])) }
    group.namesLeft -= group.namesLeft > 0 ? 1 : 0
    guard group.namesLeft == 0 else {
      groups[key] = group
      return
    }
    groups[key] = nil
    deadBytes += range.count
    if paths.count >= compactionBytesMin, deadBytes > paths.count / 2 { compact() }
  }

  private func compact() {
    var kept: [UInt8] = []
    kept.reserveCapacity(paths.count - deadBytes)
    for (key, group) in groups {
      var moved = group
      moved.offset = kept.count
      kept.append(contentsOf: paths[group.offset..<group.offset + Int(group.count)])
      groups[key] = moved
    }
    paths = kept
    deadBytes = 0
  }
}
