import FileTree
import Platform

/// One directory of the source between its listing and its tree.
///
/// Whoever lists it fills it alone. Then each of its ``work`` items belongs to the thread that took
/// it, and in the end everything to the thread that has done the last of them; the schedule's lock
/// lies between these.
final class SourceDirectory: @unchecked Sendable {
  /// Absolute.
  let path: [UInt8]
  let parent: SourceDirectory?
  let indexInParent: Int
  /// The named target that this is below of is on this file system; nil when that does not matter.
  var fileSystem: UInt64?
  /// Kept open while few others are.
  var descriptor: SharedDescriptor?
  var arena = ByteArena()
  private(set) var entries = UnsafeMutableBufferPointer<SourceEntry>(start: nil, count: 0)
  private(set) var count = 0
  /// The same directory in the parent snapshot.
  var previous: Tree?
  /// Targets and directories on the way to them, in the order of ``entries``; empty for a directory
  /// that is backed up itself.
  var targets: [TargetNode] = []
  /// Entries that take more work than listing: files to read, then directories.
  var work: [UInt32] = []

  // Under the schedule's lock.
  var nextWork = 0
  var openWork = 0

  init(
    path: [UInt8], parent: SourceDirectory?, indexInParent: Int, fileSystem: UInt64? = nil
  ) {
    self.path = path
    self.parent = parent
    self.indexInParent = indexInParent
    self.fileSystem = fileSystem
  }

  deinit {
    entries.baseAddress?.deinitialize(count: count)
    entries.deallocate()
  }

  /// Makes room for entries, once.
  func reserve(_ capacity: Int) {
    precondition(entries.baseAddress == nil)
    entries = .allocate(capacity: capacity)
  }

  func append(_ entry: SourceEntry) {
    precondition(count < entries.count)
    entries.baseAddress.unsafelyUnwrapped.advanced(by: count).initialize(to: entry)
    count += 1
  }

  func bytes(_ slice: ArenaSlice) -> UnsafeRawBufferPointer {
    arena.bytes(at: slice.offset, count: Int(slice.count))
  }

  /// Absolute path of an entry.
  func path(of index: Int) -> [UInt8] {
    if !targets.isEmpty {
      let target = targets[index]
      return target.path ?? target.wayPath
    }
    return PathText.join(path, bytes(entries[index].name))
  }

  /// The parent's node of the same name.
  func previousNode(of entry: SourceEntry) -> Node? {
    guard let previous, Int(entry.previous) < previous.nodes.count else { return nil }
    return previous.nodes[Int(entry.previous)]
  }
}
