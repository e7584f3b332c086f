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
}
