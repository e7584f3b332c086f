import Control
import Manifests
import Observation
import Platform
import StateStore
import Testing

/// The text of the metrics, from statuses and records of runs.
@Suite("Metrics: the text")
struct MetricsTextTests {
  private static let key = ObjectKey(kind: ReplicationSource.kind, namespace: "db", name: "data")
  private static let labels =
    #"obj_name="data",obj_namespace="db",role="source",method="rsync-tls""#
  private let now = WallTime(seconds: 1_000_000)

  private func run(
    _ outcome: RunRecord.Outcome, ended: Int64, seconds: Int64 = 10
  ) -> RunRecord {
    RunRecord(
      mover: "rsyncTLS", cause: "schedule", started: WallTime(seconds: ended - seconds),
      ended: WallTime(seconds: ended), outcome: outcome)
  }

  private func relationship(
    lastSync: Int64?, uid: String = "1", deadlineAfter: Int64? = nil
  ) -> Relationship {
    var status = ReplicationStatus()
    status.lastSyncTime = lastSync.map { WallTime(seconds: $0) }
    status.lastSyncDurationNanoseconds = 10_000_000_000
    var relationship = Relationship(
      key: MetricsTextTests.key, uid: uid, section: "rsyncTLS", status: status)
    if let deadlineAfter {
      relationship.deadline = { WallTime(seconds: $0.seconds + deadlineAfter) }
    }
    return relationship
  }

  private func lines(_ register: MetricsRegister, at time: WallTime? = nil) -> Set<String> {
    let text = String(decoding: register.text(at: time ?? now), as: UTF8.self)
    return Set(text.split(separator: "\n").map(String.init))
  }

  private func register(
    _ relationships: [Relationship], _ history: [RunRecord] = []
  ) -> MetricsRegister {
    let register = MetricsRegister(version: "1.2", started: WallTime(seconds: 5))
    register.serve(relationships) { _ in history }
    return register
  }

  @Test("Each family follows from the status and the runs")
  func families() {
    var first = run(.successful, ended: 999_000, seconds: 20)
    first.amounts.sentBytes = 100
    first.amounts.fileCount = 3
    first.amounts.sourceFileCount = 7
    var second = run(.failed, ended: 999_500)
    second.amounts.sentBytes = 11
    var third = run(.successful, ended: 999_900, seconds: 10)
    third.isLate = true
    third.amounts.repositoryBytes = 4096
    third.amounts.snapshotCount = 5
    var missed = run(.missed, ended: 999_950)
    missed.missedCount = 4
    let lines = lines(register([relationship(lastSync: 999_900)], [first, second, third, missed]))
    let labels = MetricsTextTests.labels
    for expected in [
      "volsync_missed_intervals_total{\(labels)} 1",
      "volsync_volume_out_of_sync{\(labels)} 0",
      #"volsync_sync_duration_seconds{\#(labels),quantile="0.5"} 10"#,
      #"volsync_sync_duration_seconds{\#(labels),quantile="0.99"} 20"#,
      "volsync_sync_duration_seconds_sum{\(labels)} 30",
      "volsync_sync_duration_seconds_count{\(labels)} 2",
      #"drover_runs_total{\#(labels),outcome="successful"} 2"#,
      #"drover_runs_total{\#(labels),outcome="failed"} 1"#,
      #"drover_runs_total{\#(labels),outcome="interrupted"} 0"#,
      "drover_missed_starts_total{\(labels)} 4",
      "drover_last_success_timestamp_seconds{\(labels)} 999900",
      "drover_last_run_duration_seconds{\(labels)} 10", "drover_lag_seconds{\(labels)} 110",
      "drover_sent_bytes_total{\(labels)} 111", "drover_transferred_files_total{\(labels)} 3",
      "drover_source_files{\(labels)} 7", "drover_repository_size_bytes{\(labels)} 4096",
      "drover_repository_snapshots{\(labels)} 5", "drover_running{\(labels)} 0",
      "drover_relationships 1", "drover_start_time_seconds 5",
      #"drover_build_info{version="1.2"} 1"#,
      "# TYPE volsync_missed_intervals_total counter",
      "# TYPE volsync_volume_out_of_sync gauge",
      "# TYPE volsync_sync_duration_seconds summary",
    ] {
      #expect(lines.contains(expected), "\(expected)")
    }
    // What no mover has told has no sample.
    #expect(!lines.contains { $0.hasPrefix("drover_read_bytes_total{") })
  }

  @Test("Out of sync: never synchronised, or past the deadline, and at no other time")
  func outOfSync() {
    let name = "volsync_volume_out_of_sync{\(MetricsTextTests.labels)}"
    for (lastSync, deadlineAfter, expected) in [
      (nil, nil, 1), (nil, 3600, 1), (999_000, nil, 0), (999_000, 1000, 0), (999_000, 999, 1),
    ] as [(Int64?, Int64?, Int)] {
      let lines = lines(
        register([relationship(lastSync: lastSync, deadlineAfter: deadlineAfter)]))
      #expect(lines.contains("\(name) \(expected)"), "\(lastSync ?? -1) \(deadlineAfter ?? -1)")
    }
    // It ends with the next run that counts, whatever came between (VolSync issue 1167).
    let register = register([relationship(lastSync: 900_000, deadlineAfter: 60)])
    #expect(lines(register).contains("\(name) 1"))
    register.note(
      status: ["lastSyncTime": .string(WallTime(seconds: 999_990).rfc3339)],
      of: MetricsTextTests.key)
    #expect(lines(register).contains("\(name) 0"))
  }

  @Test("Quantiles are of the last day; the sum is of all")
  func window() {
    let old = run(.successful, ended: 1_000_000 - 86_401, seconds: 500)
    let lines = lines(register([relationship(lastSync: 1)], [old]))
    let labels = MetricsTextTests.labels
    #expect(lines.contains(#"volsync_sync_duration_seconds{\#(labels),quantile="0.9"} NaN"#))
    #expect(lines.contains("volsync_sync_duration_seconds_sum{\(labels)} 500"))
    let many = (1...1000).map { run(.successful, ended: 990_000 + $0, seconds: $0) }
    let full = self.lines(register([relationship(lastSync: 1)], many))
    // Of the 720 newest: 281 to 1000.
    #expect(full.contains(#"volsync_sync_duration_seconds{\#(labels),quantile="0.5"} 640"#))
    #expect(full.contains("volsync_sync_duration_seconds_count{\(labels)} 1000"))
  }

  @Test("Counters go on when a spec changes, and begin anew with another object of the name")
  func identity() {
    let register = register([relationship(lastSync: 1)], [run(.successful, ended: 2)])
    register.note(run(.successful, ended: 3), of: MetricsTextTests.key)
    let name = "volsync_sync_duration_seconds_count{\(MetricsTextTests.labels)}"
    register.serve([relationship(lastSync: 1)]) { _ in
      Issue.record("the history is read once")
      return []
    }
    #expect(lines(register).contains("\(name) 2"))
    register.serve([relationship(lastSync: 1, uid: "2")]) { _ in [] }
    #expect(lines(register).contains("\(name) 0"))
    register.serve([]) { _ in [] }
    #expect(!lines(register).contains { $0.contains("obj_name") })
    // A run of what is gone is no sample.
    register.note(run(.successful, ended: 4), of: MetricsTextTests.key)
    #expect(lines(register).contains("drover_relationships 0"))
  }

  @Test("Values of labels are escaped, and the count of relationships is bounded")
  func bounds() {
    #expect(
      MetricsWriter.labels([("a", "x\"y\\z\nw"), ("b", "é")]) == #"a="x\"y\\z\nw",b="é""#)
    let all = (0...MetricsRegister.relationshipCountMax).map { number in
      Relationship(
        key: ObjectKey(kind: ReplicationDestination.kind, namespace: "n", name: "d\(number)"),
        uid: "", section: "restic", status: ReplicationStatus())
    }
    let lines = lines(register(all))
    #expect(lines.contains("drover_relationships 10000"))
    #expect(lines.contains("drover_relationships_omitted 1"))
    #expect(lines.filter { $0.hasPrefix("drover_lag_seconds{") }.isEmpty)
    #expect(lines.filter { $0.hasPrefix("drover_paused{") }.count == 10_000)
  }
}
