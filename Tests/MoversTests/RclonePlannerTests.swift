import Manifests
import Movers
import Platform
import TestSupport
import Testing

/// From the section `rclone` to jobs, and what stands against a run.
@Suite struct RclonePlannerTests {
  private let directory: TemporaryDirectory
  private let volume: String

  init() throws {
    directory = try TemporaryDirectory()
    volume = try directory.makeDirectory("volume")
  }

  private static let configuration = """
    [s3]
        type = s3
        provider = Other
        access_key_id = id-of-tests
        secret_access_key = key-of-tests
        endpoint = http://127.0.0.1:9
        [other]
        type = alias
        remote = s3:elsewhere
    """

  private func secret(
    _ data: String = "", configuration: String = RclonePlannerTests.configuration
  ) -> String {
    """
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: k, namespace: ns}
    stringData:
      \(data)
      rclone.conf: |
        \(configuration)

    """
  }

  private func source(
    _ path: String = "bucket/p", section: String = "s3", more: String = "", name: String = "s",
    annotations: String = "", rest: String = ""
  ) -> String {
    """
    ---
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationSource
    metadata: {name: \(name), namespace: ns, annotations: {\(annotations)}}
    spec:
      sourcePVC: \(volume)
      rclone:
        {rcloneConfig: k, rcloneConfigSection: \(section), rcloneDestPath: '\(path)',
         copyMethod: Direct\(more)}
      \(rest)

    """
  }

  private func destination(
    _ path: String = "bucket/p", name: String = "d", annotations: String = ""
  ) -> String {
    """
    ---
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationDestination
    metadata: {name: \(name), namespace: ns, annotations: {\(annotations)}}
    spec:
      rclone:
        {rcloneConfig: k, rcloneConfigSection: s3, rcloneDestPath: '\(path)', copyMethod: Direct,
         destinationPVC: \(volume)}

    """
  }

  private func plan(_ text: String) throws -> RunPlan {
    let set = try ManifestLoader().decode([("p.yaml", Array(text.utf8))])
    return try RunPlanner(set, served: ["rclone", "restic", "rsyncTLS"]).plan()
  }

  private func problem(_ text: String) -> String {
    do {
      _ = try plan(text)
      return ""
    } catch {
      return "\(error)"
    }
  }

  @Test func aSourceAndADestinationBecomeJobs() throws {
    let plan = try plan(secret() + destination() + source())
    let source = try #require(plan.sources.first?.job.rclone)
    #expect(source.direction == .source)
    #expect(source.root == volume)
    #expect(source.remotes == [RcloneJob.Remote("s3:bucket/p")])
    #expect(!source.allowsEmpty)
    #expect(String(decoding: source.configuration, as: UTF8.self).contains("key-of-tests"))
    let destination = try #require(plan.destinations.first)
    #expect(destination.job.rclone?.direction == .destination)
    #expect(destination.predecessors == plan.sources.map(\.key))
    #expect(plan.sources.first?.statusFields.members.isEmpty == true)
  }

  @Test func aDestinationOfAnotherPlaceWaitsForNobody() throws {
    let plan = try plan(secret() + source() + destination("bucket/q"))
    #expect(plan.destinations.first?.predecessors == [])
    let paused = try self.plan(secret() + source(rest: "paused: true") + destination())
    #expect(paused.destinations.first?.predecessors == [])
    #expect(paused.skipped.count == 1)
  }

  @Test func variablesOfTheSecretArePassedOnButForTheMoversOwn() throws {
    let data = """
      RCLONE_TRANSFERS: '3'
        RCLONE_S3_CHUNK_SIZE: 6M
        RCLONE_CONFIG: /other
        RCLONE_CONFIG_SECTION: other
        RCLONE_DEST_PATH: other
        RCLONE_CONFIG_S3_REGION: eu
        RCLONE_EXCLUDE: 'a,"b,c"'
        RCLONE_STATS: 20s
        PATH: other
      """
    let job = try #require(try plan(secret(data) + source()).sources.first?.job.rclone)
    #expect(
      Set(job.environment.keys) == [
        "RCLONE_TRANSFERS", "RCLONE_S3_CHUNK_SIZE", "RCLONE_CONFIG_S3_REGION", "RCLONE_EXCLUDE",
        "RCLONE_STATS",
      ])
  }

  @Test func annotationsAllowWhatIsEmptyAndNameFurtherRemotes() throws {
    let annotations =
      "drover.internal/allow-empty-source: 'true', "
      + "drover.internal/destinations: \" s3:third/p \\n\\nother:x\""
    let status = """
      status:
        rclone:
          destinations:
          - {remote: 'other:x', result: Failed, lastSyncTime: '2026-01-01T00:00:00Z'}
      """
    let text =
      secret() + source(annotations: annotations).replacing("spec:", with: "\(status)\nspec:")
    let end = try #require(try plan(text).sources.first)
    let job = try #require(end.job.rclone)
    #expect(job.allowsEmpty)
    #expect(
      job.remotes == [
        RcloneJob.Remote("s3:bucket/p"), RcloneJob.Remote("s3:third/p"),
        RcloneJob.Remote("other:x", lastSyncTime: "2026-01-01T00:00:00Z"),
      ])
    #expect(end.statusFields["destinations"] != nil)
    let allows = "drover.internal/allow-empty-source: 'true'"
    #expect(
      try plan(secret() + destination(annotations: allows)).destinations.first?.job.rclone?
        .allowsEmpty == true)
  }

  @Test func certificatesComeFromASecretOrAConfigMap() throws {
    let map = """
      ---
      apiVersion: v1
      kind: ConfigMap
      metadata: {name: ca, namespace: ns}
      data: {ca.crt: of the map}

      """
    let text = secret() + map + source(more: ", customCA: {configMapName: ca, key: ca.crt}")
    let job = try #require(try plan(text).sources.first?.job.rclone)
    #expect(job.certificates == Array("of the map".utf8))
  }

  @Test func whatStandsAgainstARunIsTold() throws {
    let further = "drover.internal/destinations: "
    let cases: [(text: String, expected: String)] = [
      (source(), "spec.rclone.rcloneConfig: no Secret \"k\""),
      (
        secret().replacing("rclone.conf", with: "rclone.cnf") + source(),
        "the Secret \"k\" has no rclone.conf; did you mean \"rclone.cnf\"?"
      ),
      (secret() + source(section: "''"), "unable to get Rclone config section name"),
      (secret() + source(""), "unable to get Rclone destination name"),
      (
        secret() + source().replacing("rcloneConfig: k,", with: ""),
        "unable to get Rclone config secret name"
      ),
      (
        secret() + source(section: "s4"),
        "rcloneConfigSection: the Secret \"k\" has no section \"s4\" in its rclone.conf"
      ),
      (secret() + source("a//b"), "spec.rclone.rcloneDestPath: remote"),
      (secret() + source("/"), "the remote names no bucket"),
      (secret(configuration: "[s3]\n    junk") + source(), "data.rclone.conf: rclone.conf:2:"),
      (
        secret(configuration: "[s3]\n    type = drive") + source(),
        "which is not served; served are s3, local and alias"
      ),
      (
        secret(configuration: "[s3]\n    type = s3\n    v2_auth = true") + source(),
        "the option v2_auth of the remote is not served"
      ),
      (secret("RCLONE_TRANSFERS: many") + source(), "data.RCLONE_TRANSFERS: is no number from 1"),
      (secret("RCLONE_CHECKSUM: perhaps") + source(), "is neither true nor false"),
      (secret("RCLONE_BWLIMIT: 1M") + source(), "data.RCLONE_BWLIMIT: is not served: remove it"),
      (secret("RCLONE_EXCLUDE: '\"a'") + source(), "has a quote that does not end"),
      (secret("RCLONE_EXCLUDE: 'a***'") + source(), "a***"),
      (secret() + source() + source(name: "t"), "writes to the same place as s3:bucket/p"),
      (secret() + source() + source("bucket/p/q", name: "t"), "writes to the same place"),
      (
        secret() + source(annotations: further + "'s3:bucket/p/q'"),
        "another remote of it writes to the same place as s3:bucket/p/q"
      ),
      (secret() + source(annotations: further + "'other'"), "\"other\" is not SECTION:BUCKET/PATH"),
      (secret() + source(annotations: further + "''"), "names no remote"),
      (secret() + source(annotations: further + "'none:b'"), "has no section \"none\""),
      (
        secret() + destination(annotations: further + "'s3:b'"),
        "is served for a ReplicationSource with rclone only"
      ),
      (
        secret() + source(more: ", customCA: {secretName: k, key: a}"),
        "the key \"a\" is not in it"
      ),
      (secret() + source().replacing(volume, with: "/dev/null/nothing"), "the volume of"),
    ]
    for (text, expected) in cases {
      let found = problem(text)
      #expect(found.contains(expected), "\(expected): \(found)")
      #expect(!found.contains("key-of-tests"))
    }
  }

  @Test func aBlockVolumeIsRefused() throws {
    let image = directory.path("image")
    try ByteFiles.write(Array(image.utf8), [1])
    let found = problem(secret() + source().replacing(volume, with: image))
    #expect(found.contains("rclone keeps directories only"), "\(found)")
  }

  /// The examples as published, but for the copy, which is not served yet, the six cron fields, and
  /// the volume, which a host has to have.
  @Test func volSyncsExamplesArePlanned() throws {
    let folder =
      #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
      + "/fixtures/specs/volsync"
    func example(_ name: String) throws -> String {
      let bytes = try SmallFile.read("\(folder)/\(name).yaml", sizeBytesMax: 1 << 16)
      return String(decoding: bytes, as: UTF8.self)
        .replacing("copyMethod: Snapshot", with: "copyMethod: Direct")
        .replacing("source-pvc", with: volume)
        .replacing("57 * * * * *", with: "57 * * * *")
        .replacing(
          "    capacity: 10Gi", with: "    capacity: 10Gi\n    destinationPVC: \(volume)")
    }
    func secret(_ namespace: String) -> String {
      self.secret().replacing(
        "name: k, namespace: ns", with: "name: rclone-secret, namespace: \(namespace)"
      )
      .replacing("[s3]", with: "[intermediate-s3-bucket]")
    }
    let plan = try plan(
      try example("rclone-source") + "\n---\n" + (try example("rclone-destination")) + "\n"
        + secret("source-ns") + secret("dest"))
    #expect(
      plan.sources.map(\.job.rclone?.remotes) == [
        [RcloneJob.Remote("intermediate-s3-bucket:destination-bucket")]
      ])
    #expect(plan.destinations.count == 1)
    #expect(plan.destinations.first?.predecessors == plan.sources.map(\.key))
  }
}
