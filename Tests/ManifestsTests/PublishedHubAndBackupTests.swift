import Manifests
import Platform
import Testing

/// The examples of OADP's and ACM's documentation.
@Suite struct PublishedHubAndBackupTests {
  private static func load(_ name: String) throws -> ManifestSet {
    try ManifestLoader().load(["\(fixturesFolder)/specs/\(name).yaml"])
  }

  @Test(arguments: [
    "oadp/backup-valid", "oadp/backup-hooks", "oadp/data-mover", "oadp/restore",
    "oadp/restore-hooks", "oadp/schedule", "oadp/volume-snapshot-classes", "acm/backup-schedule",
    "acm/restore-all", "acm/restore-named", "acm/restore-passive", "acm/restore-passive-activate",
    "acm/restore-passive-sync",
  ])
  func isAcceptedAndEachKindIsExplained(name: String) throws {
    let set = try Self.load(name)
    #expect(!set.objects.isEmpty)
    for object in set.objects {
      let type = type(of: object.manifest)
      let text = try Explainer().text(
        of: type.kind.lowercased(), apiVersion: type.apiVersion)
      #expect(text.contains("KIND:       \(type.kind)\n"))
    }
    let list = ProblemList()
    ReferenceCheck(set, problems: list).checkAll()
    #expect(list.problems.isEmpty)
  }

  @Test(arguments: [
    (
      "oadp/backup",
      [
        (18, "spec.labelSelector", "must be one mapping with matchLabels"),
        (18, "spec.labelSelector", "only one can be specified"),
        (22, "spec.orlabelSelectors", "did you mean \"orLabelSelectors\"?"),
      ]
    ),
    ("acm/restore-without-cleanup", [(7, "spec.cleanupBeforeRestore", "is required: None")]),
    (
      "acm/restore-wrong-names",
      [
        (8, "spec.cleanupBeforeRestore", "is required"),
        (8, "spec.veleroManagedClustersBackupName", "is required: latest, skip"),
        (8, "spec.veleroCredentialsBackupName", "is required"),
        (8, "spec.veleroResourcesBackupName", "is required"),
        (
          8, "spec.veleroManagedClustersBackupSchedule",
          "did you mean \"veleroManagedClustersBackupName\"?"
        ),
        (
          9, "spec.veleroCredentialsBackupSchedule",
          "did you mean \"veleroCredentialsBackupName\"?"
        ),
        (10, "spec.veleroResourcesBackupSchedule", "did you mean \"veleroResourcesBackupName\"?"),
      ]
    ),
  ])
  func whatIsWrongAsPublishedIsToldFieldByField(
    name: String, expected: [(line: Int, path: String, text: String)]
  ) {
    do {
      _ = try Self.load(name)
      Issue.record("accepted")
    } catch let error as ManifestError {
      #expect(error.problems.count == expected.count, "\(error.message)")
      for (problem, expected) in zip(error.problems, expected) {
        #expect(problem.mark.line == expected.line, "\(problem)")
        #expect(problem.path == expected.path)
        #expect(problem.description.contains(expected.text), "\(problem)")
      }
    } catch {
      Issue.record("\(error)")
    }
  }

  @Test func valuesOfABackupArrive() throws {
    let backup = try #require(
      try Self.load("oadp/backup-valid").find(VeleroBackup.self, "backup", in: "openshift-adp"))
    #expect(backup.spec.ttlNanoseconds == 720 * 3_600_000_000_000)
    #expect(backup.spec.storageLocation == "velero-sample-1")
    #expect(backup.spec.selection.includedNamespaces == ["namespace"])
    #expect(
      backup.spec.selection.orLabelSelectors.map { $0.matches(["app": "label_2"]) } == [
        false, true,
      ])
    #expect(!backup.spec.backsUpFiles)
    let files = try Self.load("oadp/backup-valid")
      .find(VeleroBackup.self, "backup-files", in: "openshift-adp")
    #expect(files?.spec.backsUpFiles == true)
    let schedule = try Self.load("oadp/schedule")
      .find(VeleroSchedule.self, "schedule", in: "openshift-adp")
    #expect(schedule?.template.backsUpFiles == true)
    #expect(schedule?.trigger.schedule != nil)
  }

  @Test func valuesOfHooksArrive() throws {
    let backup = try Self.load("oadp/backup-hooks")
      .find(VeleroBackup.self, "backup", in: "openshift-adp")
    let hook = try #require(backup?.spec.hooks.first)
    #expect(hook.before.first?.command == ["/bin/uname", "-a"])
    #expect(hook.before.first?.container == "container")
    #expect(hook.before.first?.onError == .fail)
    #expect(hook.after.first?.onError == .continuing)
    #expect(hook.after.first?.timeoutNanoseconds == HookCommand.timeoutNanosecondsDefault)
    #expect(
      hook.selection.labelSelector?.matches(["app": "velero", "component": "server"]) == true)
    let restore = try Self.load("oadp/restore-hooks")
      .find(VeleroRestore.self, "restore", in: "openshift-adp")
    let actions = try #require(restore?.hooks.first?.actions)
    #expect(actions.count == 2)
    guard case .containers(1, 300_000_000_000)? = actions.first,
      case .command(let command)? = actions.last
    else {
      Issue.record("\(actions)")
      return
    }
    #expect(command.waitTimeoutNanoseconds == 300_000_000_000)
    #expect(command.timeoutNanoseconds == 60_000_000_000)
  }

  @Test func valuesOfTheDataMoverArrive() throws {
    let set = try Self.load("oadp/data-mover")
    let application = try #require(
      set.find(DataProtectionApplication.self, "velero-sample", in: "openshift-adp"))
    #expect(application.backupLocations.map(\.bucket) == ["bucket-name"])
    #expect(application.backupLocations.first?.isDefault == true)
    #expect(application.backupLocations.first?.credential?.name == "cloud-credentials")
    #expect(application.movesData)
    #expect(application.dataMoverCredential == "dm-credential")
    #expect(application.defaultPlugins == ["openshift", "aws", "csi"])
    let backup = set.find(VolumeSnapshotBackup.self, "vsb-name", in: "namespace-name")
    #expect(backup?.snapshotContentName == "snapcontent-name")
    let restore = set.find(VolumeSnapshotRestore.self, "vsr-name", in: "namespace-name")
    #expect(restore?.sourceSize?.bytes == 10 << 30)
    #expect(restore?.repository == "s3:http://127.0.0.1:9000/bucket/ns/backup/pvc")
  }

  @Test func valuesOfAHubArrive() throws {
    let namespace = "open-cluster-management-backup"
    let schedules = try Self.load("acm/backup-schedule")
    let schedule = schedules.find(HubBackupSchedule.self, "schedule-acm-msa", in: namespace)
    #expect(schedule?.usesManagedServiceAccount == true)
    #expect(schedule?.ttlNanoseconds == 432_000_000_000_000)
    let sync = try #require(
      try Self.load("acm/restore-passive-sync")
        .find(HubRestore.self, "restore-acm-passive-sync", in: namespace))
    #expect(sync.syncsWithNewBackups)
    #expect(sync.syncIntervalNanoseconds == 600_000_000_000)
    #expect(sync.cleanup == .restored)
    #expect(sync.credentials == .latest)
    let named = try Self.load("acm/restore-named").find(
      HubRestore.self, "restore-acm", in: namespace)
    #expect(named?.managedClusters == .named("acm-managed-clusters-schedule-20210902205438"))
  }
}
