import Control
import Manifests
import Movers
import Platform
import StateStore
import TestSupport
import Testing

/// What is another order for an end, and what is not.
@Suite struct ServedEndTests {
  private func served(
    _ directory: TemporaryDirectory, schedule: String = "0 * * * *", retain: String = "5",
    status: JSONObject = JSONObject(), password: String = "secret"
  ) throws -> ServedEnd {
    try FileMaking.directory(directory.path("volume"))
    let text = """
      apiVersion: v1
      kind: Secret
      metadata: {name: config}
      stringData: {RESTIC_REPOSITORY: \(directory.path("repository")), RESTIC_PASSWORD: \(password)}
      ---
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationSource
      metadata: {name: a}
      spec:
        sourcePVC: \(directory.path("volume"))
        trigger: {schedule: '\(schedule)'}
        restic: {copyMethod: Direct, repository: config, retain: {last: '\(retain)'}}
      """
    let (loaded, problems) = ManifestLoader().decodeEach([("a.yaml", Array(text.utf8))])
    #expect(problems.isEmpty, "\(problems)")
    var set = ManifestSet()
    for object in loaded.objects {
      let own = object.manifest is ReplicationSource ? status : JSONObject()
      let created = try #require(WallTime(rfc3339: "2026-01-01T00:00:00Z"))
      _ = set.insert(object.with(status: own, created: created, annotations: JSONObject()))
    }
    let plan = try RunPlanner(set, served: ["restic"], keys: .always).plan()
    let end = try #require(plan.sources.first)
    return ServedEnd(object: end.object, uid: "1", status: status, end: end)
  }

  @Test("What runs leave is no other order")
  func runsLeaveTheOrder() throws {
    let directory = try TemporaryDirectory()
    let first = try served(directory)
    var after = try served(
      directory,
      status: [
        "lastSyncTime": .string("2026-01-02T00:00:00Z"),
        "restic": .object(["lastUnlocked": .string("x")]),
        "drover": .object(["copy": .object(["method": .string("copy")])]),
      ])
    after.startedRequest = "served by the run under way"
    #expect(after.isSameOrder(as: first))
  }

  @Test("Another spec, Secret, request, release, problem or generation is")
  func changesAreOrders() throws {
    let directory = try TemporaryDirectory()
    let first = try served(directory)
    #expect(try !served(directory, schedule: "1 * * * *").isSameOrder(as: first))
    #expect(try !served(directory, retain: "6").isSameOrder(as: first))
    #expect(try !served(directory, password: "other").isSameOrder(as: first))
    let changes: [(inout ServedEnd) -> Void] = [
      { $0.uid = "2" }, { $0.problem = "wrong" }, { $0.requestedRun = "tag" },
      { $0.release = "tag" }, { $0.relation = RelationRecord() }, { $0.end = nil },
      { $0.end?.spec.isPaused = true },
    ]
    for (number, change) in changes.enumerated() {
      var other = first
      change(&other)
      #expect(!other.isSameOrder(as: first), "change \(number)")
      #expect(other.isSameOrder(as: other))
    }
  }
}
