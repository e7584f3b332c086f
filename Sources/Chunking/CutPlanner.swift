/// The lengths that a chunk may have. Source: the repository format, "Chunker".
package enum ChunkLimits {
  /// No chunk but the last of a file is shorter: 512 KiB.
  package static let byteCountMin = 512 << 10
  /// No chunk is longer: 8 MiB.
  package static let byteCountMax = 8 << 20
}

/// The sequential rule: which candidates of a file become cuts.
///
/// A chunk ends at the first candidate at which it has its least length, else at its greatest
/// length, else with the file. Takes the candidates of the file's segments in order, and keeps
/// nothing of them.
package struct CutPlanner: Sendable {
  /// Where the chunk in hand starts.
  package private(set) var chunkStart: Int64 = 0
  /// Up to where the file has been planned.
  package private(set) var plannedEnd: Int64 = 0

  package init() {}

  /// Calls `cut` with the end of each chunk that `segment`, the one behind the last, decides.
  package mutating func add(_ segment: BoundaryCandidates, cut: (Int64) -> Void) {
    precondition(segment.start == plannedEnd, "segments are planned in order")
    plannedEnd = segment.end
    while true {
      let limit = chunkStart + Int64(ChunkLimits.byteCountMax)
      let least = chunkStart + Int64(ChunkLimits.byteCountMin)
      if let candidate = segment.first(atOrAfter: least), candidate <= limit {
        chunkStart = candidate
      } else if limit <= plannedEnd {
        chunkStart = limit
      } else {
        return
      }
      cut(chunkStart)
    }
  }

  /// Calls `cut` with the end of the file unless a chunk has ended there, and is ready for the next
  /// file.
  package mutating func finish(cut: (Int64) -> Void) {
    if plannedEnd > chunkStart { cut(plannedEnd) }
    self = CutPlanner()
  }
}
