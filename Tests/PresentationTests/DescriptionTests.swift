import Manifests
import Platform
import Presentation
import Testing

@Suite struct DescriptionTests {
  private let run: JSONObject = [
    "started": .string("2026-07-02T13:38:20Z"), "ended": .string("2026-07-02T13:40:00Z"),
    "outcome": .string("Incomplete"), "mover": .string("rsyncTLS"), "cause": .string("schedule"),
    "attempts": .integer(1), "warnings": .integer(2), "files": .integer(5),
    "bytesSent": .integer(1_572_864), "message": .string("2 lacking"),
  ]

  private let event: JSONObject = [
    "type": .string("Warning"), "reason": .string("TransferFailed"), "message": .string("no route"),
    "count": .integer(3), "firstTimestamp": .string("2026-07-02T10:46:40Z"),
    "lastTimestamp": .string("2026-07-02T13:30:00Z"),
  ]

  @Test func aReplicationIsDescribed() {
    let text = Description(sampleSource(), runs: [run], events: [event], now: now).text
    let waiting = "Waiting for next scheduled synchronization"
    let columns =
      "STARTED                AGE     DURATION   RESULT       CAUSE      FILES   SENT      MESSAGE"
    let row =
      "2026-07-02T13:38:20Z   6m40s   1m40s      Incomplete   schedule   5       1.5 MiB   2 lacking (2 warnings)"
    let direct = "the volume itself is read, not atomic (files may be of several moments)"
    #expect(
      text == """
        Name:         data
        Namespace:    default
        Labels:       tier=db
        Annotations:  drover.internal/jitter: 5m
        API Version:  volsync.backube/v1alpha1
        Kind:         ReplicationSource
        Created:      2026-07-01T13:46:40Z (24h ago)
        Source:       /srv/data
        Mover:        rsyncTLS, to copy.example:8000
        Copy:         Direct: \(direct)
        Trigger:      schedule */30 * * * *, up to 5m later
        State:        WaitingForSchedule, since 6m40s
        Last Sync:    2026-07-02T13:40:00Z (6m40s ago, took 1m40s)
        Next Sync:    2026-07-02T14:00:00Z (in 13m)
        Lag:          8m20s behind the source
        Last Result:  Successful
        Failed Runs:  2 since the last that counted, the last 16m ago
        Guards:       an empty volume is refused; losses and deletions are limited
        Conditions:
          Type            Status   Reason               Since   Message
          Synchronizing   False    WaitingForSchedule   6m40s   \(waiting)
        Mover's Last Words:
          sent 5 files
          Synchronization completed
        Spec:
          sourcePVC: /srv/data
          trigger:
            schedule: "*/30 * * * *"
          rsyncTLS:
            copyMethod: Direct
            address: copy.example
        Last Run:
          Bytes:        1.5 MiB sent
        Last Runs:
          \(columns)
          \(row)
        Events:
          Type      Reason           Age                Message
          Warning   TransferFailed   16m (x3 over 3h)   no route

        """)
  }

  @Test func whereTheTimeOfARunWent() {
    let run: JSONObject = [
      "started": .string("2026-07-02T13:38:20Z"), "ended": .string("2026-07-02T13:40:00Z"),
      "outcome": .string("Successful"), "bottleneck": .string("read"),
      "phases": .array([
        .object(["name": .string("waiting"), "seconds": .double(0.04)]),
        .object(["name": .string("mover"), "seconds": .double(99.96)]),
      ]),
      "bytesRead": .integer(2048), "sourceBytes": .integer(4096),
      "repositoryBytes": .integer(1 << 20),
    ]
    let missed: JSONObject = ["outcome": .string("Missed"), "missed": .integer(3)]
    let text = Description(sampleSource(), runs: [run, missed], now: now).text
    #expect(
      text.contains(
        """
        Last Run:
          Phases:       waiting 0.0 s, mover 100.0 s
          Bound By:     read
          Bytes:        2.0 KiB read, 4.0 KiB in the source
          Repository:   1.0 MiB

        """))
  }

  @Test func aSecretIsNotShown() {
    let secret = PrintedObject(
      kind: "Secret",
      document: [
        "apiVersion": .string("v1"), "kind": .string("Secret"),
        "metadata": .object(["name": .string("key"), "namespace": .string("default")]),
        "data": .object(["psk.txt": .string("aHVudGVyMg==")]),
        "stringData": .object(["password": .string("hunter2")]),
      ])
    let text = Description(secret, now: now).text
    #expect(!text.contains("hunter2") && !text.contains("aHVudGVyMg"))
    #expect(text.contains("  psk.txt:      7 bytes\n"))
    #expect(text.contains("  password:     7 bytes\n"))
    #expect(text.hasSuffix("Events:  <none>\n"))
  }

  @Test func aKindThatIsNotServedSaysSo() {
    let backup = PrintedObject(
      kind: "Backup",
      document: [
        "apiVersion": .string("velero.io/v1"), "kind": .string("Backup"),
        "metadata": .object(["name": .string("b"), "namespace": .string("n")]),
        "spec": .object(["ttl": .string("720h")]),
      ])
    let text = Description(backup, now: now).text
    #expect(
      text.contains("Served:       not yet: it is checked and kept, and nothing is done for it\n"))
    #expect(text.contains("Spec:\n  ttl: 720h\n"))
  }

  @Test func aManualReplicationSaysWhetherItsTagIsDone() {
    var object = sampleSource().document
    object["spec"] = .object([
      "sourcePVC": .string("c"), "paused": .bool(true),
      "trigger": .object(["manual": .string("once")]),
      "restic": .object(["repository": .string("r"), "copyMethod": .string("Snapshot")]),
    ])
    func text() -> String {
      Description(PrintedObject(kind: "ReplicationSource", document: object), now: now).text
    }
    #expect(text().contains("Trigger:      manual, tag \"once\" (not done)\n"))
    #expect(text().contains("State:        Paused, since 6m40s\n"))
    #expect(text().contains("Next Sync:    <paused>\n"))
    #expect(text().contains("Mover:        restic, repository of Secret r\n"))
    object["status"] = .object(["lastManualSync": .string("once")])
    #expect(text().contains("Trigger:      manual, tag \"once\" (done)\n"))
    #expect(text().contains("Last Sync:    <never>\n"))
    #expect(!text().contains("Lag:"))
  }

  @Test func saysHowConsistentTheLastCopyWas() {
    var object = sampleSource().document
    object["spec"] = .object([
      "sourcePVC": .string("c"),
      "restic": .object(["repository": .string("r"), "copyMethod": .string("Clone")]),
    ])
    func text() -> String {
      Description(PrintedObject(kind: "ReplicationSource", document: object), now: now).text
    }
    #expect(text().contains("Copy:         Clone: a point-in-time copy is read\n"))
    object["status"] = .object([
      "drover": .object([
        "copy": .object(["method": .string("reflink"), "consistency": .string("per file")])
      ])
    ])
    #expect(
      text().contains(
        "Copy:         Clone: a point-in-time copy is read; the last by reflink, per file\n"))
  }

  @Test func noValueCommandsTheTerminal() {
    var object = sampleSource().document
    object["status"] = .object([
      "latestMoverStatus": .object([
        "logs": .string("bad\u{1b}]0;x\u{7}name"), "result": .string("Failed"),
      ])
    ])
    let text = Description(PrintedObject(kind: "ReplicationSource", document: object), now: now)
      .text
    #expect(!text.contains("\u{1b}") && !text.contains("\u{7}"))
  }
}
