import TestSupport
import Testing

/// `drover explain` and what `drover run` says of kinds that are not served, by the program itself.
@Suite struct ExplainCommandTests {
  private func drover(_ arguments: String...) throws -> ProcessResult {
    try runProcess(try DroverBinary.path, arguments)
  }

  @Test func kindsAreListed() throws {
    let result = try drover("explain")
    #expect(result.status == 0)
    let lines = result.outputText.split(separator: "\n")
    #expect(lines.first?.hasPrefix("NAME ") == true)
    #expect(
      lines.contains {
        $0.hasPrefix("replicationsources ") && $0.contains(" rs ") && $0.hasSuffix(" yes")
      })
    #expect(lines.contains { $0.hasPrefix("backups ") && $0.hasSuffix(" not yet") })
  }

  @Test func aFieldIsExplained() throws {
    let result = try drover("explain", "rs.spec.restic.retain")
    #expect(result.status == 0)
    #expect(result.outputText.contains("FIELD:      retain <Object>\n"))
    #expect(result.outputText.contains("  hourly\t<integer>\n"))
    #expect(
      try drover("explain", "pvc", "--recursive").outputText.contains("    volumeName\t<string>"))
    #expect(
      try drover("explain", "restore", "--api-version", "velero.io/v1").outputText
        .contains("GROUP:      velero.io"))
  }

  @Test func whatIsNotThereIsAUsageError() throws {
    let result = try drover("explain", "replicationsorce")
    #expect(result.status == 2)
    #expect(result.output.isEmpty)
    #expect(result.errorText.contains("no kind \"replicationsorce\" is known here"))
    #expect(result.errorText.contains("did you mean \"replicationsource\"?"))
    #expect(try drover("explain", "restore").status == 2)
    #expect(try drover("explain", "rs.spec.nothing").status == 2)
  }

  private static let backup = """
    apiVersion: velero.io/v1
    kind: Backup
    metadata: {name: nightly}
    spec: {ttl: 720h}

    """

  @Test func aRunOfKindsThatAreNotServedIsRefused() throws {
    let result = try runProcess(
      try DroverBinary.path, ["run", "-f", "-", "--once"], stdin: Array(Self.backup.utf8))
    #expect(result.status == 2)
    #expect(
      result.errorText.contains("there is no ReplicationSource or ReplicationDestination to run"))
    #expect(result.errorText.contains("Backup (velero.io/v1) is not served yet"))
  }

  @Test func besideAReplicationTheyAreWarnedOf() throws {
    let directory = try TemporaryDirectory()
    let source = try directory.makeDirectory("source")
    let copy = try directory.makeDirectory("copy")
    try ByteFiles.write(Array("\(source)/file".utf8), Array("content".utf8))
    let manifests =
      Self.backup + """
        ---
        apiVersion: volsync.backube/v1alpha1
        kind: ReplicationDestination
        metadata: {name: d}
        spec:
          trigger: {manual: a}
          rsyncTLS: {copyMethod: Direct, destinationPVC: '\(copy)', adress: x}
        ---
        apiVersion: volsync.backube/v1alpha1
        kind: ReplicationSource
        metadata: {name: s}
        spec: {sourcePVC: '\(source)', trigger: {manual: a}, rsyncTLS: {copyMethod: Direct}}

        """
    let strict = try runProcess(
      try DroverBinary.path, ["run", "-f", "-", "--once"], stdin: Array(manifests.utf8))
    #expect(strict.status == 2)
    #expect(strict.errorText.contains("unknown field \"adress\""))
    let warned = try runProcess(
      try DroverBinary.path, ["run", "-f", "-", "--once", "--validate", "warn"],
      stdin: Array(manifests.utf8))
    #expect(warned.status == 0, "\(warned.errorText)")
    #expect(
      warned.errorText.contains(
        "warning: <stdin>:1: Backup/nightly: Backup (velero.io/v1) is not served yet"))
    #expect(warned.errorText.contains("warning: <stdin>:"))
    #expect(warned.errorText.contains("unknown field \"adress\""))
    #expect(try ByteFiles.read(Array("\(copy)/file".utf8)) == Array("content".utf8))
    let ignored = try runProcess(
      try DroverBinary.path, ["run", "-f", "-", "--once", "--validate", "ignore"],
      stdin: Array(manifests.utf8))
    #expect(ignored.status == 0)
    #expect(!ignored.errorText.contains("adress"))
  }
}
