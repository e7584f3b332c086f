import Glibc
import Platform
import TestSupport
import Testing

/// `--metadata`: what rclone keeps of files, Drover keeps, and the reverse.
@Suite struct MirrorMetadataTests {
  @Test func objectsHaveWhatRcloneGivesThem() throws {
    let bench = try MetadataBench()
    try bench.mirror.droverChecked(
      ["sync", "-M", bench.source, bench.remote("ours")], bench.client)
    try bench.client.runChecked(["sync", "-M", bench.source, bench.remote("theirs")])
    let (ours, theirs) = (try bench.listing("ours"), try bench.listing("theirs"))
    #expect(ours == theirs)
    #expect(ours.contains("\"mode\":\"100640\""))
    #expect(ours.contains("\"color\":\"deep blue\""))
    #expect(ours.contains("\"cache-control\":\"no-cache\""))
  }

  @Test func filesGetThemBackFromEachOther() throws {
    let bench = try MetadataBench()
    let rclone = bench.client
    let wanted = try bench.state(bench.source)
    #expect(wanted.contains("640") && wanted.contains("user.color"))
    try bench.mirror.droverChecked(["sync", "-M", bench.source, bench.remote("ours")], rclone)
    try rclone.runChecked(["sync", "-M", bench.source, bench.remote("theirs")])
    var places: [String] = []
    func place() -> String {
      places.append(bench.mirror.directory.path("target-\(places.count)"))
      return places[places.count - 1]
    }
    try rclone.runChecked(["sync", "-M", bench.remote("ours"), place()])
    try bench.mirror.droverChecked(["sync", "-M", bench.remote("theirs"), place()], rclone)
    try bench.mirror.droverChecked(["copy", "-M", bench.remote("ours"), place()], rclone)
    try bench.mirror.droverChecked(
      ["copy", bench.source, place()], rclone, ["RCLONE_METADATA": "true"])
    for place in places {
      let found = try bench.state(place)
      #expect(found == wanted, "\(place): \(found) for \(wanted)")
    }
    // Without it the file is that of whoever writes it.
    try bench.mirror.droverChecked(["copy", bench.remote("ours"), place()], rclone)
    #expect(try bench.state(places[places.count - 1]) != wanted)
  }

  /// In parts as well, and a time that is set alone takes nothing away.
  @Test func largeFilesKeepTheirsToo() throws {
    let bench = try MetadataBench(["upload_cutoff = 6M", "chunk_size = 5M"])
    try bench.write("large", 11 << 20)
    try bench.settle()
    try bench.mirror.droverChecked(
      ["sync", "-M", bench.source, bench.remote("ours")], bench.client)
    try bench.client.runChecked(["sync", "-M", bench.source, bench.remote("theirs")])
    #expect(try bench.listing("ours") == bench.listing("theirs"))
    let before = try bench.listing("ours")
    let path = Array("\(bench.source)/a.txt".utf8)
    try ByteFiles.setTime(path, seconds: 1_234_567, nanoseconds: 0)
    let timed = try bench.mirror.droverChecked(
      ["sync", "-v", "-M", bench.source, bench.remote("ours")], bench.client)
    #expect(timed.errorText.contains("Updated modification time"))
    let after = try bench.listing("ours")
    #expect(before != after && after.contains("\"color\":\"deep blue\""))
  }
}

/// Files with modes and attributes.
private final class MetadataBench {
  let mirror: MirrorBench
  let client: RcloneClient
  private var random = SeededGenerator(seed: 3)

  init(_ settings: [String] = []) throws {
    mirror = try MirrorBench.rclone()
    client = try mirror.client(.current, settings)
    try write("a.txt", 5000)
    try write("d/b", 100)
    try write("plain", 0)
    try runChecked("chmod", ["640", "\(source)/a.txt"])
    try runChecked("chmod", ["755", "\(source)/d/b"])
    for (name, value) in [("color", "deep blue"), ("cache-control", "no-cache")] {
      try runChecked("setfattr", ["-n", "user.\(name)", "-v", value, "\(source)/a.txt"])
    }
    if geteuid() == 0 { chown("\(source)/d/b", 1234, 5678) }
    try settle()
  }

  /// Moves the times of access behind all changes, so that reading moves them no more.
  func settle() throws {
    SystemClock().sleep(seconds: 0.05)
    try runChecked("sh", ["-c", "find \(source) -type f -exec cat {} + > /dev/null"])
  }

  var source: String { mirror.source }
  func remote(_ path: String) -> String { mirror.remote(path) }

  func write(_ name: String, _ sizeBytes: Int) throws {
    let path = "\(source)/\(name)"
    try runChecked("mkdir", ["-p", "\(source)/d"])
    try ByteFiles.write(Array(path.utf8), random.bytes(sizeBytes))
    try runChecked("touch", ["-m", "-d", "2021-02-03 04:05:06.123456789", path])
  }

  /// What rclone reads of the objects, without the times of their making.
  func listing(_ path: String) throws -> String {
    let text = try client.runChecked(["lsjson", "-R", "-M", "--files-only", remote(path)])
    return text.outputText.replacing(#/"btime":"[^"]*",/#, with: "")
  }

  /// Modes, owners, times and attributes; rclone makes attributes of what the service tells of the
  /// object, which no file has had.
  func state(_ root: String) throws -> String {
    let found = try runChecked(
      "find", [root, "-type", "f", "-printf", "%P %m %U %G %T@ %A@\n"])
    let attributes = try runChecked(
      "sh", ["-c", "cd \(root) && find . -type f | sort | xargs getfattr -d"])
    let own = attributes.outputText.split(separator: "\n").filter {
      $0.hasPrefix("user.") && !$0.hasPrefix("user.tier") && !$0.hasPrefix("user.content-type")
    }
    return found.outputText.split(separator: "\n").sorted().joined(separator: "\n") + "\n"
      + own.joined(separator: "\n")
  }
}
