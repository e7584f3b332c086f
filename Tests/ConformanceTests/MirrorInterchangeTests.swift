import Glibc
import Platform
import TestSupport
import Testing

/// What Drover mirrors, rclone takes for its own, and the reverse.
@Suite struct MirrorInterchangeTests {
  @Test(arguments: RcloneClient.Version.allCases)
  func afterOurSyncRcloneHasNothingToDo(_ version: RcloneClient.Version) throws {
    let bench = try MirrorBench.rclone()
    try bench.fill()
    let client = try bench.client(version)
    try bench.droverChecked(["sync", bench.source, bench.remote("ours")], client)
    try client.runChecked(["check", "--checksum", bench.source, bench.remote("ours")])
    #expect(try bench.work(client, bench.source, bench.remote("ours")) == "")
    #expect(try bench.work(client, bench.source, bench.remote("ours"), ["--checksum"]) == "")
    // And back, by both programs.
    let target = bench.directory.path("target")
    try bench.droverChecked(["sync", bench.remote("ours"), target], client)
    #expect(try bench.work(client, bench.remote("ours"), target) == "")
    try client.runChecked(["check", bench.source, target])
  }

  @Test(arguments: RcloneClient.Version.allCases)
  func afterRclonesSyncWeHaveNothingToDo(_ version: RcloneClient.Version) throws {
    let bench = try MirrorBench.rclone()
    try bench.fill(seed: 2)
    let client = try bench.client(version)
    let remote = bench.remote("theirs")
    try client.runChecked(["sync", bench.source, remote])
    for options in [[], ["--checksum"], ["--size-only"]] {
      let result = try bench.droverChecked(
        ["sync", "--dry-run", bench.source, remote] + options, client)
      #expect(!result.errorText.contains("--dry-run is set"), "\(options): \(result.errorText)")
    }
    try bench.droverChecked(["check", bench.source, remote], client)
    let target = bench.directory.path("target")
    try bench.droverChecked(["copy", remote, target], client)
    try client.runChecked(["check", bench.source, target])
    #expect(try bench.work(client, remote, target) == "")
  }

  /// A strict server, which refuses what is not signed or summed as it has to be.
  @Test func aStrictServerTakesIt() throws {
    let bench = try MirrorBench.swift()
    try bench.fill(seed: 3, isStrict: true)
    let client = try bench.client(.current)
    try bench.droverChecked(["sync", bench.source, bench.remote("strict")], client)
    try client.runChecked(["check", bench.source, bench.remote("strict")])
    #expect(try bench.work(client, bench.source, bench.remote("strict")) == "")
    removeTree("\(bench.source)/d")
    try bench.droverChecked(["sync", bench.source, bench.remote("strict")], client)
    #expect(try bench.work(client, bench.source, bench.remote("strict")) == "")
    let target = bench.directory.path("target")
    try bench.droverChecked(["sync", bench.remote("strict"), target], client)
    try client.runChecked(["check", bench.source, target])
  }

  @Test func filesInPartsKeepTheirSum() throws {
    let bench = try MirrorBench.swift()
    var random = SeededGenerator(seed: 4)
    try ByteFiles.write(Array("\(bench.source)/large".utf8), random.bytes(13 << 20))
    let client = try bench.client(.current, ["upload_cutoff = 6M", "chunk_size = 5M"])
    let remote = bench.remote("parts")
    try bench.droverChecked(["sync", bench.source, remote], client)
    try client.runChecked(["check", bench.source, remote])
    #expect(try bench.work(client, bench.source, remote) == "")
    #expect(try bench.work(client, bench.source, remote, ["--checksum"]) == "")
    let again = try bench.droverChecked(
      ["sync", "--checksum", "--dry-run", bench.source, remote], client)
    #expect(!again.errorText.contains("--dry-run is set"))
    let target = bench.directory.path("target")
    try bench.droverChecked(["sync", remote, target], client)
    try client.runChecked(["check", bench.source, target])
    // The reverse, and the time set without sending the content.
    try client.runChecked(["sync", bench.source, bench.remote("theirs")])
    try bench.droverChecked(["check", bench.source, bench.remote("theirs")], client)
    try ByteFiles.setTime(Array("\(bench.source)/large".utf8), seconds: 77, nanoseconds: 5)
    let timed = try bench.droverChecked(["sync", "-v", bench.source, remote], client)
    #expect(timed.errorText.contains("Updated modification time"))
    #expect(try bench.work(client, bench.source, remote) == "")
  }

  @Test func listingsAreThoseOfRclone() throws {
    let bench = try MirrorBench.rclone()
    try bench.fill(seed: 5)
    let client = try bench.client(.current)
    let remote = bench.remote("listed")
    try bench.droverChecked(["sync", bench.source, remote], client)
    let ours = try bench.droverChecked(["size", "--json", remote], client).outputText
    #expect(
      ours
        == (try client.runChecked(["size", "--json", remote])).outputText
        .replacing(",\"sizeless\":0", with: ""))
    let words = "plain.txt\n"
    let listed = try bench.droverChecked(["ls", remote], client).outputText
    #expect(listed.contains(words))
    #expect(listed.split(separator: "\n").count == 17)
    let json = try bench.droverChecked(["lsjson", remote], client).outputText
    #expect(json.contains("\"Path\":\"d\"") && json.contains("\"IsDir\":true"))
    #expect(!json.contains("deep.json"))
    #expect(try bench.drover(["ls", bench.remote("none")], client).status == 3)
    #expect(try bench.drover(["check", bench.source, bench.remote("none")], client).status != 0)
  }

  @Test func emptyDirectoriesAreMadeWhenAsked() throws {
    let bench = try MirrorBench.rclone()
    try bench.fill()
    let client = try bench.client(.current)
    let absent = try bench.droverChecked(
      ["sync", "--dry-run", bench.source, bench.directory.path("absent")], client)
    #expect(absent.errorText.contains("a.html: Skipped copy as --dry-run is set"))
    #expect(access(bench.directory.path("absent"), F_OK) != 0)
    let (plain, full) = (bench.directory.path("plain"), bench.directory.path("full"))
    try bench.droverChecked(["sync", bench.source, plain], client)
    try bench.droverChecked(["sync", "--create-empty-src-dirs", bench.source, full], client)
    #expect(access("\(plain)/none", F_OK) != 0)
    #expect(access("\(full)/none/at/all", F_OK) == 0)
    #expect(
      try bench.work(
        client, bench.source, full, ["--create-empty-src-dirs", "--no-update-dir-modtime"]) == "")
    removeTree("\(bench.source)/none")
    try bench.droverChecked(["sync", bench.source, full], client)
    #expect(access("\(full)/none", F_OK) != 0)
  }

  @Test func exitCodesAndVariablesAreThoseOfRclone() throws {
    let bench = try MirrorBench.rclone()
    try bench.fill()
    let client = try bench.client(.current)
    let remote = bench.remote("codes")
    #expect(try bench.drover(["sync", "/nonexistent/source", remote], client).status == 3)
    #expect(try bench.drover(["sync", bench.source], client).status == 2)
    #expect(
      try bench.drover(["sync", "--transfers", "x", bench.source, remote], client).status == 2)
    let planned = try bench.droverChecked(
      ["sync", bench.source, remote], client, ["RCLONE_DRY_RUN": "true", "RCLONE_STATS": "20s"])
    #expect(planned.errorText.contains("Skipped copy as --dry-run is set"))
    try bench.droverChecked(
      ["copy", "--s3-chunk-size", "6M", bench.source, remote, "--exclude", "d/**"], client)
    #expect(try bench.drover(["check", bench.source, remote], client).status == 1)
    try bench.droverChecked(["check", bench.source, remote, "--exclude", "d/**"], client)
    try bench.droverChecked(["sync", bench.source, remote], client)
    let empty = try bench.directory.makeDirectory("empty")
    #expect(try bench.drover(["sync", empty, remote], client).status == 7)
    #expect(
      try bench.drover(
        ["sync", "--allow-empty-source", "--max-delete", "3", empty, remote], client
      ).status == 7)
    let summary = try bench.droverChecked(
      ["sync", "--allow-empty-source", "--json", empty, remote], client)
    #expect(summary.outputText.contains("\"deletes\":17"))
    #expect(try client.runChecked(["ls", bench.remote("")]).outputText == "")
  }
}
