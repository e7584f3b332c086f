import Glibc
import Platform
import TestSupport
import Testing

/// Runs that end in the middle leave no torn file, and the next run completes.
@Suite(.serialized) struct ReplicationKillTests {
  @Test func interruptedRunsLeaveNoTornFileAndTheNextCompletes() throws {
    let bench = try ReplicationBench()
    // What the destination was committed to by the run before.
    let committed = try bench.directory.makeDirectory("committed")
    var random = SeededGenerator(seed: 0xdead)
    try MetadataZoo.make(at: bench.source, seed: 21)
    try rewriteBulk(bench.source, &random)
    var clean = try measure(bench)
    var interruptedCount = 0
    let roundCount = SampledCounts.count(sampled: 12, full: 200)
    for round in 0..<roundCount {
      try RsyncJudge.copy(source: bench.source, destination: committed)
      var changes = try TreeMutator.mutate(at: bench.source, seed: UInt64(round), count: 20)
      try rewriteBulk(bench.source, &random)
      let interruption = ReplicationRun.Interruption.random(
        seconds: clean.seconds, bytes: clean.bytes, using: &random)
      let outcome = try bench.run.run(interruption: interruption)
      if outcome.sendStatus != 0 || outcome.receiveStatus != 0 { interruptedCount += 1 }
      changes.append("\(interruption)")
      let torn = try tornFiles(bench, committed: committed)
      #expect(torn == [], "round \(round): \(changes)")
      clean = try measure(bench, "round \(round): \(changes)")
      let differences = try bench.differences()
      #expect(differences == "", "round \(round): \(changes)")
      if !differences.isEmpty || !torn.isEmpty { return }
    }
    // Interruptions that always come too late would prove nothing.
    #expect(interruptedCount * 3 >= roundCount)
  }

  @Test func interruptedRunsInPlaceComplete() throws {
    let bench = try ReplicationBench(["--inplace"])
    var random = SeededGenerator(seed: 0xbeef)
    try MetadataZoo.make(at: bench.source, seed: 22)
    try rewriteBulk(bench.source, &random)
    var clean = try measure(bench)
    for round in 0..<SampledCounts.count(sampled: 4, full: 40) {
      let changes = try TreeMutator.mutate(at: bench.source, seed: UInt64(round), count: 20)
      try rewriteBulk(bench.source, &random)
      let interruption = ReplicationRun.Interruption.random(
        seconds: clean.seconds, bytes: clean.bytes, using: &random)
      _ = try bench.run.run(interruption: interruption)
      clean = try measure(bench, "round \(round): \(interruption) \(changes)")
      let differences = try bench.differences()
      #expect(differences == "", "round \(round): \(interruption) \(changes)")
      if !differences.isEmpty { return }
    }
  }

  /// A stalled connection ends by the timeout on both sides, not never.
  @Test func stalledConnectionEndsByTimeout() throws {
    let bench = try ReplicationBench(["--timeout", "2"])
    var random = SeededGenerator(seed: 5)
    try rewriteBulk(bench.source, &random)
    let receiver = try ChildProcess(
      DroverBinary.path,
      [
        "replicate", "receive", "--listen", "127.0.0.1:0", "--psk-file", bench.run.keyFile,
        "--once", "--timeout", "2", "--json", bench.destination,
      ])
    let line = try #require(receiver.nextLine())
    let port = try #require(RunEvent(line: line)?.number("port"))
    let proxy = try CuttingProxy(
      targetPort: UInt16(port), fault: .stall(afterBytes: 200_000))
    let sender = try bench.run.startSender(port: proxy.port)
    #expect(sender.wait(timeoutSeconds: 120) == 7)
    // The receiver has seen the same stall; nothing is told to it by a closed connection.
    let status = receiver.wait(timeoutSeconds: 120)
    #expect(status != nil && status != 0)
    proxy.stop()
    try bench.run.runToSuccess()
    #expect(try bench.differences() == "")
  }

  /// Runs to success through a proxy and gives how long it took and how much travelled.
  private func measure(
    _ bench: ReplicationBench, _ comment: Comment? = nil
  ) throws -> (seconds: Double, bytes: Int) {
    let start = MonotonicTime.now()
    let outcome = try bench.run.runToSuccess(isRelayed: true, comment)
    return (MonotonicTime.now().seconds(since: start), outcome.relayedBytes)
  }

  /// Gives a run something to do: 24 files of up to 1 MiB, about half of them new, some edited.
  private func rewriteBulk(_ source: String, _ random: inout SeededGenerator) throws {
    let bulk = Array("\(source)/bulk".utf8)
    do throws(PlatformError) {
      _ = try ByteFiles.status(bulk)
    } catch {
      try ByteFiles.makeDirectory(bulk)
    }
    if try ByteFiles.kind(bulk) != S_IFDIR {
      try ByteFiles.remove(bulk)
      try ByteFiles.makeDirectory(bulk)
    }
    for index in 0..<24 where random.chance(0.5) {
      let file = ByteFiles.join(bulk, "bulk-\(index)")
      if random.chance(0.5) {
        try replace(file, random.bytes(random.below(1 << 20)))
      } else {
        try replace(file, Array(repeating: random.bytes(512), count: 1024).flatMap { $0 })
      }
    }
  }

  private func replace(_ file: ByteFiles.Path, _ content: [UInt8]) throws {
    let new = file + Array(".new".utf8)
    try ByteFiles.write(new, content)
    if Glibc.access(String(decoding: file, as: UTF8.self), F_OK) == 0 {
      try ByteFiles.remove(file)
    }
    try ByteFiles.rename(new, to: file)
  }

  /// Regular files of the destination that stand under a name of the source or of the committed
  /// state, but have the content of neither.
  private func tornFiles(_ bench: ReplicationBench, committed: String) throws -> [String] {
    var torn: [String] = []
    let root = Array(bench.destination.utf8)
    for (path, kind) in try ByteFiles.tree(root) where kind == S_IFREG {
      let versions = try [bench.source, committed].compactMap {
        try regularFile(ByteFiles.join(Array($0.utf8), path))
      }
      // A name of neither is a temporary file of the interrupted run.
      if versions.isEmpty { continue }
      let content = ByteFiles.join(root, path)
      if try !versions.contains(where: { try haveSameContent($0, content) }) {
        torn.append("\(printable(path)): \(try describe(content, beside: versions))")
      }
    }
    return torn
  }

  /// Sizes, and where a file differs from each version first and last.
  private func describe(
    _ path: ByteFiles.Path, beside versions: [ByteFiles.Path]
  ) throws -> String {
    let bytes = try ByteFiles.read(path)
    let status = try ByteFiles.status(path)
    var text = "\(bytes.count) bytes, \(status.st_blocks) blocks, \(status.st_nlink) names"
    text += ", written \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
    for version in versions {
      let other = try ByteFiles.read(version)
      let places = zip(bytes, other).enumerated().filter { $1.0 != $1.1 }.map(\.offset)
      let time = try ByteFiles.status(version).st_mtim
      text += "; a version of \(other.count) bytes, written \(time.tv_sec).\(time.tv_nsec)"
      text += ", differs from \(places.first ?? -1) to \(places.last ?? -1)"
      text += " in \(places.count) bytes"
    }
    return text
  }

  /// The path if a regular file stands there.
  private func regularFile(_ path: ByteFiles.Path) throws -> ByteFiles.Path? {
    do {
      return try ByteFiles.kind(path) == S_IFREG ? path : nil
    } catch {
      guard error.errno == ENOENT || error.errno == ENOTDIR else { throw error }
      return nil
    }
  }

  private func haveSameContent(_ a: ByteFiles.Path, _ b: ByteFiles.Path) throws -> Bool {
    guard try ByteFiles.status(a).st_size == ByteFiles.status(b).st_size else { return false }
    return try ByteFiles.read(a) == ByteFiles.read(b)
  }
}
