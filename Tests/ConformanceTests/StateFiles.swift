import Glibc
import Platform
import TestSupport

/// A state directory with objects, status and records in it, as files.
struct StateFiles {
  private let directory: TemporaryDirectory
  var path: String { directory.path }

  init() throws {
    directory = try TemporaryDirectory()
    try write("default/replicationsource/data.yaml", Self.source(name: "data"))
    try write(
      "default/replicationsource/data.status.yaml",
      """
      uid: 00000000-0000-4000-8000-000000000001
      creationTimestamp: "2026-07-01T10:00:00Z"
      generation: 1
      specDigest: "0000000000000000"
      status:
        conditions:
        - lastTransitionTime: "2026-07-02T10:01:40Z"
          message: Waiting for next scheduled synchronization
          reason: WaitingForSchedule
          status: "False"
          type: Synchronizing
        lastSyncDuration: 1m40s
        lastSyncTime: "2026-07-02T10:01:40Z"
        latestMoverStatus: {logs: Synchronization completed, result: Successful}
        nextSyncTime: "2026-07-02T10:30:00Z"

      """)
    try write(
      "default/replicationsource/data.runs.jsonl",
      #"{"started":"2026-07-02T09:30:00Z","ended":"2026-07-02T09:30:20Z","outcome":"Failed","mover":"rsyncTLS","cause":"schedule","attempts":5,"warnings":0,"message":"no route to host"}"#
        + "\n"
        + #"{"started":"2026-07-02T10:00:00Z","ended":"2026-07-02T10:01:40Z","outcome":"Successful","mover":"rsyncTLS","cause":"schedule","attempts":1,"warnings":0,"files":12,"bytesSent":2048,"bottleneck":"read"}"#
        + "\n")
    try write(
      "default/replicationsource/data.events.jsonl",
      #"{"type":"Warning","reason":"TransferFailed","message":"no route to host","count":3,"firstTimestamp":"2026-07-02T09:00:00Z","lastTimestamp":"2026-07-02T09:30:20Z"}"#
        + "\n")
    try write("default/replicationsource/data.log", "first line\nsecond line\nthird line\n")
    try write("default/replicationsource/web.yaml", Self.source(name: "web", tier: "web"))
    try write("backup/replicationsource/data.yaml", Self.source(name: "data", namespace: "backup"))
    try write(
      "default/replicationdestination/copy.yaml",
      """
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationDestination
      metadata: {name: copy}
      spec: {rsyncTLS: {copyMethod: Direct, destinationPVC: /srv/copy}}

      """)
    try write(
      "default/secret/key.yaml",
      """
      apiVersion: v1
      kind: Secret
      metadata: {name: key}
      stringData: {psk.txt: 'a:00112233445566778899aabbccddeeff'}

      """)
  }

  static func source(name: String, namespace: String = "default", tier: String = "db") -> String {
    """
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationSource
    metadata:
      name: \(name)
      namespace: \(namespace)
      labels: {tier: \(tier)}
    spec:
      sourcePVC: /srv/\(name)
      trigger: {schedule: "*/30 * * * *"}
      rsyncTLS: {copyMethod: Direct, address: copy.example}

    """
  }

  /// Replaces a file below the directory in one step; a reader sees the old or the new.
  func write(_ name: String, _ text: String) throws {
    var parts = name.split(separator: "/").map { String($0) }
    let file = parts.removeLast()
    var place = path
    for part in parts {
      place += "/\(part)"
      if mkdir(place, 0o755) != 0, errno != EEXIST { throw PlatformError.last("mkdir", place) }
    }
    let aside = "\(place)/.\(file).new"
    try ByteFiles.write(Array(aside.utf8), Array(text.utf8))
    try ByteFiles.rename(Array(aside.utf8), to: Array("\(place)/\(file)".utf8))
  }

  func remove(_ name: String) throws { try ByteFiles.remove(Array("\(path)/\(name)".utf8)) }

  /// Runs a command on the directory.
  func drover(_ arguments: String...) throws -> ProcessResult {
    try runProcess(try DroverBinary.path, arguments + ["--state", path])
  }

  func start(_ arguments: String...) throws -> ChildProcess {
    try ChildProcess(try DroverBinary.path, arguments + ["--state", path])
  }
}
