import Glibc
import Platform
import TestSupport
import Testing

/// `drover daemon` and the commands around it, as processes.
@Suite("drover daemon")
struct DaemonProcessTests {
  private let temporary: TemporaryDirectory

  init() throws {
    temporary = try TemporaryDirectory()
    _ = try temporary.makeDirectory("source")
    _ = try temporary.makeDirectory("copy")
    try write("source/file", "content\n")
  }

  private var state: String { temporary.path("state") }

  private func write(_ name: String, _ text: String) throws {
    try DurableFile.replace(name, in: temporary.path, with: Array(text.utf8), mode: 0o644)
  }

  private func drover(_ arguments: String..., input: String = "") throws -> ProcessResult {
    try runProcess(
      try DroverBinary.path, arguments, environment: ["DROVER_STATE": state],
      stdin: Array(input.utf8))
  }

  private func start(
    _ more: [String] = [], environment: [String: String] = [:]
  ) throws -> ChildProcess {
    let daemon = try ChildProcess(
      try DroverBinary.path, ["daemon", "--state", state] + more, environment: environment)
    try waitFor("the socket") { access("\(state)/drover.sock", F_OK) == 0 }
    return daemon
  }

  private func text(_ name: String) -> String {
    // What is not there is empty.
    let bytes = (try? SmallFile.read(temporary.path(name), sizeBytesMax: 1 << 24)) ?? []
    return String(decoding: bytes, as: UTF8.self)
  }

  private var pair: String {
    """
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
      sourcePVC: \(temporary.path("source"))
      trigger: {schedule: '0 0 1 1 *'}
      rsyncTLS: {copyMethod: Direct}

    """
  }

  @Test("Apply, trigger, pause, resume, delete say what kubectl says, with a daemon and without")
  func wording() throws {
    let source = "replicationsource.volsync.backube"
    #expect(
      try drover("apply", "-f", "-", input: pair).outputText
        == "replicationdestination.volsync.backube/data created\n\(source)/data created\n")
    let triggered = try drover("trigger", "rs/data", "--tag", "now")
    #expect(triggered.outputText == "\(source)/data triggered: now\n")
    #expect(triggered.errorText.contains("no daemon runs here"))
    let daemon = try start()
    try waitFor("the copy") { text("copy/file") == "content\n" }
    #expect(
      try drover("apply", "-f", "-", input: pair).outputText
        == "replicationdestination.volsync.backube/data unchanged\n\(source)/data unchanged\n")
    #expect(try drover("trigger", "data").errorText.contains("write rs/data or rd/data"))
    #expect(try drover("pause", "rs/data").outputText == "\(source)/data paused\n")
    #expect(try drover("trigger", "rs/data").status == 5)
    #expect(try drover("resume", "rs/data").outputText == "\(source)/data resumed\n")
    try write("source/file", "other\n")
    #expect(try drover("trigger", "rs/data", "--tag", "x").status == 0)
    try waitFor("the change") { text("copy/file") == "other\n" }
    #expect(try drover("delete", "rs", "data").outputText == "\(source) \"data\" deleted\n")
    let missing = try drover("delete", "rs", "data")
    #expect(missing.status == 1)
    #expect(missing.errorText.contains("replicationsources.volsync.backube \"data\" not found"))
    #expect(try drover("delete", "-f", "-", "--ignore-not-found", input: pair).status == 0)
    #expect(try drover("delete", "replicationsorce", "x").errorText.contains("did you mean"))
    #expect(try drover("delete", "rs", "../x").status == 2)
    let bad = try drover(
      "apply", "-f", "-", input: pair.replacing("sourcePVC", with: "sourcePVX"))
    #expect(bad.status == 2)
    #expect(bad.errorText.contains("<stdin>:11: ReplicationSource/data: spec.sourcePVX"))
    #expect(try drover("apply", "-n", "a", "-f", "-", input: pair).status == 0)
    let other = pair.replacing("{name: data}", with: "{name: data, namespace: b}")
    #expect(try drover("apply", "-n", "a", "-f", "-", input: other).status == 2)
    daemon.kill(SIGTERM)
    #expect(daemon.wait() == 0)
    #expect(access("\(state)/drover.sock", F_OK) != 0)
  }

  @Test("A second daemon is refused, and says who is there")
  func second() throws {
    let daemon = try start()
    let second = try drover("daemon")
    #expect(second.status == 1)
    #expect(second.errorText.contains("in use by process \(daemon.processID)"))
    daemon.kill(SIGTERM)
    #expect(daemon.wait() == 0)
  }

  @Test("The service manager is told, SIGHUP reads again, and the log is JSON when asked for")
  func serviceManager() throws {
    let path = temporary.path("notify")
    let socket = try NotifySocket(path)
    let daemon = try start(["--json"], environment: ["NOTIFY_SOCKET": path])
    #expect(socket.receive() == "READY=1")
    daemon.kill(SIGHUP)
    #expect(socket.receive().hasPrefix("RELOADING=1\nMONOTONIC_USEC="))
    #expect(socket.receive() == "READY=1")
    daemon.kill(SIGTERM)
    #expect(socket.receive() == "STOPPING=1")
    #expect(daemon.wait() == 0)
    let lines = daemon.errorOutput.text.split(separator: "\n")
    #expect(!lines.isEmpty)
    for line in lines {
      let object = try JSONValue(parsing: Array(line.utf8)).objectValue
      #expect(object?["time"] != nil && object?["message"] != nil, "\(line)")
    }
  }

  @Test("Five hundred relationships in one daemon of at most 150 MiB")
  func manyRelationships() throws {
    let secret = """
      apiVersion: v1
      kind: Secret
      metadata: {name: bucket}
      stringData: {rclone.conf: "[local]\\ntype = local\\n"}

      """
    let sources = (0..<500).map { number in
      """
      ---
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationSource
      metadata:
        name: s\(number)
        annotations:
          drover.internal/wait-for-schedule: 'true'
          drover.internal/jitter: 50m
      spec:
        sourcePVC: \(temporary.path("source"))
        trigger: {schedule: '0 0 1 1 *'}
        rclone:
          copyMethod: Direct
          rcloneConfig: bucket
          rcloneConfigSection: local
          rcloneDestPath: \(temporary.path("bucket/\(number)"))

      """
    }
    let daemon = try start()
    let applied = try drover("apply", "-f", "-", input: secret + sources.joined())
    #expect(applied.outputText.split(separator: "\n").count == 501, "\(applied.errorText)")
    let names = [0, 123, 250, 377, 499]
    for number in names { #expect(try drover("trigger", "s\(number)").status == 0) }
    try waitFor("the copies") {
      names.allSatisfy { text("bucket/\($0)/file") == "content\n" }
    }
    let status = try String(
      decoding: SmallFile.read("/proc/\(daemon.processID)/status", sizeBytesMax: 1 << 16),
      as: UTF8.self)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
    let size = try #require(Int(line.filter(\.isNumber)))
    #expect(size <= 150 << 10, "\(line)")
    // Nobody else has run.
    #expect(try DurableFile.names(in: temporary.path("bucket"), countMax: 999).count == names.count)
    daemon.kill(SIGTERM)
    #expect(daemon.wait() == 0)
  }

  @Test("The units of systemd are in order", arguments: ["drover.service", "drover-run@.service"])
  func units(name: String) throws {
    let file = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
    let unit = try SmallFile.read(
      "\(file.joined(separator: "/"))/packaging/systemd/\(name)", sizeBytesMax: 1 << 16)
    // The program of a package is not installed here.
    let text = String(decoding: unit, as: UTF8.self)
      .replacing("/usr/bin/drover", with: try DroverBinary.path)
    try write(name, text)
    let result = try runProcess("systemd-analyze", ["verify", temporary.path(name)])
    #expect(result.status == 0 && result.errorText.isEmpty, "\(result.errorText)")
    let bad = text.replacing("ExecStart=", with: "ExecStart=relative/")
    try write(name, bad)
    #expect(try runProcess("systemd-analyze", ["verify", temporary.path(name)]).status != 0)
  }
}

/// The socket of a service manager.
private final class NotifySocket {
  private let descriptor: Descriptor

  init(_ path: String) throws {
    let raw = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard raw >= 0 else { throw PlatformError.last("socket") }
    descriptor = Descriptor(owning: raw)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let code = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(raw, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard code == 0 else { throw PlatformError.last("bind", path) }
    var time = timeval(tv_sec: 60, tv_usec: 0)
    _ = setsockopt(
      raw, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
  }

  /// The next message; empty when none comes.
  func receive() -> String {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = recv(descriptor.raw, &buffer, buffer.count, 0)
    return String(decoding: buffer[..<max(0, count)], as: UTF8.self)
  }
}
