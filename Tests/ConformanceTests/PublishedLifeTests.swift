import Glibc
import Platform
import TestSupport
import Testing

/// The published examples of VolSync's documentation, run in a daemon. Only addresses, credentials
/// and triggers are set, and the volumes and classes that they name are added: what a cluster has.
@Suite struct PublishedLifeTests {
  private static let timeout = "5m"
  private let temporary: TemporaryDirectory
  private var source: String { temporary.path("source") }
  private var state: String { temporary.path("state") }

  init() throws {
    temporary = try TemporaryDirectory()
    try MetadataZoo.make(at: try temporary.makeDirectory("source"), seed: 93)
    // What neither a bucket nor a volume of another size can keep is not what this is about.
    try runChecked("find", [source, "-size", "+4M", "-delete"])
  }

  // MARK: The examples

  /// An example with pieces replaced; each of them must be there.
  private func example(
    _ name: String, _ replacements: [(String, String)] = []
  ) throws -> String {
    let path = RepoBench.fixturePath("../specs/volsync/\(name).yaml")
    var text = String(decoding: try SmallFile.read(path, sizeBytesMax: 1 << 16), as: UTF8.self)
    for (old, new) in replacements {
      #expect(text.contains(old), "\(name) has no \(old)")
      text = text.replacing(old, with: new)
    }
    return text
  }

  /// The classes and the claim that an example takes for granted.
  private func surroundings(
    claim: String, namespace: String, classes: [String], snapshotClasses: [String]
  ) -> String {
    var text = """
      apiVersion: v1
      kind: PersistentVolume
      metadata: {name: published-\(claim)}
      spec:
        capacity: {storage: 1Gi}
        accessModes: [ReadWriteOnce]
        hostPath: {path: '\(source)'}
      ---
      apiVersion: v1
      kind: PersistentVolumeClaim
      metadata: {name: \(claim), namespace: \(namespace)}
      spec:
        accessModes: [ReadWriteOnce]
        volumeName: published-\(claim)
        resources: {requests: {storage: 1Gi}}

      """
    for (index, name) in classes.enumerated() {
      text += """
        ---
        apiVersion: storage.k8s.io/v1
        kind: StorageClass
        metadata:
          name: \(name)
          annotations: {storageclass.kubernetes.io/is-default-class: "\(index == 0)"}
        provisioner: drover/directory
        parameters: {root: '\(temporary.path("volumes"))'}

        """
    }
    for name in snapshotClasses {
      text += """
        ---
        apiVersion: snapshot.storage.k8s.io/v1
        kind: VolumeSnapshotClass
        metadata: {name: \(name)}
        driver: drover/directory
        deletionPolicy: Delete
        parameters: {method: copy}

        """
    }
    return text
  }

  // MARK: The daemon

  private func drover(_ arguments: String..., input: String = "") throws -> ProcessResult {
    try runProcess(
      try DroverBinary.path, arguments, environment: ["DROVER_STATE": state],
      stdin: Array(input.utf8), timeoutSeconds: 600)
  }

  private func apply(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let result = try drover("apply", "-f", "-", input: text)
    #expect(result.status == 0, "\(result.errorText)", sourceLocation: sourceLocation)
  }

  private func startDaemon() throws -> ChildProcess {
    _ = try temporary.makeDirectory("volumes")
    return try ChildProcess(
      try DroverBinary.path, ["daemon"],
      environment: ["DROVER_STATE": state, "TMPDIR": temporary.path])
  }

  /// A field of an object, once it is there.
  private func field(
    _ object: String, _ namespace: String, _ path: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    let waited = try drover(
      "wait", object, "-n", namespace, "--for", "jsonpath={\(path)}", "--timeout", Self.timeout)
    if waited.status != 0 {
      Issue.record(
        "\(object) has no \(path): \(try drover("describe", object, "-n", namespace).outputText)",
        sourceLocation: sourceLocation)
    }
    return try value(object, namespace, "{\(path)}")
  }

  private func value(_ object: String, _ namespace: String, _ path: String) throws -> String {
    let text = try drover("get", object, "-n", namespace, "-o", "jsonpath=\(path)").outputText
    return text.last == "\n" ? String(text.dropLast()) : text
  }

  /// Waits for the end of the first run, and expects the status that VolSync documents.
  private func expectSynchronized(
    _ object: String, _ namespace: String, reason: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    _ = try field(object, namespace, ".status.lastSyncTime", sourceLocation: sourceLocation)
    // What a run has left is cleaned up after its result is told.
    let waited = try drover(
      "wait", object, "-n", namespace, "--for", "jsonpath={.status.conditions[0].reason}=\(reason)",
      "--timeout", Self.timeout)
    #expect(waited.status == 0, "\(waited.errorText)", sourceLocation: sourceLocation)
    let text = try value(
      object, namespace, "{.status.latestMoverStatus.result} {.status.conditions[0].type}")
    #expect(text == "Successful Synchronizing", sourceLocation: sourceLocation)
    let duration = try field(
      object, namespace, ".status.lastSyncDuration", sourceLocation: sourceLocation)
    #expect(duration.hasSuffix("s"), sourceLocation: sourceLocation)
  }

  /// The replica image that an object has published, as a directory.
  private func image(_ object: String, _ namespace: String) throws -> String {
    let name = try field(object, namespace, ".status.latestImage.name")
    #expect(try field(object, namespace, ".status.latestImage.kind") == "VolumeSnapshot")
    let found = try runChecked("find", [temporary.path, "-type", "d", "-name", "*\(name)"])
      .outputText
    return try #require(found.split(separator: "\n").first.map(String.init), "no image \(name)")
  }

  /// A claim is filled under another name, and renamed when it is whole.
  private func waitForDirectory(_ path: String) throws {
    let deadline = MonotonicTime.now().advanced(bySeconds: 300)
    while access(path, F_OK) != 0, MonotonicTime.now() < deadline { usleep(20_000) }
    try #require(access(path, F_OK) == 0, "there is no \(path)")
  }

  private func expectEqual(_ copy: String, withRoot: Bool = true) throws {
    let found = try runChecked(
      "rsync",
      ["-aAXHSn", "--checksum", "--delete", "--itemize-changes", "\(source)/", "\(copy)/"],
      environment: ["LC_ALL": "C"]
    ).outputText
    let lines = found.split(separator: "\n").filter { withRoot || !$0.hasSuffix(" ./") }
    #expect(lines == [])
  }

  /// A Secret of one namespace as it is copied to another: `kubectl get -o yaml`, edited.
  private func copySecret(_ name: String, from old: String, to new: String) throws {
    let text = try drover("get", "secret", name, "-n", old, "-o", "json").outputText
    var document = try #require(try JSONValue(parsing: Array(text.utf8)).objectValue)
    document["metadata"] = .object(["name": .string(name), "namespace": .string(new)])
    try apply(String(decoding: JSONValue.object(document).encoded(), as: UTF8.self))
  }

  // MARK: Replication

  @Test(arguments: [("rsyncTLS", "rsync-tls", "keySecret"), ("rsync", "rsync", "sshKeys")])
  func replicatesIntoAnImage(section: String, name: String, keys: String) throws {
    let daemon = try startDaemon()
    defer { daemon.kill(SIGTERM) }
    try apply(
      surroundings(
        claim: "data", namespace: "source-ns", classes: ["gp2-csi"],
        snapshotClasses: ["csi-aws-vsc"]))
    try apply(
      example(
        "\(name)-destination",
        [
          (
            "  name: destination\n",
            "  name: destination\n  annotations: {drover.internal/listen: '127.0.0.1:0'}\n"
          )
        ]))
    let secret = try field("rd/destination", "destination-ns", ".status.\(section).\(keys)")
    #expect(secret.hasPrefix("volsync-rsync"))
    try copySecret(secret, from: "destination-ns", to: "source-ns")
    let port = try field("rd/destination", "destination-ns", ".status.\(section).port")
    try apply(
      example(
        "\(name)-source", [("address: my.host.com", "address: 127.0.0.1\n    port: \(port)")]))
    try expectSynchronized("rs/source", "source-ns", reason: "WaitingForSchedule")
    _ = try field("rs/source", "source-ns", ".status.nextSyncTime")
    try expectEqual(try image("rd/destination", "destination-ns"))
    // A claim that is populated from the image of the destination.
    guard section == "rsyncTLS" else { return }
    try apply(example("populator-claim"))
    let path = temporary.path("volumes/destination-ns.pvc-name")
    try waitForDirectory(path)
    try expectEqual(path)
  }

  // MARK: Backup

  @Test func backsUpAndRestoresOnce() throws {
    // restic restores no sockets.
    try runChecked("find", [source, "-type", "s", "-delete"])
    let server = try RcloneServer()
    try server.makeBucket("restic-repo")
    let daemon = try startDaemon()
    defer { daemon.kill(SIGTERM) }
    let endpoint = server.endpoint
    try apply(
      example(
        "restic-config",
        [
          ("http://127.0.0.1:9000", endpoint.url), ("_ID: access", "_ID: \(endpoint.accessKey)"),
          ("_KEY: password", "_KEY: \(endpoint.secretKey)"),
        ]))
    try apply(
      surroundings(
        claim: "source", namespace: "default", classes: ["standard"],
        snapshotClasses: ["standard"]))
    try apply(example("restic-source"))
    try expectSynchronized("rs/mydata-backup", "default", reason: "WaitingForSchedule")
    _ = try field("rs/mydata-backup", "default", ".status.nextSyncTime")
    try apply(example("restic-restore"))
    try expectSynchronized("rd/destination", "default", reason: "WaitingForManual")
    #expect(
      try field("rd/destination", "default", ".status.lastManualSync") == "restore-once")
    let path = temporary.path("volumes/default.pvc-name")
    try waitForDirectory(path)
    // A snapshot holds what is in a volume, not the root's own attributes.
    try expectEqual(path, withRoot: false)
  }

  // MARK: Mirror

  @Test func mirrorsThroughABucket() throws {
    let bench = try RcloneBench()
    try bench.fill()
    let daemon = try startDaemon()
    defer { daemon.kill(SIGTERM) }
    let surroundings = surroundings(
      claim: "source-pvc", namespace: "source-ns", classes: ["my-sc-name", "my-sc"],
      snapshotClasses: ["my-vsc"]
    ).replacing(source, with: bench.volume)
    try apply(surroundings)
    let secret = bench.secret(section: "intermediate-s3-bucket")
    for namespace in ["source-ns", "dest"] {
      try apply(
        secret.replacing(
          "{name: rclone-secret}", with: "{name: rclone-secret, namespace: \(namespace)}"))
    }
    try bench.server.makeBucket("destination-bucket")
    try apply(example("rclone-source"))
    try expectSynchronized("rs/source", "source-ns", reason: "WaitingForSchedule")
    try apply(
      example(
        "rclone-destination",
        [("3,9,15,21,27,33,39,45,51,57 * * * * *", "3,9,15,21,27,33,39,45,51,57 * * * *")]))
    try expectSynchronized("rd/database-destination", "dest", reason: "WaitingForSchedule")
    try bench.expectEqual(try image("rd/database-destination", "dest"))
  }
}
