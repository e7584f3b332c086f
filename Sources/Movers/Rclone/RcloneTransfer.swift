import ObjectMirror
import Platform

/// What became of the files at one remote.
struct RcloneTransferOutcome {
  let remote: RcloneJob.Remote
  /// Nil when it could not even be opened.
  var side: MirrorSide?
  var figures = MirrorFigures()
  /// What the source holds; nil when that is not known.
  var sourceTotals: SourceTotals?
  /// What ended it before all was done.
  var failure: RcloneError?
  /// What is lacking all the same, each in a line.
  var shortfalls: [String] = []
}

/// Brings the files of a volume to remotes, or those of a remote to a volume: the only place that
/// knows how the mirror engine is called.
struct RcloneTransfer {
  private let access: RcloneAccess

  init(_ access: RcloneAccess) { self.access = access }

  /// From a volume to each of the remotes, with one read of the volume. One that fails does not
  /// keep the others from theirs.
  /// - Throws: what concerns all of them.
  func push(
    _ volume: LocalSide, to remotes: [RcloneJob.Remote]
  ) throws(RcloneError) -> [RcloneTransferOutcome] {
    var outcomes = remotes.map { RcloneTransferOutcome(remote: $0) }
    var destinations: [Destination] = []
    for index in outcomes.indices {
      let address = remotes[index].address
      do throws(RcloneError) {
        let side = try access.side(address, absence: .make)
        outcomes[index].side = side
        let label = remotes.count > 1 ? "\(address): " : ""
        destinations.append(Destination(index: index, side: side, label: label))
      } catch {
        outcomes[index].failure = error
      }
    }
    guard !destinations.isEmpty else { return outcomes }
    let results = try run(from: .local(volume), to: destinations)
    for (destination, result) in zip(destinations, results) {
      outcomes[destination.index].figures = result.figures
      outcomes[destination.index].sourceTotals = result.sourceTotals
      outcomes[destination.index].failure = result.failure.map { .mirror($0) }
      if let shortfall = result.shortfall {
        outcomes[destination.index].shortfalls.append(shortfall)
      }
    }
    return outcomes
  }

  /// From a remote to a volume.
  func pull(
    _ remote: MirrorSide, to volume: LocalSide, _ shortfalls: inout [String]
  ) throws(RcloneError) -> MirrorFigures {
    let destination = Destination(index: 0, side: .local(volume), label: "")
    guard let result = try run(from: remote, to: [destination]).first else {
      preconditionFailure("a run gives each destination's outcome")
    }
    if let failure = result.failure { throw .mirror(failure) }
    if let shortfall = result.shortfall { shortfalls.append(shortfall) }
    return result.figures
  }

  private struct Destination {
    let index: Int
    let side: MirrorSide
    /// What stands before messages, when there are several.
    let label: String
  }

  private struct Result {
    var figures = MirrorFigures()
    var sourceTotals: SourceTotals?
    var failure: MirrorError?
    var shortfall: String?
  }

  /// Runs in as many attempts as the settings say, further ones with those that may do better.
  /// Failures of single files are told once, those of the last attempt.
  private func run(
    from source: MirrorSide, to destinations: [Destination]
  ) throws(RcloneError) -> [Result] {
    let attemptCount = access.settings.attemptCount
    var outcomes = [DestinationOutcome?](repeating: nil, count: destinations.count)
    var failures = destinations.map { _ in RcloneFailures() }
    var sourceFailures = RcloneFailures()
    var totals: SourceTotals?
    var numbers = Array(destinations.indices)
    for attempt in 1...attemptCount {
      for number in numbers { failures[number] = RcloneFailures() }
      sourceFailures = RcloneFailures()
      let takers = numbers.map { failures[$0] }
      let run = MirrorRun(
        from: source, to: numbers.map { destinations[$0].side }, access.options,
        mediaTypes: .ofSystem(), isCancelled: access.isCancelled
      ) { [sourceFailures] lane, event in
        (lane.map { takers[$0] } ?? sourceFailures).take(event)
      }
      let outcome = try access.mirroring { () throws(MirrorError) in try run.run() }
      totals = outcome.sourceTotals
      for (number, result) in zip(numbers, outcome.destinations) { outcomes[number] = result }
      numbers = numbers.filter { outcomes[$0]?.mayBeRetried == true }
      guard !numbers.isEmpty, attempt < attemptCount else { break }
      for number in numbers {
        let left = max(outcomes[number]?.figures.errorCount ?? 0, 1)
        access.tell(
          .note(
            "\(destinations[number].label)attempt \(attempt) of \(attemptCount) left \(left)"
              + " failures; once more"))
      }
    }
    sourceFailures.tell(access.tell, label: "")
    return destinations.indices.map { number in
      failures[number].tell(access.tell, label: destinations[number].label)
      var result = result(of: outcomes[number], destinations[number].label)
      result.sourceTotals = totals
      return result
    }
  }

  private func result(of outcome: DestinationOutcome?, _ label: String) -> Result {
    guard let outcome else { return Result() }
    var result = Result(figures: outcome.figures, failure: outcome.failure)
    let count = outcome.figures.errorCount
    if outcome.failure == nil, count > 0 {
      let rest = access.options.ignoresErrors ? "" : ", nothing was deleted"
      result.shortfall =
        "\(label)\(count == 1 ? "1 file" : "\(count) files") could not be copied\(rest)"
    }
    return result
  }
}

extension MoverEvent {
  /// A warning whose message may begin with the path itself.
  static func warning(of path: String, _ message: String, label: String = "") -> MoverEvent {
    let prefix = "\(path): "
    let text = message.hasPrefix(prefix) ? String(message.dropFirst(prefix.count)) : message
    return .warning(path: label + path, message: text)
  }
}

/// The failures of single files in one attempt; some of them, when they are many.
private final class RcloneFailures: @unchecked Sendable {
  private static let countMax = 1000

  private let lock = Lock()
  // Guarded by `lock`.
  private var failures: [(path: String, message: String)] = []

  func take(_ event: MirrorEvent) {
    guard case .failed(let path, let error) = event else { return }
    lock.withLock {
      guard failures.count < RcloneFailures.countMax else { return }
      failures.append((printable(path.isEmpty ? [0x2e] : path), error.description))
    }
  }

  func tell(_ tell: (MoverEvent) -> Void, label: String) {
    for failure in lock.withLock({ failures }) {
      tell(.warning(of: failure.path, failure.message, label: label))
    }
  }
}
