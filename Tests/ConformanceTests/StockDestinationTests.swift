import Glibc
import Platform
import TestSupport
import Testing

/// Our source fills VolSync's rsync-TLS destination (stunnel 5.68 and rsync 3.5).
@Suite struct StockDestinationTests {
  private let bench: StockBench
  private let stock: StockDestination

  init() throws {
    bench = try StockBench()
    stock = try StockDestination(
      root: bench.destination, keyFile: bench.keyFile, in: bench.directory)
  }

  private var port: UInt16 { stock.tunnel.port }

  private func differences() throws -> String {
    try RsyncJudge.stockDifferences(
      source: bench.source, destination: bench.destination, ignoringLinkTimes: true)
  }

  @Test func isFilledAgainAndAgain() throws {
    try MetadataZoo.make(at: bench.source, seed: 61)
    try bench.write(bench.source, "new\nline at the root", "content")
    try bench.link(bench.source, "a -> b", to: "c -> d")
    try bench.link(bench.source, "größe", to: "é")
    try bench.write(bench.destination, "stale", "to be deleted")
    for round in 1...3 {
      // A link with a line break in its name cannot be listed.
      try removeUnlistableLinks()
      let outcome = try bench.send(to: port)
      #expect(outcome.status == 0, "\(outcome.text)")
      #expect(outcome.text.contains("\"peer\":\"rsync\""))
      try stock.finish()
      let found = try differences()
      #expect(found.isEmpty, "round \(round): \(found)")
      _ = try TreeMutator.mutate(at: bench.source, seed: UInt64(round))
    }
  }

  private func removeUnlistableLinks() throws {
    try runChecked("find", [bench.source, "-type", "l", "-name", "*\n*", "-delete"])
  }

  @Test func aFileTakesThePlaceOfAFilledDirectory() throws {
    let directory = "\(bench.source)/thing"
    try ByteFiles.makeDirectory(Array(directory.utf8))
    try bench.write(directory, "inside", "x")
    try bench.write(bench.source, "other", "x")
    #expect(try bench.send(to: port).status == 0)
    try stock.finish()
    try runChecked("rm", ["-r", directory, "\(bench.source)/other"])
    try bench.write(bench.source, "thing", "a file now")
    let other = "\(bench.source)/other"
    try ByteFiles.makeDirectory(Array(other.utf8))
    try bench.write(other, "inside", "x")
    let outcome = try bench.send(to: port)
    #expect(outcome.status == 0, "\(outcome.text)")
    try stock.finish()
    #expect(try differences().isEmpty)
  }

  @Test func aLinkThatTheListCannotHoldIsAWarning() throws {
    try bench.link(bench.source, "new\nline", to: "x")
    let outcome = try bench.send(to: port)
    #expect(outcome.status == 3, "\(outcome.text)")
    #expect(outcome.text.contains("line break"))
    #expect(!stock.isComplete)
  }

  @Test func anEmptySourceIsRefusedUnlessItIsAllowed() throws {
    try bench.write(bench.destination, "kept", "data")
    let refused = try bench.send(to: port)
    #expect(refused.status == 5, "\(refused.text)")
    #expect(bench.exists(bench.destination, "kept"))
    #expect(!stock.isComplete)
    let allowed = try bench.send(to: port, ["--allow-empty-source"])
    #expect(allowed.status == 0, "\(allowed.text)")
    try stock.finish()
    #expect(!bench.exists(bench.destination, "kept"))
  }

  @Test func aDryRunChangesNothing() throws {
    try bench.write(bench.source, "file", "content")
    try bench.write(bench.destination, "kept", "data")
    let outcome = try bench.send(to: port, ["--dry-run", "--itemize-changes"])
    #expect(outcome.status == 0, "\(outcome.text)")
    #expect(outcome.text.contains("\"path\":\"file\""))
    #expect(outcome.text.contains("*deleting"))
    #expect(try ByteFiles.names(in: Array(bench.destination.utf8)).count == 1)
    #expect(!stock.isComplete)
  }

  @Test func filtersAndDeletionLimitsHold() throws {
    try bench.write(bench.source, "file", "content")
    try bench.write(bench.source, "secret", "content")
    for name in ["a", "b", "c", "secret"] { try bench.write(bench.destination, name, "old") }
    let limited = try bench.send(to: port, ["--exclude", "secret", "--max-delete", "2"])
    #expect(limited.status == 3, "\(limited.text)")
    #expect(limited.text.contains("3 deletions are more than the limit of 2"))
    #expect(try ByteFiles.names(in: Array(bench.destination.utf8)).count == 5)
    #expect(!stock.isComplete)
    let all = try bench.send(to: port, ["--exclude", "secret"])
    #expect(all.status == 0, "\(all.text)")
    #expect(try ByteFiles.read(Array("\(bench.destination)/secret".utf8)) == Array("old".utf8))
    #expect(try ByteFiles.names(in: Array(bench.destination.utf8)).count == 2)
  }

  @Test func anotherKeyIsSaidToBeWrong() throws {
    try bench.write(bench.source, "file", "content")
    let other = try ReplicationRun.makeKeyFile(in: bench.directory, "other")
    let outcome = try bench.send(to: port, keyFile: other)
    #expect(outcome.status == 6, "\(outcome.text)")
    #expect(!bench.exists(bench.destination, "file"))
  }

  @Test func aBrokenConnectionIsUnreachableAndTheNextRunCompletes() throws {
    try MetadataZoo.make(at: bench.source, seed: 62)
    try removeUnlistableLinks()
    for bytes in [900, 20_000, 300_000] {
      let proxy = try CuttingProxy(targetPort: port, fault: .cut(afterBytes: bytes))
      let broken = try bench.send(to: proxy.port)
      #expect(broken.status == 7, "\(broken.text)")
      #expect(!stock.isComplete)
    }
    let outcome = try bench.send(to: port)
    #expect(outcome.status == 0, "\(outcome.text)")
    try stock.finish()
    #expect(try differences().isEmpty)
  }

  @Test func withoutRsyncTheReasonIsTold() throws {
    try bench.write(bench.source, "file", "content")
    let outcome = try bench.send(to: port, environment: ["PATH": bench.directory.path])
    #expect(outcome.status == 1)
    #expect(outcome.text.contains("there is no rsync here"), "\(outcome.text)")
  }
}
