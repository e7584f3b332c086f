import Control
import Manifests
import ObjectMirror
import Platform
import Replication
import StateStore

/// Gathers what one run does, for its record and its log. Confined to the thread of its end, on
/// which movers tell their events.
final class RunLedger: @unchecked Sendable {
  private static let logSizeBytesMax = 4 << 10

  private let key: ObjectKey
  private let mover: String
  private let cause: String
  private let started: WallTime
  private let clock: any Clock
  private let store: any ServiceStore
  private var attemptCount = 0
  private var phases: [RunRecord.Phase] = []
  private var amounts = RunRecord.Amounts()
  private var warningCount: Int64 = 0
  private var result: String?
  private var bottleneck: String?
  private var pending: [UInt8] = []

  init(
    _ end: RunEnd, cause: String, started: WallTime, clock: any Clock, store: any ServiceStore
  ) {
    key = end.key
    mover = end.job.section
    self.cause = cause
    self.started = started
    self.clock = clock
    self.store = store
  }

  /// What the run has found in its source; nil when its mover has not told.
  var sourceTotals: SourceTotals? {
    amounts.sourceFileCount.map {
      SourceTotals(fileCount: $0, sizeBytes: amounts.sourceBytes ?? 0)
    }
  }

  /// Does a part of the run and counts its time to a phase.
  func measure<Value>(_ phase: String, _ body: () -> Value) -> Value {
    let start = clock.monotonicTime()
    defer {
      let seconds = clock.monotonicTime().seconds(since: start)
      if let index = phases.firstIndex(where: { $0.name == phase }) {
        phases[index].seconds += seconds
      } else {
        phases.append(RunRecord.Phase(name: phase, seconds: seconds))
      }
    }
    return body()
  }

  func beginAttempt() {
    attemptCount += 1
    log(attemptCount == 1 ? "started: \(cause)" : "attempt \(attemptCount)")
  }

  func note(_ event: MoverEvent) {
    switch event {
    case .listening(let address):
      log("listening on \(address)")
      flush()
    case .item(let change, let path): log("\(change) \(path)")
    case .warning(let path, let message):
      warningCount += 1
      log("\(path): \(message)")
    case .note(let text): log(text)
    case .summary(let summary): note(summary)
    case .progress, .notReady, .fenced, .failure: break
    }
  }

  private func note(_ summary: MoverSummary) {
    for line in summary.logText.split(separator: "\n") { log(String(line)) }
    switch summary {
    case .session(let session):
      amounts.fileCount = session.fileCountTransferred
      amounts.sourceFileCount = session.fileCountTotal
      amounts.sourceBytes = session.sizeBytesTotal
      amounts.sentBytes = session.wireBytesSent
      amounts.storedBytes = session.literalBytes
      bottleneck = session.bottleneck
    case .restic(let restic):
      amounts.fileCount = restic.fileCount
      amounts.readBytes = restic.sizeBytes
      amounts.storedBytes = restic.sizeBytesAdded
      if restic.direction == .backup {
        amounts.sourceFileCount = restic.fileCount
        amounts.sourceBytes = restic.sizeBytes
      }
      amounts.repositoryBytes = restic.repositoryBytes
      amounts.snapshotCount = restic.snapshotCount
      result = restic.snapshot.isEmpty ? nil : restic.snapshot
    case .rclone(let rclone):
      amounts.fileCount = rclone.figures.transferredCount
      amounts.sentBytes = rclone.figures.transferredBytes
      amounts.sourceFileCount = rclone.sourceTotals?.fileCount
      amounts.sourceBytes = rclone.sourceTotals?.sizeBytes
    }
  }

  func log(_ text: String) {
    pending += Array("\(clock.wallTime().rfc3339) \(text)\n".utf8)
    if pending.count >= RunLedger.logSizeBytesMax { flush() }
  }

  func flush() {
    guard !pending.isEmpty else { return }
    store.append(log: pending, of: key)
    pending = []
  }

  /// The record of the run, which has ended.
  func record(
    _ outcome: RunRecord.Outcome, message: String?, image: ImageReference? = nil
  ) -> RunRecord {
    var record = RunRecord(
      mover: mover, cause: cause, started: started, ended: clock.wallTime(), outcome: outcome)
    record.attemptCount = attemptCount
    record.phases = phases
    record.amounts = amounts
    record.warningCount = warningCount
    record.message = message
    record.result = result ?? image?.name
    record.bottleneck = bottleneck
    return record
  }
}
