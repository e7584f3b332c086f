import BackupRepository
import Control
import Manifests
import Movers
import Platform
import TestSupport
import Testing

/// From the section `restic` to jobs, and what stands against a run.
@Suite struct ResticPlannerTests {
  private let directory: TemporaryDirectory
  private let volume: String

  init() throws {
    directory = try TemporaryDirectory()
    volume = try directory.makeDirectory("volume")
  }

  private func secret(_ name: String = "k", _ data: String = "RESTIC_PASSWORD: pw") -> String {
    """
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: \(name), namespace: ns}
    stringData: {RESTIC_REPOSITORY: /srv/\(name), \(data)}

    """
  }

  private func source(
    _ section: String = "", name: String = "s", metadata: String = "", rest: String = "",
    status: String = ""
  ) -> String {
    """
    ---
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationSource
    metadata: {name: \(name), namespace: ns\(metadata)}
    spec:
      sourcePVC: \(volume)
      restic: {repository: k, copyMethod: Direct\(section)}
      \(rest)
    \(status)

    """
  }

  private func destination(_ section: String = "", name: String = "d") -> String {
    """
    ---
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationDestination
    metadata: {name: \(name), namespace: ns}
    spec:
      restic: {repository: k, copyMethod: Direct, destinationPVC: \(volume)\(section)}

    """
  }

  private struct FixedClock: Clock {
    var now: WallTime
    func wallTime() -> WallTime { now }
    func monotonicTime() -> MonotonicTime { MonotonicTime(nanoseconds: 0) }
    func sleep(seconds: Double) {}
  }

  private func plan(_ text: String, now: String = "2026-01-10T00:00:00Z") throws -> RunPlan {
    let set = try ManifestLoader().decode([("p.yaml", Array(text.utf8))])
    let clock = FixedClock(now: try #require(WallTime(rfc3339: now)))
    return try RunPlanner(
      set, served: ["restic", "rsyncTLS"], cacheDirectory: "/var/cache/c", clock: clock
    ).plan()
  }

  private func backup(_ text: String) throws -> (job: ResticJob, backup: ResticJob.Backup) {
    let job = try #require(try plan(text).sources.first?.job.restic)
    guard case .backup(let backup) = job.work else { throw TestFailure("no backup") }
    return (job, backup)
  }

  @Test func aSourceBecomesABackup() throws {
    let (job, backup) = try backup(
      secret("k", "RESTIC_PASSWORD: pw, RESTIC_PACK_SIZE: '32', RESTIC_COMPRESSION: max")
        + source(
          ", retain: {within: 3d}, unlock: now, exclude: {caches: true}",
          metadata: ", annotations: {drover.internal/allow-empty-source: 'true'}"))
    #expect(job.root == volume)
    #expect(job.cacheDirectory == "/var/cache/c")
    #expect(job.repository.address == "/srv/k")
    #expect(job.repository.password == Array("pw".utf8))
    #expect(job.repository.packSizeBytes == 32 << 20)
    #expect(job.repository.compression == .max)
    #expect(backup.unlock == "now")
    #expect(backup.excludesCaches)
    #expect(backup.allowEmptySource)
    #expect(!backup.prunes)
    #expect(try backup.retention.policy().within.days == 3)
  }

  @Test func aDestinationBecomesARestore() throws {
    let plan = try plan(
      secret()
        + destination(
          ", previous: 2, restoreAsOf: '2026-01-01T01:00:00+01:00', enableFileDeletion: true"))
    let job = try #require(plan.destinations.first?.job.restic)
    guard case .restore(let restore) = job.work else { throw TestFailure("no restore") }
    #expect(restore.previous == 2)
    #expect(restore.asOfSeconds == WallTime(rfc3339: "2026-01-01T00:00:00Z")?.seconds)
    #expect(restore.deletesExtra)
    #expect(plan.destinations.first?.predecessors.isEmpty == true)
  }

  @Test func settingsOfStoresArePassedOnAndOthersAreNot() throws {
    let data = """
      RESTIC_PASSWORD: pw, AWS_ACCESS_KEY_ID: a, RCLONE_X: b, RESTIC_REST_USERNAME: c, \
      RESTIC_PASSWORD_FILE: other, PATH: other
      """
    let (job, _) = try backup(secret("k", data) + source())
    #expect(
      Set(job.repository.storeSettings.keys)
        == ["AWS_ACCESS_KEY_ID", "RCLONE_X", "RESTIC_REST_USERNAME"])
  }

  @Test func theStatusOfTheFilesDecidesAboutUpkeep() throws {
    let created = ", creationTimestamp: '2026-01-01T00:00:00Z'"
    #expect(try backup(secret() + source(metadata: created)).backup.prunes)
    #expect(
      try !backup(secret() + source(", pruneIntervalDays: 10", metadata: created)).backup.prunes)
    let status = "status: {restic: {lastPruned: '2026-01-05T00:00:00Z', lastUnlocked: a}}"
    let text = secret() + source(", unlock: a", metadata: created, status: status)
    let (_, job) = try backup(text)
    #expect(!job.prunes)
    #expect(job.unlock == nil)
    let end = try #require(try plan(text).sources.first)
    #expect(
      end.statusFields
        == ["lastPruned": .string("2026-01-05T00:00:00Z"), "lastUnlocked": .string("a")])
    let emptied = try #require(
      try plan(secret() + source(metadata: created, status: status)).sources.first)
    #expect(emptied.statusFields == ["lastPruned": .string("2026-01-05T00:00:00Z")])
  }

  @Test func aDestinationWaitsForTheSourceOfItsRepository() throws {
    let text = secret() + destination() + source()
    let plan = try plan(text)
    #expect(plan.destinations.first?.predecessors == plan.sources.map(\.key))
    let paused = try self.plan(secret() + destination() + source(rest: "paused: true"))
    #expect(paused.destinations.first?.predecessors == [])
    #expect(paused.skipped.count == 1)
  }

  @Test func certificatesComeFromASecretOrAConfigMap() throws {
    let map = """
      ---
      apiVersion: v1
      kind: ConfigMap
      metadata: {name: ca, namespace: ns}
      data: {ca.crt: of the map}
      binaryData: {other: AP8=}

      """
    func certificates(_ authority: String) throws -> [UInt8] {
      try backup(
        secret() + secret("ca", "ca.crt: of the secret") + map
          + source(", customCA: {\(authority)}")
      ).job.repository.certificates
    }
    #expect(try certificates("configMapName: ca, key: ca.crt") == Array("of the map".utf8))
    #expect(try certificates("configMapName: ca, key: other") == [0, 0xff])
    let both = try certificates("secretName: ca, configMapName: ca, key: ca.crt")
    #expect(both == Array("of the secret".utf8))
    #expect(try certificates("secretName: ca").isEmpty)
  }

  @Test func theRepositoryMayBeInAVolumeOfTheMover() throws {
    let shelf = try directory.makeDirectory("shelf")
    let volumes =
      ", moverVolumes: [{mountPath: a/b, volumeSource: {persistentVolumeClaim:"
      + " {claimName: \(shelf)}}}]"
    func address(_ repository: String) throws -> String {
      try backup(secret().replacing("/srv/k", with: repository) + source(volumes))
        .job.repository.address
    }
    #expect(try address("/mnt/a/b") == shelf)
    #expect(try address("local:/mnt/a/b/x/y") == "\(shelf)/x/y")
    #expect(try address("/mnt/a/bc") == "/mnt/a/bc")
  }

  @Test func whatStandsAgainstARunIsTold() throws {
    let cases: [(text: String, expected: String)] = [
      (source(), "spec.restic.repository: no Secret \"k\""),
      (secret("k", "x: y") + source(), "has no RESTIC_PASSWORD"),
      (secret("k", "RESTIC_PASSWORD: ''") + source(), "data.RESTIC_PASSWORD: is empty"),
      (
        secret().replacing("/srv/k", with: "'rest:https://u:pass@h/b'") + source(),
        "data.RESTIC_REPOSITORY: a repository behind 'rest:' is not served yet: only directories of"
      ),
      (
        secret().replacing("/srv/k", with: "'s3:https://u:pass@h/b'") + source(),
        "data.RESTIC_REPOSITORY: an endpoint has no user and no password"
      ),
      (secret().replacing("/srv/k", with: "relative") + source(), "must be an absolute path"),
      (
        secret().replacing("/srv/k", with: "\(volume)/r") + source(), "lies in the volume itself"
      ),
      (
        secret("k", "RESTIC_PASSWORD: pw, RESTIC_PACK_SIZE: '3'") + source(),
        "data.RESTIC_PACK_SIZE: '3' is not a pack size"
      ),
      (
        secret("k", "RESTIC_PASSWORD: pw, RESTIC_COMPRESSION: huge") + source(),
        "'huge' is not a compression"
      ),
      (
        secret("k", "RESTIC_PASSWORD: pw, RESTIC_READ_CONCURRENCY: many") + source(),
        "data.RESTIC_READ_CONCURRENCY: is not a number"
      ),
      (secret() + source() + source(name: "t"), "writes into the same repository"),
      (secret() + source(", customCA: {secretName: none, key: a}"), "no Secret \"none\""),
      (secret() + source(", customCA: {configMapName: none, key: a}"), "no ConfigMap \"none\""),
      (secret() + source(", customCA: {secretName: k, key: a}"), "the key \"a\" is not in it"),
      (
        secret() + source().replacing(volume, with: "/dev/null/nothing"), "the volume of"
      ),
    ]
    for (text, expected) in cases {
      let found: String
      do {
        _ = try plan(text)
        found = ""
      } catch {
        found = "\(error)"
      }
      #expect(found.contains(expected), "\(expected): \(found)")
      #expect(!found.contains("pass@"))
    }
  }

  @Test(arguments: [
    ("trigger: {manual: a}", true), ("trigger: {manual: a, schedule: '@daily'}", true),
    ("trigger: {schedule: '@daily'}", false), ("", false),
  ])
  func manualTriggersAloneAreDoneAfterOneRun(trigger: String, isDone: Bool) throws {
    #expect(try plan(secret() + source(rest: trigger)).isDoneAfterOneRun == isDone)
  }

  /// What a run does for its repository is decided when it starts, not when the files are read.
  @Test func upkeepIsDecidedForEachRun() throws {
    let plan = try plan(secret() + source(rest: "trigger: {schedule: '@daily'}"))
    let end = try #require(plan.sources.first)
    let start = try #require(WallTime(rfc3339: "2026-01-10T00:00:00Z")).seconds
    func prunes(_ end: RunEnd, days: Int64) throws -> Bool {
      let now = WallTime(seconds: start + days * 86_400 + 1)
      let job = try #require(end.job(at: now).restic)
      guard case .backup(let backup) = job.work else { throw TestFailure("no backup") }
      return backup.prunes
    }
    #expect(try !prunes(end, days: 6))
    #expect(try prunes(end, days: 7))
    var later = end
    let pruned = WallTime(seconds: start + 7 * 86_400)
    later.set(ResticStatus(lastPruned: pruned).fields)
    #expect(try !prunes(later, days: 13))
    #expect(try prunes(later, days: 14))
  }

  @Test func aBlockVolumeIsRefused() throws {
    let image = directory.path("image")
    try ByteFiles.write(Array(image.utf8), [1])
    #expect {
      try plan(secret() + source().replacing(volume, with: image))
    } throws: { "\($0)".contains("restic keeps directories only") }
  }
}
