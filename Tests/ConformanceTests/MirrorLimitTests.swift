import Platform
import TestSupport
import Testing

/// Limits that the real program keeps.
@Suite struct MirrorLimitTests {
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
