import Manifests
import Platform
import Presentation
import Testing

let now = WallTime(seconds: 1_783_000_000)  // 2026-07-02T13:46:40Z

/// A source with a status, as a daemon would give it.
func sampleSource(name: String = "data") -> PrintedObject {
  PrintedObject(
    kind: "ReplicationSource",
    document: [
      "apiVersion": .string("volsync.backube/v1alpha1"), "kind": .string("ReplicationSource"),
      "metadata": .object([
        "name": .string(name), "namespace": .string("default"),
        "labels": .object(["tier": .string("db")]),
        "annotations": .object(["drover.internal/jitter": .string("5m")]),
        "creationTimestamp": .string("2026-07-01T13:46:40Z"),
      ]),
      "spec": .object([
        "sourcePVC": .string("/srv/data"),
        "trigger": .object(["schedule": .string("*/30 * * * *")]),
        "rsyncTLS": .object([
          "copyMethod": .string("Direct"), "address": .string("copy.example"),
        ]),
      ]),
      "status": .object([
        "conditions": .array([
          .object([
            "type": .string("Synchronizing"), "status": .string("False"),
            "reason": .string("WaitingForSchedule"),
            "message": .string("Waiting for next scheduled synchronization"),
            "lastTransitionTime": .string("2026-07-02T13:40:00Z"),
          ])
        ]),
        "lastSyncTime": .string("2026-07-02T13:40:00Z"), "lastSyncDuration": .string("1m40s"),
        "nextSyncTime": .string("2026-07-02T14:00:00Z"),
        "latestMoverStatus": .object([
          "logs": .string("sent 5 files\nSynchronization completed"),
          "result": .string("Successful"),
        ]),
        "drover": .object([
          "failedRuns": .integer(2), "lastFailureTime": .string("2026-07-02T13:30:00Z"),
        ]),
      ]),
    ])
}

@Suite struct ResourcePrinterTests {
  private func print(
    _ format: String, _ objects: [PrintedObject] = [sampleSource()], isList: Bool = true,
    _ change: (inout ResourcePrinter) -> Void = { _ in }
  ) throws -> String {
    var printer = ResourcePrinter(try OutputFormat(format), now: now)
    change(&printer)
    return try printer.text(of: objects, isList: isList)
  }

  private func table(_ objects: [PrintedObject]) throws -> String {
    try ResourcePrinter(.table, now: now).text(of: objects, isList: true)
  }

  @Test func aTableIsVolSyncs() throws {
    #expect(
      try table([sampleSource(), sampleSource(name: "other-data")]) == """
        NAME         SOURCE      LAST SYNC              DURATION   NEXT SYNC
        data         /srv/data   2026-07-02T13:40:00Z   1m40s      2026-07-02T14:00:00Z
        other-data   /srv/data   2026-07-02T13:40:00Z   1m40s      2026-07-02T14:00:00Z

        """)
  }

  @Test func wideHasMore() throws {
    let lines = try print("wide").split(separator: "\n")
    #expect(
      lines[0].hasSuffix(
        "NEXT SYNC              MOVER      STATE                RESULT       LAG     AGE"))
    #expect(lines[1].hasSuffix("rsyncTLS   WaitingForSchedule   Successful   8m20s   24h"))
  }

  @Test func otherKindsHaveKubectlsColumns() throws {
    let volume = PrintedObject(
      kind: "PersistentVolume",
      document: [
        "metadata": .object(["name": .string("v")]),
        "spec": .object([
          "capacity": .object(["storage": .string("10Gi")]),
          "accessModes": .array([.string("ReadWriteOnce"), .string("ReadOnlyMany")]),
          "claimRef": .object(["name": .string("c")]),
        ]),
      ])
    let secret = PrintedObject(
      kind: "Secret",
      document: [
        "metadata": .object(["name": .string("s")]), "type": .string("Opaque"),
        "data": .object(["a": .string("eA=="), "b": .string("eA==")]),
        "stringData": .object(["b": .string("y")]),
      ])
    #expect(
      try table([volume, secret]) == """
        NAME   CAPACITY   ACCESS MODES   RECLAIM POLICY   STATUS   CLAIM       STORAGECLASS   AGE
        v      10Gi       RWO,ROX                                  default/c

        NAME   TYPE     DATA   AGE
        s      Opaque   2

        """)
  }

  @Test func namespacesAndKindsStandInFrontWhenAsked() throws {
    let text = try ResourcePrinter(.table, now: now).with {
      $0.showsNamespace = true
      $0.showsKind = true
      $0.showsHeader = false
    }.text(of: [sampleSource()], isList: true)
    #expect(text.hasPrefix("default   replicationsource.volsync.backube/data   /srv/data"))
  }

  @Test func oneObjectIsItselfAndSeveralAreAList() throws {
    let one = try print("yaml", isList: false)
    #expect(one.hasPrefix("apiVersion: volsync.backube/v1alpha1\nkind: ReplicationSource\n"))
    let list = try print("json")
    let document = try JSONValue(parsing: list.utf8)
    #expect(document.objectValue?["kind"] == .string("List"))
    #expect(document.objectValue?["items"]?.arrayValue?.count == 1)
    #expect(try print("name") == "replicationsource.volsync.backube/data\n")
  }

  @Test func templatesAndColumnsTakeValues() throws {
    #expect(try print("jsonpath={.status.lastSyncTime}", isList: false) == "2026-07-02T13:40:00Z")
    #expect(try print("jsonpath=.status.lastSyncTime", isList: false) == "2026-07-02T13:40:00Z")
    #expect(
      try print(
        #"jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}"#,
        [sampleSource(), sampleSource(name: "b")])
        == "data\nb\n")
    #expect(
      try print(
        "custom-columns=NAME:.metadata.name,STATE:.status.conditions[0].reason,IMAGE:.status.latestImage"
      )
        == """
        NAME   STATE                IMAGE
        data   WaitingForSchedule   <none>

        """)
  }

  @Test func anObjectWithoutStatusHasEmptyCells() throws {
    let bare = PrintedObject(
      kind: "ReplicationDestination", document: ["metadata": .object(["name": .string("d")])])
    #expect(try table([bare]) == "NAME   LAST SYNC   DURATION   NEXT SYNC\nd\n")
  }
}

extension ResourcePrinter {
  func with(_ change: (inout ResourcePrinter) -> Void) -> ResourcePrinter {
    var copy = self
    change(&copy)
    return copy
  }
}
