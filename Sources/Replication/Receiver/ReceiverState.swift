import FileTree
import Pipelines
import Platform

/// Choices, counts and events of a receiving session, shared by its threads.
final class ReceiverState: @unchecked Sendable {
  let flags: SenderGreeting.Flags
  let isPrivileged: Bool
  private let lock = Lock()
  private let events: @Sendable (SessionEvent) -> Void
  private var counts = Acknowledgement(digest: [])
  private var literalBytes: Int64 = 0
  private var totals: (entryCount: Int64, fileCount: Int64, sizeBytes: Int64) = (0, 0, 0)
  private var warningCount: Int64 = 0
  private var progress = SessionProgress()
  private var throttle = ProgressThrottle()

  init(
    flags: SenderGreeting.Flags, isPrivileged: Bool,
    events: @escaping @Sendable (SessionEvent) -> Void
  ) {
    self.flags = flags
    self.isPrivileged = isPrivileged
    self.events = events
  }

  var isDryRun: Bool { flags.contains(.dryRun) }

  /// What the sender says its tree holds.
  func setTotals(entryCount: Int64, fileCount: Int64, sizeBytes: Int64) {
    lock.withLock { totals = (entryCount, fileCount, sizeBytes) }
  }

  /// Entries that were here before and stay.
  var keptCount: Int64 { lock.withLock { max(0, totals.entryCount - counts.createdCount) } }

  func created() { lock.withLock { counts.createdCount += 1 } }
  func deleted(_ count: Int64) { lock.withLock { counts.deletedCount += count } }
  func attributesChanged() { lock.withLock { counts.attributesChangedCount += 1 } }

  func received(literal: Int64, matched: Int64) {
    lock.lock()
    literalBytes += literal
    counts.matchedBytes += matched
    progress.sizeBytesDone += literal + matched
    tellProgressAndUnlock()
  }

  func fileRequested(sizeBytes: Int64) {
    lock.withLock {
      progress.fileCountTotal += 1
      progress.sizeBytesTotal = progress.sizeBytesTotal.addingClamped(sizeBytes)
    }
  }

  func fileDone() {
    lock.lock()
    counts.transferredCount += 1
    progress.fileCountDone += 1
    tellProgressAndUnlock()
  }

  private func tellProgressAndUnlock() {
    guard throttle.isDue() else { return lock.unlock() }
    let progress = progress
    lock.unlock()
    events(.progress(progress))
  }

  func warn(_ path: [UInt8], _ message: String, tell builder: RecordBuilder) {
    lock.withLock { warningCount += 1 }
    events(.warning(path: path, message: message))
    let text = Array(message.utf8.prefix(WireLimits.messageBytesMax))
    // A failing session has no builder any more, and its own message.
    try? builder.append(.warning, size: 2 + path.count + text.count) { writer in
      writer.put(UInt16(path.count))
      path.withUnsafeBytes { writer.put($0) }
      text.withUnsafeBytes { writer.put($0) }
    }
  }

  func item(_ change: ItemChange, _ path: @autoclosure () -> [UInt8], tell builder: RecordBuilder)
    throws
  {
    guard flags.contains(.itemize) else { return }
    let path = path()
    let text = change.text
    events(.item(change: text, path: path))
    try builder.append(.item, size: 11 + path.count) { writer in
      Array(text.utf8).withUnsafeBytes { writer.put($0) }
      path.withUnsafeBytes { writer.put($0) }
    }
  }

  func acknowledgement(digest: [UInt8]) -> Acknowledgement {
    lock.withLock {
      counts.digest = digest
      return counts
    }
  }

  func fill(_ summary: inout SessionSummary) {
    lock.withLock {
      summary.fileCountTransferred = counts.transferredCount
      summary.entryCountCreated = counts.createdCount
      summary.entryCountDeleted = counts.deletedCount
      summary.entryCountAttributesChanged = counts.attributesChangedCount
      summary.literalBytes = literalBytes
      summary.entryCount = totals.entryCount
      summary.fileCountTotal = totals.fileCount
      summary.sizeBytesTotal = totals.sizeBytes
      summary.matchedBytes = counts.matchedBytes
      summary.warningCount += warningCount
    }
  }
}

extension Int64 {
  /// The sum, or the largest number: sparse files make sizes of any height.
  func addingClamped(_ other: Int64) -> Int64 {
    let (sum, overflows) = addingReportingOverflow(other)
    return overflows ? .max : sum
  }
}

/// One change in rsync's itemized form, 11 characters: `YXcstpoguax`.
struct ItemChange {
  enum Update: Character {
    case transferred = ">"
    case created = "c"
    case linked = "h"
    case attributes = "."
  }

  var update: Update
  var kind: EntryKind
  var isNew = false
  var checksum = false
  var size = false
  var time = false
  var mode = false
  var user = false
  var group = false
  var acl = false
  var attributes = false
  private var isDeletion = false

  init(_ update: Update, _ kind: EntryKind) {
    self.update = update
    self.kind = kind
  }

  static func deletion() -> ItemChange {
    var change = ItemChange(.attributes, .regular)
    change.isDeletion = true
    return change
  }

  /// Anything but the data differs.
  var hasAttributes: Bool { time || mode || user || group || acl || attributes }

  var text: String {
    if isDeletion { return "*deleting  " }
    var text = String([update.rawValue, kind.itemLetter])
    if isNew { return text + "+++++++++" }
    for (isChanged, letter) in [
      (checksum, "c"), (size, "s"), (time, "t"), (mode, "p"), (user, "o"), (group, "g"),
      (false, "u"), (acl, "a"), (attributes, "x"),
    ] as [(Bool, Character)] { text.append(isChanged ? letter : ".") }
    return text
  }
}
