import Glibc
import Manifests
import Platform
import StateStore
import TestSupport
import Testing

/// A daemon that is killed at random moments of a simulated day, with real movers on small volumes.
@Suite("Control daemon that is killed")
struct DaemonKillTests {
  /// Simulated seconds in one of the world: a day and 200 kills take about a minute.
  private static let speed: Int64 = 1500
  private static let origin: Int64 = 1_782_864_000
  private static let periods: [String: Int64] = ["pair": 900, "backup": 1800, "bucket": 3600]

  private let temporary: TemporaryDirectory
  private let start = MonotonicTime.now().nanoseconds

  init() throws {
    temporary = try TemporaryDirectory()
    for name in ["source", "copy", "bucket"] { _ = try temporary.makeDirectory(name) }
    for number in 0..<5 { try write("source/file\(number)", "content \(number)\n") }
  }

  private var state: String { temporary.path("state") }

  private func write(_ name: String, _ text: String) throws {
    try DurableFile.replace(
      name, in: temporary.path, with: Array(text.utf8), mode: 0o644)
  }

  private var manifests: String {
    """
    apiVersion: v1
    kind: Secret
    metadata: {name: backup}
    stringData: {RESTIC_REPOSITORY: \(temporary.path("repository")), RESTIC_PASSWORD: secret}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: bucket}
    stringData: {rclone.conf: "[local]\\ntype = local\\n"}
    ---
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationDestination
    metadata: {name: copy}
    spec:
      rsyncTLS: {copyMethod: Snapshot, destinationPVC: \(temporary.path("copy"))}
    ---
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationSource
    metadata: {name: pair}
    spec:
      sourcePVC: \(temporary.path("source"))
      trigger: {schedule: '*/15 * * * *'}
      rsyncTLS: {copyMethod: Snapshot}
    ---
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationSource
    metadata: {name: backup}
    spec:
      sourcePVC: \(temporary.path("source"))
      trigger: {schedule: '*/30 * * * *'}
      restic: {copyMethod: Clone, repository: backup}
    ---
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationSource
    metadata: {name: bucket}
    spec:
      sourcePVC: \(temporary.path("source"))
      trigger: {schedule: '0 * * * *'}
      rclone:
        copyMethod: Clone
        rcloneConfig: bucket
        rcloneConfigSection: local
        rcloneDestPath: \(temporary.path("bucket"))

    """
  }

  private func startDaemon() throws -> ChildProcess {
    let drover = try DroverBinary.path
    // It stands beside the program, or beside the tests.
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    let tests = String(
      decoding: buffer[..<max(0, count)].map(UInt8.init(bitPattern:)), as: UTF8.self)
    let program = [drover, tests].map { path in
      path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        .joined(separator: "/") + "/daemon-under-test"
    }.first { access($0, X_OK) == 0 }
    return try ChildProcess(
      try #require(program, "daemon-under-test is built"),
      [
        state, "\(DaemonKillTests.origin)", "\(start)", "\(DaemonKillTests.speed)", drover,
        temporary.path("journal"),
      ], environment: ["TZ": "UTC"])
  }

  private func finish(_ daemon: ChildProcess) -> (status: Int32?, output: String) {
    let status = daemon.wait(timeoutSeconds: 120)
    let bytes = daemon.output.bytesToEnd(timeoutSeconds: 60)
    return (status, String(decoding: bytes, as: UTF8.self) + daemon.errorOutput.text)
  }

  private func key(_ name: String, _ kind: String = "ReplicationSource") -> ObjectKey {
    ObjectKey(kind: kind, namespace: "default", name: name)
  }

  @Test("Every due run happened or is told as missed, and nothing ran twice at once")
  func kills() throws {
    var generator = SeededGenerator(seed: 20_260_701)
    let client = StateClient(path: state, patienceSeconds: 60)
    _ = try client.apply([ManifestFile(name: "m.yaml", text: Array(manifests.utf8))])
    var output = ""
    for round in 0..<SampledCounts.count(sampled: 12, full: 200) {
      let daemon = try startDaemon()
      SystemClock().sleep(seconds: 0.02 + Double(generator.below(480)) / 1000)
      daemon.kill(SIGKILL)
      output += finish(daemon).output
      try checkStatusFiles("round \(round)")
    }
    // The last one lives until all have run since it started.
    let begun = Int64(wallSeconds)
    let daemon = try startDaemon()
    let deadline = MonotonicTime.now().advanced(bySeconds: 300)
    for (name, period) in DaemonKillTests.periods {
      // Those of the shortest period have to come more than once, however slow the machine is.
      let countMin = period == 900 ? 3 : 1
      while try lastEnd(name, client) ?? 0 <= begun || starts(of: name).count < countMin {
        guard MonotonicTime.now() < deadline else {
          Issue.record(
            "\(name) does not run any more: \(try client.log(of: key(name), sizeBytesMax: 2000))")
          return
        }
        SystemClock().sleep(seconds: 0.05)
      }
    }
    daemon.kill(SIGTERM)
    let result = finish(daemon)
    output += result.output
    #expect(result.status == 0)
    #expect(!output.contains("trouble:") && !output.contains("problem:"), "\(output)")
    // A mover that met another of its object would have said so.
    #expect(!output.contains("that run is still alive"), "\(output)")
    try checkStatusFiles("the end")
    for (name, period) in DaemonKillTests.periods { try checkRuns(of: name, period, client) }
    try checkLeftovers(client)
  }

  private var wallSeconds: Int64 {
    DaemonKillTests.origin
      + (MonotonicTime.now().nanoseconds - start) / 1_000_000_000 * DaemonKillTests.speed
  }

  /// When the last run of a source ended that counted.
  private func lastEnd(_ name: String, _ client: StateClient) throws -> Int64? {
    try client.object(key(name)).document["status"]?.objectValue?["lastSyncTime"]?.stringValue
      .flatMap(WallTime.init(rfc3339:))?.seconds
  }

  /// Each status file is whole at any moment.
  private func checkStatusFiles(_ moment: String) throws {
    for kind in ["replicationsource", "replicationdestination", "secret"] {
      let directory = "\(state)/default/\(kind)"
      for name in try DurableFile.names(in: directory, countMax: 1000)
      where name.hasSuffix(".status.yaml") {
        let path = "\(directory)/\(name)"
        let nodes = try parseYAML(try SmallFile.read(path, sizeBytesMax: 1 << 20), file: path)
        let document = try #require(nodes.first?.jsonValue.objectValue, "\(moment): \(path)")
        #expect(document["uid"] != nil && document["generation"] != nil, "\(moment): \(path)")
      }
    }
  }

  /// Times of the schedule since the first run: each was the reason of one run, or is missed.
  private func checkRuns(of name: String, _ period: Int64, _ client: StateClient) throws {
    var starts = try starts(of: name)
    let status = try #require(try client.object(key(name)).document["status"]?.objectValue)
    func time(_ status: JSONObject?, _ field: String) -> Int64? {
      status?[field]?.stringValue.flatMap(WallTime.init(rfc3339:))?.seconds
    }
    let underWay = time(status, "lastSyncStartTime")
    if let underWay { starts.insert(underWay) }
    let ends = [
      time(status, "lastSyncTime"), time(status["drover"]?.objectValue, "lastFailureTime"),
    ].compactMap(\.self)
    let (first, last) = (starts.min() ?? 0, underWay ?? ends.max() ?? 0)
    let due = last / period - first / period
    let runs = try client.runs(of: key(name), countMax: 1000)
    let missed = runs.compactMap(\.missedCount).reduce(0, +)
    #expect(
      due == Int64(starts.count - 1) + missed,
      "\(name): \(due) due, \(starts.count) starts, \(missed) missed")
    let reasons = try client.events(of: key(name)).map(\.reason)
    #expect(!reasons.contains("StatusDamaged"))
  }

  /// When the runs of a source began, by the journal that the daemon's movers are noted in.
  private func starts(of name: String) throws -> Set<Int64> {
    let journal = String(
      decoding: try SmallFile.read(temporary.path("journal"), sizeBytesMax: 1 << 24), as: UTF8.self)
    var starts: Set<Int64> = []
    for line in journal.split(separator: "\n") where line.hasPrefix("\(name) ") {
      let time = WallTime(rfc3339: String(line.dropFirst(name.count + 1)))
      starts.insert(try #require(time, "the status was stored before its run: \(line)").seconds)
    }
    return starts
  }

  private func checkLeftovers(_ client: StateClient) throws {
    #expect(try runProcess("find", [state, "-name", ".tmp-*"]).outputText == "")
    #expect(try runProcess("find", [state, "-name", "*.damaged"]).outputText == "")
    // No copy is left, and of the images the one that the status names.
    let destination = try client.object(key("copy", "ReplicationDestination")).document
    let image = destination["status"]?.objectValue?["latestImage"]?.objectValue?["name"]?
      .stringValue
    let file = "default.\(try #require(image))"
    let names = try DurableFile.names(in: temporary.path(".drover-copies"), countMax: 99)
    #expect(names == [file, "\(file).image"])
    for name in ["copy", "bucket"] {
      let difference = try runProcess(
        "diff", ["-r", temporary.path("source"), temporary.path(name)]
      ).outputText
      let lines = difference.split(separator: "\n").filter { !$0.contains("permissions.facl") }
      #expect(lines.isEmpty, "\(name): \(difference)")
    }
    let check = try runProcess(
      try DroverBinary.path, ["repo", "check", "-r", temporary.path("repository")],
      environment: ["RESTIC_PASSWORD": "secret"])
    #expect(check.status == 0, "\(check.errorText)")
  }
}
