import FileTree
import Pipelines
import Platform

/// Counts and events of a sending session, shared by its threads.
final class SenderState: @unchecked Sendable {
  struct Totals {
    var directoryCount: UInt32 = 0
    var entryCount: Int64 = 1
    var fileCount: Int64 = 0
    var sizeBytes: Int64 = 0
    var hadErrors = false
  }

  private let lock = Lock()
  private let events: @Sendable (SessionEvent) -> Void
  private var totals = Totals()
  private var progress = SessionProgress()
  private var throttle = ProgressThrottle()
  private var literalBytes: Int64 = 0
  private var warningCount: Int64 = 0
  private var digest: [UInt8]?

  init(events: @escaping @Sendable (SessionEvent) -> Void) { self.events = events }

  func count(_ listing: DirectoryListing) {
    lock.lock()
    totals.directoryCount += 1
    if listing.isIncomplete { totals.hadErrors = true }
    for entry in listing.entries where !entry.isLeftover {
      totals.entryCount += 1
      if entry.kind == .regular {
        totals.fileCount += 1
        totals.sizeBytes = totals.sizeBytes.addingClamped(entry.size)
      }
    }
    progress.entryCount = totals.entryCount
    progress.fileCountTotal = totals.fileCount
    progress.sizeBytesTotal = totals.sizeBytes
    tellProgressAndUnlock()
  }

  func countVolume(sizeBytes: Int64) {
    lock.withLock {
      totals.fileCount = 1
      totals.sizeBytes = sizeBytes
      progress.fileCountTotal = 1
      progress.sizeBytesTotal = sizeBytes
      progress.walkIsComplete = true
    }
  }

  func completeWalk(digest: [UInt8]) -> Totals {
    lock.withLock {
      self.digest = digest
      progress.walkIsComplete = true
      return totals
    }
  }

  var treeDigest: [UInt8]? { lock.withLock { digest } }

  func walkProblem(_ error: TreeError) {
    lock.withLock { totals.hadErrors = true }
    warn(error.path, error.message)
  }

  var hasWarned: Bool { lock.withLock { warningCount > 0 } }

  func warn(_ path: [UInt8], _ message: String) {
    lock.withLock { warningCount += 1 }
    events(.warning(path: path, message: message))
  }

  /// A piece of file went out: `literal` of it as bytes, `covered` of the file in all.
  func sent(literal: Int, covered: Int64) {
    lock.lock()
    literalBytes += Int64(literal)
    progress.sizeBytesDone = progress.sizeBytesDone.addingClamped(covered)
    tellProgressAndUnlock()
  }

  func fileDone() {
    lock.lock()
    progress.fileCountDone += 1
    tellProgressAndUnlock()
  }

  private func tellProgressAndUnlock() {
    guard throttle.isDue() else { return lock.unlock() }
    let progress = progress
    lock.unlock()
    events(.progress(progress))
  }

  func item(_ change: String, _ path: [UInt8]) {
    events(.item(change: change, path: path))
  }

  /// The sender's part of the summary.
  func fill(_ summary: inout SessionSummary) {
    lock.withLock {
      summary.entryCount = totals.entryCount
      summary.fileCountTotal = totals.fileCount
      summary.sizeBytesTotal = totals.sizeBytes
      summary.literalBytes = literalBytes
      summary.warningCount += warningCount
    }
  }
}
