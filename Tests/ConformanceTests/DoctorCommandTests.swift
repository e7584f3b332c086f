import Glibc
import Platform
import TestSupport
import Testing

/// `drover doctor` on a state directory with real volumes, a real repository, a real daemon.
@Suite("drover doctor")
struct DoctorCommandTests {
  private let temporary: TemporaryDirectory
  private var state: String { temporary.path("state") }

  init() throws {
    temporary = try TemporaryDirectory()
    for name in ["source", "copy", "repository"] { _ = try temporary.makeDirectory(name) }
    try ByteFiles.write(Array(temporary.path("source/file").utf8), Array("content\n".utf8))
  }

  private func drover(_ arguments: String..., input: String = "") throws -> ProcessResult {
    try runProcess(
      try DroverBinary.path, arguments, environment: ["DROVER_STATE": state],
      stdin: Array(input.utf8))
  }

  private func objects(password: String = "right", address: String = "") -> String {
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
      trigger: {manual: one}
      rsyncTLS: {copyMethod: Direct}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: repository}
    stringData:
      RESTIC_REPOSITORY: \(temporary.path("repository"))
      RESTIC_PASSWORD: \(password)
    ---
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationSource
    metadata: {name: backup}
    spec:
      sourcePVC: \(temporary.path("source"))
      trigger: {manual: one}
      restic: {copyMethod: Direct, repository: repository}

    """
  }

  @Test("Everything in order is exit code 0; each thing that is not is told with what to do")
  func doctor() throws {
    #expect(try drover("doctor").status == 1)
    #expect(try drover("apply", "-f", "-", input: objects()).status == 0)
    let without = try drover("doctor")
    #expect(without.status == 1)
    #expect(without.outputText.contains("fail  daemon: none runs here. Start it"))
    let daemon = try ChildProcess(try DroverBinary.path, ["daemon", "--state", state])
    for name in ["data", "backup"] {
      try waitFor("the run of \(name)") {
        try drover("get", "rs/\(name)", "-o", "jsonpath={.status.lastManualSync}").outputText
          .hasPrefix("one")
      }
    }
    let good = try drover("doctor")
    #expect(good.status == 0, "\(good.outputText)\(good.errorText)")
    for line in [
      "ok    daemon: it answers", "ok    clock: ", "ok    rs/data schedule: ",
      "ok    rs/data key: a key", "ok    rd/data key: a key", "ok    rd/data volume: ",
      "ok    rs/backup repository: ", "ok    rs/backup volume: ", "ok    state: ",
    ] {
      #expect(good.outputText.contains("\n\(line)") || good.outputText.hasPrefix(line), "\(line)")
    }
    let json = try drover("doctor", "--json")
    for line in json.outputText.split(separator: "\n") {
      let object = try JSONValue(parsing: Array(line.utf8)).objectValue
      #expect(object?["level"] != nil && object?["check"] != nil && object?["found"] != nil)
    }
    #expect(!json.outputText.contains("right"))
    try spoil()
    daemon.kill(SIGTERM)
    #expect(daemon.wait() == 0)
  }

  private func spoil() throws {
    #expect(try drover("apply", "-f", "-", input: objects(password: "wrong")).status == 0)
    chmod(state, 0o777)
    let far = """
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationSource
      metadata: {name: far, namespace: other}
      spec:
        sourcePVC: \(temporary.path("source"))
        paused: true
        trigger: {manual: one}
        rsyncTLS: {copyMethod: Direct, keySecret: none, address: drover.invalid}
      ---
      apiVersion: v1
      kind: Secret
      metadata: {name: none, namespace: other}
      stringData: {psk.txt: 'a:00112233445566778899aabbccddeeff'}

      """
    let applied = try drover("apply", "-f", "-", input: far)
    #expect(applied.status == 0, "\(applied.errorText)")
    let bad = try drover("doctor", "--quiet")
    #expect(bad.status == 1)
    for text in [
      "fail  rs/backup repository: the password opens none", "fail  state: others may write",
      "warn  other/rs/far schedule: it is paused",
    ] {
      #expect(bad.outputText.contains(text), "\(text): \(bad.outputText)")
    }
    #expect(!bad.outputText.contains("ok    "))
    #expect(try drover("resume", "rs/far", "-n", "other").status == 0)
    let unreachable = try drover("doctor", "--quiet")
    #expect(
      unreachable.outputText.contains("fail  other/rs/far peer: "), "\(unreachable.outputText)")
    chmod(state, 0o700)
  }
}
