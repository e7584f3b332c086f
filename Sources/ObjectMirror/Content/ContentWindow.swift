import Platform

/// A large file on its way to several destinations: a window of pieces that all of them read, each
/// piece read and hashed once.
///
/// The window goes on when all readers are through with its first piece. Whoever holds it up too
/// long, because its destination stalls or is much slower than the others, is let go of and reads
/// the file for itself. Any thread may call, for one destination one at a time.
final class ContentWindow: @unchecked Sendable {
  private static let pollSeconds = 0.02
  private static let debtSecondsMax = 2.0
  /// A destination that is slower than a quarter of the others' pace is left behind. Three that
  /// share a busy machine wait for one of them in up to 0.7 of the time.
  private static let debtRatio = 0.75

  private struct Place {
    /// Of the piece that is read next.
    var piece: Int
    /// Whether the window waits for it.
    var holds: Bool
    /// Seconds that others have waited for it.
    var debt = 0.0
  }

  private let content: any SourceContent
  private let options: SharingOptions
  private let paces: [LanePace]
  private let opened = MonotonicTime.now()
  private let lock = Lock()
  private let changed: Condition
  // Of the thread that has set `isReading`; changed with `lock` before the first piece alone.
  private var digest: DigestRun?
  // Guarded by `lock`.
  private var first = 0
  private var pieces: [UnsafeMutableRawBufferPointer] = []
  private var free: [UnsafeMutableRawBufferPointer] = []
  private var places: [Place?]
  /// Destinations that have not decided yet whether they want the file.
  private var expected: UInt64
  private var isReading = false
  private var failure: MirrorError?
  private var digests: ContentDigests?
  private var chargedUntil = MonotonicTime(nanoseconds: 0)

  /// `expected` are the destinations, by bits, that may come.
  init(
    _ content: any SourceContent, expected: UInt64, hashes: Bool, _ options: SharingOptions,
    _ paces: [LanePace]
  ) throws(MirrorError) {
    self.content = content
    self.options = options
    self.paces = paces
    self.expected = expected
    digest = hashes ? DigestRun() : nil
    places = Array(repeating: nil, count: paces.count)
    changed = Condition(lock)
  }

  deinit { for piece in pieces + free { piece.deallocate() } }

  /// The MD5 of the whole, once all of it has passed.
  var md5: [UInt8]? { lock.withLock { digests?.md5 } }

  /// The digests are known already.
  func needsNoDigest() {
    lock.withLock { if first == 0, pieces.isEmpty, !isReading { digest = nil } }
  }

  // MARK: Readers

  /// A destination reads the file; false when it comes too late.
  func join(_ lane: Int) -> Bool {
    lock.withLock {
      expected &= ~(1 << UInt64(lane))
      guard first == 0 else { return false }
      places[lane] = Place(piece: 0, holds: !paces[lane].isLoose(.now()))
      changed.broadcast()
      return true
    }
  }

  /// A destination does not want the file, or is through with it.
  func leave(_ lane: Int) {
    lock.withLock {
      expected &= ~(1 << UInt64(lane))
      places[lane] = nil
      trim()
    }
  }

  /// Nobody who has not come yet is waited for.
  func expectNobody() {
    lock.withLock {
      expected = 0
      trim()
    }
  }

  /// Reads from `offset` on, at most to the end of a piece; 0 at the end of the file. Nil when the
  /// window has gone on without this destination.
  func read(
    _ lane: Int, at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(MirrorError) -> Int? {
    paces[lane].progress()
    lock.lock()
    defer { lock.unlock() }
    guard places[lane] != nil else { return nil }
    guard offset < content.sizeBytes else { return 0 }
    let piece = Int(offset / Int64(options.pieceSizeBytes))
    // Behind a broken connection it begins anew.
    guard piece >= first else {
      places[lane] = nil
      trim()
      return nil
    }
    places[lane]?.piece = piece
    trim()
    var wait = (began: MonotonicTime.now(), first: first)
    while true {
      if let failure { throw failure }
      guard piece >= first, places[lane] != nil else {
        places[lane] = nil
        return nil
      }
      if piece - first < pieces.count {
        let start = Int(offset - Int64(piece) * Int64(options.pieceSizeBytes))
        let filled = pieces[piece - first]
        let count = min(buffer.count, size(of: piece) - start)
        buffer.copyMemory(
          from: UnsafeRawBufferPointer(rebasing: filled[start..<(start + count)]))
        return count
      }
      if isReading {
        paces[lane].working { changed.wait() }
      } else if pieces.count < options.pieceCountMax {
        readNext(for: lane)
      } else {
        if wait.first != first { wait = (.now(), first) }
        waitForOthers(lane, since: wait.began)
      }
    }
  }

  private func size(of piece: Int) -> Int {
    let start = Int64(piece) * Int64(options.pieceSizeBytes)
    return Int(min(Int64(options.pieceSizeBytes), content.sizeBytes - start))
  }

  /// Reads the next piece, without the lock meanwhile.
  private func readNext(for lane: Int) {
    isReading = true
    let number = first + pieces.count
    let buffer =
      free.popLast() ?? .allocate(byteCount: options.pieceSizeBytes, alignment: 4096)
    lock.unlock()
    let wanted = UnsafeMutableRawBufferPointer(rebasing: buffer[..<size(of: number)])
    let offset = Int64(number) * Int64(options.pieceSizeBytes)
    let isLast = offset + Int64(wanted.count) == content.sizeBytes
    var problem: MirrorError?
    var finished: ContentDigests?
    do throws(MirrorError) {
      let count = try paces[lane].working { () throws(MirrorError) in
        try content.read(at: offset, into: wanted)
      }
      guard count == wanted.count else { throw .changed(path: content.path) }
      digest?.update(UnsafeRawBufferPointer(wanted))
      if isLast {
        try content.checkUnchanged()
        finished = digest?.finish()
      }
    } catch {
      problem = error
    }
    lock.lock()
    isReading = false
    if let problem {
      failure = problem
      free.append(buffer)
    } else {
      pieces.append(buffer)
      digests = finished
    }
    changed.broadcast()
  }

  // MARK: Holding up

  /// Lets go of the pieces that nobody is waited for.
  private func trim() {
    let held = places.compactMap { $0 }
    guard expected == 0, !held.isEmpty else { return }
    let holding = held.filter(\.holds)
    // Without anybody who is waited for, the first one leads.
    let end =
      holding.isEmpty ? held.map(\.piece).max() ?? first : holding.map(\.piece).min() ?? first
    var isShorter = false
    while first < end, !pieces.isEmpty {
      free.append(pieces.removeFirst())
      first += 1
      isShorter = true
    }
    if isShorter { changed.broadcast() }
  }

  /// The window is full: waits a moment, and lets go of those that hold it up too long.
  private func waitForOthers(_ lane: Int, since start: MonotonicTime) {
    _ = changed.wait(until: MonotonicTime.now().advanced(bySeconds: ContentWindow.pollSeconds))
    guard failure == nil, pieces.count == options.pieceCountMax else { return }
    let now = MonotonicTime.now()
    let waited = now.seconds(since: max(start, chargedUntil))
    chargedUntil = now
    for other in paces.indices where other != lane {
      if expected & 1 << UInt64(other) != 0 {
        if paces[other].isLate(since: start, now: now)
          || !paces[other].charge(since: start, now: now)
        {
          expected &= ~(1 << UInt64(other))
        }
      } else if let place = places[other], place.holds, place.piece == first {
        places[other]?.debt += waited
        let limit =
          ContentWindow.debtSecondsMax
          + ContentWindow.debtRatio * now.seconds(since: opened)
        if place.debt + waited > limit { paces[other].loosen() }
        if paces[other].isLate(since: start, now: now) { places[other]?.holds = false }
      }
    }
    trim()
  }
}
