import FileTree
import Glibc
import ObjectMirror
import Platform
import TestSupport
import Testing

/// `permissions.facl` of a volume, applied to another one or to whatever a hostile one names.
@Suite struct PermissionPassTests {
  private let directory: TemporaryDirectory
  private let root: String

  init() throws {
    directory = try TemporaryDirectory()
    root = try directory.makeDirectory("volume")
  }

  // MARK: Both ways

  /// Writes the file of one directory, applies it to another; gives the figures and what was told.
  private func carry(
    _ source: String, to destination: String, excludes: [String] = []
  ) throws -> (figures: PermissionFigures, problems: [String]) {
    let selection = try VolumeSelection(excludes: excludes)
    let file = try PermissionsFile(in: directory.path)
    _ = try file.write(of: try TreeRoot(path: source), selection, isCancelled: { false }) { _ in }
    let told = Told()
    let pass = PermissionPass(
      try TreeRoot(path: destination), selection, temporaryDirectory: directory.path,
      isCancelled: { false }, tell: told.take)
    try pass.prepare(try file.reader())
    // What the mirror of the files would do.
    try runChecked(
      "rsync",
      [
        "-r", "--delete", "--no-links", "--prune-empty-dirs", "--exclude=lost+found",
        "--exclude=/spared", "\(source)/", "\(destination)/",
      ])
    let figures = try pass.finish(try file.reader(), removesUnlisted: true)
    return (figures, told.problems)
  }

  private final class Told {
    var problems: [String] = []
    var others: [PermissionEvent] = []
    func take(_ event: PermissionEvent) {
      if case .problem(let path, let message) = event {
        problems.append("\(printable(path)): \(message)")
      } else {
        others.append(event)
      }
    }
  }

  private func differences(_ source: String, _ destination: String) throws -> String {
    try runChecked(
      "rsync",
      [
        "-aAn", "--checksum", "--delete", "--itemize-changes", "--no-devices", "--no-specials",
        "--exclude=lost+found", "\(source)/", "\(destination)/",
      ], environment: ["LC_ALL": "C"]
    ).outputText
  }

  @Test func aVolumeGetsAllThatTheOtherHas() throws {
    let source = try directory.makeDirectory("source")
    try MetadataZoo.make(at: source, seed: 31)
    try runChecked("find", [source, "-type", "p", "-delete"])
    try runChecked("find", [source, "-type", "s", "-delete"])
    try runChecked("find", [source, "-type", "b", "-delete"])
    try runChecked("find", [source, "-type", "c", "-delete"])
    let (figures, problems) = try carry(source, to: root)
    #expect(problems == [])
    #expect(figures.missingFileCount == 0 && figures.unlistedCount == 0)
    let found = try differences(source, root)
    #expect(found == "")
    let (again, _) = try carry(source, to: root)
    #expect(try differences(source, root) == "")
    #expect(again.entryCount == figures.entryCount)
  }

  @Test func whatTheListHasNotIsRemovedUnlessItTakesNoPart() throws {
    let source = try directory.makeDirectory("source")
    try runChecked("mkdir", ["-p", "\(source)/kept/inner"])
    try ByteFiles.write(Array("\(source)/kept/file".utf8), [1])
    let script = #"""
      cd "$0"
      mkdir -p lost+found other/lost+found empty/deep spared
      ln -s x link; ln -s x empty/deep/link; ln -s x lost+found/link; ln -s x spared/link
      ln -s x other/lost+found/link; mkfifo fifo
      """#
    try runChecked("sh", ["-ec", script, root])
    _ = try carry(source, to: root, excludes: ["/spared/**"])
    let names = try runChecked("find", [root, "-mindepth", "1", "-printf", "%P\\n"]).outputText
      .split(separator: "\n").sorted()
    #expect(
      names == [
        "kept", "kept/file", "kept/inner", "lost+found", "lost+found/link", "other",
        "other/lost+found", "other/lost+found/link", "spared", "spared/link",
      ])
  }

  // MARK: Hostile lists

  private func apply(_ text: String) throws -> (figures: PermissionFigures, told: Told) {
    let shelf = try directory.makeDirectory("shelf-\(SecureRandom.integer())")
    try ByteFiles.write(Array("\(shelf)/permissions.facl".utf8), Array(text.utf8))
    let file = try PermissionsFile(in: directory.path)
    #expect(try file.fetch(from: .local(try LocalSide(path: shelf))))
    let told = Told()
    let pass = PermissionPass(
      try TreeRoot(path: root), try VolumeSelection(), temporaryDirectory: directory.path,
      isCancelled: { false }, tell: told.take)
    try pass.prepare(try file.reader())
    return (try pass.finish(try file.reader(), removesUnlisted: true), told)
  }

  private static func record(_ path: String, _ kind: String? = nil) -> String {
    """
    # file: \(path)
    # owner: 4242
    # group: 4242
    # flags: sst
    \(kind.map { "# drover: \($0) 5\n" } ?? "")user::rwx
    group::rwx
    other::rwx
    default:user::rwx
    default:group::rwx
    default:other::rwx


    """
  }

  private static let format = "# drover-format: 1\n"

  /// Things beside the volume, and links in it that lead to them.
  private func makeNeighbors() throws {
    let script = #"""
      cd "$0"
      mkdir -p outside/inner volume/real
      echo x > outside/file
      ln -s ../outside volume/way; ln -s ../outside/file volume/to-file
      ln -s ../../outside volume/real/way
      """#
    try runChecked("sh", ["-ec", script, directory.path])
  }

  private func neighbors() throws -> String {
    try runChecked(
      "find", [directory.path("outside"), "-printf", "%p %u %g %m %T@ %y %l\\n"]
    ).outputText
      + runChecked("getfacl", ["-R", "-n", "-p", directory.path("outside")]).outputText
  }

  @Test func nothingOutsideOfTheVolumeIsTouched() throws {
    try makeNeighbors()
    let before = try neighbors()
    let paths = [
      "data/..", "data/../outside", "data/../outside/file", "data/way/file", "data/way/inner",
      "data/way/new", "data/real/way/inner", "data/real/way/new/deeper", "data/real/../../outside",
      "data//outside", "data/./real", "data/real/.", "datax", "/data/real",
      "\(directory.path)/outside",
      "\(directory.path.dropFirst())/outside/file", "..", ".", "/", "data/to-file",
      "data/real/\\056\\056/\\056\\056/outside/file", "proc/self/cwd", "data/real/x\\057..",
    ]
    for path in paths {
      _ = try apply(PermissionPassTests.record(path))
      #expect(try neighbors() == before, "\(path)")
      for kind in ["d", "f"] {
        try runChecked("sh", ["-ec", "cd \"$0\"; [ -L way ] || ln -sfn ../outside way", root])
        let list =
          PermissionPassTests.format + PermissionPassTests.record("data", "d")
          + PermissionPassTests.record(path, kind)
        _ = try apply(list)
        #expect(try neighbors() == before, "\(path) as \(kind)")
      }
    }
    let links = ["data/../outside/l x", "data/way/l x", "/data/l x", "data/real/way/l x", "l x"]
    for link in links {
      try runChecked("sh", ["-ec", "cd \"$0\"; [ -L way ] || ln -sfn ../outside way", root])
      let list =
        PermissionPassTests.format
        + PermissionPassTests.record("data", "d").dropLast()
        + "# drover-link: 0 0 1 \(link)\n\n"
      _ = try apply(list)
      #expect(try neighbors() == before, "\(link)")
    }
  }

  /// A link that the list itself makes is not followed either.
  @Test func linksOfTheListLeadNowhere() throws {
    try makeNeighbors()
    let before = try neighbors()
    let list =
      PermissionPassTests.format + PermissionPassTests.record("data", "d").dropLast()
      + "# drover-link: 0 0 1 data/a ../outside\n\n"
      + PermissionPassTests.record("data/a/file", "f")
      + PermissionPassTests.record("data/a/new", "d")
    let (figures, told) = try apply(list)
    #expect(try neighbors() == before)
    #expect(figures.problemCount > 0)
    #expect(told.problems.contains { $0.contains("a/new") })
    #expect(access("\(root)/a/file", F_OK) == 0, "the link itself is as the list has it")
  }

  @Test(arguments: [
    record("data", "d") + record("data/b", "d") + record("data/a", "d"),
    record("data", "d") + record("data/a", "d") + record("data/a", "d"),
    record("data/a", "d") + record("data", "d"), record("data", "d") + record("data/a"),
    record("data", "d") + "# file: data/a\nbogus\n",
  ])
  func aListOutOfOrderIsRefused(text: String) throws {
    #expect(throws: MirrorError.self) { try apply(PermissionPassTests.format + text) }
  }

  @Test func namesThatNobodyHasAreTold() throws {
    try ByteFiles.write(Array("\(root)/file".utf8), [])
    let text = """
      # file: data/file
      # owner: no-such-user
      # group: 12
      # flags: ss-
      user::rwx
      user:no-such-user:rwx
      group::r-x
      mask::rwx
      other::---

      # file: data/missing
      user::rwx
      group::r-x
      other::---

      # file: data/directory
      user::rwx
      group::r-x
      other::---
      default:user::rwx
      default:group::r-x
      default:other::---

      """
    let (figures, told) = try apply(text)
    #expect(figures.ownerProblemCount == 1)
    #expect(told.problems == ["file: its list names a user or a group that is not known here"])
    #expect(figures.missingOtherCount == 1)
    let status = try ByteFiles.status(Array("\(root)/file".utf8))
    // Who is not the owner gets none of the owner's rights.
    #expect(status.st_mode & 0o7777 == 0o2770)
    #expect(status.st_gid == 12 && status.st_uid == getuid())
    #expect(try ByteFiles.kind(Array("\(root)/directory".utf8)) == S_IFDIR)
  }

  /// Links of one directory are no more memory than one of them.
  @Test func manyLinksBehindOneRecord() throws {
    var text = Array((PermissionPassTests.format + PermissionPassTests.record("data", "d")).utf8)
    text.removeLast()
    for index in 0..<20_000 {
      text += "# drover-link: 0 0 1 data/\(100_000 + index) t\(index)\n".utf8
    }
    text.append(0x0a)
    let (figures, _) = try apply(String(decoding: text, as: UTF8.self))
    #expect(figures.madeCount == 20_000)
    #expect(figures.problemCount == 0)
  }

  @Test func withoutPrivilegeTheRestIsApplied() throws {
    let source = try directory.makeDirectory("source")
    try ByteFiles.write(Array("\(source)/file".utf8), [1])
    try ByteFiles.setMode(Array("\(source)/file".utf8), 0o4750)
    try ByteFiles.makeSymlink(Array("\(source)/link".utf8), target: [0x78])
    try ByteFiles.makeDirectory(Array("\(source)/closed".utf8), mode: 0o500)
    let selection = try VolumeSelection()
    let file = try PermissionsFile(in: directory.path)
    _ = try file.write(of: try TreeRoot(path: source), selection, isCancelled: { false }) { _ in }
    try ByteFiles.write(Array("\(root)/file".utf8), [1])
    for path in [root, "\(root)/file"] {
      try ByteFiles.setOwner(Array(path.utf8), user: 65_534, group: 65_534)
    }
    let (root, temporary) = (root, directory.path)
    chmod(temporary, 0o755)
    let reader = try file.reader()
    let figures = try withoutFilePrivileges {
      let pass = PermissionPass(
        try TreeRoot(path: root), selection, temporaryDirectory: temporary,
        isCancelled: { false }
      ) { _ in }
      return try pass.finish(reader, removesUnlisted: true)
    }
    #expect(figures.madeCount == 2)
    #expect(try ByteFiles.status(Array("\(root)/closed".utf8)).st_mode & 0o7777 == 0o500)
    #expect(try ByteFiles.kind(Array("\(root)/link".utf8)) == S_IFLNK)
    // What root's set-user bit would be, is none of the new owner's.
    #expect(try ByteFiles.status(Array("\(root)/file".utf8)).st_mode & 0o7777 == 0o750)
    #expect(figures.ownerProblemCount == 4)
  }
}
