import Glibc
import Platform
import TestSupport
import Testing

/// Every way to fail has its exit code and says what happened.
@Suite(.serialized) struct ReplicationOutcomeTests {
  @Test func wrongKeyIsSix() throws {
    var bench = try ReplicationBench()
    bench.run.receiverKeyFile = try ReplicationRun.makeKeyFile(in: bench.directory, "other")
    try bench.write(bench.source, "file", [1])
    let outcome = try bench.run.run()
    #expect(outcome.sendStatus == 6, "\(outcome.outputText)")
    #expect(!bench.exists(bench.destination, "file"))
  }

  @Test func unknownIdentityIsSix() throws {
    var bench = try ReplicationBench()
    let other = bench.directory.path("other")
    let key = "nobody:\(String(repeating: "ab", count: 32))\n"
    try ByteFiles.write(Array(other.utf8), Array(key.utf8), mode: 0o600)
    bench.run.receiverKeyFile = other
    try bench.write(bench.source, "file", [1])
    #expect(try bench.run.run().sendStatus == 6)
  }

  @Test func nobodyListeningIsSeven() throws {
    let bench = try ReplicationBench(["--timeout", "5"])
    try bench.write(bench.source, "file", [1])
    let sender = try bench.run.startSender(port: try freePort())
    #expect(sender.wait(timeoutSeconds: 120) == 7)
    let output = String(decoding: sender.output.bytesToEnd(timeoutSeconds: 5), as: UTF8.self)
    #expect(output.contains("\"event\":\"failure\""))
  }

  @Test(arguments: [
    ["replicate", "send"], ["replicate", "send", "--connect", "127.0.0.1:1"],
    ["replicate", "receive", "--listen", "nonsense", "--psk-file", "/dev/null", "/tmp"],
    ["replicate", "send", "--no-such-option"], ["no-such-command"], ["verify", "/tmp"],
    ["replicate", "send", "--connect", "h:1", "--psk-file", "/dev/null", "--max-delete", "x", "/"],
    [
      "replicate", "send", "--connect", "127.0.0.1:1", "--psk-file", "/dev/null",
      "--exclude-from", "/nonexistent/patterns", "/tmp",
    ],
  ])
  func usageIsTwo(arguments: [String]) throws {
    let result = try runProcess(DroverBinary.path, arguments, timeoutSeconds: 60)
    #expect(result.status == 2, "\(result.errorText)")
    #expect(!result.errorOutput.isEmpty)
  }

  @Test func emptySourceDoesNotEmptyAFilledDestination() throws {
    var bench = try ReplicationBench()
    try bench.write(bench.destination, "precious", [1, 2, 3])
    let refused = try bench.run.run()
    #expect(refused.sendStatus == 5, "\(refused.outputText)")
    #expect(refused.outputText.contains("--allow-empty-source"))
    #expect(bench.exists(bench.destination, "precious"))
    bench.run.sendOptions = ["--allow-empty-source"]
    try bench.run.runToSuccess()
    #expect(!bench.exists(bench.destination, "precious"))
    #expect(try bench.differences() == "")
  }

  @Test func vanishedSourceIsAFailureThatTouchesNothing() throws {
    var bench = try ReplicationBench(["--allow-empty-source"])
    try bench.write(bench.destination, "precious", [1])
    bench.run.source = bench.directory.path("not-there")
    #expect(try bench.run.run().sendStatus != 0)
    #expect(bench.exists(bench.destination, "precious"))
  }

  @Test func unreadableFileIsThreeAndTheRestArrives() throws {
    var bench = try ReplicationBench()
    let directory = bench.directory.path
    try bench.write(bench.source, "readable", [1])
    try bench.write(bench.source, "secret", [2])
    // Of another size, so that it has to be read.
    try bench.write(bench.destination, "secret", [3, 3])
    try runChecked("chmod", ["0", "\(bench.source)/secret"])
    // Root reads everything, so both ends run as somebody else.
    try runChecked("chmod", ["0711", directory])
    try runChecked("chown", ["-R", "65534:65534", bench.destination, bench.run.keyFile])
    bench.run.wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    let outcome = try bench.run.run()
    #expect(outcome.sendStatus == 3, "\(outcome.outputText)")
    #expect(outcome.outputText.contains("secret"))
    #expect(bench.exists(bench.destination, "readable"))
    // What could not be read was not deleted at the destination either.
    #expect(try ByteFiles.read(Array("\(bench.destination)/secret".utf8)) == [3, 3])
  }

  @Test func sourceThatChangesMeanwhileIsDoneOrPartialAndTheNextRunIsEqual() throws {
    let bench = try ReplicationBench()
    try MetadataZoo.make(at: bench.source, seed: 41)
    let restless = try ChildProcess(
      "sh",
      [
        "-c",
        """
        cd "$1/crowded" && echo ready && while :; do
          for i in 1 2 3 4 5 6 7 8 9; do
            rm -f entry-${i}0*; head -c ${i}00000 /dev/urandom > grow-$i; : > grow-$i
          done
        done
        """, "sh", bench.source,
      ])
    #expect(restless.nextLine() == "ready")
    for _ in 0..<3 {
      let outcome = try bench.run.run()
      #expect(outcome.sendStatus == 0 || outcome.sendStatus == 3, "\(outcome.outputText)")
    }
    restless.kill(SIGKILL)
    _ = restless.wait()
    // The shell's own child may still write.
    SystemClock().sleep(seconds: 0.5)
    try bench.run.runToSuccess()
    #expect(try bench.differences() == "")
  }

  @Test func fullTargetIsOneAndLeavesNoPartialFile() throws {
    var bench = try ReplicationBench()
    let mount = try LoopMount(.ext4, sizeBytes: 24 << 20)
    bench.run.destination = mount.path
    var random = SeededGenerator(seed: 42)
    for index in 0..<12 {
      try bench.write(bench.source, "file-\(index)", random.bytes(4 << 20))
    }
    let outcome = try bench.run.run()
    #expect(outcome.sendStatus == 1, "\(outcome.outputText)")
    #expect(outcome.outputText.contains("No space left on device"))
    for name in try ByteFiles.names(in: Array(mount.path.utf8))
    where bench.exists(bench.source, String(decoding: name, as: UTF8.self)) {
      let source = try ByteFiles.read(ByteFiles.join(Array(bench.source.utf8), name))
      #expect(try ByteFiles.read(ByteFiles.join(Array(mount.path.utf8), name)) == source)
    }
    // With room again, the next run completes.
    for index in 3..<12 { try ByteFiles.remove(Array("\(bench.source)/file-\(index)".utf8)) }
    for name in ["file-10", "file-11"] where bench.exists(mount.path, name) {
      try ByteFiles.remove(Array("\(mount.path)/\(name)".utf8))
    }
    try bench.run.runToSuccess()
    #expect(
      try RsyncJudge.differences(
        source: bench.source, destination: mount.path, options: ["--exclude=/lost+found"]) == "")
  }

  /// The disk fails after the file system has accepted the data: only the end of the run can tell.
  @Test func writeBackThatFailsIsOne() throws {
    var bench = try ReplicationBench()
    let mount = try LoopMount(.ext4, sizeBytes: 256 << 20, backingBytesMax: 48 << 20)
    bench.run.destination = mount.path
    var random = SeededGenerator(seed: 43)
    for index in 0..<160 {
      try bench.write(bench.source, "file-\(index)", random.bytes(512 << 10))
    }
    let outcome = try bench.run.run()
    #expect(outcome.sendStatus == 1, "\(outcome.outputText)")
    #expect(outcome.receiveStatus == 1, "\(outcome.outputText)")
    #expect(
      outcome.outputText.contains("Input/output error")
        || outcome.outputText.contains("Read-only file system"), "\(outcome.outputText)")
  }

  @Test func readOnlyTargetIsOne() throws {
    var bench = try ReplicationBench()
    let mount = try LoopMount(.ext4, sizeBytes: 16 << 20)
    bench.run.destination = mount.path
    try bench.write(bench.source, "file", [1])
    try mount.remount(readOnly: true)
    let outcome = try bench.run.run()
    #expect(outcome.sendStatus == 1, "\(outcome.outputText)")
    #expect(outcome.outputText.contains("Read-only file system"))
  }
}
