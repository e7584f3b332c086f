import Glibc
import Platform
import TestSupport
import Testing

/// The object stores that other tests stand on, and real rclone as their client.
@Suite struct ObjectServerTests {
  @Test(arguments: RcloneClient.Version.allCases)
  func rcloneServesWhatRcloneStores(version: RcloneClient.Version) throws {
    let server = try RcloneServer()
    try server.makeBucket("bucket-1")
    try expectRoundTrip(server, "bucket-1", version)
    let stored = try ByteFiles.read(Array("\(server.dataDirectory)/bucket-1/tree/a/1".utf8))
    #expect(!stored.isEmpty)
  }

  @Test(arguments: RcloneClient.Version.allCases)
  func swiftServesWhatRcloneStores(version: RcloneClient.Version) throws {
    let server = try SwiftServer.shared
    try expectRoundTrip(server, try server.makeFreshBucket(), version)
  }

  @Test func bucketsOfSwiftAreFresh() throws {
    let server = try SwiftServer.shared
    let names = Set(try (0..<3).map { _ in try server.makeFreshBucket() })
    #expect(names.count == 3)
    let listed = try RcloneClient(.current, server.endpoint).runChecked(["lsf", "s3:"]).outputText
    for name in names { #expect(listed.split(separator: "\n").contains("\(name)/")) }
  }

  @Test func swiftRefusesAStranger() throws {
    var endpoint = try SwiftServer.shared.endpoint
    endpoint.secretKey = "wrong"
    let client = try RcloneClient(.current, endpoint)
    let result = try client.run(["--retries", "1", "lsf", "s3:"])
    #expect(result.status != 0)
    #expect(result.errorText.contains("SignatureDoesNotMatch"))
  }

  @Test func rcloneServerComesBackWithItsData() throws {
    let server = try RcloneServer()
    try server.makeBucket("bucket-1")
    let client = try RcloneClient(.current, server.endpoint)
    try client.runChecked(["touch", client.remote("bucket-1/a")])
    server.stop()
    let down = try client.run(["--retries", "1", "--low-level-retries", "1", "lsf", "s3:bucket-1"])
    #expect(down.status != 0)
    try server.restart()
    #expect(try client.runChecked(["lsf", "s3:bucket-1"]).outputText == "a\n")
  }

  @Test func serversEndWithTheirHolder() throws {
    var rclone: pid_t = 0
    var swift: pid_t = 0
    var daemons: [pid_t] = []
    do {
      let first = try RcloneServer()
      let second = try SwiftServer()
      (rclone, swift) = (first.processID, second.processID)
      daemons = try children(of: swift)
    }
    #expect(daemons.count == 4)
    for id in [rclone, swift] + daemons { #expect(try hasEnded(id), "process \(id)") }
  }

  @Test func killingWhoServesSwiftEndsItsDaemons() throws {
    let directory = try TemporaryDirectory()
    let child = try ChildProcess(
      "\(InstalledServers.project)/tools/serve-swift", [directory.path("swift")],
      environment: ["DROVER_SERVERS": InstalledServers.directory])
    _ = try #require(child.nextLine(timeoutSeconds: 120))
    let daemons = try children(of: child.processID)
    #expect(daemons.count == 4)
    child.kill(SIGKILL)
    for id in daemons { #expect(try hasEnded(id), "process \(id)") }
  }

  private func expectRoundTrip(
    _ server: some BucketServer, _ bucket: String, _ version: RcloneClient.Version
  ) throws {
    let directory = try TemporaryDirectory()
    let source = try directory.makeDirectory("source")
    for name in ["a", "b"] { _ = try directory.makeDirectory("source/\(name)") }
    var random = SeededGenerator(seed: 11)
    // The last one takes more than one part.
    for (name, count) in [("a/1", 1), ("a/2", 70_000), ("b/ä +%", 300), ("b/big", 11 << 20)] {
      try ByteFiles.write(Array("\(source)/\(name)".utf8), random.bytes(count))
    }
    let client = try RcloneClient(version, server.endpoint)
    let remote = client.remote("\(bucket)/tree")
    try client.runChecked(["copy", "--s3-upload-cutoff", "5Mi", source, remote])
    try client.runChecked(["check", "--download", source, remote])
    try ByteFiles.write(Array("\(source)/a/1".utf8), [0])
    #expect(try client.run(["check", "--download", source, remote]).status != 0)
    let copy = directory.path("copy")
    try client.runChecked(["copy", remote, copy])
    let differences = try runProcess("diff", ["-rq", source, copy]).outputText
    #expect(differences.split(separator: "\n").count == 1)
    #expect(differences.contains("a/1"))
  }
}

private func children(of id: pid_t) throws -> [pid_t] {
  let path = "/proc/\(id)/task/\(id)/children"
  return String(decoding: try ByteFiles.read(Array(path.utf8)), as: UTF8.self)
    .split(separator: " ").compactMap { pid_t($0) }
}

/// Waits a while for a process to be gone, or to be only its number in the table.
private func hasEnded(_ id: pid_t) throws -> Bool {
  let deadline = MonotonicTime.now().advanced(bySeconds: 30)
  while MonotonicTime.now() < deadline {
    guard kill(id, 0) == 0 else { return true }
    let status = try? ByteFiles.read(Array("/proc/\(id)/status".utf8))
    if let status, String(decoding: status, as: UTF8.self).contains("State:\tZ") { return true }
    SystemClock().sleep(seconds: 0.02)
  }
  return false
}
