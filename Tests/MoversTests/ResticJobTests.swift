import BackupRepository
import Control
import Manifests
import Movers
import Platform
import Testing

private let sampleRepository: ResticRepository = {
  var repository = ResticRepository(address: "/srv/é", password: [0xff, 0, 10])
  repository.compression = .max
  repository.packSizeBytes = 64 << 20
  repository.readerCount = 3
  repository.certificates = Array("PEM".utf8)
  repository.storeSettings = ["AWS_ACCESS_KEY_ID": Array("key".utf8), "B2_ACCOUNT_ID": [0x80]]
  return repository
}()

private let samples: [ResticJob] = {
  var backup = ResticJob.Backup()
  backup.prunes = true
  backup.unlock = "u"
  backup.excludesCaches = true
  backup.allowEmptySource = true
  backup.retention = ResticRetention(
    retain { retain in
      retain.daily = 5
      retain.last = 0
      retain.within = "1y5m7d2h"
    })
  var restore = ResticJob.Restore()
  restore.asOfSeconds = -5
  restore.previous = 2
  restore.deletesExtra = true
  var first = ResticJob(root: "/v", repository: sampleRepository, work: .backup(backup))
  first.cacheDirectory = "/cache"
  let plain = ResticRepository(address: "/r", password: [])
  return [
    first, ResticJob(root: "/v", repository: plain, work: .backup(ResticJob.Backup())),
    ResticJob(root: "/v", repository: plain, work: .restore(restore)),
    ResticJob(root: "/v", repository: plain, work: .restore(ResticJob.Restore())),
  ]
}()

private func retain(_ change: (inout ResticSection.Retain) -> Void) -> ResticSection.Retain {
  var retain = ResticSection.Retain()
  change(&retain)
  return retain
}

/// A job of the section `restic` on its way to the child, and what comes back.
@Suite struct ResticJobTests {
  @Test(arguments: samples)
  func aJobSurvivesItsWayThroughJSON(job: ResticJob) throws {
    let text = JSONValue.object(job.document).encoded()
    let object = try #require(try JSONValue(parsing: text).objectValue)
    #expect(try ResticJob(object) == job)
  }

  @Test(arguments: ["root", "repository", "backup"])
  func aJobThatLacksAFieldIsRefused(name: String) throws {
    var object = samples[0].document
    object[name] = nil
    #expect(throws: JSONError.self) { try ResticJob(object) }
    object[name] = .array([])
    #expect(throws: JSONError.self) { try ResticJob(object) }
  }

  @Test(arguments: ["address", "password", "compression", "packSizeBytes", "certificates"])
  func aRepositoryThatLacksAFieldIsRefused(name: String) throws {
    var object = samples[0].document
    var repository = try #require(object["repository"]?.objectValue)
    repository[name] = .string("!")
    object["repository"] = .object(repository)
    if name != "address" { #expect(throws: JSONError.self) { try ResticJob(object) } }
    repository[name] = nil
    object["repository"] = .object(repository)
    #expect(throws: JSONError.self) { try ResticJob(object) }
  }

  @Test func aJobHasOneWork() {
    var object = samples[0].document
    object["restore"] = samples[2].document["restore"]
    #expect(throws: JSONError.self) { try ResticJob(object) }
  }

  @Test func theSummarySurvivesItsWay() throws {
    var summary = ResticSummary(.backup)
    summary.snapshot = String(repeating: "ab", count: 32)
    summary.fileCount = 12
    summary.sizeBytes = 1 << 40
    summary.sizeBytesAdded = 3
    summary.shortfalls = ["forget failed: locked"]
    summary.status = ResticStatus(lastPruned: WallTime(seconds: 1_700_000_000), lastUnlocked: "u")
    for event in [MoverEvent.summary(.restic(summary)), .note("created")] {
      let text = JSONValue.object(event.document).encoded()
      let object = try #require(try JSONValue(parsing: text).objectValue)
      #expect(try MoverEvent(object)?.document == event.document)
    }
    let back = try MoverEvent(MoverEvent.summary(.restic(summary)).document)
    guard case .summary(let shared)? = back, case .restic(let same) = shared else {
      Issue.record("another event")
      return
    }
    #expect(same == summary)
    #expect(shared.shortfall == "forget failed: locked")
    #expect(shared.countsWithShortfall)
    #expect(shared.statusFields == summary.status.fields)
    #expect(shared.logText.contains("processed 12 files, 1.000 TiB"))
    #expect(shared.logText.contains("incomplete: forget failed: locked"))
  }

  // MARK: retain

  private static let policies: [(ResticSection.Retain?, RetentionPolicy)] = {
    func policy(_ change: (inout RetentionPolicy) -> Void) -> RetentionPolicy {
      var policy = RetentionPolicy()
      change(&policy)
      return policy
    }
    return [
      // None and an empty one keep the last snapshot alone.
      (nil, policy { $0.last = .atMost(1) }),
      (retain { _ in }, policy { $0.last = .atMost(1) }),
      // A rule of zero is a rule: nothing is kept by it, and nothing forgotten without another.
      (retain { $0.hourly = 0 }, RetentionPolicy()),
      (
        retain {
          $0.hourly = 6
          $0.daily = 5
          $0.weekly = 4
          $0.monthly = 2
          $0.yearly = 1
        },
        policy {
          $0.hourly = .atMost(6)
          $0.daily = .atMost(5)
          $0.weekly = .atMost(4)
          $0.monthly = .atMost(2)
          $0.yearly = .atMost(1)
        }
      ),
      (
        retain {
          $0.within = "3d"
          $0.last = 7
        },
        policy {
          $0.within = CalendarDuration(days: 3)
          $0.last = .atMost(7)
        }
      ),
    ]
  }()

  @Test(arguments: 0..<5)
  func retainIsAPolicy(index: Int) throws {
    let (retain, policy) = ResticJobTests.policies[index]
    #expect(try (retain.map(ResticRetention.init) ?? ResticRetention()).policy() == policy)
  }

  @Test func aDurationBeyondItsLimitIsRefused() {
    let retention = ResticRetention(retain { $0.within = "99999999999d" })
    #expect(throws: RetentionError.self) { try retention.policy() }
  }
}
