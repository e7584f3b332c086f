import Glibc
import Platform
import TestSupport
import Testing

/// `drover repo backup` and what keeps house after it, with restic as the judge.
@Suite struct RepoBackupTests {
  private static func snapshots(_ bench: RepoBench) throws -> [JSONValue] {
    try JSONValue(parsing: try bench.restic(["snapshots", "--json"]).output).arrayValue ?? []
  }

  @Test func resticRestoresWhatWeStore() throws {
    let bench = try RepoBench()
    try bench.droverChecked(["init"])
    let text = try bench.droverChecked(
      [
        "backup", bench.source, "--tag", "a,b", "--tag", "c", "--host", "box", "-e", "*.none",
        "--time", "2024-02-03 04:05:06",
      ]).outputText
    #expect(text.contains("no parent snapshot found, will read all files"))
    #expect(text.contains("Files:           2 new,     0 changed,     0 unmodified"))
    let snapshot = try #require(try RepoBackupTests.snapshots(bench).first)
    #expect(snapshot["tags"] == .array(["a", "b", "c"].map { .string($0) }))
    #expect(snapshot["hostname"] == .string("box"))
    #expect(snapshot["excludes"] == .array([.string("*.none")]))
    #expect(snapshot["paths"] == .array([.string(bench.source)]))
    #expect(snapshot["time"] == .string("2024-02-03T04:05:06Z"))
    let target = bench.directory.path("restored")
    try bench.restic(["restore", "latest", "--target", target])
    try runChecked("diff", ["-r", "--no-dereference", bench.source, target + bench.source])
    try bench.restic(["check", "--read-data"])
  }

  @Test func theSummaryIsThatOfRestic() throws {
    let bench = try RepoBench()
    try bench.droverChecked(["init"])
    let lines = try RepoBench.lines(
      try bench.droverChecked(["backup", "--json", bench.source]).output)
    let summary = try #require(lines.last)
    #expect(summary["message_type"] == .string("summary"))
    #expect(summary["files_new"] == .integer(2))
    #expect(summary["total_bytes_processed"] == .integer(10_013))
    #expect(summary["data_blobs"] == .integer(2))
    #expect(summary["snapshot_id"] == (try RepoBackupTests.snapshots(bench).first?["id"]))
    // The same backup by restic afterwards finds nothing new.
    let other = try RepoBench.lines(try bench.restic(["backup", "--json", bench.source]).output)
    #expect(other.last?["data_blobs"] == .integer(0))
    // The directories above are in the snapshot too, and other tests may touch them meanwhile.
    let treeBlobs = try #require(other.last?["tree_blobs"])
    #expect([.integer(0), .integer(1), .integer(2)].contains(treeBlobs))
    #expect(other.last?["files_unmodified"] == .integer(2))
    let names = Set(other.last?.objectValue?.members.map(\.name) ?? [])
    #expect(names.isSubset(of: Set(summary.objectValue?.members.map(\.name) ?? [])))
  }

  @Test func everyFileIsToldOnDemand() throws {
    let bench = try RepoBench()
    try bench.droverChecked(["init"])
    let lines = try RepoBench.lines(
      try bench.droverChecked(["backup", "--json", "-vv", bench.source]).output)
    let items = lines.filter { $0["message_type"] == .string("verbose_status") }
    #expect(items.contains { $0["item"]?.stringValue?.hasSuffix("/hello") == true })
    #expect(items.allSatisfy { $0["action"] == .string("new") })
  }

  @Test func unreadableSourcesAreThree() throws {
    let bench = try RepoBench()
    try bench.droverChecked(["init"])
    let missing = try bench.drover(["backup", bench.source, bench.source + "/nothing"])
    #expect(missing.status == 3, "\(missing.errorText)")
    #expect(missing.errorText.contains("/nothing"))
    #expect(try bench.drover(["backup", bench.source + "/nothing"]).status == 1)
    #expect(try bench.drover(["backup"]).status == 1)
    #expect(try RepoBackupTests.snapshots(bench).count == 1)
  }

  @Test func standardInputIsAFile() throws {
    let bench = try RepoBench()
    try bench.droverChecked(["init"])
    let content = Array("from a pipe".utf8)
    let result = try bench.drover(
      ["backup", "--stdin", "--stdin-filename", "dump.sql"], stdin: content)
    #expect(result.status == 0, "\(result.errorText)")
    #expect(try bench.restic(["dump", "latest", "dump.sql"]).output == content)
    let unknown = try bench.drover(["backup", "--stdin"], ["RESTIC_PASSWORD": ""], stdin: content)
    #expect(unknown.status == 1)
  }

  @Test func listsOfFilesAreRead() throws {
    let bench = try RepoBench()
    try bench.droverChecked(["init"])
    let list = bench.directory.path("list")
    try RepoBench.write(list, "# a comment\n  \(bench.source)/h*  \n\n")
    try bench.droverChecked(["backup", "--files-from", list])
    let raw = try bench.drover(
      ["backup", "--files-from-raw", "-"], stdin: Array("\(bench.source)/folder\0".utf8))
    #expect(raw.status == 0, "\(raw.errorText)")
    try RepoBench.write(list, "\(bench.source)/link\n")
    try bench.droverChecked(["backup", "--files-from-verbatim", list])
    let paths = try RepoBackupTests.snapshots(bench).map { $0["paths"] }
    let wanted = ["hello", "folder", "link"].map { JSONValue.string("\(bench.source)/\($0)") }
    #expect(paths == wanted.map { .array([$0]) })
  }

  @Test func nothingIsStoredInADryRunOrUnchanged() throws {
    let bench = try RepoBench()
    try bench.droverChecked(["init"])
    #expect(
      try bench.droverChecked(["backup", "-n", bench.source]).outputText.contains("Would add"))
    #expect(try RepoBackupTests.snapshots(bench).isEmpty)
    // By a relative path: the directories above it change all the time.
    let script = #"cd "$1" && shift && exec "$@" ."#
    for options in [[], ["--skip-if-unchanged"]] {
      try runChecked(
        "sh", ["-c", script, "sh", bench.source, DroverBinary.path, "repo", "backup"] + options,
        environment: bench.environment)
    }
    #expect(try RepoBackupTests.snapshots(bench).count == 1)
  }

  // MARK: Keeping house

  /// The groups of forget without what only newer versions of restic tell, in a fixed order.
  private static func groups(_ output: [UInt8]) throws -> [JSONValue] {
    func reduced(_ value: JSONValue) -> JSONValue {
      switch value {
      case .array(let items): return .array(items.map(reduced))
      case .object(let object):
        var result = JSONObject()
        for member in object.members where !["summary", "program_version"].contains(member.name) {
          result[member.name] = reduced(member.value)
        }
        return .object(result)
      default: return value
      }
    }
    let groups = try JSONValue(parsing: output).arrayValue ?? []
    return groups.map(reduced).sorted {
      $0.encoded().lexicographicallyPrecedes($1.encoded())
    }
  }

  @Test func forgetDecidesAndTellsAsRestic() throws {
    let bench = try RepoBench()
    try bench.droverChecked(["init"])
    for (number, time) in ["2024-01-01", "2024-01-02", "2024-02-01", "2024-03-01"].enumerated() {
      try bench.droverChecked(
        ["backup", bench.source, "--time", "\(time) 10:00:00", "--tag", "t\(number % 2)"])
    }
    for policy in [
      ["--keep-last", "2"], ["-d", "1", "-m", "2"], ["--keep-tag", "t1"],
      ["--keep-within", "1m5d", "--group-by", "host,tags"],
    ] {
      let options = ["forget", "--json", "--dry-run"] + policy
      #expect(
        try RepoBackupTests.groups(try bench.droverChecked(options).output)
          == (try RepoBackupTests.groups(try bench.restic(options).output)), "\(policy)")
    }
    let text = try bench.droverChecked(["forget", "--keep-last", "1", "--prune"]).outputText
    #expect(text.contains("Applying Policy: keep 1 latest snapshots"))
    #expect(try RepoBackupTests.snapshots(bench).count == 1)
    try bench.restic(["check", "--read-data"])
    #expect(try bench.droverChecked(["forget"]).outputText.contains("no policy was specified"))
    #expect(try bench.drover(["forget", "--keep-tag", "none"]).status == 1)
    try bench.droverChecked(["forget", "latest"])
    #expect(try RepoBackupTests.snapshots(bench).isEmpty)
  }

  @Test func pruneFreesWhatForgetLeft() throws {
    let bench = try RepoBench()
    try bench.droverChecked(["init"])
    try bench.droverChecked(["backup", bench.source])
    try RepoBench.write("\(bench.source)/folder/file", "something else")
    try bench.droverChecked(["backup", bench.source])
    try bench.droverChecked(["forget", "--keep-last", "1"])
    let dry = try bench.droverChecked(["prune", "--dry-run", "--max-unused", "0"]).outputText
    #expect(dry.contains("to delete:") || dry.contains("to repack:"))
    let message = try JSONValue(
      parsing: try bench.droverChecked(["prune", "--json", "--max-unused", "0"]).output)
    #expect(message["pruned_blobs"]?.integerValue ?? 0 > 0)
    try bench.restic(["check", "--read-data"])
    #expect(try bench.drover(["prune", "--max-unused", "200%"]).status == 1)
  }

  @Test func damageIsFoundAndRepaired() throws {
    let bench = try RepoBench(fixture: "repo-v2")
    #expect(
      try bench.droverChecked(["check", "--read-data"]).outputText.contains("no errors were found"))
    try bench.droverChecked(["check", "--read-data-subset", "1/2"])
    for index in try bench.restic(["list", "index"]).outputText.split(separator: "\n") {
      unlink("\(bench.repository)/index/\(index)")
    }
    let result = try bench.drover(["check", "--json"])
    #expect(result.status == 1)
    let summary = try #require(try RepoBench.lines(result.output).last)
    #expect(summary["num_errors"]?.integerValue ?? 0 > 0)
    #expect(summary["suggest_repair_index"] == .bool(true))
    try bench.droverChecked(["repair", "index"])
    try bench.restic(["check", "--read-data"])
    try bench.droverChecked(["rebuild-index", "--read-all-packs"])
    #expect(try bench.drover(["check", "--read-data-subset", "3/2"]).status == 1)
  }

  @Test func whatIsReadableOfADamagedPackIsSaved() throws {
    let bench = try RepoBench()
    try bench.droverChecked(["init"])
    for name in 0..<20 { try RepoBench.write("\(bench.source)/small-\(name)", "content \(name)") }
    try bench.droverChecked(["backup", bench.source])
    let index = try JSONValue(
      parsing: Array(
        try bench.restic([
          "cat", "index",
          String(try bench.restic(["list", "index"]).outputText.prefix(64)),
        ]).outputText.utf8))
    // The pack of data, and its first blob.
    let packs = try #require(index["packs"]?.arrayValue)
    let pack = try #require(
      packs.first { $0["blobs"]?.arrayValue?.first?["type"] == .string("data") })
    let id = try #require(pack["id"]?.stringValue)
    let blobCount = try #require(pack["blobs"]?.arrayValue).count
    let path = Array("\(bench.repository)/data/\(id.prefix(2))/\(id)".utf8)
    try ByteFiles.setMode(path, 0o600)
    let damaged = try ByteFiles.read(path)[20] ^ 1
    try ByteFiles.overwrite(path, [damaged], at: 20)
    let before = try ByteFiles.read(path)
    #expect(try bench.drover(["check", "--read-data"]).status == 1)
    let result = try runChecked(
      "sh",
      [
        "-c", "cd \"$1\" && exec \"$2\" repo repair packs --json \"$3\"", "sh",
        bench.directory.path,
        DroverBinary.path, String(id.prefix(10)),
      ], environment: bench.environment)
    let summary = try #require(try RepoBench.lines(result.output).last)
    #expect(summary["blobs_saved"]?.integerValue == Int64(blobCount - 1))
    #expect(summary["blobs_lost"]?.arrayValue?.count == 1)
    #expect(try ByteFiles.read(Array(bench.directory.path("pack-\(id)").utf8)) == before)
    // A new backup stores again what was lost, also of a file that has not changed.
    try bench.droverChecked(["backup", "--force", bench.source])
    try bench.restic(["check", "--read-data"])
  }

  // MARK: Locks

  @Test func aLiveLockIsEleven() throws {
    let bench = try RepoBench()
    try bench.droverChecked(["init"])
    // A backup that waits for its input holds a lock that is alive.
    let holder = try ChildProcess(
      DroverBinary.path, ["repo", "backup", "--stdin"], environment: bench.environment)
    defer { holder.kill(SIGKILL) }
    let clock = SystemClock()
    for _ in 0..<600 where try bench.restic(["list", "locks", "--no-lock"]).output.isEmpty {
      clock.sleep(seconds: 0.1)
    }
    let result = try bench.drover(["prune", "--json"])
    #expect(result.status == 11, "\(result.errorText)")
    let last = try #require(result.errorOutput.split(separator: 0x0a).last)
    #expect(try JSONValue(parsing: last)["code"] == .integer(11))
    try bench.droverChecked(["snapshots"])
    try bench.droverChecked(["unlock"])
    #expect(try bench.drover(["forget", "--keep-last", "1"]).status == 11)
    // restic asks by SIGHUP whether the holder lives: it goes on.
    try runChecked("sh", ["-c", "kill -HUP \(holder.processID)"])
    holder.writeInput(Array("data".utf8))
    holder.closeInput()
    #expect(holder.wait(timeoutSeconds: 60) == 0)
    try bench.droverChecked(["prune"])
    #expect(try bench.restic(["list", "locks", "--no-lock"]).output.isEmpty)
  }

  @Test func anInterruptedBackupLeavesNoLock() throws {
    let bench = try RepoBench()
    try bench.droverChecked(["init"])
    let holder = try ChildProcess(
      DroverBinary.path, ["repo", "backup", "--stdin"], environment: bench.environment)
    defer { holder.kill(SIGKILL) }
    let clock = SystemClock()
    for _ in 0..<600 where try bench.restic(["list", "locks", "--no-lock"]).output.isEmpty {
      clock.sleep(seconds: 0.1)
    }
    holder.kill(SIGINT)
    #expect(holder.wait(timeoutSeconds: 60) == 130)
    #expect(try bench.restic(["list", "locks", "--no-lock"]).output.isEmpty)
    try bench.droverChecked(["backup", bench.source])
  }
}
