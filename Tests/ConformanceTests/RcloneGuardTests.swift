import Glibc
import Platform
import TestSupport
import Testing

/// What `drover run` with `rclone` refuses, and what it says when something is lacking.
@Suite struct RcloneGuardTests {
  private static func filled() throws -> RcloneBench {
    let bench = try RcloneBench()
    try bench.write("\(bench.volume)/file", "content")
    try runChecked("mkdir", ["\(bench.volume)/empty"])
    try runChecked("ln", ["-s", "file", "\(bench.volume)/link"])
    try bench.runChecked(bench.secret() + bench.source())
    return bench
  }

  @Test func anEmptySourceLeavesTheBucketAlone() throws {
    let bench = try RcloneGuardTests.filled()
    try runChecked("rm", ["-r", "\(bench.volume)/file", "\(bench.volume)/link"])
    // Directories alone are no files.
    for _ in 0..<2 {
      let outcome = try bench.run(bench.secret() + bench.source())
      #expect(outcome.result.status == 5, "\(outcome.log)")
      #expect(outcome.log.contains("drover.internal/allow-empty-source"))
      #expect(try bench.object("data/file") == "content")
      #expect(outcome.source?["latestMoverStatus"]?["result"] == .string("Failed"))
      removeTree("\(bench.volume)/empty")
    }
    try runChecked("mkdir", ["\(bench.volume)/lost+found"])
    #expect(try bench.run(bench.secret() + bench.source()).result.status == 5)
    try bench.runChecked(bench.secret() + bench.source(metadata: RcloneBench.allowsEmpty))
    #expect(try bench.rclone(["lsf", "BUCKET/data"]) == "permissions.facl\n")
    // What an empty volume has left is restored only on demand.
    try bench.write("\(bench.restored)/precious", "x")
    let refused = try bench.run(bench.secret() + bench.destination())
    #expect(refused.result.status == 1)
    #expect(refused.log.contains("there is nothing to restore in s3:\(bench.bucket)/data"))
    #expect(access("\(bench.restored)/precious", F_OK) == 0)
    try bench.runChecked(bench.secret() + bench.destination(metadata: RcloneBench.allowsEmpty))
    #expect(access("\(bench.restored)/precious", F_OK) != 0)
  }

  @Test func aPlaceWithoutFilesRestoresNothing() throws {
    let bench = try RcloneGuardTests.filled()
    try bench.write("\(bench.restored)/precious", "x")
    for path in ["dat", "data/file", "none/at/all"] {
      let outcome = try bench.run(
        bench.secret() + bench.destination(path, metadata: RcloneBench.allowsEmpty))
      #expect(outcome.result.status == 1, "\(outcome.log)")
      #expect(outcome.log.contains("there is nothing to restore"), "\(outcome.log)")
      #expect(outcome.destination?["latestImage"] == nil)
    }
    let missing = bench.destination().replacing("'\(bench.bucket)/", with: "'no-such-bucket/")
    #expect(try bench.run(bench.secret() + missing).log.contains("there is nothing to restore"))
    #expect(access("\(bench.restored)/precious", F_OK) == 0)
  }

  @Test func filesWithoutPermissionsAreNotRestored() throws {
    let bench = try RcloneGuardTests.filled()
    try bench.rclone(["deletefile", "BUCKET/data/permissions.facl"])
    let outcome = try bench.run(bench.secret() + bench.destination())
    #expect(outcome.result.status == 1)
    #expect(outcome.log.contains("s3:\(bench.bucket)/data has no permissions.facl"))
    #expect(access("\(bench.restored)/file", F_OK) != 0)
    // One without entries is as good as none.
    for text in ["", "# file: data\nuser::rwx\ngroup::r-x\nother::r-x\n\n"] {
      let list = bench.directory.path("permissions.facl")
      try bench.write(list, text)
      try bench.rclone(["copyto", list, "BUCKET/data/permissions.facl"])
      let second = try bench.run(bench.secret() + bench.destination())
      #expect(second.result.status == 1)
      #expect(second.log.contains("has files, and its permissions.facl names none"))
    }
  }

  @Test func aFileOfTheNameOfThePermissionsIsRefused() throws {
    let bench = try RcloneGuardTests.filled()
    let before = try bench.object("data/permissions.facl")
    try bench.write("\(bench.volume)/permissions.facl", "of the user")
    try bench.write("\(bench.volume)/new", "x")
    let outcome = try bench.run(bench.secret() + bench.source())
    #expect(outcome.result.status == 5)
    #expect(outcome.log.contains("has a file permissions.facl of its own"))
    #expect(try bench.object("data/permissions.facl") == before)
    // Further down it is a file like any other.
    try runChecked("mkdir", ["\(bench.volume)/sub"])
    try ByteFiles.rename(
      Array("\(bench.volume)/permissions.facl".utf8),
      to: Array("\(bench.volume)/sub/permissions.facl".utf8))
    try bench.runChecked(bench.secret() + bench.source() + bench.destination())
    try bench.expectEqual()
  }

  @Test func theListIsReplacedInOneStep() throws {
    let bench = try RcloneGuardTests.filled()
    var changes = 0
    let isOver = Flag()
    let watcher = Thread("watcher") { () throws -> Int in
      var looks = 0
      while !isOver.isSet {
        let list = try bench.rclone(["lsf", "BUCKET/data"])
        #expect(list.contains("permissions.facl"))
        looks += 1
      }
      return looks
    }
    while changes < 5 {
      changes += 1
      try bench.write("\(bench.volume)/file-\(changes)", "\(changes)")
      try bench.runChecked(bench.secret() + bench.source())
    }
    isOver.set()
    #expect(try watcher.join() > 0)
  }

  @Test func objectsThatAreGoneAreTold() throws {
    let bench = try RcloneGuardTests.filled()
    try bench.write("\(bench.volume)/other", "x")
    try bench.runChecked(bench.secret() + bench.source())
    try bench.rclone(["deletefile", "BUCKET/data/file"])
    let outcome = try bench.run(bench.secret() + bench.destination())
    #expect(outcome.result.status == 3)
    #expect(outcome.log.contains("file: the remote does not have it"))
    #expect(outcome.destination?["latestMoverStatus"]?["result"] == .string("Failed"))
    #expect(outcome.destination?["lastSyncTime"] == nil)
    #expect(access("\(bench.restored)/other", F_OK) == 0)
    // An object that nobody has listed comes, and is told.
    try bench.rclone(["copyto", "BUCKET/data/other", "BUCKET/data/file"])
    try bench.rclone(["copyto", "BUCKET/data/other", "BUCKET/data/added"])
    let second = try bench.runChecked(bench.secret() + bench.destination())
    #expect(second.log.contains("files without an entry in permissions.facl: 1 (added)"))
  }

  @Test func withoutPrivilegeWhatCannotBeReadOrAppliedIsTold() throws {
    let bench = try RcloneBench()
    try bench.write("\(bench.volume)/mine", "x")
    try bench.write("\(bench.volume)/secret", "y")
    try bench.runChecked(bench.secret() + bench.source())
    let unprivileged = [
      "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
    ]
    chmod(bench.directory.path, 0o755)
    chown(bench.restored, 65_534, 65_534)
    let restored = try bench.run(bench.secret() + bench.destination(), by: unprivileged)
    #expect(restored.result.status == 3, "\(restored.log)")
    #expect(restored.log.contains("3 entries could not be given their owners"))
    try bench.expectEqual(nil, ["--no-owner", "--no-group"])
    chmod("\(bench.volume)/secret", 0o600)
    let sent = try bench.run(bench.secret() + bench.source("second"), by: unprivileged)
    #expect(sent.result.status == 3, "\(sent.log)")
    #expect(sent.log.contains("data: secret: Permission denied"), "\(sent.log)")
    #expect(sent.log.contains("1 file could not be copied, nothing was deleted"))
    #expect(sent.source?["latestMoverStatus"]?["result"] == .string("Failed"))
    #expect(try bench.object("second/mine") == "x")
  }

  @Test func aServerThatIsAwayIsTriedAgain() throws {
    let bench = try RcloneGuardTests.filled()
    let secret = bench.secret("RCLONE_LOW_LEVEL_RETRIES: '1'", endpoint: "http://127.0.0.1:1")
    let outcome = try bench.run(secret + bench.source())
    #expect(outcome.result.status == 7, "\(outcome.log)")
    #expect(outcome.log.contains("try 5"))
  }

  @Test func secretsStayOutOfArgumentsAndTheEnvironment() throws {
    let bench = try RcloneBench()
    for index in 0..<300 { try bench.write("\(bench.volume)/file-\(index)", "\(index)") }
    let secrets = ["sesame-of-tests", bench.server.endpoint.secretKey]
    let isOver = Flag()
    let watcher = Thread("watcher") { () -> (movers: Int, leaks: Int) in
      var (movers, leaks) = (0, 0)
      while !isOver.isSet {
        for entry in (try? ByteFiles.names(in: Array("/proc".utf8))) ?? [] {
          let folder = "/proc/\(String(decoding: entry, as: UTF8.self))"
          // Processes come and go.
          guard let line = try? SmallFile.read("\(folder)/cmdline", sizeBytesMax: 1 << 20),
            String(decoding: line, as: UTF8.self).hasSuffix("drover\0mover\0"),
            let environment = try? SmallFile.read("\(folder)/environ", sizeBytesMax: 1 << 20)
          else { continue }
          movers += 1
          let text = String(decoding: line + environment, as: UTF8.self)
          if secrets.contains(where: text.contains) { leaks += 1 }
        }
      }
      return (movers, leaks)
    }
    let manifests =
      bench.secret("RCLONE_S3_SESSION_TOKEN: sesame-of-tests") + bench.source()
      + bench.destination()
    let outcome = try bench.run(manifests)
    isOver.set()
    let seen = try watcher.join()
    #expect(seen.movers > 0)
    #expect(seen.leaks == 0)
    for secret in secrets {
      #expect(!outcome.log.contains(secret))
      #expect(!outcome.result.outputText.contains(secret))
    }
  }
}

private final class Flag: @unchecked Sendable {
  private let lock = Lock()
  private var value = false
  var isSet: Bool { lock.withLock { value } }
  func set() { lock.withLock { value = true } }
}
