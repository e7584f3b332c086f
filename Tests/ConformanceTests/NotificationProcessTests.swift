import Glibc
import Platform
import TestSupport
import Testing

/// A daemon that tells others of its runs.
@Suite("drover daemon: notifications")
struct NotificationProcessTests {
  private let temporary: TemporaryDirectory

  init() throws {
    temporary = try TemporaryDirectory()
    for name in ["source", "repository"] { _ = try temporary.makeDirectory(name) }
    try ByteFiles.write(Array(temporary.path("source/file").utf8), Array("content\n".utf8))
  }

  @Test("Begin, success and failure are posted and pinged; secrets stand in no log")
  func notifications() throws {
    let server = try ReplyServer { _, _ in .text(200, "ok") }
    let state = temporary.path("state")
    let file = temporary.path("webhook")
    try ByteFiles.write(Array(file.utf8), Array("\(server.endpoint)/hook/s3cret\n".utf8))
    let daemon = try ChildProcess(
      try DroverBinary.path,
      ["daemon", "--state", state, "--webhook", "@\(file)", "--log-format", "json"],
      environment: ["DROVER_HEARTBEAT": "\(server.endpoint)/s3cret/{namespace}/{name}"])
    let objects = """
      apiVersion: v1
      kind: Secret
      metadata: {name: repository}
      stringData:
        RESTIC_REPOSITORY: \(temporary.path("repository"))
        RESTIC_PASSWORD: p4ssword
      ---
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationSource
      metadata: {name: backup}
      spec:
        sourcePVC: \(temporary.path("source"))
        trigger: {manual: one}
        restic: {copyMethod: Direct, repository: repository}

      """
    func drover(_ arguments: String..., input: String = "") throws {
      let result = try runProcess(
        try DroverBinary.path, arguments + ["--state", state], stdin: Array(input.utf8))
      #expect(result.status == 0, "\(result.errorText)")
    }
    try waitFor("the socket") { access("\(state)/drover.sock", F_OK) == 0 }
    try drover("apply", "-f", "-", input: objects)
    try waitFor("a success") { server.requests.count == 4 }
    try ByteFiles.remove(Array(temporary.path("source/file").utf8))
    try drover("trigger", "rs/backup", "--tag", "two")
    try waitFor("a failure") { server.requests.count == 8 }
    let requests = server.requests
    let pings = requests.filter { $0.method == "GET" }.map(\.target)
    #expect(
      pings == ["/start", "", "/start", "/fail"].map { "/s3cret/default/backup\($0)" })
    let posts = try requests.filter { $0.method == "POST" }.map {
      try #require(JSONValue(parsing: $0.body).objectValue)
    }
    #expect(
      posts.map { $0["event"]?.stringValue } == ["start", "success", "start", "failure"])
    #expect(posts[1]["run"]?.objectValue?["bytesRead"] == .integer(8))
    #expect(!requests.contains { String(decoding: $0.body, as: UTF8.self).contains("p4ssword") })
    server.end()
    // One that is down holds no run up.
    try drover("release", "rs/backup", "--now")
    try waitFor("the run") {
      try runProcess(
        try DroverBinary.path,
        ["get", "rs/backup", "--state", state, "-o", "jsonpath={.status.lastManualSync}"]
      ).outputText.hasPrefix("release")
    }
    daemon.kill(SIGTERM)
    #expect(daemon.wait() == 0)
    let log = daemon.errorOutput.text
    #expect(!log.contains("s3cret") && !log.contains("p4ssword"), "\(log)")
    for line in log.split(separator: "\n") {
      #expect(try JSONValue(parsing: Array(line.utf8)).objectValue?["message"] != nil)
    }
  }

  @Test("What is no URL is refused")
  func badURL() throws {
    for (option, value) in [
      ("--webhook", "ftp://x"), ("--heartbeat", "https://"), ("--webhook", "h t"),
    ] {
      let result = try runProcess(
        try DroverBinary.path, ["daemon", "--state", temporary.path("state"), option, value])
      #expect(result.status == 2 && result.errorText.contains(option), "\(result.errorText)")
    }
  }
}
