import Manifests
import Testing
import Triggers

/// The examples of VolSync's, OADP's and ACM's documentation, as people paste them.
@Suite struct PublishedExamplesTests {
  private static let folder = fixturesFolder + "/specs/volsync"

  @Test(arguments: [
    "populator-claim", "rclone-source", "restic-config", "restic-restore", "restic-source",
    "rsync-destination", "rsync-source", "rsync-tls-destination", "rsync-tls-source",
    "tls-key-secret",
  ])
  func isAccepted(name: String) throws {
    let set = try ManifestLoader().load(["\(Self.folder)/\(name).yaml"])
    #expect(!set.objects.isEmpty)
  }

  @Test func sixCronFieldsAreRefusedWithAHint() {
    do {
      _ = try ManifestLoader().load(["\(Self.folder)/rclone-destination.yaml"])
      Issue.record("accepted")
    } catch {
      #expect(error.problems.count == 1)
      #expect(error.problems.first?.mark.line == 9)
      #expect(error.message.contains("\"3,9,15,21,27,33,39,45,51,57 * * * *\""))
    }
  }

  @Test func theKeySecretIsOneThatCanBeUsed() throws {
    let set = try ManifestLoader().load(["\(Self.folder)/tls-key-secret.yaml"])
    let secret = try #require(set.find(Secret.self, "tls-key-secret", in: "default"))
    let content = try #require(secret.data[KeyFile.name]?.value)
    #expect(KeyFile.problem(in: content) == nil)
    #expect(KeyFile.firstIdentity(of: content) == "1")
  }

  @Test func everyFieldReachesItsPlace() throws {
    let set = try ManifestLoader().load([
      "\(Self.folder)/rsync-tls-source.yaml", "\(Self.folder)/restic-source.yaml",
    ])
    let source = try #require(set.find(ReplicationSource.self, "source", in: "source-ns"))
    guard case .rsyncTLS(let section)? = source.mover else {
      Issue.record("another section")
      return
    }
    #expect(source.sourcePVC?.value == "data")
    #expect(try source.trigger.schedule == CronSchedule("*/3 * * * *"))
    #expect(section.keySecret?.value == "volsync-rsync-tls-destination")
    #expect(section.address?.value == "my.host.com")
    #expect(section.port == nil)
    #expect(section.volume.copyMethod?.value == .snapshot)
    #expect(section.volume.volumeSnapshotClassName == "csi-aws-vsc")
    let backup = try #require(set.find(ReplicationSource.self, "mydata-backup", in: "default"))
    guard case .restic(let restic)? = backup.mover else {
      Issue.record("another section")
      return
    }
    #expect(restic.retain?.hourly == 6)
    #expect(restic.pruneIntervalDays == 14)
  }

  @Test func aDirectoryGivesAllItsFiles() {
    do {
      _ = try ManifestLoader().load([Self.folder])
      Issue.record("accepted")
    } catch {
      // The one that is wrong as published, and the one object that two of the examples name.
      #expect(error.problems.contains { $0.path == "spec.trigger.schedule" })
    }
  }
}
