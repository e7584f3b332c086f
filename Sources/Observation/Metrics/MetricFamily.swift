import Control
import Platform
import StateStore

/// One family of metrics and how its samples follow from the figures of a relationship.
struct MetricFamily: Sendable {
  /// A sample: what follows the family's name, further labels, the value.
  typealias Sample = (suffix: String, labels: String, value: Double)

  let name: String
  let type: MetricsWriter.FamilyType
  let help: String
  let samples: @Sendable (RelationshipFigures, WallTime) -> [Sample]

  /// A family with at most one sample for a relationship.
  init(
    _ name: String, _ type: MetricsWriter.FamilyType, _ help: String,
    _ value: @escaping @Sendable (RelationshipFigures, WallTime) -> Double?
  ) {
    self.init(name, type, help) { figures, now in
      value(figures, now).map { [("", "", $0)] } ?? []
    }
  }

  init(
    _ name: String, _ type: MetricsWriter.FamilyType, _ help: String,
    samples: @escaping @Sendable (RelationshipFigures, WallTime) -> [Sample]
  ) {
    self.name = name
    self.type = type
    self.help = help
    self.samples = samples
  }

  func write(_ all: [RelationshipFigures], at now: WallTime, to writer: inout MetricsWriter) {
    writer.family(name, type, help)
    for figures in all {
      for sample in samples(figures, now) {
        let labels = sample.labels.isEmpty ? figures.labels : "\(figures.labels),\(sample.labels)"
        writer.sample(name + sample.suffix, labels, sample.value)
      }
    }
  }

  static let all = volSync + results + amounts + states

  /// Names, types and labels of VolSync's controller (VolSync reference 10).
  private static let volSync = [
    MetricFamily(
      "volsync_missed_intervals_total", .counter,
      "The number of times a synchronization failed to complete before the next scheduled start"
    ) { figures, _ in Double(figures.missedIntervalCount) },
    MetricFamily(
      "volsync_volume_out_of_sync", .gauge,
      "Set to 1 if the volume is not properly synchronized"
    ) { figures, now in figures.isOutOfSync(at: now) ? 1 : 0 },
    MetricFamily(
      "volsync_sync_duration_seconds", .summary,
      "Duration of the synchronization interval in seconds", samples: durations),
  ]

  private static let durations: @Sendable (RelationshipFigures, WallTime) -> [Sample] = {
    figures, now in
    zip(DurationWindow.quantiles, figures.durations.quantileSeconds(at: now)).map {
      ("", MetricsWriter.labels([("quantile", "\($0)")]), $1)
    } + [
      ("_sum", "", figures.durations.sumSeconds), ("_count", "", Double(figures.durations.count)),
    ]
  }

  private static let results = [
    MetricFamily(
      "drover_runs_total", .counter, "Runs that have ended, by how they ended.",
      samples: { figures, _ in
        RunRecord.Outcome.ofRuns.map { outcome in
          (
            "", MetricsWriter.labels([("outcome", outcome.rawValue.lowercased())]),
            Double(figures.runCounts[outcome] ?? 0)
          )
        }
      }),
    MetricFamily(
      "drover_missed_starts_total", .counter,
      "Times of the schedule that passed without a run."
    ) { figures, _ in Double(figures.missedTimeCount) },
    MetricFamily(
      "drover_last_success_timestamp_seconds", .gauge,
      "When the last run that counted ended, since 1970."
    ) { figures, _ in figures.relationship.status.lastSyncTime?.secondsSince1970 },
    MetricFamily(
      "drover_last_run_timestamp_seconds", .gauge, "When the last run ended, since 1970."
    ) { figures, _ in figures.last?.ended.secondsSince1970 },
    MetricFamily(
      "drover_last_run_duration_seconds", .gauge, "How long the last run took."
    ) { figures, _ in figures.last?.seconds },
    MetricFamily(
      "drover_next_run_timestamp_seconds", .gauge, "When the next run is due, since 1970."
    ) { figures, _ in figures.relationship.status.nextSyncTime?.secondsSince1970 },
    MetricFamily(
      "drover_lag_seconds", .gauge,
      "How far the copy is behind its source: since the last run that counted began."
    ) { figures, now in figures.lagSeconds(at: now) },
  ]

  private static let amounts = [
    MetricFamily(
      "drover_transferred_files_total", .counter, "Files that runs have moved."
    ) { figures, _ in figures.fileCount.map(Double.init) },
    MetricFamily(
      "drover_read_bytes_total", .counter, "Bytes that runs have read of the source."
    ) { figures, _ in figures.readBytes.map(Double.init) },
    MetricFamily(
      "drover_sent_bytes_total", .counter, "Bytes that runs have sent."
    ) { figures, _ in figures.sentBytes.map(Double.init) },
    MetricFamily(
      "drover_stored_bytes_total", .counter, "Bytes that runs have stored at the other side."
    ) { figures, _ in figures.storedBytes.map(Double.init) },
    MetricFamily(
      "drover_source_files", .gauge, "Files that the last run has found in the source."
    ) { figures, _ in figures.state.sourceFileCount.map(Double.init) },
    MetricFamily(
      "drover_source_bytes", .gauge, "Bytes of the files that the last run has found in the source."
    ) { figures, _ in figures.state.sourceBytes.map(Double.init) },
    MetricFamily(
      "drover_repository_size_bytes", .gauge, "The size of the repository after the last run."
    ) { figures, _ in figures.state.repositoryBytes.map(Double.init) },
    MetricFamily(
      "drover_repository_snapshots", .gauge,
      "Snapshots of the volume in the repository after the last run."
    ) { figures, _ in figures.state.snapshotCount.map(Double.init) },
  ]

  private static let states = [
    MetricFamily("drover_running", .gauge, "1 while a run goes on.") { figures, _ in
      figures.isRunning ? 1 : 0
    },
    MetricFamily(
      "drover_guard_tripped", .gauge, "1 while a guard has ended the last run."
    ) { figures, _ in figures.relationship.status.guardTrip == nil ? 0 : 1 },
    MetricFamily("drover_paused", .gauge, "1 while it is paused.") { figures, _ in
      figures.relationship.isPaused ? 1 : 0
    },
    MetricFamily(
      "drover_consecutive_failures", .gauge,
      "Runs that were given up since the last one that counted."
    ) { figures, _ in Double(figures.relationship.status.failedRuns?.count ?? 0) },
  ]
}

extension RunRecord.Outcome {
  /// How a run that took place can end.
  static let ofRuns: [RunRecord.Outcome] = [
    .successful, .incomplete, .failed, .cancelled, .interrupted,
  ]
}
