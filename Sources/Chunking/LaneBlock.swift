/// The hot loop: eight fingerprints rolled side by side over eight neighbouring stretches.
///
/// One fingerprint alone waits about seven cycles for its own look-up at each byte; eight of them
/// fill that time. The stretches of a block have a fixed length, so that one register addresses all
/// of them; it is no multiple of 4096, which would put all lanes into the same few cache sets. The
/// loop only marks the group of 64 ends in which a candidate stands: marks are rare, and the exact
/// places are found again from them.
enum LaneBlock {
  /// Ends under one mark.
  static let group = 64
  static let laneCount = 8

  /// The length of a lane: long enough that the 64 bytes of its start are of no weight.
  private static let largeLane = 65 * group
  /// For what is left over behind the large blocks.
  private static let smallLane = 9 * group

  /// Ends in one large block: 33,280.
  static let large = laneCount * largeLane
  /// Ends in one small block: 4,608.
  static let small = laneCount * smallLane
  static let groupCountMax = large / group

  /// Marks the groups with candidates among the ends from `start` on, and tells whether there are
  /// any. Reads from 64 bytes before `start` to ``large`` bytes behind it.
  @inline(never)
  static func scanLarge(
    _ words: UnsafePointer<UInt64>, _ start: UnsafePointer<UInt8>,
    _ marks: UnsafeMutablePointer<UInt8>
  ) -> Bool {
    scan(words, start, marks, lane: largeLane)
  }

  /// As ``scanLarge(_:_:_:)`` for ``small`` ends.
  @inline(never)
  static func scanSmall(
    _ words: UnsafePointer<UInt64>, _ start: UnsafePointer<UInt8>,
    _ marks: UnsafeMutablePointer<UInt8>
  ) -> Bool {
    scan(words, start, marks, lane: smallLane)
  }

  @inline(__always)
  private static func scan(
    _ words: UnsafePointer<UInt64>, _ start: UnsafePointer<UInt8>,
    _ marks: UnsafeMutablePointer<UInt8>, lane: Int
  ) -> Bool {
    let mask = ChunkerTables.boundaryMask
    let groups = lane / group
    var d0 = ChunkerTables.fingerprint(words, before: start)
    var d1 = ChunkerTables.fingerprint(words, before: start + lane)
    var d2 = ChunkerTables.fingerprint(words, before: start + 2 * lane)
    var d3 = ChunkerTables.fingerprint(words, before: start + 3 * lane)
    var d4 = ChunkerTables.fingerprint(words, before: start + 4 * lane)
    var d5 = ChunkerTables.fingerprint(words, before: start + 5 * lane)
    var d6 = ChunkerTables.fingerprint(words, before: start + 6 * lane)
    var d7 = ChunkerTables.fingerprint(words, before: start + 7 * lane)
    var dirty = false
    var next = start
    for index in 0..<groups {
      let stop = next + group
      while next < stop {
        // The branches are taken once in a million bytes.
        if _slowPath(d0 & mask == 0) { marks[index] = 1; dirty = true }
        if _slowPath(d1 & mask == 0) { marks[index + groups] = 1; dirty = true }
        if _slowPath(d2 & mask == 0) { marks[index + 2 * groups] = 1; dirty = true }
        if _slowPath(d3 & mask == 0) { marks[index + 3 * groups] = 1; dirty = true }
        if _slowPath(d4 & mask == 0) { marks[index + 4 * groups] = 1; dirty = true }
        if _slowPath(d5 & mask == 0) { marks[index + 5 * groups] = 1; dirty = true }
        if _slowPath(d6 & mask == 0) { marks[index + 6 * groups] = 1; dirty = true }
        if _slowPath(d7 & mask == 0) { marks[index + 7 * groups] = 1; dirty = true }
        d0 = ChunkerTables.step(words, d0, next)
        d1 = ChunkerTables.step(words, d1, next + lane)
        d2 = ChunkerTables.step(words, d2, next + 2 * lane)
        d3 = ChunkerTables.step(words, d3, next + 3 * lane)
        d4 = ChunkerTables.step(words, d4, next + 4 * lane)
        d5 = ChunkerTables.step(words, d5, next + 5 * lane)
        d6 = ChunkerTables.step(words, d6, next + 6 * lane)
        d7 = ChunkerTables.step(words, d7, next + 7 * lane)
        next += 1
      }
    }
    return dirty
  }
}
