import Control
import Platform
import Testing

@Suite struct StatusTests {
  /// The texts that Go's `Duration.String` gives.
  @Test(arguments: [
    (0, "0s"), (1, "1ns"), (1100, "1.1µs"), (2_200_000, "2.2ms"), (3_300_000_000, "3.3s"),
    (245_000_000_000, "4m5s"), (245_001_000_000, "4m5.001s"),
    (18_367_001_000_000, "5h6m7.001s"), (480_000_000_001, "8m0.000000001s"),
    (110_209_297_869, "1m50.209297869s"), (3_600_000_000_000, "1h0m0s"),
    (Int64.max, "2562047h47m16.854775807s"), (Int64.min, "-2562047h47m16.854775808s"),
  ])
  func writesDurationsAsGoDoes(nanoseconds: Int64, text: String) {
    #expect(goDurationText(nanoseconds: nanoseconds) == text)
    #expect(goDurationNanoseconds(text) == nanoseconds)
  }

  @Test func keepsTheTailOfTheLog() {
    let status = LatestMoverStatus(
      result: .failed, logs: Array(String(repeating: "é", count: 2000).utf8) + Array("x\n".utf8))
    #expect(status.logs.utf8.count <= LatestMoverStatus.logSizeBytesMax)
    #expect(status.logs.hasPrefix("é"))
    #expect(status.logs.hasSuffix("éx"))
  }

  @Test func printsWhatVolSyncPrints() {
    var status = ReplicationStatus()
    status.lastSyncTime = WallTime(seconds: 1_782_986_400)
    status.lastSyncDurationNanoseconds = 1_500_000_000
    status.latestMoverStatus = LatestMoverStatus(result: .successful, logs: [])
    status.latestImage = ImageReference(apiGroup: "", kind: "PersistentVolumeClaim", name: "c")
    status.moverFields = ("rsyncTLS", ["keySecret": .string("k")])
    status.condition = SyncCondition(
      .waitingForManual, message: "Waiting for manual trigger", at: WallTime(seconds: 0))
    let text = String(decoding: JSONValue.object(status.document).encoded(), as: UTF8.self)
    #expect(
      text == #"{"conditions":[{"lastTransitionTime":"1970-01-01T00:00:00Z","#
        + #""message":"Waiting for manual trigger","reason":"WaitingForManual","status":"False","#
        + #""type":"Synchronizing"}],"lastSyncDuration":"1.5s","#
        + #""lastSyncTime":"2026-07-02T10:00:00Z","#
        + #""latestImage":{"apiGroup":"","kind":"PersistentVolumeClaim","name":"c"},"#
        + #""latestMoverStatus":{"logs":"","result":"Successful"},"rsyncTLS":{"keySecret":"k"}}"#)
  }

  @Test func onlyAnUnreachablePeerIsTriedAgain() {
    let policy = RetryPolicy.mover
    let delays = (1...5).map { policy.delaySeconds(after: $0, kind: .unreachable) }
    #expect(delays == [2, 4, 8, 16, nil])
    for kind in FailureKind.allCases where kind != .unreachable {
      #expect(policy.delaySeconds(after: 1, kind: kind) == nil)
    }
  }

  @Test(arguments: [
    ("5m", 300_000_000_000), ("1h30m", 5_400_000_000_000), ("+.5s", 500_000_000),
    ("1.s", 1_000_000_000),
    ("0", 0), ("-0", 0), ("1us", 1000), ("0.1ns", 0), ("1.000000001h", 3_600_000_003_600),
    ("2562047h47m16.854775807s", Int64.max),
  ])
  func readsDurationsAsGoDoes(text: String, nanoseconds: Int64) {
    #expect(goDurationNanoseconds(text) == nanoseconds)
  }

  @Test(arguments: [
    "", "-", "5", "s", ".s", "5 m", "5M", "1d", "1h-5m", "2562048h", "99999999999999999999s",
    "2562047h47m16.854775808s", "1.5.5s", "0x1s", "00", "١s",
  ])
  func refusesOtherDurations(text: String) {
    #expect(goDurationNanoseconds(text) == nil)
  }

  @Test func whatIsPrintedIsReadAgain() {
    var status = ReplicationStatus()
    #expect(ReplicationStatus(document: status.document, section: "restic") == status)
    status.lastSyncTime = WallTime(seconds: 1_782_986_400)
    status.lastSyncStartTime = WallTime(seconds: 1_782_986_500)
    status.nextSyncTime = WallTime(seconds: 1_782_986_600)
    status.lastSyncDurationNanoseconds = 61_500_000_001
    status.lastManualSync = "now: \"é\""
    status.latestMoverStatus = LatestMoverStatus(result: .failed, logs: Array("a\nb".utf8))
    status.latestImage = ImageReference(apiGroup: "", kind: "PersistentVolumeClaim", name: "c")
    status.moverFields = ("restic", ["lastPruned": .string("2026-07-02T10:00:00Z")])
    status.condition = SyncCondition(
      .error, message: "no Secret", at: WallTime(seconds: 1_782_986_000))
    status.failedRuns = FailedRuns(
      count: 3, lastTime: WallTime(seconds: 1_782_986_300), manualTag: "t",
      retryTime: WallTime(seconds: 1_782_987_300))
    let read = ReplicationStatus(document: status.document, section: "restic")
    #expect(read == status)
    #expect(read.failedRuns == status.failedRuns)
    #expect(read.condition == status.condition)
    #expect(read.lastSyncDurationNanoseconds == status.lastSyncDurationNanoseconds)
  }

  @Test func whatIsOutOfShapeCountsAsAbsent() {
    let document: JSONObject = [
      "conditions": .array([.string("x"), .object(["type": .string("Other")])]),
      "lastSyncTime": .string("yesterday"), "lastSyncStartTime": .integer(5),
      "lastSyncDuration": .string("long"), "latestImage": .object([:]),
      "latestMoverStatus": .object(["result": .string("Perhaps")]),
      "drover": .object(["failedRuns": .integer(-1)]), "restic": .array([]),
    ]
    #expect(ReplicationStatus(document: document, section: "restic") == ReplicationStatus())
  }
}
