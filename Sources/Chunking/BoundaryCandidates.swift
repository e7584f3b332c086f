/// The candidates of one segment of a file, in order.
///
/// Runs of neighbours are kept as a pair of places: a hole is one run. Hostile data can have a
/// candidate in nearly every window of three bytes; from 1/64 of the segment's length on, the runs
/// are replaced by a bit for each place, so that the whole never takes more than a quarter of the
/// segment's bytes.
package struct BoundaryCandidates: Sendable {
  private struct Run {
    var first: UInt32
    var last: UInt32
  }

  /// Where the segment starts in its file.
  package let start: Int64
  /// Length of the segment.
  package let byteCount: Int
  private var runs: [Run] = []
  private var bits: [UInt64] = []

  /// The most bytes a segment may have: places in it are kept in 32 bits.
  package static let segmentByteCountMax = 1 << 30

  init(start: Int64, byteCount: Int) {
    precondition(byteCount <= BoundaryCandidates.segmentByteCountMax, "a segment is too long")
    self.start = start
    self.byteCount = byteCount
  }

  /// Where the segment ends in its file.
  package var end: Int64 { start + Int64(byteCount) }

  /// Adds the places from `first` to `last`, counted from the start of the segment; they lie behind
  /// all others.
  mutating func append(_ first: Int, _ last: Int) {
    guard bits.isEmpty else { return mark(first, last) }
    if let before = runs.last, Int(before.last) + 1 == first {
      runs[runs.count - 1].last = UInt32(last)
      return
    }
    if runs.count >= max(64, byteCount / 64) {
      bits = [UInt64](repeating: 0, count: byteCount / 64 + 1)
      for run in runs { mark(Int(run.first), Int(run.last)) }
      runs = []
      return mark(first, last)
    }
    runs.append(Run(first: UInt32(first), last: UInt32(last)))
  }

  private mutating func mark(_ first: Int, _ last: Int) {
    for place in first...last { bits[place >> 6] |= 1 << UInt64(place & 63) }
  }

  /// The first candidate at or behind `offset` of the file; nil when the segment has none there.
  package func first(atOrAfter offset: Int64) -> Int64? {
    guard offset <= end else { return nil }
    let place = Int(max(0, offset - start))
    let found = bits.isEmpty ? firstInRuns(place) : firstInBits(place)
    return found.map { start + Int64($0) }
  }

  private func firstInRuns(_ place: Int) -> Int? {
    var (low, high) = (0, runs.count)
    while low < high {
      let middle = (low + high) / 2
      if Int(runs[middle].last) < place { low = middle + 1 } else { high = middle }
    }
    return low < runs.count ? max(place, Int(runs[low].first)) : nil
  }

  private func firstInBits(_ place: Int) -> Int? {
    var index = place >> 6
    var word = bits[index] & (UInt64.max << UInt64(place & 63))
    while word == 0 {
      index += 1
      guard index < bits.count else { return nil }
      word = bits[index]
    }
    return (index << 6) + word.trailingZeroBitCount
  }
}
