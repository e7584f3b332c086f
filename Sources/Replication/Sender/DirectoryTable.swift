import FileTree
import Pipelines
import Platform

/// Directories that were announced to the receiver and may still be asked about.
final class DirectoryTable: @unchecked Sendable {
  private let lock = Lock()
  private let changed: Condition
  private var listings: [UInt32: DirectoryListing] = [:]
  private var weight = 0
  private var announced: UInt32 = 0
  private var answered: UInt32 = 0
  private var wanted: [UInt32] = []
  private var walkIsComplete = false
  private var failed = false

  init() { changed = Condition(lock) }

  /// What the control thread does next.
  enum Step {
    case list(UInt32, DirectoryListing)
    case walk
    case done
  }

  /// Blocks until there is something to do. `beforeWait` runs before each wait, without the lock.
  func nextStep(timer: StageTimer, beforeWait: () throws -> Void) throws -> Step? {
    while true {
      if let step = try takeStep(wait: false) { return step }
      try beforeWait()
      let start = MonotonicTime.now()
      defer { timer.addInputWait(since: start) }
      if let step = try takeStep(wait: true) { return step }
    }
  }

  private func takeStep(wait: Bool) throws -> Step? {
    lock.lock()
    defer { lock.unlock() }
    while true {
      if failed { throw ReplicationError.violation("the session has failed") }
      if !wanted.isEmpty {
        let number = wanted.removeFirst()
        guard let listing = listings[number] else {
          throw ReplicationError.violation("a directory was asked for twice")
        }
        return .list(number, listing)
      }
      if !walkIsComplete {
        let inFlight = Int(announced - answered)
        // A directory heavier than the bound goes alone.
        if listings.isEmpty
          || (inFlight < WireLimits.announcedCountMax && weight < WireLimits.listingWeightMax)
        {
          return .walk
        }
      } else if answered == announced {
        return .done
      }
      if !wait { return nil }
      changed.wait()
    }
  }

  /// Gives the next directory its number.
  func announce(_ listing: DirectoryListing) -> UInt32 {
    lock.withLock {
      listings[announced] = listing
      weight += listing.weight
      announced += 1
      return announced - 1
    }
  }

  /// The walk has ended and the receiver has decided about every directory.
  var isDecided: Bool {
    lock.withLock { walkIsComplete && answered == announced && wanted.isEmpty }
  }

  func completeWalk() {
    lock.withLock {
      walkIsComplete = true
      changed.broadcast()
    }
  }

  func want(_ number: UInt32) throws {
    try lock.withLock {
      guard listings[number] != nil, wanted.count <= WireLimits.announcedCountMax else {
        throw ReplicationError.violation("a directory was asked for that is not open")
      }
      wanted.append(number)
      changed.broadcast()
    }
  }

  /// All directories below `count` are decided; those of them in neither `wanted` nor `open` are
  /// dropped.
  func answer(upTo count: UInt32, keeping open: Set<UInt32>) throws {
    try lock.withLock {
      guard count >= answered, count <= announced else {
        throw ReplicationError.violation("an answer for a directory that was not announced")
      }
      for number in answered..<count where !open.contains(number) { drop(number) }
      answered = count
      changed.broadcast()
    }
  }

  func close(_ number: UInt32) {
    lock.withLock {
      drop(number)
      changed.broadcast()
    }
  }

  private func drop(_ number: UInt32) {
    if let listing = listings.removeValue(forKey: number) { weight -= listing.weight }
  }

  func listing(_ number: UInt32) throws -> DirectoryListing {
    guard let listing = lock.withLock({ listings[number] }) else {
      throw ReplicationError.violation("a file of a directory that is not open")
    }
    return listing
  }

  func fail() {
    lock.withLock {
      failed = true
      changed.broadcast()
    }
  }
}
