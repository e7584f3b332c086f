import Glibc
import Platform
import TestSupport
import Testing

/// `drover mirror` with several destinations, as a program.
@Suite struct MirrorFanOutTests {
  private static func path(_ bench: MirrorBench, _ name: String) -> String {
    "\((bench.server as? RcloneServer)?.dataDirectory ?? "")/\(bench.bucket)/\(name)"
  }

  private static func difference(_ first: String, _ second: String) throws -> String {
    try runProcess("diff", ["-rq", first, second]).outputText
  }

  /// Bytes that a run of drover has read by system calls on files, its sockets left aside: what
  /// the kernel has counted for a shell's child when that has ended.
  private func readBytes(
    _ bench: MirrorBench, _ client: RcloneClient, _ arguments: [String]
  ) throws -> Int {
    let result = try runChecked(
      "sh",
      ["-c", "\"$@\" >/dev/null || exit 1; cat /proc/$$/io", "sh", try DroverBinary.path]
        + ["mirror"] + arguments,
      environment: [
        "RCLONE_CONFIG": client.configurationPath, "no_proxy": "127.0.0.1", "AWS_CA_BUNDLE": "",
      ])
    let line = result.outputText.split(separator: "\n").first { $0.hasPrefix("rchar: ") }
    return try #require(line.flatMap { Int($0.dropFirst(7)) })
  }

  @Test func everyByteOfTheSourceIsReadOnce() throws {
    let bench = try MirrorBench.rclone()
    let client = try bench.client(.current)
    var random = SeededGenerator(seed: 6)
    let empty = try bench.directory.makeDirectory("empty")
    var sum = 0
    for number in 0..<60 {
      let size = number < 3 ? (5 + number) << 20 : 1000 + random.below(7000)
      try ByteFiles.write(Array("\(bench.source)/f\(number)".utf8), random.bytes(size))
      sum += size
    }
    let options = ["sync", "--allow-empty-source", "--transfers", "6"]
    func read(_ source: String, _ attempt: Int) throws -> (Int, places: [String]) {
      let places = ["one", "two", "three"].map { "\($0)-\(attempt)" }
      return (try readBytes(bench, client, options + [source] + places.map(bench.remote)), places)
    }
    // Threads are woken by a few bytes, now more and now less. On a machine that is busy with
    // something else a destination may be left behind, which reads for itself then.
    let slack = 64 << 10
    var extra = Int.max
    for attempt in 0..<20 where extra >= slack {
      if attempt > 0 { SystemClock().sleep(seconds: 1) }
      let idle = try read(empty, attempt).0
      let (busy, places) = try read(bench.source, attempt)
      #expect(busy - idle > sum - slack)
      extra = busy - idle - sum
      for place in places {
        #expect(try Self.difference(bench.source, Self.path(bench, place)) == "")
      }
    }
    #expect(extra < slack, "\(extra) more than \(sum)")
  }

  @Test func theReportNamesEachAndTheCodeIsThatOfTheWorst() throws {
    let bench = try MirrorBench.rclone()
    try bench.fill()
    let client = try bench.client(.current)
    let dead = "s3,endpoint='http://127.0.0.1:9':\(bench.bucket)/dead"
    let target = bench.directory.path("target")
    let command = ["sync", "--low-level-retries", "2", bench.source, bench.remote("a"), dead]
    let result = try bench.drover(command + [target, "--json"], client)
    #expect(result.status == 5)
    let lines = result.outputText.split(separator: "\n").map(String.init)
    let summaries = lines.filter { $0.contains("\"message_type\":\"summary\"") }
    #expect(summaries.count == 3)
    #expect(summaries[0].contains("/a\"") && summaries[0].contains("\"outcome\":\"done\""))
    #expect(summaries[1].contains(":9/") && summaries[1].contains("\"outcome\":\"failed\""))
    #expect(summaries[1].contains("\"exitCode\":5") && summaries[1].contains("\"error\":"))
    #expect(summaries[2].contains(target) && summaries[2].contains("\"transfers\":17"))
    let last = try #require(lines.last)
    #expect(last.contains("\"message_type\":\"run\"") && last.contains("\"failed\":1"))
    #expect(last.contains("\"destinations\":3") && last.contains("\"exitCode\":5"))
    #expect(try bench.work(client, bench.source, bench.remote("a")) == "")
    #expect(try Self.difference(bench.source, target).contains("differ") == false)

    let text = try bench.drover(command + [target], client)
    #expect(text.status == 5)
    let blocks = text.errorText.split(separator: "\n").filter { $0.hasPrefix("Destination:") }
    #expect(blocks.count == 3)
    #expect(blocks[0].hasSuffix(": done") && blocks[1].hasSuffix(": failed"))
    #expect(text.errorText.contains("2 of 3 destinations are done"))
    // A place that cannot even be opened is one that has failed, and a wrong remote is an error.
    let blocked = "\(bench.source)/plain.txt/below"
    let partly = try bench.drover(["copy", bench.source, blocked, bench.remote("b")], client)
    #expect(partly.status == 1)
    #expect(try bench.work(client, bench.source, bench.remote("b")) == "")
    #expect(
      try bench.drover(["copy", bench.source, bench.remote("b"), "nobody:x/y"], client).status != 0)
    // One destination says what it always said.
    let alone = try bench.droverChecked(["sync", "--json", bench.source, target], client)
    #expect(!alone.outputText.contains("destination"))
    #expect(alone.outputText.split(separator: "\n").count == 1)
  }

  /// Who reads the report need not wait for one that does not answer to hear of the others.
  @Test func theEndOfEachIsToldWhenItComes() throws {
    let bench = try MirrorBench.rclone()
    try bench.fill()
    let client = try bench.client(.current)
    let (silent, port) = try listenOnLoopback()
    let stalled = "s3,endpoint='http://127.0.0.1:\(port)':\(bench.bucket)/x"
    let child = try ChildProcess(
      try DroverBinary.path,
      ["mirror", "sync", "--json", bench.source, bench.remote("a"), bench.remote("b"), stalled],
      environment: [
        "RCLONE_CONFIG": client.configurationPath, "no_proxy": "127.0.0.1", "AWS_CA_BUNDLE": "",
        "DROVER_STATE_DIR": bench.directory.path("state"),
      ])
    try waitFor("the end of two", telling: { child.output.text + child.errorOutput.text }) {
      child.output.text.split(separator: "\n").filter {
        $0.contains("\"message_type\":\"ended\"") && $0.contains("\"outcome\":\"done\"")
      }.count == 2
    }
    #expect(child.isRunning)
    child.kill(SIGINT)
    #expect(child.wait() == 130, "\(child.errorOutput.text)")
    #expect(try bench.work(client, bench.source, bench.remote("a")) == "")
    #expect(try bench.work(client, bench.source, bench.remote("b")) == "")
    withExtendedLifetime(silent) {}
  }

  /// Another attempt of the whole run is for those alone that need it.
  @Test func retriesRepeatOnlyWhatFailed() throws {
    let bench = try MirrorBench.rclone()
    try bench.fill()
    let client = try bench.client(.current)
    let refusal = HTTPFault.answer(CannedAnswer(status: 400, code: "Peculiar"))
    let proxies = try (0..<3).map { number in
      try FaultProxy(
        targetPort: bench.server.endpoint.port,
        plan: number == 1 ? .once(refusal, on: .putObject) : .none)
    }
    let places = proxies.enumerated().map { number, proxy in
      "s3,endpoint='http://127.0.0.1:\(proxy.port)':\(bench.bucket)/p\(number)"
    }
    let result = try bench.droverChecked(["sync", bench.source] + places, client)
    #expect(result.errorText.contains("attempt 1 of 3"))
    #expect(proxies.map { $0.count(of: .list) } == [1, 2, 1])
    // The server may want some again; what counts is what was done.
    let stored = proxies.map { proxy in
      proxy.requests.count { $0.kind == .putObject && $0.status == 200 }
    }
    #expect(stored == [17, 17, 17])
    for number in 0..<3 {
      #expect(try bench.work(client, bench.source, bench.remote("p\(number)")) == "")
    }
  }

  @Test func aSingleFileIsCopiedUnderItsName() throws {
    let bench = try MirrorBench.rclone()
    try bench.fill()
    let client = try bench.client(.current)
    let target = bench.directory.path("target")
    try bench.droverChecked(
      ["copy", "\(bench.source)/d/file", bench.remote("x"), target], client)
    #expect(try client.runChecked(["lsf", "-R", bench.remote("x")]).outputText == "file\n")
    #expect(try runChecked("ls", [target]).outputText == "file\n")
    // Its neighbours stay, also with sync, as with rclone.
    try bench.droverChecked(["sync", bench.source, bench.remote("all")], client)
    let back = try bench.directory.makeDirectory("back")
    try ByteFiles.write(Array("\(back)/other".utf8), [1])
    try bench.droverChecked(["sync", bench.remote("all/d/file"), back], client)
    #expect(try runChecked("ls", [back]).outputText == "file\nother\n")
    #expect(
      try ByteFiles.read(Array("\(back)/file".utf8))
        == ByteFiles.read(Array("\(bench.source)/d/file".utf8)))
    #expect(
      try bench.drover(["copy", bench.remote("all/d/nothing"), back], client).status == 3)
  }

  /// rclone finds what went from one service into another to be what the source is.
  @Test func oneServiceFillsAnother() throws {
    let (bench, other) = (try MirrorBench.rclone(), try MirrorBench.swift())
    try bench.fill(seed: 8)
    let client = try bench.client(.current, ["upload_cutoff = 6M", "chunk_size = 5M"])
    var random = SeededGenerator(seed: 4)
    try ByteFiles.write(Array("\(bench.source)/large".utf8), random.bytes(13 << 20))
    try ByteFiles.write(Array("\(bench.source)/middle.txt".utf8), random.bytes(5 << 20))
    try bench.droverChecked(["sync", bench.source, bench.remote("from")], client)
    let end = other.server.endpoint
    let place =
      "s3,endpoint='\(end.url)',access_key_id='\(end.accessKey)'"
      + ",secret_access_key='\(end.secretKey)':\(other.bucket)/to"
    try bench.droverChecked(["sync", bench.remote("from"), place], client)
    let there = try other.client(.current, ["upload_cutoff = 6M", "chunk_size = 5M"])
    try there.runChecked(["check", bench.source, other.remote("to")])
    #expect(try bench.work(there, bench.source, other.remote("to")) == "")
  }
}
