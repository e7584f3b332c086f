import Control
import Manifests
import Platform
import Testing

/// `drover explain` knows what a status prints, and nothing that it never prints.
@Suite struct StatusExplainedTests {
  private static var full: JSONObject {
    var status = ReplicationStatus()
    let time = WallTime(seconds: 1_783_000_000)
    status.lastSyncTime = time
    status.lastSyncStartTime = time
    status.lastSyncDurationNanoseconds = 1_000_000_000
    status.nextSyncTime = time
    status.lastManualSync = "tag"
    status.latestMoverStatus = LatestMoverStatus(result: .successful, logs: Array("x".utf8))
    status.latestImage = ImageReference(apiGroup: "g", kind: "k", name: "n")
    status.condition = SyncCondition(.error, message: "m", at: time)
    status.failedRuns = FailedRuns(
      count: 1, lastTime: time, manualTag: "tag", retryTime: time)
    return status.document
  }

  /// Paths of all members, those of lists without positions.
  private func paths(of value: JSONValue, below path: String) -> Set<String> {
    switch value {
    case .object(let object):
      object.members.reduce(into: [path]) { found, member in
        found.formUnion(paths(of: member.value, below: "\(path).\(member.name)"))
      }
    case .array(let items):
      items.reduce(into: [path]) { $0.formUnion(paths(of: $1, below: path)) }
    default: [path]
    }
  }

  @Test func everyFieldOfAStatusIsExplainedAndTheReverse() throws {
    let kind = try #require(KindTables.documentation(of: ReplicationDestination.self))
    let explained = Set(kind.paths.filter { $0.hasPrefix("status") })
    let printed = paths(of: .object(Self.full), below: "status")
    #expect(printed.subtracting(explained) == [])
    // The sections of movers, and what stands in them, are printed by them.
    let ofMovers: Set = ["status.rsyncTLS", "status.restic", "status.rclone"]
    // Those of copies by what makes them.
    let others = explained.subtracting(printed).filter { path in
      !ofMovers.contains { path.hasPrefix("\($0).") } && !path.hasPrefix("status.drover.copy")
    }
    #expect(others == ofMovers)
  }
}
