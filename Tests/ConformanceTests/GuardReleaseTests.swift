import Glibc
import Platform
import TestSupport
import Testing

/// Guards in a daemon with real movers: a trip, what is seen of it, the release, the run that
/// passes.
@Suite("drover daemon: guards")
struct GuardReleaseTests {
  private let temporary: TemporaryDirectory
  private var state: String { temporary.path("state") }

  init() throws {
    temporary = try TemporaryDirectory()
    for name in ["source", "copy", "repository", "bucket"] { _ = try temporary.makeDirectory(name) }
  }

  enum Method: String, CaseIterable, Sendable {
    case rsyncTLS, restic, rclone
  }

  private func fill(_ directory: String, _ names: Range<Int>, prefix: String = "f") throws {
    for number in names {
      let path = "\(temporary.path(directory))/\(prefix)\(number)"
      try ByteFiles.write(Array(path.utf8), Array("content \(number)\n".utf8))
    }
  }

  private func remove(_ directory: String, _ names: Range<Int>) throws {
    for number in names {
      try ByteFiles.remove(Array("\(temporary.path(directory))/f\(number)".utf8))
    }
  }

  private func count(_ directory: String) throws -> Int {
    try DurableFile.names(in: temporary.path(directory), countMax: 10_000)
      .filter { $0.hasPrefix("f") || $0.hasPrefix("new") }.count
  }

  private func drover(_ arguments: String..., input: String = "") throws -> ProcessResult {
    try runProcess(
      try DroverBinary.path, arguments, environment: ["DROVER_STATE": state],
      stdin: Array(input.utf8))
  }

  private func withDaemon(_ body: () throws -> Void) throws {
    let daemon = try ChildProcess(try DroverBinary.path, ["daemon", "--state", state])
    try wait(for: "the socket") { access("\(state)/drover.sock", F_OK) == 0 }
    try body()
    daemon.kill(SIGTERM)
    #expect(daemon.wait() == 0)
  }

  private func wait(for what: String, _ holds: () throws -> Bool) throws {
    try waitFor(what, telling: { try drover("describe", "rs,rd").outputText }, holds)
  }

  private func status(_ path: String, of object: String = "rs/data") throws -> String {
    let text = try drover("get", object, "-o", "jsonpath={.status.\(path)}").outputText
    return text.hasSuffix("\n") ? String(text.dropLast()) : text
  }

  private func run(_ tag: String) throws {
    let result = try drover("trigger", "rs/data", "--tag", tag)
    #expect(result.status == 0, "\(result.errorText)")
  }

  private func waitForRun(_ tag: String) throws {
    try wait(for: "the run \(tag)") { try status("lastManualSync") == tag }
  }

  private func objects(_ method: Method, annotations: String = "{}") -> String {
    let source = """
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationSource
      metadata: {name: data, annotations: \(annotations)}
      spec:
        sourcePVC: \(temporary.path("source"))
        trigger: {schedule: '0 0 1 1 *'}

      """
    switch method {
    case .rsyncTLS:
      return source + """
          rsyncTLS: {copyMethod: Direct}
        ---
        apiVersion: volsync.backube/v1alpha1
        kind: ReplicationDestination
        metadata: {name: data}
        spec:
          rsyncTLS: {copyMethod: Direct, destinationPVC: \(temporary.path("copy"))}

        """
    case .restic:
      return source + """
          restic: {copyMethod: Direct, repository: secret}
        ---
        apiVersion: v1
        kind: Secret
        metadata: {name: secret}
        stringData: {RESTIC_REPOSITORY: \(temporary.path("repository")), RESTIC_PASSWORD: a}

        """
    case .rclone:
      return source + """
          rclone:
            copyMethod: Direct
            rcloneConfig: secret
            rcloneConfigSection: local
            rcloneDestPath: \(temporary.path("copy"))
        ---
        apiVersion: v1
        kind: Secret
        metadata: {name: secret}
        stringData: {rclone.conf: "[local]\\ntype = local\\n"}

        """
    }
  }

  private func apply(_ text: String) throws {
    let result = try drover("apply", "-f", "-", input: text)
    #expect(result.status == 0, "\(result.errorText)")
  }

  private func snapshotCount() throws -> Int {
    try DurableFile.names(in: temporary.path("repository/snapshots"), countMax: 99).count
  }

  @Test(
    "A source that has lost nearly all is held up until it is released", arguments: Method.allCases)
  func shrunkenSource(method: Method) throws {
    try fill("source", 0..<160)
    try withDaemon {
      try apply(objects(method))
      try wait(for: "the first run") { try !status("lastSyncTime").isEmpty }
      // What happens every day passes.
      try remove("source", 0..<40)
      try run("everyday")
      try waitForRun("everyday")
      if method != .restic { #expect(try count("copy") == 120) }
      #expect(try status("drover.sourceFiles") == "120")
      try remove("source", 40..<155)
      try fill("source", 0..<1, prefix: "new")
      try run("loss")
      try wait(for: "the trip") { try status("drover.guard.name") == "shrunken-source" }
      if method != .restic {
        // Nothing was deleted; what is new may have come.
        #expect(try count("copy") >= 120)
      } else {
        #expect(try snapshotCount() == 1)
      }
      let words = try drover("describe", "rs", "data").outputText
      #expect(words.contains("Guard Tripped:") && words.contains("114 of 120 files"), "\(words)")
      #expect(words.contains("drover release rs/data"))
      #expect(words.contains("GuardTripped"))
      let waited = try drover(
        "wait", "rs/data", "--for", "condition=GuardTripped", "--timeout", "5s")
      #expect(waited.status == 0, "\(waited.errorText)")
      // It stays: the next run meets it again.
      try wait(for: "the end of the run") { try status("lastSyncStartTime").isEmpty }
      try run("again")
      try wait(for: "a second failure") { try status("drover.failedRuns") == "2" }
      let released = try drover("release", "rs/data")
      #expect(released.outputText.hasSuffix("released: the next run passes\n"))
      #expect(try drover("release", "rs/data").outputText.contains("unchanged"))
      try run("released")
      try waitForRun("released")
      if method != .restic { #expect(try count("copy") == 6) }
      #expect(try status("drover.guard").isEmpty)
      #expect(try status("drover.sourceFiles") == "6")
      let events = try drover("describe", "rs", "data").outputText
      #expect(events.contains("GuardReleased") && events.contains("uid \(getuid())"), "\(events)")
      #expect(events.contains("GuardCleared"))
      #expect(try drover("release", "rs/data").outputText.contains("unchanged"))
    }
  }

  @Test(
    "A destination is not emptied by a source of other files; either end can be released",
    arguments: ["rs/data", "rd/data"])
  func massDeletion(end: String) throws {
    try fill("copy", 0..<150)
    try fill("source", 0..<8, prefix: "new")
    try withDaemon {
      try apply(objects(.rsyncTLS))
      for object in ["rs/data", "rd/data"] {
        try wait(for: "the trip of \(object)") {
          try status("drover.guard.name", of: object) == "mass-deletion"
        }
      }
      #expect(try count("copy") >= 150)
      let words = try drover("describe", "rd", "data").outputText
      #expect(words.contains("150 of 151 entries"), "\(words)")
      try wait(for: "the end of the run") { try status("lastSyncStartTime").isEmpty }
      #expect(try drover("release", end).status == 0)
      try run("released")
      try waitForRun("released")
      #expect(try count("copy") == 8)
      try wait(for: "the destination's end") { try status("drover.guard", of: "rd/data").isEmpty }
      #expect(try status("drover.guard", of: "rs/data").isEmpty)
    }
  }

  @Test("A mirror is not emptied either")
  func mirrorDeletion() throws {
    try fill("copy", 0..<150)
    try fill("source", 0..<8, prefix: "new")
    try withDaemon {
      try apply(objects(.rclone))
      try wait(for: "the trip") { try status("drover.guard.name") == "mass-deletion" }
      #expect(try count("copy") >= 150)
      try wait(for: "the end of the run") { try status("lastSyncStartTime").isEmpty }
      #expect(try drover("release", "rs/data", "--now").status == 0)
      try wait(for: "the run") { try count("copy") == 8 }
      try wait(for: "the end") { try status("drover.guard").isEmpty }
    }
  }

  @Test("An empty source is held up, passes when released, and by itself when it is filled again")
  func emptySource() throws {
    try fill("source", 0..<3)
    try withDaemon {
      try apply(objects(.rsyncTLS))
      try wait(for: "the first run") { try !status("lastSyncTime").isEmpty }
      try remove("source", 0..<3)
      try run("empty")
      try wait(for: "the trip") { try status("drover.guard.name") == "empty-source" }
      #expect(try count("copy") == 3)
      try fill("source", 0..<2)
      try wait(for: "the end of the run") { try status("lastSyncStartTime").isEmpty }
      try run("filled")
      try waitForRun("filled")
      #expect(try count("copy") == 2)
      #expect(try status("drover.guard").isEmpty)
      try remove("source", 0..<2)
      try run("empty again")
      try wait(for: "the trip") { try status("drover.guard.name") == "empty-source" }
      try wait(for: "the end of the run") { try status("lastSyncStartTime").isEmpty }
      #expect(try drover("release", "rs/data").status == 0)
      try run("released")
      try waitForRun("released")
      #expect(try count("copy") == 0)
    }
  }

  @Test("An annotation turns the guards of shares off, at one end for both")
  func turnedOff() throws {
    try fill("copy", 0..<150)
    try fill("source", 0..<8, prefix: "new")
    try withDaemon {
      try apply(objects(.rsyncTLS, annotations: "{drover.internal/guard: 'deletions=off'}"))
      try wait(for: "the run") { try !status("lastSyncTime").isEmpty }
      #expect(try count("copy") == 8)
    }
    let bad = try drover(
      "apply", "-f", "-",
      input: objects(.rsyncTLS, annotations: "{drover.internal/guard: strict}"))
    #expect(bad.status == 2 && bad.errorText.contains("neither on nor off"), "\(bad.errorText)")
  }
}
