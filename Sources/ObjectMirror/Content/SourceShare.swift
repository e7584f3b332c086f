import Platform

/// The content of the source for all destinations of a run: each file is opened, read and hashed
/// once for all that send it, as long as they keep pace with each other.
///
/// A small file is in memory as a whole until the last destination has taken or skipped it; a
/// large one passes through a ``ContentWindow``. A destination that comes too late reads for
/// itself. Any thread may call.
final class SourceShare: @unchecked Sendable {
  private static let pollSeconds = 0.02
  private static let heldCountForgotten = 4096
  private static let openCountMax = 256
  /// What a whole file costs beside its bytes.
  private static let overheadBytes = 512
  /// A destination that reads for itself takes larger files piece by piece.
  private static let wholeSizeBytesMaxAlone: Int64 = 256 << 10

  private enum State {
    case untouched
    /// Somebody waits for room, or reads already.
    case opening(isReading: Bool)
    case whole(SharedBytes)
    case file(SharedFile)
    /// All have it, or it did not fit; who still comes reads for itself.
    case gone
  }

  private struct Slot {
    var number: Int64 = -1
    /// Destinations that have neither taken nor skipped the file.
    var pending: UInt64 = 0
    var state = State.untouched
  }

  let counter = ReadCounter()
  let paces: [LanePace]
  private let source: MirrorSide
  private let options: SharingOptions
  private let hashes: Bool
  private let isShared: Bool
  private let lock = Lock()
  private let opened: Condition
  private let room: Condition
  // Guarded by `lock`.
  private var slots: [Slot]
  private var floor: Int64 = 0
  private var active: UInt64
  private var heldBytes = 0
  /// Numbers of the whole files, oldest first; some may be gone already.
  private var held: [Int64] = []
  private var heldStart = 0
  private var open: [Int64] = []
  private var openingWaiterCount = 0

  /// One of `activities` for each destination. With `hashes` the MD5 of each content is made while
  /// it passes.
  init(_ source: MirrorSide, _ activities: [Activity], hashes: Bool, _ options: SharingOptions) {
    let laneCount = activities.count
    precondition((1...64).contains(laneCount), "destinations are bits of a word")
    self.source = source
    self.options = options
    self.hashes = hashes
    isShared = laneCount > 1
    paces = activities.map { LanePace(options, $0) }
    active = laneCount == 64 ? .max : 1 << UInt64(laneCount) - 1
    slots = isShared ? Array(repeating: Slot(), count: options.placeCountMax) : []
    opened = Condition(lock)
    room = Condition(lock)
  }

  // MARK: What destinations do

  /// The content of a file for one destination, which has it until it lets go of the reader.
  func open(_ item: NumberedEntry, lane: Int) throws(MirrorError) -> ContentReader {
    switch try acquire(item, lane, .taking) {
    case .whole(let bytes): return ContentReader(bytes, path: item.entry.path)
    case .file(let file):
      let joined = file.window?.join(lane) ?? false
      return ContentReader(file, lane: lane, pace: paces[lane], isInWindow: joined)
    case nil: return try openAlone(item.entry, lane)
    }
  }

  /// The digests of a file of which this destination has sent nothing; read once for all.
  func digests(
    _ item: NumberedEntry, lane: Int, partSizeBytes: Int64? = nil
  ) throws(MirrorError) -> ContentDigests {
    try paces[lane].working { () throws(MirrorError) in
      try made(item, lane, partSizeBytes)
    }
  }

  private func made(
    _ item: NumberedEntry, _ lane: Int, _ partSizeBytes: Int64?
  ) throws(MirrorError) -> ContentDigests {
    switch try acquire(item, lane, .looking) {
    case .whole(let bytes):
      return try ContentReader(bytes, path: item.entry.path)
        .digestsInAdvance(partSizeBytes: partSizeBytes)
    case .file(let file): return try file.digests(partSizeBytes: partSizeBytes)
    case nil:
      let content = try openContent(item.entry)
      let digests = try content.digests(partSizeBytes: partSizeBytes)
      try content.checkUnchanged()
      return digests
    }
  }

  /// A destination does not want a file.
  func skip(_ number: Int64, lane: Int) {
    guard isShared else { return }
    lock.withLock {
      guard let index = slot(number) else { return }
      if case .file(let file) = slots[index].state { file.window?.leave(lane) }
      settle(index, lane)
    }
  }

  /// A destination wants nothing any more.
  func leave(_ lane: Int) {
    paces[lane].leave()
    guard isShared else { return }
    lock.withLock {
      active &= ~(1 << UInt64(lane))
      for index in slots.indices where slots[index].number >= floor {
        if case .file(let file) = slots[index].state { file.window?.leave(lane) }
        settle(index, lane)
      }
      room.broadcast()
    }
  }

  // MARK: Opening

  private func openContent(_ entry: MirrorEntry) throws(MirrorError) -> any SourceContent {
    switch source {
    case .local(let local): try local.open(entry.path, counter: counter)
    case .store(let store): try SourceObject(store, entry, counter: counter)
    }
  }

  /// Whether a destination comes for the content, or comes again.
  private enum Purpose {
    case taking
    case looking
  }

  private enum Shared {
    case whole(SharedBytes)
    case file(SharedFile)
  }

  private enum Opened {
    case whole(SharedBytes)
    case content(any SourceContent)
  }

  /// What all destinations share of a file; nil for one who comes too late, or is alone.
  private func acquire(
    _ item: NumberedEntry, _ lane: Int, _ purpose: Purpose
  ) throws(MirrorError) -> Shared? {
    guard isShared else { return nil }
    lock.lock()
    defer { lock.unlock() }
    while let index = slot(item.number) {
      switch slots[index].state {
      case .untouched: return try openFirst(item, index, lane, purpose)
      case .opening(let isReading):
        openingWaiterCount += 1
        if isReading { paces[lane].working { opened.wait() } } else { opened.wait() }
        openingWaiterCount -= 1
      case .whole(let bytes):
        if purpose == .taking { settle(index, lane) }
        return .whole(bytes)
      case .file(let file):
        if purpose == .taking { settle(index, lane) }
        return .file(file)
      case .gone: return nil
      }
    }
    return nil
  }

  private func opened(
    _ entry: MirrorEntry, wholeSizeBytesMax: Int64
  ) throws(MirrorError) -> Opened {
    if case .store(let store) = source, entry.sizeBytes <= wholeSizeBytesMax {
      return .whole(
        try SharedBytes.read(store, entry, sizeBytesMax: wholeSizeBytesMax, counter: counter))
    }
    let content = try openContent(entry)
    guard content.sizeBytes <= wholeSizeBytesMax else { return .content(content) }
    return .whole(try SharedBytes.read(content, hashes: hashes))
  }

  private func openAlone(_ entry: MirrorEntry, _ lane: Int) throws(MirrorError) -> ContentReader {
    let limit =
      isShared
      ? min(options.wholeSizeBytesMax, SourceShare.wholeSizeBytesMaxAlone)
      : options.wholeSizeBytesMax
    switch try opened(entry, wholeSizeBytesMax: limit) {
    case .whole(let bytes): return ContentReader(bytes, path: entry.path)
    case .content(let content):
      let file = SharedFile(content, window: nil, hashes: hashes)
      return ContentReader(file, lane: lane, pace: paces[lane], isInWindow: false)
    }
  }

  /// Opens a file for all. The lock is held, and let go of meanwhile.
  private func openFirst(
    _ item: NumberedEntry, _ index: Int, _ lane: Int, _ purpose: Purpose
  ) throws(MirrorError) -> Shared {
    slots[index].state = .opening(isReading: false)
    let isWhole = item.entry.sizeBytes <= options.wholeSizeBytesMax
    let weight = isWhole ? Int(item.entry.sizeBytes) + SourceShare.overheadBytes : 0
    if isWhole { reserve(weight, for: lane) }
    if slots[index].number == item.number { slots[index].state = .opening(isReading: true) }
    // Who waits for this file is held up by the source from now on.
    if openingWaiterCount > 0 { opened.broadcast() }
    lock.unlock()
    let result = Result { () throws(MirrorError) in
      try paces[lane].working { () throws(MirrorError) in
        try opened(item.entry, wholeSizeBytesMax: isWhole ? options.wholeSizeBytesMax : -1)
      }
    }
    lock.lock()
    if openingWaiterCount > 0 { opened.broadcast() }
    release(weight)
    // Others may have gone on so far meanwhile that the place is another file's.
    let isMine = slots[index].number == item.number
    defer { if isMine, purpose == .taking { settle(index, lane) } }
    switch result {
    case .failure(let error):
      if isMine { slots[index].state = .gone }
      throw error
    case .success(.whole(let bytes)):
      if isMine {
        slots[index].state = .whole(bytes)
        heldBytes += bytes.memory.count + SourceShare.overheadBytes
        remember(item.number)
      }
      return .whole(bytes)
    case .success(.content(let content)):
      var expected: UInt64 = 0
      if isMine { expected = slots[index].pending }
      let window = try ContentWindow(content, expected: expected, hashes: hashes, options, paces)
      let file = SharedFile(content, window: window, hashes: hashes)
      if isMine {
        slots[index].state = .file(file)
        keepOpen(item.number)
      }
      return .file(file)
    }
  }

  // MARK: Places

  /// Where a file is remembered; nil when it is too far behind the others. The lock is held.
  private func slot(_ number: Int64) -> Int? {
    guard number >= floor else { return nil }
    let count = Int64(slots.count)
    while number >= floor + count {
      forget(Int(floor % count))
      slots[Int(floor % count)].number = -1
      floor += 1
    }
    let index = Int(number % count)
    if slots[index].number != number {
      slots[index] = Slot(number: number, pending: expectedLanes())
    }
    return index
  }

  /// Those that will come to a file soon.
  private func expectedLanes() -> UInt64 {
    let now = MonotonicTime.now()
    var lanes = active
    for (lane, pace) in paces.enumerated() where pace.isLoose(now) {
      lanes &= ~(1 << UInt64(lane))
    }
    return lanes
  }

  /// A destination has taken or skipped a file.
  private func settle(_ index: Int, _ lane: Int) {
    slots[index].pending &= ~(1 << UInt64(lane))
    if slots[index].pending == 0 { drop(index) }
  }

  private func drop(_ index: Int) {
    if case .opening = slots[index].state { return }
    if case .whole(let bytes) = slots[index].state {
      release(bytes.memory.count + SourceShare.overheadBytes)
    }
    slots[index].state = .gone
  }

  private func forget(_ index: Int) {
    if case .file(let file) = slots[index].state { file.window?.expectNobody() }
    drop(index)
  }

  private func release(_ weight: Int) {
    heldBytes -= weight
    room.broadcast()
  }

  private func remember(_ number: Int64) {
    held.append(number)
    _ = oldestHeld()
    guard heldStart > SourceShare.heldCountForgotten else { return }
    held.removeFirst(heldStart)
    heldStart = 0
  }

  // MARK: Memory

  /// Files stay open for those that are behind, but not too many.
  private func keepOpen(_ number: Int64) {
    open.append(number)
    guard open.count > SourceShare.openCountMax else { return }
    let count = Int64(slots.count)
    open.removeAll { number in
      let slot = slots[Int(number % count)]
      guard slot.number == number, case .file = slot.state else { return true }
      return false
    }
    while open.count > SourceShare.openCountMax { forget(Int(open.removeFirst() % count)) }
  }

  /// Makes room for a whole file: waits a moment for those that are behind, then lets go of what
  /// they have not taken. The lock is held, and let go of while it waits.
  private func reserve(_ weight: Int, for lane: Int) {
    let start = MonotonicTime.now()
    while heldBytes + weight > options.heldBytesMax, let index = oldestHeld() {
      let now = MonotonicTime.now()
      let late = paces.indices.contains { other in
        slots[index].pending & 1 << UInt64(other) != 0
          && (other == lane || paces[other].isLate(since: start, now: now)
            || now > start && !paces[other].charge(since: start, now: now))
      }
      if late {
        drop(index)
      } else {
        _ = room.wait(until: now.advanced(bySeconds: SourceShare.pollSeconds))
      }
    }
    heldBytes += weight
  }

  /// The oldest file that is in memory for somebody who has not come yet.
  private func oldestHeld() -> Int? {
    while heldStart < held.count {
      let number = held[heldStart]
      let index = Int(number % Int64(slots.count))
      if slots[index].number == number, case .whole = slots[index].state { return index }
      heldStart += 1
    }
    (held, heldStart) = ([], 0)
    return nil
  }
}
