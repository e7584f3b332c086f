import Glibc
import Platform
import TestSupport
import Testing

/// `drover get`, `describe`, `history`, `logs` and `wait` on the files of a state directory.
@Suite struct ObjectCommandTests {
  private let state: StateFiles

  init() throws { state = try StateFiles() }

  @Test func aTableHasTheObjectsOfTheNamespace() throws {
    let result = try state.drover("get", "rs")
    #expect(result.status == 0, "\(result.errorText)")
    let lines = result.outputText.split(separator: "\n").map { String($0) }
    #expect(
      lines == [
        "NAME   SOURCE      LAST SYNC              DURATION   NEXT SYNC",
        "data   /srv/data   2026-07-02T10:01:40Z   1m40s      2026-07-02T10:30:00Z",
        "web    /srv/web",
      ])
    #expect(try state.drover("get", "rs", "--no-headers").outputText.hasPrefix("data "))
    #expect(
      try state.drover("get", "rs", "-n", "backup").outputText.split(separator: "\n").count == 2)
    let all = try state.drover("get", "replicationsources", "-A").outputText
    #expect(all.hasPrefix("NAMESPACE   NAME   SOURCE"))
    #expect(all.split(separator: "\n").count == 4)
    #expect(
      try state.drover("get", "rs", "-l", "tier=web", "-o", "name").outputText
        == "replicationsource.volsync.backube/web\n")
  }

  @Test func severalKindsAreNamed() throws {
    let result = try state.drover("get", "all", "-o", "wide")
    #expect(result.status == 0)
    #expect(result.outputText.contains("\nreplicationsource.volsync.backube/data   /srv/data "))
    #expect(result.outputText.contains("\n\nNAME "))
    #expect(result.outputText.contains("\nreplicationdestination.volsync.backube/copy "))
  }

  @Test func anObjectIsPrintedAsTheAPIWould() throws {
    let yaml = try state.drover("get", "rs", "data", "-o", "yaml").outputText
    #expect(yaml.hasPrefix("apiVersion: volsync.backube/v1alpha1\nkind: ReplicationSource\n"))
    #expect(yaml.contains("\n  uid: \"00000000-0000-4000-8000-000000000001\"\n"))
    #expect(yaml.contains("\nstatus:\n"))
    let json = try state.drover("get", "rs/data", "rd/copy", "-o", "json").output
    let items = try JSONValue(parsing: json).objectValue?["items"]?.arrayValue
    #expect(items?.count == 2)
    #expect(
      try state.drover("get", "rs/data", "-o", "jsonpath={.status.lastSyncTime}").outputText
        == "2026-07-02T10:01:40Z\n")
    #expect(
      try state.drover(
        "get", "rs", "-o", "custom-columns=N:.metadata.name,R:.status.conditions[0].reason"
      ).outputText == "N      R\ndata   WaitingForSchedule\nweb    <none>\n")
  }

  @Test func whatIsNotThereIsToldAndTheRestIsShown() throws {
    let result = try state.drover("get", "rs", "data", "gone", "lost")
    #expect(result.status == 1)
    #expect(result.outputText.contains("\ndata "))
    #expect(result.errorText.contains("replicationsources.volsync.backube \"gone\" not found"))
    #expect(result.errorText.contains("\"lost\" not found"))
    let none = try state.drover("get", "pv")
    #expect(none.status == 0)
    #expect(none.errorText == "No resources found in default namespace.\n")
    for words in [
      ["get"], ["get", "pods"], ["get", "rs", "-o", "yml"], ["get", "rs/data", "-A"],
      ["get", "rs", "-l", "a b"],
    ] {
      let wrong = try runProcess(try DroverBinary.path, words + ["--state", state.path])
      #expect(wrong.status == 2, "\(words): \(wrong.errorText)")
    }
    let nowhere = try runProcess(
      try DroverBinary.path, ["get", "rs", "--state", "\(state.path)/nothing"])
    #expect(nowhere.status == 1)
    #expect(nowhere.errorText.contains("there is no state directory"))
    #expect(nowhere.errorText.contains("hint: "))
  }

  @Test func aFileThatIsWrongHidesNoOther() throws {
    try state.write("default/replicationsource/bad.yaml", "kind: [\n")
    let result = try state.drover("get", "rs")
    #expect(result.status == 0)
    #expect(result.outputText.contains("\ndata "))
    #expect(result.errorText.contains("warning: "))
    #expect(result.errorText.contains("bad.yaml"))
  }

  @Test func anObjectIsDescribed() throws {
    let text = try state.drover("describe", "rs", "data").outputText
    for line in [
      "Name:         data", "Mover:        rsyncTLS, to copy.example:8000",
      "Trigger:      schedule */30 * * * *", "Last Runs:", "Events:",
    ] {
      #expect(text.contains("\(line)\n"), "\(line)")
    }
    #expect(text.contains("\nLag:          "))
    #expect(text.contains("Warning   TransferFailed"))
    let secret = try state.drover("describe", "secret/key").outputText
    #expect(secret.contains("psk.txt:      34 bytes"))
    #expect(!secret.contains("0011"))
    #expect(try state.drover("describe", "rs", "gone").status == 1)
  }

  @Test func runsAreListed() throws {
    let lines = try state.drover("history", "rs/data").outputText.split(separator: "\n")
    #expect(lines.count == 3)
    #expect(
      lines[1].contains("20s") && lines[1].contains("Failed")
        && lines[1].hasSuffix("no route to host"))
    #expect(lines[2].contains("1m40s      Successful"))
    #expect(
      try state.drover("history", "rs/data", "--limit", "1").outputText.split(separator: "\n").count
        == 2)
    let json = try JSONValue(parsing: try state.drover("history", "rs/data", "--json").output)
    #expect(json.arrayValue?.count == 2)
    #expect(json.arrayValue?.last?.objectValue?["bottleneck"] == .string("read"))
    // A name alone, where one replication has it.
    #expect(try state.drover("history", "web").errorText.contains("no run yet"))
    #expect(try state.drover("history", "rs/data", "--limit", "0").status == 2)
    #expect(try state.drover("history", "gone").status == 1)
  }

  @Test func logsAreShown() throws {
    #expect(try state.drover("logs", "data").outputText == "first line\nsecond line\nthird line\n")
    #expect(try state.drover("logs", "rs/data", "--tail", "1").outputText == "third line\n")
    #expect(try state.drover("logs", "web").output.isEmpty)
    #expect(try state.drover("logs", "gone").status == 1)
  }

  @Test func logsAreFollowed() throws {
    let follower = try state.start("logs", "data", "-f", "--tail", "1")
    #expect(follower.nextLine(timeoutSeconds: 120) == "third line")
    try state.write(
      "default/replicationsource/data.log", "first line\nsecond line\nthird line\nfourth line\n")
    #expect(follower.nextLine(timeoutSeconds: 120) == "fourth line")
    try state.remove("default/replicationsource/data.yaml")
    #expect(follower.wait(timeoutSeconds: 120) == 0)
    #expect(follower.errorOutput.text.contains("is gone"))
  }

  @Test func changesAreShown() throws {
    let watcher = try state.start("get", "rs", "-w", "-o", "name")
    #expect(watcher.nextLine(timeoutSeconds: 120) == "replicationsource.volsync.backube/data")
    #expect(watcher.nextLine(timeoutSeconds: 120) == "replicationsource.volsync.backube/web")
    try state.write("default/replicationsource/new.yaml", StateFiles.source(name: "new"))
    #expect(watcher.nextLine(timeoutSeconds: 120) == "replicationsource.volsync.backube/new")
    watcher.kill(SIGTERM)
    #expect(watcher.wait(timeoutSeconds: 60) == 128 + SIGTERM)
  }

  @Test func waitingEndsWithTheState() throws {
    let met = try state.drover("wait", "rs/data", "--for", "condition=Synchronizing=False")
    #expect(met.status == 0, "\(met.errorText)")
    #expect(met.outputText == "replicationsource.volsync.backube/data condition met\n")
    let late = try state.drover(
      "wait", "rs/data", "--for", "condition=Synchronizing", "--timeout", "0")
    #expect(late.status == 1)
    #expect(late.errorText.contains("timed out waiting for condition=Synchronizing"))
    #expect(try state.drover("wait", "rs/gone", "--for", "create", "--timeout", "10ms").status == 1)
    #expect(try state.drover("wait", "rs/gone", "--for", "condition=Synchronizing").status == 1)
    #expect(try state.drover("wait", "rs/gone", "--for", "delete").status == 0)
    #expect(try state.drover("wait", "rs/data", "--for", "ready").status == 2)
    #expect(try state.drover("wait", "rs", "--for", "delete").status == 2)
  }

  @Test func waitingSeesWhatChanges() throws {
    let deletion = try state.start("wait", "rs/web", "--for", "delete", "--timeout", "10m")
    let creation = try state.start("wait", "rs/late", "--for", "create", "--timeout", "10m")
    let field = try state.start(
      "wait", "rs", "data", "--for", "jsonpath={.spec.paused}=true", "--timeout", "10m")
    for child in [deletion, creation, field] { #expect(child.wait(timeoutSeconds: 0.5) == nil) }
    try state.remove("default/replicationsource/web.yaml")
    try state.write("default/replicationsource/late.yaml", StateFiles.source(name: "late"))
    try state.write(
      "default/replicationsource/data.yaml", StateFiles.source(name: "data") + "  paused: true\n")
    for child in [deletion, creation, field] {
      #expect(child.wait(timeoutSeconds: 300) == 0, "\(child.errorOutput.text)")
    }
  }
}
