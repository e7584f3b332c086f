import Glibc
import Platform
import TestSupport
import Testing

/// Section `rsyncTLS` of manifests with VolSync's own mover at the other end.
@Suite struct StockManifestTests {
  private let bench: StockBench

  init() throws { bench = try StockBench() }

  private var secret: String {
    get throws {
      let key = String(decoding: try ByteFiles.read(Array(bench.keyFile.utf8)), as: UTF8.self)
      return """
        apiVersion: v1
        kind: Secret
        metadata: {name: key}
        stringData: {psk.txt: '\(key.split(separator: "\n").joined())'}
        ---

        """
    }
  }

  private func start(_ manifest: String) throws -> ChildProcess {
    let child = try ChildProcess(
      try DroverBinary.path, ["run", "--once", "-f", "-", "-o", "json"],
      environment: ["TMPDIR": bench.directory.path])
    child.writeInput(Array((try secret + manifest).utf8))
    child.closeInput()
    return child
  }

  private func logs(of child: ChildProcess) throws -> String {
    let document = try JSONValue(parsing: child.output.bytesToEnd(timeoutSeconds: 60))
    let status = document.objectValue?["status"]?.objectValue
    #expect(status?["lastSyncTime"] != nil)
    return status?["latestMoverStatus"]?.objectValue?["logs"]?.stringValue ?? ""
  }

  @Test func aDestinationIsFilledByAStockSource() throws {
    try MetadataZoo.make(at: bench.source, seed: 81)
    let port = try freePort()
    let run = try start(
      """
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationDestination
      metadata: {name: d, annotations: {drover.internal/listen: '127.0.0.1:\(port)'}}
      spec:
        trigger: {manual: once}
        rsyncTLS: {copyMethod: Direct, destinationPVC: '\(bench.destination)', keySecret: key}
      """)
    let deadline = MonotonicTime.now().advanced(bySeconds: 120)
    while !run.errorOutput.text.contains("listening"), run.isRunning, MonotonicTime.now() < deadline
    {
      usleep(10_000)
    }
    let outcome = try bench.stockSource(to: port).run()
    #expect(outcome.isDone, "\(outcome.text)")
    #expect(run.wait(timeoutSeconds: 120) == 0, "\(run.errorOutput.text)")
    #expect(try logs(of: run).contains("peer: VolSync's rsync"))
    let found = try RsyncJudge.stockDifferences(
      source: bench.source, destination: bench.destination, ignoringDirectoryTimes: true)
    #expect(found.isEmpty, "\(found)")
  }

  @Test func aSourceFillsAStockDestination() throws {
    try bench.write(bench.source, "file", "content")
    try bench.link(bench.source, "link", to: "file")
    let stock = try StockDestination(
      root: bench.destination, keyFile: bench.keyFile, in: bench.directory)
    let run = try start(
      """
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationSource
      metadata: {name: s}
      spec:
        sourcePVC: '\(bench.source)'
        trigger: {manual: once}
        rsyncTLS:
          {copyMethod: Direct, keySecret: key, address: 127.0.0.1, port: \(stock.tunnel.port)}
      """)
    #expect(run.wait(timeoutSeconds: 120) == 0, "\(run.errorOutput.text)")
    #expect(try logs(of: run).contains("peer: VolSync's rsync"))
    try stock.finish()
    #expect(try bench.target(bench.destination, "link") == "file")
    let found = try RsyncJudge.stockDifferences(
      source: bench.source, destination: bench.destination, ignoringLinkTimes: true)
    #expect(found.isEmpty, "\(found)")
  }
}
