import Platform
import TestSupport

/// A bucket, and both programs to mirror to it and from it.
final class MirrorBench {
  let directory: TemporaryDirectory
  let server: any BucketServer
  let bucket: String
  let source: String

  /// `server` is held as long as the bench is.
  init(_ server: any BucketServer, bucket: String) throws {
    directory = try TemporaryDirectory()
    (self.server, self.bucket) = (server, bucket)
    source = try directory.makeDirectory("source")
  }

  static func rclone() throws -> MirrorBench {
    let server = try RcloneServer()
    try server.makeBucket("bucket-1")
    return try MirrorBench(server, bucket: "bucket-1")
  }

  static func swift() throws -> MirrorBench {
    let server = try SwiftServer.shared
    return try MirrorBench(server, bucket: try server.makeFreshBucket())
  }

  func client(_ version: RcloneClient.Version, _ settings: [String] = []) throws -> RcloneClient {
    try RcloneClient(version, server.endpoint, settings: settings)
  }

  /// The remote's name is that of ``RcloneClient``.
  func remote(_ path: String) -> String { "s3:\(bucket)/\(path)" }

  /// Runs `drover mirror` with the configuration of an rclone.
  func drover(
    _ arguments: [String], _ client: RcloneClient, _ variables: [String: String] = [:]
  ) throws -> ProcessResult {
    let environment = [
      "RCLONE_CONFIG": client.configurationPath, "no_proxy": "127.0.0.1", "AWS_CA_BUNDLE": "",
      "DROVER_STATE_DIR": directory.path("state"),
    ]
    return try runProcess(
      try DroverBinary.path, ["mirror"] + arguments,
      environment: environment.merging(variables) { $1 })
  }

  @discardableResult
  func droverChecked(
    _ arguments: [String], _ client: RcloneClient, _ variables: [String: String] = [:]
  ) throws -> ProcessResult {
    let result = try drover(arguments, client, variables)
    guard result.status == 0 else {
      throw TestFailure(
        "drover mirror \(arguments.joined(separator: " ")) ended with \(result.status): "
          + result.errorText)
    }
    return result
  }

  /// Odd names, an empty file, an empty directory, times of all kinds: 17 files, and two more with
  /// `isStrict`, whose names `rclone serve s3` cannot keep, as it takes them for `.` and NUL.
  func fill(seed: UInt64 = 1, isStrict: Bool = false) throws {
    var random = SeededGenerator(seed: seed)
    var names: [[UInt8]] =
      [
        "plain.txt", "empty", "a", "a-b", "a.html", "d/e/deep.json", "d/file", "d0", " blank ",
        "ü/ö", "e\u{301}", "per%20cent+plus&amp;", "back\\slash", "dot.", "q?#[]",
        "tab\tnew\nline",
      ].map { Array($0.utf8) } + [[0x66, 0xff, 0xfe, 0x67]]
    if isStrict { names += ["\u{ff0e}", "\u{2400}symbol"].map { Array($0.utf8) } }
    try runChecked("mkdir", ["-p", "\(source)/d/e", "\(source)/ü", "\(source)/none/at/all"])
    for name in names {
      let path = ByteFiles.join(Array(source.utf8), name)
      try ByteFiles.write(path, random.bytes(name == Array("empty".utf8) ? 0 : random.below(9000)))
      try ByteFiles.setTime(
        path, seconds: random.below(1_700_000_000), nanoseconds: random.below(1_000_000_000))
    }
  }

  /// What rclone would still do to make the second the first; empty for nothing.
  func work(
    _ client: RcloneClient, _ from: String, _ to: String, _ options: [String] = []
  ) throws -> String {
    let result = try client.runChecked(["sync", "--dry-run", "-v", from, to] + options)
    return result.errorText.split(separator: "\n")
      .filter { $0.contains("--dry-run is set") }.joined(separator: "\n")
  }
}
