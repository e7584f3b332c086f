import Replication
import Testing

@testable import drover

/// The lines at the end of a session.
@Suite struct SummaryTextTests {
  private var summary: SessionSummary {
    var summary = SessionSummary()
    summary.entryCount = 1_234
    summary.fileCountTotal = 1_000
    summary.fileCountTransferred = 12
    summary.entryCountCreated = 3
    summary.entryCountDeleted = 4
    summary.entryCountAttributesChanged = 5
    summary.sizeBytesTotal = 1_000_000
    summary.literalBytes = 2_048
    summary.matchedBytes = 4_096
    summary.wireBytesSent = 3_000
    summary.wireBytesReceived = 1_000
    summary.durationSeconds = 1.5
    summary.bottleneck = "read"
    summary.treeDigest = [0xab, 0x01]
    summary.stages = [
      StageTime(stage: "read", busySeconds: 1.25, inputWaitSeconds: 0.5, outputWaitSeconds: 0)
    ]
    return summary
  }

  private let short = [
    "files: 1,000 of 1,234 entries, 12 transferred, 3 created, 4 deleted,"
      + " 5 with changed attributes",
    "bytes: 1,000,000 in all, 2,048 literal, 4,096 matched",
    "wire: 3,000 bytes sent, 1,000 received, speed-up 250.00, 1.50 s", "bottleneck: read",
  ]

  @Test("Counts, bytes, wire and bottleneck are four lines")
  func brief() { #expect(SummaryText.lines(summary, detailed: false) == short) }

  @Test("With details stages and the digest follow")
  func detailed() {
    #expect(
      SummaryText.lines(summary, detailed: true) == short + [
        "stage read: 1.25 s busy, 0.50 s waiting for input, 0.00 s for output",
        "tree digest: ab01",
      ])
  }

  @Test("What is not known is left out, and nothing is divided by zero")
  func empty() {
    let lines = SummaryText.lines(SessionSummary(), detailed: true)
    #expect(lines.count == 3)
    #expect(lines.last == "wire: 0 bytes sent, 0 received, speed-up 0.00, 0.00 s")
  }
}
