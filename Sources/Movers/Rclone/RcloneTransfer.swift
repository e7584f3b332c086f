import ObjectMirror
import Platform

/// What became of the files at one remote.
struct RcloneTransferOutcome {
  let remote: RcloneJob.Remote
  /// Nil when it could not even be opened.
  var side: MirrorSide?
  var figures = MirrorFigures()
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

  /// From a volume to each of the remotes. One that fails does not keep the others from theirs.
  func push(_ volume: LocalSide, to remotes: [RcloneJob.Remote]) -> [RcloneTransferOutcome] {
    remotes.map { remote in
      var outcome = RcloneTransferOutcome(remote: remote)
      do throws(RcloneError) {
        let side = try access.side(remote.address, absence: .make)
        outcome.side = side
        let label = remotes.count > 1 ? "\(remote.address): " : ""
        outcome.figures = try run(
          from: .local(volume), to: side, label: label, &outcome.shortfalls)
      } catch {
        outcome.failure = error
      }
      return outcome
    }
  }

  /// From one side to another, in as many attempts as the settings say. Failures of single files
  /// are told once, those of the last attempt, and counted in `shortfalls`.
  func run(
    from source: MirrorSide, to destination: MirrorSide, label: String = "",
    _ shortfalls: inout [String]
  ) throws(RcloneError) -> MirrorFigures {
    let attemptCount = access.settings.attemptCount
    for attempt in 1...attemptCount {
      let failures = RcloneFailures()
      let run = MirrorRun(
        from: source, to: destination, access.options, mediaTypes: .ofSystem(),
        isCancelled: access.isCancelled
      ) {
        failures.take($0)
      }
      let figures = try access.mirroring { () throws(MirrorError) in try run.run() }
      if figures.errorCount == 0 { return figures }
      if figures.mayBeRetried, attempt < attemptCount {
        access.tell(
          .note(
            "\(label)attempt \(attempt) of \(attemptCount) left \(figures.errorCount) failures;"
              + " once more"))
        continue
      }
      for failure in failures.all {
        access.tell(.warning(of: failure.path, failure.message, label: label))
      }
      let count = figures.errorCount
      let rest = access.options.ignoresErrors ? "" : ", nothing was deleted"
      shortfalls.append(
        "\(label)\(count == 1 ? "1 file" : "\(count) files") could not be copied\(rest)")
      return figures
    }
    preconditionFailure("there is at least one attempt")
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

  var all: [(path: String, message: String)] { lock.withLock { failures } }
}
