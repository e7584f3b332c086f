import Glibc
import Platform
import TestSupport
import Testing

/// `drover get`, `describe`, `history`, `logs` and `wait` through the socket of a daemon with real
/// movers.
@Suite struct DaemonReadingTests {
  private let temporary: TemporaryDirectory
  private var state: String { temporary.path("state") }

  init() throws {
    temporary = try TemporaryDirectory()
    _ = try temporary.makeDirectory("source")
    _ = try temporary.makeDirectory("copy")
    try ByteFiles.write(Array(temporary.path("source/file").utf8), Array("content\n".utf8))
  }

  private func drover(_ arguments: String..., input: String = "") throws -> ProcessResult {
    try runProcess(
      try DroverBinary.path, arguments, environment: ["DROVER_STATE": state],
      stdin: Array(input.utf8))
  }

  private func start(_ arguments: String...) throws -> ChildProcess {
    try ChildProcess(try DroverBinary.path, arguments, environment: ["DROVER_STATE": state])
  }

  private var objects: String {
    """
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationDestination
    metadata: {name: copy}
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
    ---
    apiVersion: velero.io/v1
    kind: Backup
    metadata: {name: nightly}
    spec: {ttl: 720h}
    ---
    apiVersion: velero.io/v1
    kind: Restore
    metadata: {name: back}
    spec: {backupName: nightly}
    ---
    apiVersion: cluster.open-cluster-management.io/v1beta1
    kind: Restore
    metadata: {name: back}
    spec:
      cleanupBeforeRestore: None
      veleroManagedClustersBackupName: skip
      veleroCredentialsBackupName: latest
      veleroResourcesBackupName: latest

    """
  }

  @Test func kindsThatAreNotServedAreKeptApartAndSaySo() throws {
    let applied = try drover("apply", "-f", "-", input: objects)
    #expect(applied.status == 0, "\(applied.errorText)")
    #expect(applied.outputText.contains("\nbackup.velero.io/nightly created\n"))
    #expect(applied.outputText.contains("\nrestore.velero.io/back created\n"))
    #expect(
      applied.outputText.contains("\nrestore.cluster.open-cluster-management.io/back created\n"))
    #expect(applied.errorText.contains("Backup (velero.io/v1) is not served yet"))
    #expect(
      try drover("get", "restores.velero.io", "-o", "jsonpath={.items[*].spec.backupName}")
        .outputText
        == "nightly\n")
    #expect(
      try drover("get", "crst", "-o", "name").outputText
        == "restore.cluster.open-cluster-management.io/back\n")
    #expect(try drover("get", "restores").status == 2)
    #expect(try drover("describe", "backup/nightly").outputText.contains("\nServed:       not yet"))
    #expect(try drover("delete", "crst", "back").status == 0)
    #expect(try drover("get", "restore.velero.io/back").status == 0)
  }

  @Test func aRunIsWaitedForAndToldOf() throws {
    #expect(try drover("apply", "-f", "-", input: objects).status == 0)
    let daemon = try start("daemon")
    let first = try drover(
      "wait", "rs/data", "--for", "jsonpath={.status.lastSyncTime}", "--timeout", "5m")
    #expect(first.status == 0, "\(first.errorText) \(daemon.errorOutput.text)")
    #expect(
      try drover("wait", "rs/data", "--for", "condition=Synchronizing=False", "--timeout", "5m")
        .status == 0)
    let watcher = try start(
      "get", "rs", "data", "-w", "-o", #"jsonpath={.status.lastManualSync}{"\n"}"#)
    #expect(watcher.nextLine(timeoutSeconds: 120) == "")
    let waiter = try start(
      "wait", "rs/data", "--for", "jsonpath={.status.lastManualSync}=again", "--timeout", "5m")
    #expect(try drover("trigger", "rs/data", "--tag", "again").status == 0)
    #expect(waiter.wait(timeoutSeconds: 300) == 0, "\(waiter.errorOutput.text)")
    var line = watcher.nextLine(timeoutSeconds: 120)
    while line == "" { line = watcher.nextLine(timeoutSeconds: 120) }
    #expect(line == "again")
    watcher.kill(SIGTERM)

    let row = try drover("get", "rs", "--no-headers").outputText
    #expect(row.hasPrefix("data   \(temporary.path("source"))   20"))
    let history = try drover("history", "data", "--json")
    let runs = try JSONValue(parsing: history.output).arrayValue ?? []
    #expect(runs.count == 2)
    #expect(runs.allSatisfy { $0.objectValue?["outcome"] == .string("Successful") })
    #expect(try !drover("logs", "data").output.isEmpty)
    let text = try drover("describe", "rs", "data").outputText
    #expect(text.contains("\nLag:          "))
    #expect(text.contains("Successful"))
    #expect(text.contains("\nLast Runs:\n"))

    let deletion = try start("wait", "rs/data", "--for", "delete", "--timeout", "5m")
    #expect(try drover("delete", "rs", "data").status == 0)
    #expect(deletion.wait(timeoutSeconds: 300) == 0, "\(deletion.errorOutput.text)")
    daemon.kill(SIGTERM)
    #expect(daemon.wait(timeoutSeconds: 120) == 0)
  }
}
