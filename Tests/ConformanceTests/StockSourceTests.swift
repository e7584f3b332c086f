import Glibc
import Platform
import TestSupport
import Testing

/// VolSync's rsync-TLS source (stunnel 5.68 and rsync 3.5) fills our destination.
@Suite struct StockSourceTests {
  private let bench: StockBench

  init() throws { bench = try StockBench() }

  private func differences() throws -> String {
    try RsyncJudge.stockDifferences(
      source: bench.source, destination: bench.destination, ignoringDirectoryTimes: true)
  }

  @Test func fillsOurDestinationAgainAndAgain() throws {
    try MetadataZoo.make(at: bench.source, seed: 51)
    try bench.write(bench.destination, "stale", "to be deleted")
    try bench.link(bench.source, "a -> b", to: "/nowhere -> else")
    let (receiver, port) = try bench.receiver()
    let source = try bench.stockSource(to: port)
    for round in 1...3 {
      let outcome = try source.run()
      #expect(outcome.isDone, "\(outcome.text)")
      let summary = try bench.summaries(of: receiver, count: round)[round - 1]
      #expect(summary.number("warnings") == 0)
      #expect(receiver.output.text.contains("\"peer\":\"rsync\""))
      let found = try differences()
      #expect(found.isEmpty, "round \(round): \(found)")
      try change(round)
    }
    receiver.kill(SIGTERM)
    #expect(receiver.wait(timeoutSeconds: 60) == 130)
  }

  /// Changes, adds and removes files, and adds a link; a stock source cannot put anything in the
  /// place of a filled directory.
  private func change(_ round: Int) throws {
    try runChecked(
      "bash",
      [
        "-euc",
        """
        cd "$1"; n=0
        for file in ordinary-*/file-*; do
          n=$((n + 1))
          case $((n % 5)) in
            0) printf 'round %s' "$2" >> "$file" ;;
            1) rm -- "$file" ;;
            2) cp -- "$file" "$file-$2" ;;
          esac
        done
        ln -s "target $2" "link-$2"; rm -rf "ordinary-$2"
        """, "change", bench.source, "\(round)",
      ])
  }

  @Test func completesOnceWithoutPrivilege() throws {
    for (name, target) in [("link", "file"), ("odd -> name", "x -> y")] {
      try bench.link(bench.source, name, to: target)
    }
    let directory = "\(bench.source)/directory"
    try ByteFiles.makeDirectory(Array(directory.utf8))
    try bench.link(directory, "new\nline", to: "/etc/passwd")
    try bench.link(directory, "munged already", to: "/rsyncd-munged/x")
    try bench.write(bench.source, "file", "content")
    for path in [bench.directory.path, bench.destination, bench.keyFile] {
      #expect(chown(path, 65_534, 65_534) == 0)
    }
    let (receiver, port) = try bench.receiver(
      wrapper: ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"])
    let source = try bench.stockSource(to: port)
    for round in 1...2 {
      let outcome = try source.run()
      #expect(outcome.isDone, "\(outcome.text)")
      _ = try bench.summaries(of: receiver, count: round)
      #expect(try bench.target(bench.destination, "odd -> name") == "x -> y")
      let copy = "\(bench.destination)/directory"
      #expect(try bench.target(copy, "new\nline") == "/etc/passwd")
      #expect(try bench.target(copy, "munged already") == "/rsyncd-munged/x")
      let found = try runChecked(
        "rsync",
        ["-rlptHSn", "--delete", "--checksum", "-i", "\(bench.source)/", "\(bench.destination)/"])
      #expect(!found.outputText.contains("L"), "\(found.outputText)")
    }
  }

  @Test(arguments: [true, false])
  func aHostileListTouchesNothingOutside(isPrivileged: Bool) throws {
    let outside = try bench.directory.makeDirectory("outside")
    let munged = "/rsyncd-munged/secret"
    try bench.link(outside, "victim", to: munged)
    try bench.link(bench.source, "way", to: outside)
    try bench.write(bench.source, "file", "content")
    if !isPrivileged {
      for path in [bench.directory.path, outside, bench.destination, bench.keyFile] {
        #expect(chown(path, 65_534, 65_534) == 0)
      }
    }
    let (receiver, port) = try bench.receiver(
      wrapper: isPrivileged
        ? [] : ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"])
    let source = try bench.stockSource(to: port)
    #expect(try source.run().isDone)
    _ = try bench.summaries(of: receiver, count: 1)
    // The link out of the root is live now.
    #expect(try bench.target(bench.destination, "way") == outside)
    let list = "way/victim\n../outside/victim\n\(outside)/victim\n/\n..\n\n"
    #expect(try source.upload(Array(list.utf8), as: "symlink-munging-file").status == 0)
    // Through the live link, with a directory of its name that is not sent.
    let tree = try bench.directory.makeDirectory("attack")
    try ByteFiles.makeDirectory(Array("\(tree)/way".utf8))
    try bench.write("\(tree)/way", "planted", "evil")
    _ = try runProcess(
      "rsync", ["-aR", "--no-implied-dirs", "\(tree)/./way/planted", source.url("data")])
    _ = try runProcess("rsync", ["-a", "\(tree)/way/planted", source.url("data/way/")])
    _ = try runProcess("rsync", ["-a", "\(tree)/way/planted", source.url("data/../outside/p")])
    #expect(try source.upload([1], as: "complete").status == 0)
    _ = try bench.summaries(of: receiver, count: 2)
    #expect(try bench.target(outside, "victim") == munged)
    #expect(try ByteFiles.names(in: Array(outside.utf8)).count == 1)
  }

  @Test func controlFilesAreTwoAndSmallAndNothingIsReadBack() throws {
    try bench.write(bench.destination, "secret", "data")
    let (receiver, port) = try bench.receiver()
    let source = try bench.stockSource(to: port)
    #expect(try source.upload([1], as: "evil").status != 0)
    let copy = try bench.directory.makeDirectory("stolen")
    #expect(try runProcess("rsync", ["-a", source.url("data/"), copy]).status != 0)
    #expect(try ByteFiles.names(in: Array(copy.utf8)).isEmpty)
    let large = bench.directory.path("large")
    try ByteFiles.truncate(Array(large.utf8), sizeBytes: 65 << 20)
    #expect(try runProcess("rsync", [large, source.url("control/complete")]).status != 0)
    #expect(receiver.isRunning)
    #expect(!receiver.output.text.contains("\"summary\""))
  }

  @Test func anEmptySourceDeletesNothingUnlessItIsAllowed() throws {
    try bench.write(bench.destination, "kept", "data")
    let (receiver, port) = try bench.receiver()
    let refused = try bench.stockSource(to: port).run()
    #expect(refused.deletionStatus != 0)
    try bench.waits(for: "the stock source is empty", receiver)
    #expect(bench.exists(bench.destination, "kept"))
    receiver.kill(SIGKILL)

    let (second, secondPort) = try bench.receiver(["--allow-empty-source", "--once"])
    #expect(try bench.stockSource(to: secondPort).run().isDone)
    #expect(second.wait(timeoutSeconds: 120) == 0)
    #expect(!bench.exists(bench.destination, "kept"))
  }

  @Test func aSourceThatDiesIsFollowedByOneThatCompletes() throws {
    try MetadataZoo.make(at: bench.source, seed: 52)
    let (receiver, port) = try bench.receiver(["--once"])
    do {
      let broken = try bench.stockSource(to: port)
      let client = try ChildProcess(
        "rsync", ["-a", "--bwlimit=500", "\(bench.source)/", broken.url("data")])
      try bench.waits(for: "\"event\":\"connected\"", receiver)
      client.kill(SIGKILL)
      broken.tunnel.stop()
    }
    let dying = try bench.stockSource(to: port)
    let outcome = try dying.run { dying.tunnel.stop() }
    #expect(outcome.deletionStatus != 0)
    #expect(receiver.isRunning)
    let last = try bench.stockSource(to: port).run()
    #expect(last.isDone, "\(last.text)")
    #expect(receiver.wait(timeoutSeconds: 120) == 0, "\(receiver.errorOutput.text)")
    let found = try differences()
    #expect(found.isEmpty, "\(found)")
  }

  @Test func anotherKeyIsRefusedAndTheRightOneServed() throws {
    try bench.write(bench.source, "file", "content")
    let other = try ReplicationRun.makeKeyFile(in: bench.directory, "other")
    let (receiver, port) = try bench.receiver(["--once"])
    let wrong = try bench.stockSource(to: port, keyFile: other).run()
    #expect(!wrong.isDone)
    try bench.waits(for: "authentication failed", receiver)
    #expect(!bench.exists(bench.destination, "file"))
    #expect(try bench.stockSource(to: port).run().isDone)
    #expect(receiver.wait(timeoutSeconds: 120) == 0)
    #expect(try differences().isEmpty)
  }

  @Test func ourOwnSenderTakesTurnsWithAStockOne() throws {
    try bench.write(bench.source, "file", "first")
    let (receiver, port) = try bench.receiver()
    #expect(try bench.send(to: port).status == 0)
    try bench.write(bench.source, "file", "second, longer")
    #expect(try bench.stockSource(to: port).run().isDone)
    _ = try bench.summaries(of: receiver, count: 2)
    #expect(try differences().isEmpty)
    try bench.write(bench.source, "third", "")
    let last = try bench.send(to: port)
    #expect(last.status == 0, "\(last.text)")
    #expect(try differences().isEmpty)
  }

  @Test func withoutRsyncTheReasonIsToldAtBothEnds() throws {
    try bench.write(bench.source, "file", "content")
    let (receiver, port) = try bench.receiver(
      ["--once"], wrapper: ["/usr/bin/env", "PATH=\(bench.directory.path)"])
    let outcome = try bench.stockSource(to: port).run()
    #expect(!outcome.isDone)
    #expect(outcome.text.contains("there is no rsync here"), "\(outcome.text)")
    #expect(receiver.wait(timeoutSeconds: 120) == 1)
    #expect(receiver.output.text.contains("there is no rsync here"))
  }
}
