import Glibc
import Platform

/// Open descriptors of the directories that one thread works in, most recent first.
///
/// A path stands for one directory during a whole session, so what is cached does not go stale.
package final class DirectoryCache {
  private let root: TreeRoot
  private let countMax = 16
  private var open: [(path: [UInt8], descriptor: SharedDescriptor)] = []

  package init(root: TreeRoot) { self.root = root }

  /// A descriptor of the directory, owned by the cache; valid until 16 other directories were asked
  /// for.
  package func descriptor(of path: [UInt8]) throws(TreeError) -> Int32 {
    if path.isEmpty { return root.descriptor }
    if let last = open.last, last.path == path { return last.descriptor.raw }
    if let index = open.firstIndex(where: { $0.path == path }) {
      let found = open.remove(at: index)
      open.append(found)
      return found.descriptor.raw
    }
    let raw = root.openRaw(path, flags: O_RDONLY | O_DIRECTORY | O_NONBLOCK)
    guard raw >= 0 else { throw .system(.last("openat2"), path: path) }
    if open.count == countMax { open.removeFirst() }
    open.append((path, SharedDescriptor(owning: raw)))
    return raw
  }
}
