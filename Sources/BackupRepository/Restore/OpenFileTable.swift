import FileTree
import Platform

/// The files that are put together of several blobs and are open: at most
/// ``RestoreLimits/openFileCountMax``, the oldest of which is closed for the next. Shared by the
/// threads of a batch.
final class OpenFileTable: @unchecked Sendable {
  private let lock = Lock()
  private var files: [Int: DirectTarget] = [:]
  private var order: [Int] = []

  /// The open file of an item, which `open` opens when it is not open.
  func file(
    _ item: Int, open: () throws(TreeError) -> DirectTarget
  ) throws(TreeError) -> DirectTarget {
    try lock.withLock { () throws(TreeError) in
      if let file = files[item] { return file }
      let file = try open()
      if order.count == RestoreLimits.openFileCountMax {
        files[order.removeFirst()] = nil
      }
      files[item] = file
      order.append(item)
      return file
    }
  }

  /// Lets go of a file that is complete or has failed.
  func close(_ item: Int) {
    lock.withLock {
      guard files.removeValue(forKey: item) != nil else { return }
      order.removeAll { $0 == item }
    }
  }
}
