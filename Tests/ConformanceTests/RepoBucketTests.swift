import Glibc
import Platform
import TestSupport
import Testing

/// Repositories in buckets of real servers, with restic beside us.
@Suite struct RepoBucketTests {
  enum Server: String, CaseIterable, Sendable {
    case rclone, swift

    /// A server, and the name of a bucket that is not in it yet.
    func start() throws -> (server: any BucketServer, bucket: String) {
      switch self {
      case .rclone: return (try RcloneServer(), "made-by-init")
      case .swift:
        let server = try SwiftServer.shared
        return (server, "\(try server.makeFreshBucket())-made-by-init")
      }
    }
  }

  @Test(arguments: Server.allCases)
  func bothProgramsWorkInOneBucket(_ kind: Server) throws {
    let (server, bucket) = try kind.start()
    let bench = try RepoBench(server, bucket: bucket, prefix: "a/prefix")
    #expect(try bench.drover(["snapshots"]).status == 10)
    try bench.droverChecked(["init"])
    #expect(try bench.drover(["init"]).status == 1)
    var random = SeededGenerator(seed: 31)
    for number in 0..<40 {
      try ByteFiles.write(
        Array("\(bench.source)/\(number)".utf8), random.bytes(random.below(50_000)))
    }
    try ByteFiles.write(Array("\(bench.source)/large".utf8), random.bytes(20 << 20))
    try bench.droverChecked(["backup", bench.source])
    try bench.restic(["backup", bench.source])
    try ByteFiles.write(Array("\(bench.source)/more".utf8), random.bytes(2 << 20))
    try bench.restic(["backup", bench.source])
    try bench.droverChecked(["backup", bench.source])
    let snapshots = try bench.snapshotIDs()
    #expect(snapshots.count == 4)
    // Each restores what the other has stored.
    for snapshot in snapshots.suffix(2) {
      #expect(try bench.differences(snapshot, from: bench.source) == "")
    }
    let target = bench.directory.path("restored")
    try bench.droverChecked(["restore", snapshots[2], "--target", target])
    #expect(
      try RsyncJudge.differences(source: bench.source, destination: target + bench.source) == "")
    try bench.droverChecked(["forget", "--keep-last", "1", "--prune"])
    #expect(try bench.complaints(readsData: true) == "")
    try bench.restic(["prune"])
    try bench.droverChecked(["check", "--read-data"])
    try bench.droverChecked(["unlock"])
    #expect(try bench.restic(["list", "locks", "--no-lock"]).outputText == "")
    _ = server
  }

  /// Whoever holds a lock keeps the other program from what excludes others.
  @Test(arguments: [true, false])
  func locksOfBothAreSeen(_ holderIsDrover: Bool) throws {
    let server = try RcloneServer()
    let bench = try RepoBench(server, bucket: "bucket-1", prefix: "p")
    try bench.droverChecked(["init"])
    let arguments = ["backup", "--stdin", "--stdin-filename", "x"]
    let holder =
      holderIsDrover ? try bench.startDrover(arguments) : try bench.startRestic(arguments)
    let end = MonotonicTime.now().advanced(bySeconds: 120)
    while try bench.restic(["list", "locks", "--no-lock"]).outputText.isEmpty {
      guard MonotonicTime.now() < end, holder.isRunning else {
        throw TestFailure("no lock: \(holder.errorOutput.text)")
      }
      SystemClock().sleep(seconds: 0.05)
    }
    if holderIsDrover {
      #expect(try bench.tryRestic(["prune"]).status != 0)
    } else {
      #expect(try bench.drover(["prune"]).status == 11)
    }
    holder.writeInput(Array("content".utf8))
    holder.closeInput()
    #expect(holder.wait(timeoutSeconds: 60) == 0)
    try bench.droverChecked(["prune"])
    #expect(try bench.snapshotIDs().count == 1)
  }

  @Test func settingsAndSecretsAreKeptApart() throws {
    let server = try RcloneServer()
    let bench = try RepoBench(server, bucket: "bucket-1", prefix: "")
    let wrong = try bench.drover(["init"], ["AWS_SECRET_ACCESS_KEY": "geheim"])
    #expect(wrong.status == 1)
    #expect(wrong.errorText.contains("SignatureDoesNotMatch"), "\(wrong.errorText)")
    #expect(!wrong.errorText.contains("geheim"))
    let none = ["AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": "/nonexistent"]
    let anonymous = try bench.drover(["snapshots"], none)
    #expect(anonymous.status == 1)
    #expect(anonymous.errorText.contains("AWS_ACCESS_KEY_ID"))
    try bench.droverChecked(["init", "-o", "s3.bucket-lookup=path", "-o", "s3.connections=2"])
    try bench.droverChecked(["snapshots", "-o", "s3.list-objects-v1=true"])
    #expect(try bench.drover(["snapshots", "-o", "s3.no-such=1"]).status == 1)
    #expect(try bench.drover(["snapshots", "-o", "s3.bucket-lookup=x"]).status == 1)
    let keys = bench.directory.path("credentials")
    try RepoBench.write(
      keys,
      "[p]\naws_access_key_id = \(server.endpoint.accessKey)\n"
        + "aws_secret_access_key = \(server.endpoint.secretKey)\n")
    let profile = none.merging(["AWS_PROFILE": "p", "AWS_SHARED_CREDENTIALS_FILE": keys]) { $1 }
    try bench.droverChecked(["snapshots"], profile)
  }

  /// VolSync's Secret, with the keys in it, through `drover run`.
  @Test func theMoverTakesItsKeysFromTheSecret() throws {
    let server = try RcloneServer()
    var mover = try MoverBench(
      try RepoBench(server, bucket: "bucket-1", prefix: "volume"))
    let keys =
      "AWS_ACCESS_KEY_ID: \(server.endpoint.accessKey)\n"
      + "  AWS_SECRET_ACCESS_KEY: \(server.endpoint.secretKey)"
    let place = "RESTIC_PASSWORD: '\(mover.repo.password)'"
    // The environment of the parent gives nothing to the mover.
    let unset = ["AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"]
    mover.variables = unset
    let source = mover.source().replacing(place, with: "\(place)\n  \(keys)")
    try mover.runChecked(source)
    let destination = mover.destination().replacing(place, with: "\(place)\n  \(keys)")
    try mover.runChecked(destination)
    try mover.expectEqual(mover.restored)
    #expect(try mover.repo.snapshotIDs().count == 1)
    let without = try mover.run(mover.source())
    #expect(without.result.status != 0)
    #expect(without.log.contains("AWS_ACCESS_KEY_ID"), "\(without.log)")
  }
}
