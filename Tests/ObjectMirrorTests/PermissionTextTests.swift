import Glibc
import ObjectMirror
import Platform
import TestSupport
import Testing

/// Drover's own comments in `permissions.facl`, and reading it piece by piece.
@Suite struct PermissionTextTests {
  private static let text = """
    # drover-format: 1
    # file: data
    # owner: 0
    # group: 0
    # drover: d -100.25
    user::rwx
    group::r-x
    other::r-x
    # drover-link: 1 2 1700000000.5 data/a\\040b nowhere/\\012at\\\\all
    # drover-link: 0 4294967294 3 data/c d

    # file: data/file
    # owner: 5
    # group: 6
    # flags: s--
    # drover: f 12
    user::rw-
    group::r--
    other::---


    """

  private static func items(_ reader: AccessTextReader) throws -> [AccessItem] {
    var reader = reader
    var items: [AccessItem] = []
    while let item = try reader.nextItem() { items.append(item) }
    return items
  }

  @Test func whatIsWrittenIsRead() throws {
    let items = try PermissionTextTests.items(
      AccessTextReader(Array(PermissionTextTests.text.utf8)))
    guard items.count == 4, case .record(let root) = items[0], case .link(let first) = items[1],
      case .link(let second) = items[2], case .record(let file) = items[3]
    else { throw TestFailure("\(items)") }
    #expect(
      root.note
        == AccessNote(.directory, modified: WallTime(seconds: -101, nanoseconds: 750_000_000)))
    #expect(
      first
        == AccessLink(
          path: Array("data/a b".utf8), target: Array("nowhere/\nat\\all".utf8), userID: 1,
          groupID: 2, modified: WallTime(seconds: 1_700_000_000, nanoseconds: 500_000_000)))
    #expect(second.groupID == 4_294_967_294)
    #expect(file.note == AccessNote(.file, modified: WallTime(seconds: 12)))
    #expect(file.flags == 4)
  }

  @Test(arguments: [1, 2, 7, 64, 4096])
  func piecesOfAnySizeReadAlike(pieceByteCount: Int) throws {
    let text = Array(PermissionTextTests.text.utf8)
    let whole = try PermissionTextTests.items(AccessTextReader(text))
    let source = Pieces(text, pieceByteCount)
    let inPieces = try PermissionTextTests.items(AccessTextReader { source.next() })
    #expect(inPieces == whole)
  }

  private final class Pieces: @unchecked Sendable {
    private var rest: ArraySlice<UInt8>
    private let pieceByteCount: Int
    init(_ bytes: [UInt8], _ pieceByteCount: Int) {
      (rest, self.pieceByteCount) = (bytes[...], pieceByteCount)
    }
    func next() -> [UInt8] {
      defer { rest = rest.dropFirst(pieceByteCount) }
      return Array(rest.prefix(pieceByteCount))
    }
  }

  @Test func aFailingSourceIsNoEnd() {
    var reader = AccessTextReader { () throws(PlatformError) in
      throw PlatformError("pread", "", errno: EIO)
    }
    #expect(throws: AccessTextError.self) { try reader.next() }
  }

  @Test(arguments: [
    ("# drover-format: 2\n# file: data\nu::6\ng::4\no::4\n", 1),
    ("# drover-format: x\n", 1),
    ("# file: a\nu::6\ng::4\no::4\n\n# drover-format: 1\n# file: b\nu::6\ng::4\no::4\n", 6),
    ("# file: a\n# drover: x 1\nu::6\ng::4\no::4\n", 2),
    ("# file: a\n# drover: d\nu::6\ng::4\no::4\n", 2),
    ("# file: a\n# drover: d 1\n# drover: d 1\nu::6\ng::4\no::4\n", 3),
    ("# file: a\n# drover-link: 0 0 1 a b\nu::6\ng::4\no::4\n", 2),
    ("# file: a\nu::6\ng::4\no::4\n# drover-link: 0 0 1 a\n", 5),
    ("# file: a\nu::6\ng::4\no::4\n# drover-link: 0 0 1 a\\000 b\n", 5),
    ("# file: a\nu::6\ng::4\no::4\n# drover-link: -1 0 1 a b\n", 5),
    ("# file: a\nu::6\ng::4\no::4\n# drover-link: 0 0 1 a b\nu:5:6\n", 6),
    ("# file: a\nu::6\ng::4\no::4\n# drover-link: 0 0 1 a b\n# file: b\n", 6),
    ("# file: " + String(repeating: "x", count: 40_000) + "\n", 1),
  ])
  func whatIsOutOfFormIsNamedByLine(text: String, line: Int) {
    let error = #expect(throws: AccessTextError.self) {
      try PermissionTextTests.items(AccessTextReader(Array(text.utf8)))
    }
    #expect(error?.line == line)
  }

  /// `setfacl --restore` has to do with our comments what it does without them.
  @Test func setfaclPassesOverOurComments() throws {
    let directory = try TemporaryDirectory()
    let root = try directory.makeDirectory("data")
    try ByteFiles.write(Array("\(root)/file".utf8), [])
    let file = directory.path("permissions.facl")
    let long =
      "# drover-link: 0 0 1 data/" + String(repeating: "\\377", count: 4000) + " "
      + String(repeating: "\\377", count: 4000) + "\n"
    let text = PermissionTextTests.text.replacing(
      "# drover-link: 0", with: long + long + "# drover-link: 0")
    try ByteFiles.write(Array(file.utf8), Array(text.utf8))
    try runChecked("sh", ["-c", "cd \"$1\" && setfacl --restore=\"$0\"", file, directory.path])
    let status = try ByteFiles.status(Array("\(root)/file".utf8))
    #expect(status.st_mode & 0o7777 == 0o4640)
    #expect(status.st_uid == 5 && status.st_gid == 6)
  }
}
