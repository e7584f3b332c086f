import Pipelines
import Platform
import TreeComparison

/// What a check has found of one path.
package enum CheckFinding: Sendable {
  case equal(path: [UInt8])
  /// Sizes are equal, and nothing tells whether the contents are.
  case unverified(path: [UInt8])
  case different(path: [UInt8], TransferDecision.Reason)
  case missingAtDestination(path: [UInt8])
  case missingAtSource(path: [UInt8])
  case failed(path: [UInt8], MirrorError)
}

/// How many of each.
package struct CheckFigures: Sendable, Equatable {
  package var equalCount: Int64 = 0
  package var unverifiedCount: Int64 = 0
  package var differentCount: Int64 = 0
  package var missingAtDestinationCount: Int64 = 0
  package var missingAtSourceCount: Int64 = 0
  package var errorCount: Int64 = 0

  package init() {}

  /// As rclone counts them.
  package var differenceCount: Int64 {
    differentCount + missingAtDestinationCount + missingAtSourceCount
  }
}

/// Compares two sides by size and MD5, and changes nothing.
package final class MirrorCheck: @unchecked Sendable {
  private struct Pair: Sendable {
    let source: MirrorEntry
    let destination: MirrorEntry
  }

  private let source: MirrorSide
  private let destination: MirrorSide
  private let options: MirrorOptions
  private let judge: PairJudge
  private let isOneWay: Bool
  private let isCancelled: @Sendable () -> Bool
  private let pairs = BoundedChannel<Pair>(countMax: 10_000, weightMax: 8 << 20)
  private let observe: @Sendable (CheckFinding) -> Void
  private let lock = Lock()
  // Guarded by `lock`.
  private var figures = CheckFigures()

  /// Of the options the filter, `sizeOnly` and the count of checkers count. With `isOneWay` it is
  /// no difference when the destination has more. `observe` is called by all threads.
  package init(
    of source: MirrorSide, and destination: MirrorSide, _ options: MirrorOptions,
    isOneWay: Bool = false, isCancelled: @escaping @Sendable () -> Bool = { false },
    observe: @escaping @Sendable (CheckFinding) -> Void
  ) {
    var comparison = ComparisonOptions()
    comparison.sizeOnly = options.comparison.sizeOnly
    comparison.checksum = !options.comparison.sizeOnly
    self.source = source
    self.destination = destination
    self.options = options
    self.isOneWay = isOneWay
    self.isCancelled = isCancelled
    self.observe = observe
    judge = PairJudge(
      source: source, destination: destination, options: comparison, usesServerTimes: true,
      share: SourceShare(source, [Activity()], hashes: false, options.sharing), lane: 0)
  }

  /// - Throws: a side that cannot be listed; a cancellation.
  package func compare() throws(MirrorError) -> CheckFigures {
    let checkers = (0..<max(1, options.checkerCount)).map { _ in
      Thread("mirror-check") { self.work() }
    }
    let outcome = Result { () throws(MirrorError) in try join() }
    pairs.close()
    for checker in checkers {
      // The body throws nothing.
      try? checker.join()
    }
    try outcome.get()
    return lock.withLock { figures }
  }

  private func join() throws(MirrorError) {
    let plan = try ListingPlan(source: source, destinations: [destination], options)
    let left = SourceListing(source, plan, filter: options.filter) { remark in
      if case .failed(let error) = remark { self.add(.failed(path: [], error)) }
    }
    defer { left.stop() }
    let right = DestinationListing(destination, plan, filter: options.filter) { error in
      self.add(.failed(path: [], error))
    }
    defer { right.stop() }
    var join = MergeJoin<MirrorEntry, MirrorEntry, MirrorError>(
      left: { () throws(MirrorError) in try left.next() },
      right: { () throws(MirrorError) in try right.next() },
      order: MirrorEntry.order)
    while let place = try join.next() {
      if isCancelled() { throw .cancelled }
      switch place {
      case .left(let entry):
        if !entry.isDirectory { add(.missingAtDestination(path: entry.path)) }
      case .right(let entry):
        if !entry.isDirectory, !isOneWay { add(.missingAtSource(path: entry.path)) }
      case .both(let first, let second):
        if first.isDirectory { continue }
        do throws(ChannelClosed) {
          try pairs.send(
            Pair(source: first, destination: second),
            weight: first.weight + second.weight)
        } catch {
          throw .cancelled
        }
      }
    }
  }

  private func work() {
    // A channel that was closed or has failed gives nothing more.
    while let pair = try? pairs.receive() {
      if isCancelled() { continue }
      let path = pair.source.path
      do throws(MirrorError) {
        switch try judge.judge(
          NumberedEntry(number: 0, entry: pair.source), pair.destination
        ).decision {
        case .skip(.contentsAreEqual): add(.equal(path: path))
        case .skip where judge.options.sizeOnly: add(.equal(path: path))
        case .skip: add(.unverified(path: path))
        case .transfer(let reason): add(.different(path: path, reason))
        case .refuse, .setTime, .ask: preconditionFailure("a check decides by content alone")
        }
      } catch {
        add(.failed(path: path, error))
      }
    }
  }

  private func add(_ finding: CheckFinding) {
    lock.withLock {
      switch finding {
      case .equal: figures.equalCount += 1
      case .unverified: figures.unverifiedCount += 1
      case .different: figures.differentCount += 1
      case .missingAtDestination: figures.missingAtDestinationCount += 1
      case .missingAtSource: figures.missingAtSourceCount += 1
      case .failed: figures.errorCount += 1
      }
    }
    observe(finding)
  }
}
