import Platform
import Testing
import Transport

@testable import Replication

/// What is read of rsync's own protocol, logs and reports.
@Suite struct StockPeerTests {
  // MARK: Who is there

  private func recognized(_ text: String) throws -> RecognizedPeer {
    let (near, far) = try DescriptorStream.makePair()
    try Array(text.utf8).withUnsafeBytes { try far.write($0) }
    try far.finish()
    return try PeerProtocol.recognize(near)
  }

  @Test(arguments: [("DROVER\r\nrest", PeerProtocol.drover), ("@RSYNCD: 31.0\n", .rsync)])
  func tellsTheProtocolAndLosesNothing(text: String, expected: PeerProtocol) throws {
    let peer = try recognized(text)
    #expect(peer.speaks == expected)
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 5)
    while true {
      let count = try piece.withUnsafeMutableBytes { try peer.stream.read(into: $0) }
      if count == 0 { break }
      bytes += piece[..<count]
    }
    #expect(String(decoding: bytes, as: UTF8.self) == text)
  }

  @Test(arguments: ["", "DROVE", "GET / HTTP/1.1\r\n", "@RSYNCX: "])
  func refusesAnythingElse(text: String) {
    #expect(throws: ReplicationError.self) { try recognized(text) }
  }

  @Test func aSenderFindsOutThatTheReceiverIsStock() throws {
    let (near, far) = try DescriptorStream.makePair()
    // As short as the greeting of an old daemon, which then waits for ours.
    try Array("@RSYNCD: 31.0\n".utf8).withUnsafeBytes { try far.write($0) }
    let root = FilePathOfTest.temporary
    do {
      _ = try ReplicationSession.send(over: near, options: SendOptions(root: root))
      Issue.record("it was taken for one of ours")
    } catch ReplicationError.rsyncPeer {
      // Expected.
    }
  }

  private enum FilePathOfTest { static let temporary = "/proc/self/fdinfo" }

  // MARK: What it asks for

  @Test(arguments: [1, 3, 1000])
  func findsTheModuleHoweverItIsCut(pieceSize: Int) {
    let bytes = Array("@RSYNCD: 32.0 sha512 md5\ncontrol\n--server\0".utf8)
    var request = ModuleRequest()
    var foundCount = 0
    for start in stride(from: 0, to: bytes.count, by: pieceSize) {
      let piece = bytes[start..<min(start + pieceSize, bytes.count)]
      let isFound = piece.withUnsafeBytes { request.look(at: $0) }
      if isFound { foundCount += 1 }
    }
    #expect(request.module == "control")
    #expect(foundCount == 1)
  }

  @Test func aRequestWithoutEndIsLookedAtForAWhileOnly() {
    var request = ModuleRequest()
    for _ in 0..<100 {
      let isFound = [UInt8](repeating: 0x61, count: 100).withUnsafeBytes { request.look(at: $0) }
      #expect(!isFound)
    }
    #expect(request.isDone)
    #expect(request.module == nil)
  }

  // MARK: Settings

  private func settings(canConfine: Bool, refusesDeletions: Bool = false) -> DaemonSettings {
    DaemonSettings(
      root: "/srv/copy", control: "/tmp/x/control", canConfine: canConfine,
      isPrivileged: canConfine, refusesDeletions: refusesDeletions)
  }

  @Test func linksAreMungedOnlyWithoutConfinement() {
    let confined = settings(canConfine: true).text
    #expect(confined.contains("use chroot = yes\nmunge symlinks = no\n"))
    #expect(confined.contains("uid = 0\ngid = *\n"))
    let open = settings(canConfine: false).text
    #expect(open.contains("use chroot = no\nmunge symlinks = yes\n"))
    #expect(!open.contains("uid"))
    #expect(!open.contains("link-dest delete*\n\n[control]"))
    #expect(
      settings(canConfine: true, refusesDeletions: true).text.contains("delete*\n\n[control]"))
  }

  @Test(arguments: ["relative", "/", "/a%b", "/a\\", "/a\nb", "/a "])
  func pathsThatTheSettingsCannotHoldAreRefused(path: String) {
    #expect(DaemonSettings.problem(ofPath: path) != nil)
  }

  @Test(arguments: ["/srv/copy", "/srv/größe # x", "/a b/[data]"])
  func otherPathsAreTaken(path: String) {
    #expect(DaemonSettings.problem(ofPath: path) == nil)
  }

  // MARK: Logs and reports

  @Test func countsWhatTheLogOfTheDaemonSays() {
    var log = TransferLog()
    let text = """
      2026/11/30 04:00:28 [13593] connect from UNKNOWN (0.0.0.0)
      2026/11/30 04:00:28 [13593] rsync to data/ from UNKNOWN (0.0.0.0)
      2026/11/30 04:00:28 [13593] receiving file list
      2026/11/30 04:00:28 [13593] @recv >f+++++++++ 600 46
      2026/11/30 04:00:28 [13593] @recv >f.st...... 10 5
      2026/11/30 04:00:28 [13593] @recv cL+++++++++ 6 0
      2026/11/30 04:00:28 [13593] @recv .f...p..... 6 0
      2026/11/30 04:00:28 [13593] @recv .f          6 0
      2026/11/30 04:00:28 [13593] @del. *deleting   0 0
      2026/11/30 04:00:28 [13593] rsync: [receiver] write failed: No space left on device (28)
      2026/11/30 04:00:28 [13593] sent 25 bytes  received 200 bytes  total size 22
      """
    for line in text.split(separator: "\n") { log.add(line: line.utf8) }
    #expect(
      log.counts
        == TransferCounts(
          transferredCount: 2, createdCount: 2, deletedCount: 1, attributesChangedCount: 1,
          sizeBytesTransferred: 610, literalBytes: 51))
    #expect(log.sizeBytesTotal == 22)
    #expect(log.messages == ["rsync: [receiver] write failed: No space left on device (28)"])
  }

  @Test func namesAreReadBackFromTheReport() throws {
    var report = ClientReport()
    func add(_ line: [UInt8]) -> ClientReport.Item? { report.add(line: line) }
    let item = try #require(add(Array("@cL+++++++++ 1 0 b\\#134#012z \\#012 -> x".utf8)))
    #expect(item.isLink)
    #expect(item.isChanged)
    #expect(item.name == Array("b\\#012z \n -> x".utf8))
    let same = try #require(add(Array("@.L          11 0  leading".utf8)))
    #expect(same.isLink)
    #expect(!same.isChanged)
    let directory = try #require(add(Array("@.d..t...... 4096 0 d/".utf8)))
    #expect(directory.name == Array("d".utf8))
    #expect(add(Array("Number of files: 1012 (reg: 1003, dir: 1)".utf8)) == nil)
    #expect(add(Array("Total file size: 26 bytes".utf8)) == nil)
    var summary = SessionSummary()
    report.fill(&summary)
    #expect(summary.entryCount == 1012)
    #expect(summary.fileCountTotal == 1003)
    #expect(summary.sizeBytesTotal == 26)
    #expect(summary.entryCountCreated == 1)
    #expect(summary.entryCountAttributesChanged == 1)
  }

  @Test(
    arguments: [(5 as Int32, FailureKind.unreachable), (12, .unreachable), (23, .partial)]
      + [(11, .failed)])
  func exitCodesDecideAboutATry(code: Int32, kind: FailureKind) {
    #expect(ReplicationError.rsyncFailed(code: code, messages: []).kind == kind)
  }
}
