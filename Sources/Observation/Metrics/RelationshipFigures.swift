import Control
import Platform
import StateStore

/// What the metrics say of one relationship: its status as it stands, and its runs added up.
struct RelationshipFigures: Sendable {
  var relationship: Relationship
  let labels: String
  private(set) var runCounts: [RunRecord.Outcome: Int64] = [:]
  private(set) var missedIntervalCount: Int64 = 0
  private(set) var missedTimeCount: Int64 = 0
  private(set) var durations = DurationWindow()
  private(set) var last: RunRecord?
  /// Sums of what movers tell; nil while none has told.
  private(set) var readBytes: Int64?
  private(set) var sentBytes: Int64?
  private(set) var storedBytes: Int64?
  private(set) var fileCount: Int64?
  /// What the last run that told has found.
  private(set) var state = RunRecord.Amounts()

  init(_ relationship: Relationship, history: [RunRecord]) {
    self.relationship = relationship
    labels = relationship.labels
    for run in history { add(run) }
  }

  mutating func add(_ run: RunRecord) {
    if run.outcome == .missed {
      missedTimeCount += run.missedCount ?? 1
      return
    }
    runCounts[run.outcome, default: 0] += 1
    if run.isLate { missedIntervalCount += 1 }
    last = run
    if run.counts {
      durations.add(run.seconds, ended: run.ended)
    }
    RelationshipFigures.add(run.amounts.readBytes, to: &readBytes)
    RelationshipFigures.add(run.amounts.sentBytes, to: &sentBytes)
    RelationshipFigures.add(run.amounts.storedBytes, to: &storedBytes)
    RelationshipFigures.add(run.amounts.fileCount, to: &fileCount)
    state.sourceFileCount = run.amounts.sourceFileCount ?? state.sourceFileCount
    state.sourceBytes = run.amounts.sourceBytes ?? state.sourceBytes
    if let size = run.amounts.repositoryBytes {
      state.repositoryBytes = size
    } else if let size = state.repositoryBytes, run.mover == "restic" {
      // Not measured by this run, which has added to it.
      state.repositoryBytes = size + max(0, run.amounts.storedBytes ?? 0)
    }
    state.snapshotCount = run.amounts.snapshotCount ?? state.snapshotCount
  }

  private static func add(_ value: Int64?, to sum: inout Int64?) {
    guard let value else { return }
    let (result, overflow) = (sum ?? 0).addingReportingOverflow(max(0, value))
    sum = overflow ? .max : result
  }

  // MARK: What follows from the status

  /// Never synchronised, or the time by which the next run must have ended has passed.
  func isOutOfSync(at now: WallTime) -> Bool {
    guard let last = relationship.status.lastSyncTime else { return true }
    return relationship.deadline(last).map { $0 < now } ?? false
  }

  /// How far the copy is behind: since the last run that counted began.
  func lagSeconds(at now: WallTime) -> Double? {
    guard let ended = relationship.status.lastSyncTime else { return nil }
    let took = max(0, relationship.status.lastSyncDurationNanoseconds ?? 0)
    return max(0, Double(now.nanoseconds(since: ended)) / 1e9 + Double(took) / 1e9)
  }

  var isRunning: Bool { relationship.status.lastSyncStartTime != nil }
}

extension RunRecord {
  /// Whether the copy is as new as the run.
  package var counts: Bool { outcome == .successful || outcome == .incomplete }

  /// From start to end; a clock that was set back gives 0.
  package var seconds: Double { max(0, Double(ended.nanoseconds(since: started)) / 1e9) }
}
