import Control
import Manifests
import Movers
import ObjectMirror
import Platform
import Supervision
import Testing

private let samples: [RcloneJob] = {
  var source = RcloneJob(
    .source, root: "/v/é", configuration: [0xff, 0, 10],
    remotes: [
      RcloneJob.Remote("s3:b/p", lastSyncTime: "2026-01-01T00:00:00Z"), RcloneJob.Remote("o:x"),
    ])
  source.environment = ["RCLONE_TRANSFERS": Array("3".utf8), "RCLONE_X": [0x80]]
  source.certificates = Array("PEM".utf8)
  source.allowsEmpty = true
  let destination = RcloneJob(
    .destination, root: "/v", configuration: [], remotes: [RcloneJob.Remote("s3:b")])
  return [source, destination]
}()

/// A job of the section `rclone` on its way to the child, and what comes back.
@Suite struct RcloneJobTests {
  @Test(arguments: samples)
  func aJobSurvivesItsWayThroughJSON(job: RcloneJob) throws {
    let text = JSONValue.object(job.document).encoded()
    let object = try #require(try JSONValue(parsing: text).objectValue)
    #expect(try RcloneJob(object) == job)
  }

  @Test(arguments: [
    "direction", "root", "configuration", "certificates", "remotes", "allowsEmpty",
  ])
  func aJobThatLacksAFieldIsRefused(name: String) throws {
    var object = samples[0].document
    object[name] = nil
    #expect(throws: JSONError.self) { try RcloneJob(object) }
    object[name] = .array([.bool(true)])
    #expect(throws: JSONError.self) { try RcloneJob(object) }
  }

  @Test func aDestinationHasOneRemote() throws {
    var job = samples[1]
    job.remotes.append(job.remotes[0])
    #expect(throws: JSONError.self) { try RcloneJob(job.document) }
  }

  @Test func aSummarySurvivesAsAnEvent() throws {
    var summary = RcloneSummary(.destination)
    summary.figures.transferredCount = 3
    summary.figures.transferredBytes = 1 << 40
    summary.figures.deletedCount = 2
    summary.figures.errorCount = 1
    summary.seconds = 2.5
    summary.shortfalls = ["1 file could not be copied", "b"]
    let event = MoverEvent.summary(.rclone(summary))
    guard case .summary(.rclone(let read))? = try MoverEvent(event.document) else {
      Issue.record("another event")
      return
    }
    #expect(read.figures == summary.figures)
    #expect(read.shortfalls == summary.shortfalls)
    #expect(read.direction == .destination && read.seconds == 2.5)
    let logs = MoverSummary.rclone(read).logText.split(separator: "\n").map(String.init)
    for beginning in [
      "incomplete: 1 file", "Transferred:", "Deleted:", "Elapsed time:", "Rclone completed in 3s",
    ] {
      #expect(logs.contains { $0.hasPrefix(beginning) }, "\(beginning): \(logs)")
    }
    // Two volumes that differ are no copy of each other.
    #expect(!MoverSummary.rclone(read).countsWithShortfall)
    #expect(MoverSummary.rclone(read).shortfall == "1 file could not be copied; b")
    #expect(MoverSummary.rclone(RcloneSummary(.source)).shortfall == nil)
  }

  @Test func theChildTellsWhyItFails() throws {
    let cases: [(RcloneJob, Platform.ExitStatus, String)] = [
      (samples[1], .failed, "no remote \"s3\""),
      (
        {
          var job = samples[1]
          job.environment = ["RCLONE_TRANSFERS": Array("0".utf8)]
          return job
        }(), .usage, "RCLONE_TRANSFERS is no number from 1 to 256"
      ),
    ]
    for (job, expected, message) in cases {
      var child = MoverChild()
      child.register(RcloneJob.section, RcloneWork())
      let events = Collected<MoverEvent>()
      var job = job
      job.root = "/"
      let document = MoverJob(section: RcloneJob.section, lockPath: nil, job: job.document).document
      let status = child.run({ document }, emit: { events.add($0) })
      #expect(status == expected)
      guard case .failure(_, let text, _, _)? = events.values.last else {
        Issue.record("no failure")
        continue
      }
      #expect(text.contains(message), "\(text)")
    }
  }
}
