import Glibc
import Platform
import TestSupport
import Testing

/// `drover run` with the section `rclone`: a volume through a bucket, with rsync as the judge.
@Suite struct RcloneMoverTests {
  @Test func aVolumeComesOutOfABucketAsItWentIn() throws {
    let bench = try RcloneBench()
    try bench.fill()
    let manifests = bench.secret() + bench.source() + bench.destination()
    let outcome = try bench.runChecked(manifests)
    try bench.expectEqual()
    for status in [outcome.source, outcome.destination] {
      #expect(status?["latestMoverStatus"]?["result"] == .string("Successful"))
      let logs = try #require(status?["latestMoverStatus"]?["logs"]?.stringValue)
      for word in ["Transferred:", "Elapsed time:", "Rclone completed in"] {
        #expect(logs.contains(word), "\(logs)")
      }
      #expect(status?["lastSyncTime"] != nil)
      #expect(status?["lastManualSync"] == .string("once"))
      #expect(!logs.contains(bench.server.endpoint.secretKey))
    }
    #expect(access("\(bench.restored)/lost+found", F_OK) != 0)
    #expect(access("\(bench.restored)/permissions.facl", F_OK) != 0)
    // Nothing has changed: nothing is sent, not even the permissions.
    let again = try bench.runChecked(manifests)
    #expect(again.log.contains("Checks:"))
    #expect(!again.log.contains("permissions"), "\(again.log)")
    try bench.expectEqual()
  }

  /// On a server that keeps `a` and `a/b` side by side, as real ones do.
  @Test func whatChangedIsBroughtUpToDate() throws {
    let server = try SwiftServer.shared
    let bench = try RcloneBench(server, bucket: try server.makeFreshBucket())
    let make = #"""
      set -e
      cd "$0"
      mkdir -p dir-file/deep dir-link kept/sub empty links closed
      for file in file-dir file-link kept/a kept/b kept/sub/c dir-file/deep/x dir-link/y closed/z
      do echo "$file" > "$file"; done
      for link in link-dir link-file links/gone links/moved; do ln -s nowhere "$link"; done
      setfacl -m u:4242:rw,d:u:4242:rx kept; chmod 0 closed
      """#
    try runChecked("sh", ["-c", make, bench.volume])
    let manifests = bench.secret() + bench.source() + bench.destination()
    try bench.runChecked(manifests)
    try bench.expectEqual()
    let change = #"""
      set -e
      cd "$0"
      # Kinds that change into each other, in both ways.
      rm file-dir && mkdir file-dir && echo 1 > file-dir/1
      rm -r dir-file && echo 2 > dir-file
      rm file-link && ln -s nowhere file-link
      rm link-file && echo 3 > link-file
      rm -r dir-link && ln -s nowhere dir-link
      rm link-dir && mkdir link-dir && echo 4 > link-dir/4
      # What only the list of permissions tells.
      chmod 4711 kept/a; chown 77:88 kept/a; touch -d 2003-03-03 kept/b; setfacl -b kept
      rm links/gone; ln -sfn elsewhere links/moved; ln -s new links/new
      rmdir empty; mkdir -p new/empty/directories only-links; ln -s a only-links/b
      """#
    try runChecked("sh", ["-c", change, bench.volume])
    // What nobody has sent is not to stay.
    try bench.write("\(bench.restored)/extra", "not of the source")
    try runChecked("mkdir", ["-p", "\(bench.restored)/extra-links/deep"])
    try runChecked("ln", ["-s", "x", "\(bench.restored)/extra-links/deep/link"])
    let outcome = try bench.runChecked(manifests)
    try bench.expectEqual()
    #expect(outcome.log.contains("Deleted:"))
    try runChecked("rm", ["-r", "\(bench.volume)/only-links", "\(bench.volume)/new"])
    try bench.runChecked(manifests)
    try bench.expectEqual()
  }

  @Test func filesInPartsAndAStrictServer() throws {
    let server = try SwiftServer.shared
    let bench = try RcloneBench(server, bucket: try server.makeFreshBucket())
    var random = SeededGenerator(seed: 9)
    try ByteFiles.write(Array("\(bench.volume)/large".utf8), random.bytes(13 << 20))
    try runChecked("ln", ["-s", "large", "\(bench.volume)/link"])
    let secret = bench.secret("RCLONE_S3_UPLOAD_CUTOFF: 6M\n  RCLONE_S3_CHUNK_SIZE: 5M")
    try bench.runChecked(secret + bench.source() + bench.destination())
    try bench.expectEqual()
  }

  @Test func theRemoteMayBeADirectory() throws {
    let bench = try RcloneBench()
    try bench.fill()
    let shelf = bench.directory.path("shelf")
    func onShelf(_ text: String) -> String {
      text.replacing("rcloneConfigSection: s3", with: "rcloneConfigSection: shelf")
        .replacing("'\(bench.bucket)/data'", with: "'\(shelf)/data'")
    }
    let secret = bench.secret() + "    [shelf]\n    type = local\n"
    try bench.runChecked(secret + onShelf(bench.source()) + onShelf(bench.destination()))
    try bench.expectEqual()
    #expect(access("\(shelf)/data/permissions.facl", F_OK) == 0)
  }

  /// Links as rclone keeps them, when the variable asks for it.
  @Test func linksMayBeObjectsOfTheirOwn() throws {
    let bench = try RcloneBench()
    try bench.fill()
    let secret = bench.secret("RCLONE_LINKS: 'true'")
    try bench.runChecked(secret + bench.source() + bench.destination())
    try bench.expectEqual()
    #expect(try bench.object("data/symlinks/dangling.rclonelink") == "nowhere/at all")
  }

  // MARK: VolSync

  private static func prepareForVolSync(_ bench: RcloneBench) throws {
    try bench.fill()
    // setfacl 2.3.1 does not bring a mode of 0 back.
    try runChecked("find", [bench.volume, "-perm", "0", "-exec", "chmod", "u+r", "{}", "+"])
  }

  /// What differs of a volume besides what VolSync's mover cannot keep.
  private static func differences(_ bench: RcloneBench, _ restored: String) throws -> String {
    let expected = try bench.directory.makeDirectory("expected-\(SecureRandom.integer())")
    try RsyncJudge.copy(source: bench.volume, destination: expected)
    try runChecked("find", [expected, "-type", "l", "-delete"])
    try runChecked("find", [expected, "-mindepth", "1", "-type", "d", "-empty", "-delete"])
    return try bench.differences(expected, restored, ["--omit-dir-times"])
  }

  @Test func volSyncPullsWhatWePush() throws {
    let bench = try RcloneBench()
    try RcloneMoverTests.prepareForVolSync(bench)
    try bench.runChecked(bench.secret() + bench.source())
    let target = try bench.directory.makeDirectory("by-volsync")
    try bench.pullByVolSync(to: target)
    let differences = try RcloneMoverTests.differences(bench, target)
    #expect(differences == "")
    #expect(!(try bench.object("data/permissions.facl")).isEmpty)
  }

  @Test func wePullWhatVolSyncPushes() throws {
    let bench = try RcloneBench()
    try RcloneMoverTests.prepareForVolSync(bench)
    try bench.pushByVolSync()
    let outcome = try bench.runChecked(bench.secret() + bench.destination())
    let differences = try RcloneMoverTests.differences(bench, bench.restored)
    #expect(differences == "")
    // An empty directory and a device look alike in its list; nobody claims that they are there.
    #expect(outcome.log.contains("has what the remote cannot have"), "\(outcome.log)")
  }

  /// Both write to one bucket, one after the other.
  @Test func ourSourceAndVolSyncsTakeTurns() throws {
    let bench = try RcloneBench()
    try RcloneMoverTests.prepareForVolSync(bench)
    try bench.pushByVolSync()
    try bench.runChecked(bench.secret() + bench.source())
    try bench.runChecked(bench.secret() + bench.destination())
    try bench.expectEqual()
    try runChecked("rm", ["-r", "\(bench.volume)/ordinary-3"])
    try bench.pushByVolSync()
    let target = try bench.directory.makeDirectory("by-volsync")
    try bench.pullByVolSync(to: target)
    let differences = try RcloneMoverTests.differences(bench, target)
    #expect(differences == "")
    #expect(!(try bench.object("data/permissions.facl")).contains("drover"))
  }

  // MARK: Several remotes

  @Test func eachOfSeveralRemotesGetsTheVolume() throws {
    let bench = try RcloneBench()
    try bench.fill()
    let remotes =
      ", annotations: {drover.internal/destinations: \"other:second\\n s3:\(bench.bucket)/third\"}"
    let outcome = try bench.runChecked(bench.secret() + bench.source(metadata: remotes))
    let list = try #require(outcome.source?["rclone"]?["destinations"]?.arrayValue)
    #expect(
      list.map { $0["remote"]?.stringValue } == [
        "s3:\(bench.bucket)/data", "other:second", "s3:\(bench.bucket)/third",
      ])
    #expect(list.allSatisfy { $0["result"] == .string("Successful") && $0["lastSyncTime"] != nil })
    for path in ["data", "elsewhere/second", "third"] {
      let target = try bench.directory.makeDirectory("of-\(path.replacing("/", with: "-"))")
      try bench.runChecked(bench.secret() + bench.destination(path, root: target))
      try bench.expectEqual(target)
    }
  }

  @Test func aRemoteThatFailsKeepsNobodyElseFromTheirs() throws {
    let bench = try RcloneBench()
    try bench.fill()
    let remotes = ", annotations: {drover.internal/destinations: 'dead:bucket/data'}"
    let secret =
      bench.secret("RCLONE_LOW_LEVEL_RETRIES: '1'") + """
            [dead]
            type = s3
            provider = Other
            access_key_id = a
            secret_access_key = b
            endpoint = http://127.0.0.1:1

        """
    let outcome = try bench.run(secret + bench.source(metadata: remotes))
    #expect(outcome.result.status == 3, "\(outcome.log)")
    let list = try #require(outcome.source?["rclone"]?["destinations"]?.arrayValue)
    #expect(list.map { $0["result"]?.stringValue } == ["Successful", "Failed"])
    #expect(list.last?["message"]?.stringValue?.contains("cannot connect") == true, "\(list)")
    #expect(list.last?["lastSyncTime"] == nil)
    #expect(outcome.source?["latestMoverStatus"]?["result"] == .string("Failed"))
    #expect(outcome.source?["lastSyncTime"] == nil)
    try bench.runChecked(bench.secret() + bench.destination())
    try bench.expectEqual()
  }
}
