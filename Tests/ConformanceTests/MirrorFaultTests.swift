import Platform
import TestSupport
import Testing

/// A relay spoils a third of the requests: mirrors come to their end, and both sides are equal.
@Suite struct MirrorFaultTests {
  private static let faults: [HTTPFault] = [
    .reset(.beforeRequest), .reset(.inRequest(afterBytes: 700)), .reset(.beforeResponse),
    .reset(.inResponse(afterBytes: 100)), .end(.beforeRequest), .end(.inRequest(afterBytes: 3000)),
    .end(.beforeResponse), .end(.inResponse(afterBytes: 50)), .delay(seconds: 0.05), .slowDown(),
    .tooManyRequests(), .internalError,
  ]

  @Test(arguments: 0..<SampledCounts.count(sampled: 1, full: 12))
  func aThirdOfTheRequestsGoesWrong(seed: Int) throws {
    let bench = try MirrorBench.rclone()
    let client = try bench.client(.current)
    var random = SeededGenerator(seed: 0xfa017 + UInt64(seed))
    try bench.fill(seed: UInt64(seed))
    // When `rclone serve s3` reads its directories anew, which a broken request makes it do, it
    // tells these names differently.
    for name in [Array("tab\tnew\nline".utf8), [0x66, 0xff, 0xfe, 0x67]] {
      try ByteFiles.remove(ByteFiles.join(Array(bench.source.utf8), name))
    }
    for number in 0..<200 { try write(bench, "many/\(number % 9)/f\(number)", &random) }
    for size in [5 << 20, 13 << 20] {
      try ByteFiles.write(Array("\(bench.source)/large-\(size)".utf8), random.bytes(size))
    }
    let proxy = try FaultProxy(
      targetPort: bench.server.endpoint.port,
      plan: .seeded(UInt64(seed), rate: 1.0 / 3, faults: MirrorFaultTests.faults))
    let place =
      "s3,endpoint='http://127.0.0.1:\(proxy.port)',upload_cutoff=6M,chunk_size=5M:"
      + "\(bench.bucket)/data"
    try bench.droverChecked(["sync", bench.source, place], client)
    try expectSame(bench, client)

    for number in stride(from: 0, to: 200, by: 7) {
      try write(bench, "many/\(number % 9)/f\(number)", &random)
      try write(bench, "new/\(number)", &random)
      let gone = number + 1
      try ByteFiles.remove(Array("\(bench.source)/many/\(gone % 9)/f\(gone)".utf8))
    }
    try bench.droverChecked(["sync", bench.source, place], client)
    try expectSame(bench, client)

    let back = bench.directory.path("back")
    try bench.droverChecked(["sync", place, back], client)
    let difference = try runProcess(
      "rsync", ["-rnic", "--delete", "\(bench.source)/", "\(back)/"]
    ).outputText.split(separator: "\n").filter { !$0.hasPrefix("cd") && !$0.hasSuffix("/") }
    #expect(difference == [])
    // A plan that spoils little would prove nothing.
    #expect(proxy.faultCount * 5 >= proxy.requestCount, "\(proxy.faultCount)")
  }

  private func write(
    _ bench: MirrorBench, _ name: String, _ random: inout SeededGenerator
  ) throws {
    let path = "\(bench.source)/\(name)"
    let folder = path.prefix(upTo: path.lastIndex(of: "/") ?? path.startIndex)
    try runChecked("mkdir", ["-p", String(folder)])
    try ByteFiles.write(Array(path.utf8), random.bytes(random.below(9000)))
    try ByteFiles.setTime(
      Array(path.utf8), seconds: random.below(1_700_000_000), nanoseconds: 0)
  }

  private func expectSame(_ bench: MirrorBench, _ client: RcloneClient) throws {
    try client.runChecked(["check", bench.source, bench.remote("data")])
    #expect(try bench.work(client, bench.source, bench.remote("data")) == "")
    let bucket = bench.remote("").dropLast().description
    let left = try client.runChecked(["backend", "list-multipart-uploads", bucket]).outputText
    #expect(!left.contains("UploadId"), "\(left)")
  }

  /// Memory does not grow with the bucket: a listing of a million keys, and a mirror that compares
  /// them with a directory that has none.
  @Test func aMillionKeysAreListedInBoundedMemory() throws {
    let count = SampledCounts.count(sampled: 50_000, full: 1_000_000)
    let listing = GeneratedListing(bucket: "many", count: count)
    let server = try ScriptedServer(recordsRequests: false) { request in
      listing.answer(to: request) ?? .error(status: 404, code: "NoSuchKey")
    }
    let endpoint = ServerEndpoint(
      port: server.port, accessKey: "a", secretKey: "b", region: "us-east-1")
    let client = try RcloneClient(.current, endpoint)
    let directory = try TemporaryDirectory()
    let target = try directory.makeDirectory("target")
    for arguments in [
      ["size", "s3:many"], ["sync", "--dry-run", "--use-server-modtime", "s3:many", target],
    ] {
      let child = try ChildProcess(
        try DroverBinary.path, ["mirror"] + arguments,
        environment: [
          "RCLONE_CONFIG": client.configurationPath, "no_proxy": "127.0.0.1",
          "DROVER_STATE_DIR": directory.path("state"),
        ])
      let peak = PeakMemory(of: child.processID)
      #expect(child.wait() == 0, "\(child.errorOutput.text.suffix(2000))")
      let bytes = peak.stop()
      #expect(bytes > 0 && bytes <= 100 << 20, "\(arguments[0]): \(bytes >> 20) MiB")
      if SampledCounts.isFull { print("\(count) keys, \(arguments[0]): \(bytes >> 20) MiB") }
    }
  }
}
