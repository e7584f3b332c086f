package import Platform

/// What a replication's object says, read for people. It is read from the document, since a status
/// may be of a daemon of another version.
package struct ReplicationView: Sendable {
  package let object: JSONObject

  package init(_ object: JSONObject) { self.object = object }

  private static let sections = ["rsyncTLS", "restic", "rclone", "rsync", "syncthing", "external"]

  /// The name of the mover's section.
  package var mover: String? {
    let spec = object["spec"]?.objectValue
    return ReplicationView.sections.first { spec?[$0] != nil }
  }

  package var section: JSONObject? {
    mover.flatMap { object.value(["spec", $0])?.objectValue }
  }

  package var condition: JSONObject? {
    conditions.first { $0["type"]?.stringValue == "Synchronizing" }
  }

  /// VolSync's only one, and that of a guard.
  package var conditions: [JSONObject] {
    object.value(["status", "conditions"])?.arrayValue?.compactMap(\.objectValue) ?? []
  }

  package var isPaused: Bool { object.value(["spec", "paused"])?.boolValue ?? false }

  /// One word: the reason of the condition, or that it is promoted, fenced or paused, or waits for
  /// its first run.
  package var state: String {
    let reason = condition?["reason"]?.stringValue
    if let mover {
      if object.text("status", mover, "promoted") != nil { return "Promoted" }
      if object.text("status", mover, "fenced") != nil { return "Fenced" }
    }
    if isPaused, reason != "SyncInProgress" { return "Paused" }
    return reason ?? "New"
  }

  package var result: String? { object.text("status", "latestMoverStatus", "result") }

  package func time(_ name: String) -> WallTime? {
    object.text("status", name).flatMap(WallTime.init(rfc3339:))
  }

  /// How far the copy is behind: since the last run that counted began, in seconds.
  package func lagSeconds(now: WallTime) -> Int64? {
    guard let end = time("lastSyncTime") else { return nil }
    let duration = object.text("status", "lastSyncDuration").flatMap(goDurationNanoseconds) ?? 0
    return max(0, now.seconds - end.seconds + max(0, duration) / 1_000_000_000)
  }

  package var failedRunCount: Int64 {
    object.value(["status", "drover", "failedRuns"])?.integerValue ?? 0
  }
}
