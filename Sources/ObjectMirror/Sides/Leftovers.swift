import FileTree
import Glibc
import ObjectStorage
import Platform

/// Files that a run was writing when it ended.
///
/// Whoever writes one holds a lock on it (`flock`), so that nobody takes it for one that was left
/// behind. On file systems without locks they stay.
enum Leftover {
  /// Names of undo journals are no leftovers: what they hold may be needed.
  static func matches(_ name: UnsafeRawBufferPointer) -> Bool {
    TemporaryName.matches(name) && !TemporaryName.isUndo(name)
  }

  static func matches(path: [UInt8]) -> Bool {
    path.splitLast().1.withUnsafeBytes { matches($0) }
  }

  /// Marks a file as one that is being written; false when somebody has removed it meanwhile.
  static func hold(_ descriptor: Int32) -> Bool {
    // Where there are no locks, nothing is removed that would have one.
    _ = retryingOnInterrupt { flock(descriptor, LOCK_EX | LOCK_NB) }
    var status = stat()
    return fstat(descriptor, &status) == 0 && status.st_nlink > 0
  }
}

extension LocalSide {
  /// Removes a leftover; false when somebody is writing it, or nobody can tell.
  func removeLeftover(_ path: [UInt8]) throws(MirrorError) -> Bool {
    let raw = root.openRaw(path, flags: O_RDONLY | O_NONBLOCK)
    guard raw >= 0 else { return false }
    let file = Descriptor(owning: raw)
    guard retryingOnInterrupt({ flock(file.raw, LOCK_EX | LOCK_NB) }) == 0 else { return false }
    try remove(path)
    return true
  }
}

extension DestinationLane {
  /// Removes a file of the destination that an earlier run has left, also where files are copied
  /// only; false when it is none. What was written since this run began is somebody's work.
  func removeLeftover(_ entry: MirrorEntry) -> Bool {
    guard case .local(let local) = destination, entry.kind == .file,
      Leftover.matches(path: entry.path)
    else { return false }
    guard let modified = entry.modified, modified < begun else { return true }
    do throws(MirrorError) {
      if !options.isDryRun, try !local.removeLeftover(entry.path) { return true }
      statistics.change { $0.deletedCount += 1 }
      observe(.deleted(path: entry.path))
    } catch {
      failed(entry.path, error)
    }
    return true
  }
}
