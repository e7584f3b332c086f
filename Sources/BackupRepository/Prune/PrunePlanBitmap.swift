import Synchronization

/// A set of index entries by number: one bit each, 1.25 MB for ten million entries.
///
/// Many threads may insert at once, as the walk over the trees does; reading beside that is allowed
/// and sees an entry once its insertion has returned on the same thread or a joined one.
package final class EntryBitmap: @unchecked Sendable {
  package let entryCount: Int
  private let words: UnsafeMutablePointer<Atomic<UInt64>>
  private let wordCount: Int

  package init(entryCount: Int) {
    precondition(entryCount >= 0, "a count of entries")
    self.entryCount = entryCount
    wordCount = entryCount / 64 + 1
    words = .allocate(capacity: wordCount)
    for word in 0..<wordCount { (words + word).initialize(to: Atomic(0)) }
  }

  deinit {
    words.deinitialize(count: wordCount)
    words.deallocate()
  }

  /// Puts an entry in; true when it was not in before. Traps on a number that is not one of an
  /// entry, which is the caller's mistake.
  @discardableResult
  package func insert(_ entry: Int) -> Bool {
    precondition(entry >= 0 && entry < entryCount, "the number of an entry")
    let bit = UInt64(1) << UInt64(entry & 63)
    return words[entry >> 6].bitwiseOr(bit, ordering: .relaxed).oldValue & bit == 0
  }

  package func contains(_ entry: Int) -> Bool {
    precondition(entry >= 0 && entry < entryCount, "the number of an entry")
    return words[entry >> 6].load(ordering: .relaxed) & (1 << UInt64(entry & 63)) != 0
  }

  /// How many are in.
  package var count: Int {
    (0..<wordCount).reduce(0) { $0 + words[$1].load(ordering: .relaxed).nonzeroBitCount }
  }
}
