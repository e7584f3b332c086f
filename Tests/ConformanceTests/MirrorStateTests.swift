import Platform
import TestSupport
import Testing

/// What a run keeps for the next one: no request for an object that has not changed, and none
/// saved for one that has.
@Suite struct MirrorStateTests {
  private let bench: MirrorBench
  private let proxy: FaultProxy
  private let client: RcloneClient

  /// On the strict server, whose listings tell when an object was stored, and on the other one,
  /// whose listings tell the time of the file.
  enum Server: CaseIterable { case rclone, swift }

  private static func setUp(
    _ server: Server, files: Int = 40
  ) throws -> (MirrorBench, FaultProxy, RcloneClient) {
    let bench = try server == .rclone ? MirrorBench.rclone() : MirrorBench.swift()
    var random = SeededGenerator(seed: 12)
    for number in 0..<files {
      let path = Array("\(bench.source)/f\(number)".utf8)
      try ByteFiles.write(path, random.bytes(100 + random.below(4000)))
      try ByteFiles.setTime(path, seconds: 1_600_000_000 + number, nanoseconds: number)
    }
    let proxy = try FaultProxy(targetPort: bench.server.endpoint.port)
    let client = try RcloneClient(.current, bench.server.endpoint.through(port: proxy.port))
    return (bench, proxy, client)
  }

  init() throws { (bench, proxy, client) = try Self.setUp(.rclone) }

  /// Requests of one run, by what they ask.
  private func requests(
    _ proxy: FaultProxy, _ body: () throws -> Void
  ) throws -> [S3RequestKind: Int] {
    let before = proxy.counts
    try body()
    return proxy.counts.merging(before) { $0 - $1 }.filter { $0.value > 0 }
  }

  @Test(arguments: Server.allCases)
  func anUnchangedRunListsAndAsksNothing(_ server: Server) throws {
    let (bench, proxy, client) = try Self.setUp(server)
    let sync = ["sync", bench.source, bench.remote("x")]
    try bench.droverChecked(sync, client)
    for options in [[], ["--checksum"], ["--size-only"], ["--update"]] {
      let seen = try requests(proxy) { try bench.droverChecked(sync + options, client) }
      #expect(seen == [.list: 1], "\(options)")
    }
    // Without the state there is something to ask.
    let seen = try requests(proxy) {
      try bench.droverChecked(sync + ["--state-dir", "off"], client)
    }
    #expect(seen[.headObject] == 40)
    #expect(try bench.work(client, bench.source, bench.remote("x")) == "")
  }

  @Test(arguments: Server.allCases)
  func anUnchangedPullListsAndAsksNothing(_ server: Server) throws {
    let (bench, proxy, client) = try Self.setUp(server)
    try bench.droverChecked(["sync", bench.source, bench.remote("x")], client)
    let target = bench.directory.path("target")
    let pull = ["sync", bench.remote("x"), target]
    try bench.droverChecked(pull, client)
    let seen = try requests(proxy) { try bench.droverChecked(pull, client) }
    // One look whether the source is a single object.
    #expect(seen == [.list: 1, .headObject: 1])
    // A file that has changed here is fetched, also with the size and the time of before.
    let path = Array("\(target)/f7".utf8)
    let old = try ByteFiles.read(path)
    try ByteFiles.write(path, old.map { $0 ^ 1 })
    try ByteFiles.setTime(path, seconds: 1_600_000_007, nanoseconds: 7)
    _ = try bench.droverChecked(pull + ["--checksum"], client)
    #expect(try ByteFiles.read(path) == old)
  }

  /// What is new, other, older or gone on either side is found.
  @Test func changesAreFound() throws {
    let sync = ["sync", bench.source, bench.remote("x")]
    try bench.droverChecked(sync, client)
    var random = SeededGenerator(seed: 3)
    let changed = Array("\(bench.source)/f1".utf8)
    let size = try ByteFiles.read(changed).count
    try ByteFiles.write(changed, random.bytes(size))
    try ByteFiles.setTime(changed, seconds: 1_600_000_001, nanoseconds: 1)
    try ByteFiles.setTime(Array("\(bench.source)/f2".utf8), seconds: 5, nanoseconds: 0)
    try ByteFiles.write(Array("\(bench.source)/f3.new".utf8), [1, 2, 3])
    try runChecked("rm", ["\(bench.source)/f4"])
    // Of the same name and content, but another one.
    try runChecked("cp", ["-p", "\(bench.source)/f5", "\(bench.source)/copy"])
    try runChecked("mv", ["\(bench.source)/copy", "\(bench.source)/f5"])
    // And on the other side.
    try client.runChecked(["deletefile", bench.remote("x/f6")])
    try client.runChecked(
      ["copyto", "\(bench.source)/f8", bench.remote("x/f9"), "--ignore-times"])
    try bench.droverChecked(sync + ["--checksum"], client)
    try client.runChecked(["check", bench.source, bench.remote("x")])
    try bench.droverChecked(sync, client)
    #expect(try bench.work(client, bench.source, bench.remote("x")) == "")
    // When the object whose time was set was stored is known by now.
    try bench.droverChecked(sync, client)
    let seen = try requests(proxy) { try bench.droverChecked(sync, client) }
    #expect(seen == [.list: 1])
  }

  /// The time of an object that somebody else has set is looked at.
  @Test func anotherTimeOfTheSameObjectIsFound() throws {
    let (bench, proxy, client) = try Self.setUp(.swift)
    let sync = ["sync", bench.source, bench.remote("x")]
    try bench.droverChecked(sync, client)
    // The store tells whole seconds, and those around an upload are taken for its own.
    let clock = SystemClock()
    clock.sleep(seconds: 4)
    try client.runChecked(["touch", "-t", "2019-01-02T03:04:05", bench.remote("x/f1")])
    let seen = try requests(proxy) { try bench.droverChecked(sync, client) }
    #expect(seen[.copyObject] == 1)
    #expect(try bench.work(client, bench.source, bench.remote("x")) == "")
  }

  /// A file that is damaged, or of a run that was broken off, costs requests and nothing else.
  @Test func aDamagedFileIsNotBelieved() throws {
    let sync = ["sync", bench.source, bench.remote("x")]
    try bench.droverChecked(sync, client)
    let folder = Array(bench.directory.path("state/pairs").utf8)
    let names = try ByteFiles.names(in: folder)
    #expect(names.count == 1)
    let path = ByteFiles.join(folder, try #require(names.first))
    let whole = try ByteFiles.read(path)
    try ByteFiles.write(path, Array(whole.dropLast(9)))
    let seen = try requests(proxy) { try bench.droverChecked(sync, client) }
    #expect(seen == [.list: 1, .headObject: 40])
    let again = try requests(proxy) { try bench.droverChecked(sync, client) }
    #expect(again == [.list: 1])
  }

  @Test func aDryRunKeepsNothing() throws {
    try bench.droverChecked(
      ["sync", "--dry-run", bench.source, bench.remote("x")], client)
    let folder = Array(bench.directory.path("state/pairs").utf8)
    #expect(try ByteFiles.names(in: folder) == [])
  }
}
