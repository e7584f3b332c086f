import Glibc
import ObjectMirror
import Platform
import TestSupport
import Testing

/// Times and attributes in the metadata of objects have the form that rclone gives them.
@Suite struct MetadataTests {
  @Test(
    arguments: [
      ("1709296496.5", 1_709_296_496, 500_000_000), ("0", 0, 0), ("-100.25", -101, 750_000_000),
      ("4102444800.000000001", 4_102_444_800, 1), ("-1", -1, 0), ("-0.000000001", -1, 999_999_999),
      ("0.1", 0, 100_000_000), ("9223372036854775806", .max - 1, 0),
    ] as [(String, Int64, Int32)])
  func decimalTimes(text: String, seconds: Int64, nanoseconds: Int32) {
    let time = WallTime(seconds: seconds, nanoseconds: nanoseconds)
    #expect(DecimalTime.text(of: time) == text)
    #expect(DecimalTime.time(of: text) == time)
  }

  @Test(
    arguments: [
      ("1.1234567899", 1, 123_456_789), (" 5 ", 5, 0), ("+5", 5, 0), (".5", 0, 500_000_000),
      ("5.", 5, 0), ("007.50", 7, 500_000_000),
    ] as [(String, Int64, Int32)])
  func otherFormsAreRead(text: String, seconds: Int64, nanoseconds: Int32) {
    #expect(
      DecimalTime.time(of: text) == WallTime(seconds: seconds, nanoseconds: nanoseconds))
  }

  @Test(arguments: ["", "-", ".", "x", "1e9", "1.-5", "1,5", "--1", "99999999999999999999", "1 2"])
  func noTimes(text: String) { #expect(DecimalTime.time(of: text) == nil) }

  @Test func everyTimeComesBack() {
    var random = SeededGenerator(seed: 0x71e)
    for _ in 0..<20_000 {
      let bits = random.below(40)
      let seconds = Int64(truncatingIfNeeded: random.next()) >> Int64(24 + bits)
      let zeros = [1, 10, 1000, 1_000_000, 100_000_000][random.below(5)]
      let time = WallTime(
        seconds: seconds, nanoseconds: Int32(random.below(1_000_000_000 / zeros) * zeros))
      #expect(DecimalTime.time(of: DecimalTime.text(of: time)) == time)
      // RFC 3339 has four digits for the year.
      if (-62_000_000_000...250_000_000_000).contains(seconds) {
        #expect(ZonedTime.time(of: ZonedTime.text(of: time)) == time)
      }
    }
  }

  @Test func zonedTimes() {
    let time = WallTime(seconds: 1_709_296_496, nanoseconds: 123_400_000)
    #expect(ZonedTime.text(of: time) == "2024-03-01T12:34:56.1234Z")
    #expect(ZonedTime.time(of: "2024-03-01T13:34:56.1234+01:00") == time)
    #expect(ZonedTime.text(of: WallTime(seconds: 0)) == "1970-01-01T00:00:00Z")
    #expect(ZonedTime.time(of: "yesterday") == nil)
  }

  private func sample() -> FileMetadata {
    var metadata = FileMetadata()
    metadata.mode = 0o100640
    (metadata.userID, metadata.groupID) = (0, 1000)
    metadata.modified = WallTime(seconds: 1_709_296_496, nanoseconds: 500_000_000)
    metadata.accessed = WallTime(seconds: 0)
    metadata.attributes = [.init(name: Array("color".utf8), value: Array("red é".utf8))]
    return metadata
  }

  @Test func pairsOfAFile() {
    let encoded = sample().encoded()
    #expect(
      encoded.pairs.mapValues { String(decoding: $0, as: UTF8.self) } == [
        "mode": "100640", "uid": "0", "gid": "1000", "mtime": "1709296496.5",
        "atime": "1970-01-01T00:00:00Z", "color": "red é",
      ])
    #expect(encoded.dropped.isEmpty)
    #expect(FileMetadata(pairs: encoded.pairs) == sample())
  }

  @Test func devicesAndHeaders() {
    var metadata = FileMetadata()
    metadata.device = 0x0801
    metadata.attributes = [.init(name: Array("Content-Type".utf8), value: Array("text/x".utf8))]
    let encoded = metadata.encoded()
    #expect(encoded.pairs == ["rdev": Array("801".utf8)])
    #expect(encoded.headers == ["content-type": Array("text/x".utf8)])
  }

  @Test func whatNoHeaderCanCarryIsNamed() {
    var metadata = sample()
    let bad: [(String, [UInt8])] = [
      ("with blank", [0x31]), ("é", [0x31]), ("uid", [0x31]), ("COLOR", [0x31]), ("a", [0x0a]),
      ("b", [0xff]), ("c", [0x20, 0x31]), ("", [0x31]),
    ]
    metadata.attributes += bad.map { .init(name: Array($0.0.utf8), value: $0.1) }
    let encoded = metadata.encoded()
    #expect(encoded.dropped == bad.map { Array($0.0.utf8) })
    #expect(encoded.pairs.count == 6)
  }

  @Test func theLimitOfTwoKibibytesIsKept() {
    var metadata = sample()
    for index in 0..<10 {
      metadata.attributes.append(
        .init(name: Array("a\(index)".utf8), value: [UInt8](repeating: 0x61, count: 300)))
    }
    let encoded = metadata.encoded()
    let size = encoded.pairs.reduce(0) { $0 + $1.key.utf8.count + $1.value.count }
    #expect(size <= FileMetadata.sizeBytesMax)
    #expect(size > FileMetadata.sizeBytesMax - 302)
    #expect(encoded.dropped.count == 4)
    #expect(encoded.pairs["mode"] != nil)
  }

  @Test func valuesThatAreNoneDoNotCount() {
    let pairs = [
      "mode": "rwx", "uid": "-1", "mtime": "now", "atime": "?", "md5chksum": "x", "A": "b",
    ]
    let metadata = FileMetadata(pairs: pairs.mapValues { Array($0.utf8) })
    var expected = FileMetadata()
    expected.attributes = [.init(name: [0x61], value: [0x62])]
    #expect(metadata == expected)
  }

  /// The pairs of a real file are those that rclone reads from it.
  @Test func rcloneReadsTheSame() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("f")
    try ByteFiles.write(Array(path.utf8), [1])
    try ByteFiles.setAttribute(Array(path.utf8), "user.color", Array("red".utf8))
    try ByteFiles.setTime(Array(path.utf8), seconds: 1_709_296_496, nanoseconds: 123_400_000)
    try ByteFiles.setMode(Array(path.utf8), 0o4751)
    var metadata = FileMetadata()
    let status = try ByteFiles.status(Array(path.utf8))
    (metadata.mode, metadata.userID, metadata.groupID) = (0o104751, status.st_uid, status.st_gid)
    metadata.accessed = WallTime(seconds: 1_709_296_496, nanoseconds: 123_400_000)
    metadata.attributes = [.init(name: Array("color".utf8), value: Array("red".utf8))]
    let ours = metadata.encoded().pairs.mapValues { String(decoding: $0, as: UTF8.self) }
    for judge in try RcloneJudge.all() {
      let output = try judge.runChecked(["lsjson", "--metadata", "--stat", path]).output
      let theirs = try #require(JSONValue(parsing: output).objectValue?["Metadata"]?.objectValue)
      for (name, text) in ours { #expect(theirs[name]?.stringValue == text, "\(name)") }
      let modified = try #require(theirs["mtime"]?.stringValue)
      #expect(ZonedTime.time(of: modified) == metadata.accessed)
    }
  }
}
