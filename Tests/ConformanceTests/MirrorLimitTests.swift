import Platform
import TestSupport
import Testing

/// Limits that the real program keeps.
@Suite struct MirrorLimitTests {
  /// A full file system gets no better by trying: one attempt, which says what is full, and leaves
  /// whole files alone.
  @Test func aFullTargetEndsTheRun() throws {
    let bench = try MirrorBench.rclone()
    let client = try bench.client(.current)
    var random = SeededGenerator(seed: 12)
    for number in 0..<8 {
      try ByteFiles.write(Array("\(bench.source)/f\(number)".utf8), random.bytes(300_000))
    }
    try bench.droverChecked(["sync", bench.source, bench.remote("data")], client)
    let target = try bench.directory.makeDirectory("target")
    try runChecked("mount", ["-t", "tmpfs", "-o", "size=1m", "none", target])
    defer { _ = try? runProcess("umount", [target]) }
    let full = try bench.drover(["sync", bench.remote("data"), target], client)
    #expect(full.status == 1)
    #expect(full.errorText.contains("No space left on device"), "\(full.errorText)")
    #expect(!full.errorText.contains("attempt"), "\(full.errorText)")
    let names = try ByteFiles.names(in: Array(target.utf8)).map {
      String(decoding: $0, as: UTF8.self)
    }
    for name in names {
      #expect(
        try ByteFiles.read(Array("\(target)/\(name)".utf8))
          == ByteFiles.read(Array("\(bench.source)/\(name)".utf8)))
    }
    try runChecked("mount", ["-o", "remount,size=8m", target])
    try bench.droverChecked(["sync", bench.remote("data"), target], client)
    #expect(try runProcess("diff", ["-r", bench.source, target]).outputText == "")
  }

  @Test func theRateHoldsOverAllTransfersTogether() throws {
    let bench = try MirrorBench.rclone()
    var random = SeededGenerator(seed: 1)
    for number in 0..<8 {
      let path = Array("\(bench.source)/file-\(number)".utf8)
      try ByteFiles.write(path, random.bytes(512 << 10))
    }
    // Some in parts, some not.
    let client = try bench.client(.current, ["upload_cutoff = 5M"])
    try ByteFiles.write(Array("\(bench.source)/large".utf8), random.bytes(6 << 20))
    func seconds(_ body: () throws -> Void) throws -> Double {
      let begun = MonotonicTime.now()
      try body()
      return MonotonicTime.now().seconds(since: begun)
    }
    // 10 MiB at 4 MiB a second, with a tenth of a second for nothing in each way.
    let up = try seconds {
      try bench.droverChecked(
        ["sync", "--bwlimit", "4M:off", bench.source, bench.remote("limited")], client)
    }
    #expect(up >= 2.3)
    let target = bench.directory.path("target")
    let down = try seconds {
      try bench.droverChecked(
        ["sync", bench.remote("limited"), target], client, ["RCLONE_BWLIMIT": "off:4M"])
    }
    #expect(down >= 2.3)
    try client.runChecked(["check", "--download", bench.source, bench.remote("limited")])
    try client.runChecked(["check", bench.source, target])
    // A listing and eight looks at objects, at ten a second.
    let asked = try seconds {
      try bench.droverChecked(
        ["sync", "--state-dir", "off", "--tpslimit", "10", bench.source, bench.remote("limited")],
        client)
    }
    #expect(asked >= 0.8)
    #expect(
      try bench.drover(["sync", "--bwlimit", "fast", bench.source, target], client).status == 2)
  }
}
