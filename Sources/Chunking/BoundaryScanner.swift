import Glibc

/// Finds the places where a file may be cut: those whose last 64 bytes have a fingerprint with 20
/// zero bits, about one in a million.
///
/// Candidates depend on nothing but those 64 bytes, so that parts of a file can be searched in any
/// order and by any number of threads; ``CutPlanner`` then chooses among them. A place is named by
/// its end: the number of bytes before the cut. Immutable, shared by all threads.
package struct BoundaryScanner: Sendable {
  package let tables: ChunkerTables

  package init(_ tables: ChunkerTables) { self.tables = tables }

  /// The first candidate among the ends in `ends`, or nil.
  ///
  /// Every end has 64 bytes of `bytes` before it: `ends` lies within `64..<bytes.count + 1`.
  /// Looks at most at 33 KiB behind the candidate.
  package func firstCandidate(in bytes: UnsafeRawBufferPointer, ends: Range<Int>) -> Int? {
    var found: Int?
    scan(bytes, ends: ends) { first, _ in
      found = first
      return .stop
    }
    return found
  }

  /// All candidates of one segment of a file.
  ///
  /// `bytes` holds `overlap` bytes from before the segment and then the segment, which starts at
  /// `offset` of the file. The overlap has at least 63 bytes, except at the start of the file,
  /// where it has none. Takes a few bytes, and never more than ``BoundaryCandidates`` says.
  package func candidates(
    in bytes: UnsafeRawBufferPointer, overlap: Int, at offset: Int64
  ) -> BoundaryCandidates {
    precondition(overlap <= bytes.count && (overlap >= 63 || (overlap == 0 && offset == 0)))
    var found = BoundaryCandidates(start: offset, byteCount: bytes.count - overlap)
    let first = max(overlap + 1, ChunkerTables.windowByteCount)
    guard first <= bytes.count else { return found }
    scan(bytes, ends: first..<bytes.count + 1) { first, last in
      found.append(first - overlap, last - overlap)
      return .goOn
    }
    return found
  }

  enum Decision {
    case goOn
    case stop
  }

  /// Calls `visit` with runs of neighbouring candidates, first and last, in ascending order.
  @inline(__always)
  func scan(
    _ bytes: UnsafeRawBufferPointer, ends: Range<Int>, visit: (Int, Int) -> Decision
  ) {
    guard !ends.isEmpty, let raw = bytes.baseAddress else { return }
    precondition(
      ends.lowerBound >= ChunkerTables.windowByteCount && ends.upperBound <= bytes.count + 1)
    let base = raw.assumingMemoryBound(to: UInt8.self)
    var position = ScanPosition(words: tables.words, base: base, end: ends.lowerBound)
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: LaneBlock.groupCountMax) { marks in
      marks.initialize(repeating: 0)
      guard let marks = marks.baseAddress else { return }
      // A block of lanes reads the byte behind its last end.
      let limit = min(ends.upperBound, bytes.count)
      while limit - position.end >= LaneBlock.large {
        guard position.scanLarge(marks, visit) == .goOn else { return }
      }
      while limit - position.end >= LaneBlock.small {
        guard position.scanSmall(marks, visit) == .goOn else { return }
      }
      _ = position.scanSingle(to: ends.upperBound, visit)
    }
  }
}

/// How far one scan has come.
struct ScanPosition {
  let words: UnsafePointer<UInt64>
  let base: UnsafePointer<UInt8>
  /// The next end to look at.
  var end: Int

  @inline(__always)
  mutating func scanLarge(
    _ marks: UnsafeMutablePointer<UInt8>, _ visit: (Int, Int) -> BoundaryScanner.Decision
  ) -> BoundaryScanner.Decision {
    let start = base + end
    if isConstant(LaneBlock.large) {
      let digest = ChunkerTables.fingerprint(words, before: start)
      let first = end
      end += LaneBlock.large
      guard digest & ChunkerTables.boundaryMask == 0 else { return .goOn }
      return visit(first, end - 1)
    }
    let first = end
    end += LaneBlock.large
    guard LaneBlock.scanLarge(words, start, marks) else { return .goOn }
    return resolve(marks, first, LaneBlock.large, visit)
  }

  @inline(__always)
  mutating func scanSmall(
    _ marks: UnsafeMutablePointer<UInt8>, _ visit: (Int, Int) -> BoundaryScanner.Decision
  ) -> BoundaryScanner.Decision {
    let first = end
    end += LaneBlock.small
    guard LaneBlock.scanSmall(words, base + first, marks) else { return .goOn }
    return resolve(marks, first, LaneBlock.small, visit)
  }

  /// One byte after the other up to, and without, `limit`.
  mutating func scanSingle(
    to limit: Int, _ visit: (Int, Int) -> BoundaryScanner.Decision
  ) -> BoundaryScanner.Decision {
    guard end < limit else { return .goOn }
    var digest = ChunkerTables.fingerprint(words, before: base + end)
    while true {
      if digest & ChunkerTables.boundaryMask == 0, visit(end, end) == .stop { return .stop }
      end += 1
      guard end < limit else { return .goOn }
      digest = ChunkerTables.step(words, digest, base + end - 1)
    }
  }

  /// Whether all windows of the next `count` ends and the byte behind them are one byte repeated,
  /// as in holes. Data fails on the first words.
  private func isConstant(_ count: Int) -> Bool {
    let start = base + (end - ChunkerTables.windowByteCount)
    return memcmp(start, start + 1, ChunkerTables.windowByteCount + count - 1) == 0
  }

  /// Visits the candidates of the groups that the lanes have marked, and clears the marks.
  private func resolve(
    _ marks: UnsafeMutablePointer<UInt8>, _ first: Int, _ count: Int,
    _ visit: (Int, Int) -> BoundaryScanner.Decision
  ) -> BoundaryScanner.Decision {
    let groups = count / LaneBlock.group
    var index = 0
    while index < groups {
      guard marks[index] != 0 else {
        index += 1
        continue
      }
      let start = index
      while index < groups, marks[index] != 0 {
        marks[index] = 0
        index += 1
      }
      var part = ScanPosition(words: words, base: base, end: first + start * LaneBlock.group)
      let limit = first + index * LaneBlock.group
      if part.scanSingle(to: limit, visit) == .stop { return .stop }
    }
    return .goOn
  }
}
