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
  private let run: MirrorRun
  private let judge: PairJudge
  private let isOneWay: Bool
  private let pairs = BoundedChannel<MirrorRun.Pair>(countMax: 10_000, weightMax: 8 << 20)
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
    self.isOneWay = isOneWay
    self.observe = observe
    judge = PairJudge(
      source: source, destination: destination, options: comparison, usesServerTimes: true)
    let failures = FailureRelay()
    run = MirrorRun(
      from: source, to: destination, options, isCancelled: isCancelled,
      observe: { event in
        if case .failed(let path, let error) = event { failures.tell(path, error) }
      })
    failures.receiver = { [weak self] path, error in self?.add(.failed(path: path, error)) }
  }

  /// - Throws: a side that cannot be listed; a cancellation.
  package func compare() throws(MirrorError) -> CheckFigures {
    let checkers = (0..<max(1, run.options.checkerCount)).map { _ in
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
    let sides = MirrorListings(run)
    defer { sides.stop() }
    var join = MergeJoin<MirrorEntry, MirrorEntry, MirrorError>(
      left: { () throws(MirrorError) in try sides.nextSource() },
      right: { () throws(MirrorError) in try sides.nextDestination() },
      order: MirrorEntry.order)
    while let place = try join.next() {
      if run.isCancelled() { throw .cancelled }
      switch place {
      case .left(let entry):
        if !entry.isDirectory { add(.missingAtDestination(path: entry.path)) }
      case .right(let entry):
        if !entry.isDirectory, !isOneWay { add(.missingAtSource(path: entry.path)) }
      case .both(let first, let second):
        if first.isDirectory { continue }
        do throws(ChannelClosed) {
          try pairs.send(
            MirrorRun.Pair(source: first, destination: second),
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
      if run.isCancelled() { continue }
      let path = pair.source.path
      do throws(MirrorError) {
        switch try judge.judge(pair.source, pair.destination).decision {
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

/// Hands failures of listings to whoever is made after them.
private final class FailureRelay: @unchecked Sendable {
  // Set once, before any thread calls.
  var receiver: ([UInt8], MirrorError) -> Void = { _, _ in }

  func tell(_ path: [UInt8], _ error: MirrorError) { receiver(path, error) }
}
