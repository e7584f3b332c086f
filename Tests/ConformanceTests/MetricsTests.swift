import Glibc
import Platform
import TestSupport
import Testing

/// The metrics of a daemon with real movers, judged by Prometheus' own tool.
@Suite("drover daemon: metrics")
struct MetricsTests {
  private let temporary: TemporaryDirectory

  init() throws {
    temporary = try TemporaryDirectory()
    for name in ["source", "copy", "repository", "bucket"] {
      _ = try temporary.makeDirectory(name)
    }
    try DurableFile.replace(
      "file", in: temporary.path("source"), with: Array("content\n".utf8), mode: 0o644)
  }

  private var objects: String {
    let source = temporary.path("source")
    return """
      apiVersion: v1
      kind: Secret
      metadata: {name: repository}
      stringData: {RESTIC_REPOSITORY: \(temporary.path("repository")), RESTIC_PASSWORD: secret}
      ---
      apiVersion: v1
      kind: Secret
      metadata: {name: bucket}
      stringData: {rclone.conf: "[local]\\ntype = local\\n"}
      ---
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationDestination
      metadata: {name: data}
      spec:
        rsyncTLS: {copyMethod: Direct, destinationPVC: \(temporary.path("copy"))}
      ---
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationSource
      metadata: {name: data}
      spec:
        sourcePVC: \(source)
        trigger: {schedule: '0 0 1 1 *'}
        rsyncTLS: {copyMethod: Direct}
      ---
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationSource
      metadata: {name: backup}
      spec:
        sourcePVC: \(source)
        trigger: {manual: first}
        restic: {copyMethod: Direct, repository: repository}
      ---
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationSource
      metadata: {name: mirror}
      spec:
        sourcePVC: \(source)
        trigger: {manual: first}
        rclone:
          copyMethod: Direct
          rcloneConfig: bucket
          rcloneConfigSection: local
          rcloneDestPath: \(temporary.path("bucket"))
      ---
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationSource
      metadata: {name: broken}
      spec:
        sourcePVC: \(temporary.path("missing"))
        trigger: {manual: first}
        restic: {copyMethod: Direct, repository: repository}

      """
  }

  private var state: String { temporary.path("state") }
  private var file: String { temporary.path("drover.prom") }

  private func start() throws -> (daemon: ChildProcess, port: UInt16) {
    let daemon = try ChildProcess(
      try DroverBinary.path,
      ["daemon", "--state", state, "--metrics-address", "0", "--metrics-file", file])
    var port: UInt16?
    try waitFor("the address") {
      let line = daemon.errorOutput.text.split(separator: "\n").first {
        $0.contains("metrics at http://127.0.0.1:") && $0.hasSuffix("/metrics")
      }
      port = line?.split(separator: ":").last.flatMap { UInt16($0.prefix(while: \.isNumber)) }
      return port != nil
    }
    return (daemon, try #require(port))
  }

  private func scrape(_ port: UInt16) throws -> String {
    let client = try RawHTTPClient(port: port)
    client.sendHead("GET /metrics HTTP/1.1")
    let answer = client.receive()
    #expect(answer.status == 200)
    return answer.text
  }

  private func check(_ text: String) throws {
    let result = try runProcess("promtool", ["check", "metrics"], stdin: Array(text.utf8))
    #expect(result.status == 0, "\(result.errorText)\(result.outputText)")
    // A remark on the form is printed with status 0 by some versions.
    #expect(result.errorText.isEmpty, "\(result.errorText)")
  }

  private func hasFour(_ text: String) -> Bool {
    let runs = text.split(separator: "\n").filter {
      $0.hasPrefix("drover_runs_total{") && $0.hasSuffix(#"outcome="successful"} 1"#)
    }
    return runs.count == 4
  }

  @Test("promtool accepts them over HTTP and from the file; a restart keeps the counters")
  func promtool() throws {
    // What the tool is trusted with: it refuses what is wrong.
    let bad = try runProcess("promtool", ["check", "metrics"], stdin: Array("a{b=} 1\n".utf8))
    #expect(bad.status != 0)
    var (daemon, port) = try start()
    let applied = try runProcess(
      try DroverBinary.path, ["apply", "--state", state, "-f", "-"], stdin: Array(objects.utf8))
    #expect(applied.status == 0, "\(applied.errorText)")
    try waitFor("four runs") { hasFour(try scrape(port)) }
    let text = try scrape(port)
    try check(text)
    let labels = #"obj_name="data",obj_namespace="default",role="source",method="rsync-tls""#
    for line in [
      "volsync_missed_intervals_total{\(labels)} 0", "volsync_volume_out_of_sync{\(labels)} 0",
      "volsync_sync_duration_seconds_count{\(labels)} 1", "drover_source_files{\(labels)} 1",
      #"drover_source_files{obj_name="backup",obj_namespace="default",role="source",method="restic"} 1"#,
      #"drover_source_files{obj_name="mirror",obj_namespace="default",role="source",method="rclone"} 1"#,
      #"drover_repository_snapshots{obj_name="backup",obj_namespace="default",role="source",method="restic"} 1"#,
      #"volsync_volume_out_of_sync{obj_name="broken",obj_namespace="default",role="source",method="restic"} 1"#,
    ] {
      #expect(text.contains(line + "\n"), "\(line)")
    }
    #expect(text.contains("drover_repository_size_bytes{obj_name=\"backup\""))
    try waitFor("the file") {
      // The daemon writes it soon after.
      let bytes = (try? SmallFile.read(file, sizeBytesMax: 1 << 20)) ?? []
      return hasFour(String(decoding: bytes, as: UTF8.self))
    }
    try check(String(decoding: try SmallFile.read(file, sizeBytesMax: 1 << 20), as: UTF8.self))
    daemon.kill(SIGKILL)
    _ = daemon.wait()
    (daemon, port) = try start()
    try waitFor("the runs before the restart") { hasFour(try scrape(port)) }
    daemon.kill(SIGTERM)
    #expect(daemon.wait() == 0)
    #expect(daemon.errorOutput.text.contains("ended"))
  }

  @Test("An address that is taken or is none ends the start with a message")
  func badAddress() throws {
    let (daemon, port) = try start()
    let second = try runProcess(
      try DroverBinary.path,
      ["daemon", "--state", temporary.path("other"), "--metrics-address", ":\(port)"])
    #expect(second.status == 1 && second.errorText.contains("\(port)"), "\(second.errorText)")
    let none = try runProcess(
      try DroverBinary.path, ["daemon", "--state", state, "--metrics-address", "nowhere"])
    #expect(none.status == 2 && none.errorText.contains("--metrics-address"))
    daemon.kill(SIGTERM)
    #expect(daemon.wait() == 0)
  }
}
