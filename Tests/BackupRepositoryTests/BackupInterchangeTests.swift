import Glibc
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// Backups with restic as the judge: what we store it finds sound and restores, and neither stores
/// anything anew that the other has stored.
@Suite(.serialized) struct BackupInterchangeTests {
  /// The zoo without what restic 0.14 cannot keep: sockets, targets that are not UTF-8, attributes
  /// of symbolic links (later ones store those).
  private static func makeZoo(_ space: BackupSpace) throws -> String {
    let path = try space.directory.makeDirectory("zoo")
    try MetadataZoo.make(at: path, seed: 7)
    let root = Array(path.utf8)
    for (entry, kind) in try ByteFiles.tree(root) where kind == S_IFSOCK {
      try ByteFiles.remove(ByteFiles.join(root, entry))
    }
    if geteuid() == 0 {
      let link = ByteFiles.join(root, "symlinks/dangling")
      try ByteFiles.removeAttribute(link, "trusted.kind")
    }
    try ByteFiles.remove(ByteFiles.join(root, "symlinks/invalid"))
    return path
  }

  /// How many trees may change because the directories above a source do.
  private static func treesAbove(_ path: String) -> UInt64 {
    UInt64(path.split(separator: "/").count)
  }

  @Test(arguments: [RepositoryVersion.v2, .v1])
  func zooIsStoredAsResticStoresIt(version: RepositoryVersion) throws {
    let space = try BackupSpace(version: version)
    let zoo = try BackupInterchangeTests.makeZoo(space)
    let log = EventLog()
    let first = try space.backup([zoo], observe: log.add)
    #expect(log.problems == [])
    #expect(first.unreadableCount == 0)
    #expect(first.summary.filesNew > 1500)
    #expect(try space.complaints() == "")
    let snapshot = try #require(first.snapshot)
    let restored = try space.resticRestore(snapshot.id)
    // It does not link symbolic links, devices and fifos to each other again.
    let differences = try RsyncJudge.differences(source: zoo, destination: restored + zoo)
      .split(separator: "\n").filter { !$0.hasPrefix("hL") && !$0.hasPrefix("hD") }
      .filter { !$0.hasPrefix("hS") }
    #expect(differences == [])

    let tree = try space.subtree(zoo, of: first.tree)
    let theirs = try space.resticBackup([zoo])
    #expect(theirs.parent == snapshot.id)
    #expect(try space.subtree(zoo, of: theirs.tree) == tree)
    let forced = try space.resticBackup(["--force", zoo])
    #expect(try space.subtree(zoo, of: forced.tree) == tree)

    let again = try space.backup([zoo])
    #expect(try space.subtree(zoo, of: again.tree) == tree)
    #expect(again.summary.dataBlobs == 0)
    #expect(again.summary.treeBlobs <= BackupInterchangeTests.treesAbove(zoo))
    #expect(again.summary.filesUnmodified == first.summary.filesNew)
    #expect(first.summary.directoriesNew > 90)
    #expect(again.summary.directoriesChanged <= BackupInterchangeTests.treesAbove(zoo))
    #expect(try space.complaints() == "")
  }

  @Test func backupAfterResticAddsNothing() throws {
    let space = try BackupSpace()
    let zoo = try BackupInterchangeTests.makeZoo(space)
    let theirs = try space.resticBackup(["--tag", "a,b", zoo])
    let ours = try space.backup([zoo]) {
      $0.tags = ["a", "b"]
      $0.username = theirs.username
    }
    let tree = try space.subtree(zoo, of: theirs.tree)
    #expect(try space.subtree(zoo, of: ours.tree) == tree)
    #expect(ours.summary.dataBlobs == 0)
    #expect(ours.summary.treeBlobs <= BackupInterchangeTests.treesAbove(zoo))
    let record = try #require(ours.snapshot).record
    #expect(record.parent == ours.parent?.id && record.parent != nil)
    #expect(record.paths == theirs.paths && record.tags == theirs.tags)
    #expect(record.hostname == theirs.hostname && record.username == theirs.username)
    let forced = try space.backup([zoo]) { $0.parent = .none }
    #expect(try space.subtree(zoo, of: forced.tree) == tree)
    #expect(forced.parent == nil)
    #expect(forced.summary.dataBlobs == 0)
    #expect(forced.summary.treeBlobs <= BackupInterchangeTests.treesAbove(zoo))
    #expect(forced.summary.filesNew == ours.summary.filesUnmodified)
  }

  @Test func severalTargetsAndRelativeOnesMakeResticsTree() throws {
    let space = try BackupSpace()
    let base = try space.directory.makeDirectory("base")
    for name in ["one", "two", "two/x", "two/y", "three", "three/x"] {
      try ByteFiles.makeDirectory(Array("\(base)/\(name)".utf8))
      try space.write("\(base)/\(name)/file", Array(name.utf8))
    }
    try ByteFiles.makeSymlink(Array("\(base)/link".utf8), target: Array("two".utf8))
    let cases: [[String]] = [
      ["\(base)/one/file"], ["\(base)/two/x", "\(base)/three/x", "\(base)/one/"],
      ["\(base)/two", "\(base)/two/x"], ["\(base)/link/x", "\(base)/link"],
      ["\(base)/two/../one/./file"],
    ]
    for targets in cases {
      let theirs = try space.resticBackup(["--force"] + targets)
      let ours = try space.backup(targets) { $0.parent = .none }
      #expect(
        try space.subtree(base, of: ours.tree) == space.subtree(base, of: theirs.tree),
        "\(targets)")
      #expect(ours.snapshot?.record.paths == theirs.paths)
    }
  }

  @Test func firstNamesThatMeetAreToldApart() throws {
    let root = try TargetNode.tree(
      of: ["x/a", "../x/b", "../x/c/.", "../../x", "/x/d", "y"].map { Array($0.utf8) })
    func names(_ node: TargetNode?) -> [String] {
      node.map { $0.children.keys.map { printable($0) }.sorted() } ?? []
    }
    #expect(names(root) == ["x", "x-1", "x-2", "x-3", "y"])
    #expect(names(root.children[Array("x".utf8)]) == ["a"])
    #expect(names(root.children[Array("x-1".utf8)]) == ["b", "c"])
    #expect(root.children[Array("x-2".utf8)]?.isLeaf == true)
    #expect(names(root.children[Array("x-3".utf8)]) == ["d"])
  }

  @Test func changedFilesAreFoundAndOnlyTheyAreStored() throws {
    let space = try BackupSpace()
    let source = try space.directory.makeDirectory("source")
    var random = SeededGenerator(seed: 9)
    for index in 0..<40 { try space.write("\(source)/f\(index)", random.bytes(20_000)) }
    try space.write("\(source)/large", random.bytes(12 << 20))
    let first = try space.backup([source])
    #expect(first.summary.dataBlobs > 44)
    try ByteFiles.overwrite(Array("\(source)/large".utf8), [1, 2, 3], at: 6 << 20)
    try space.write("\(source)/f7", [7])
    try space.write("\(source)/new", [8])
    let second = try space.backup([source])
    #expect(second.summary.filesNew == 1)
    #expect(second.summary.filesChanged == 2)
    #expect(second.summary.filesUnmodified == 39)
    #expect((3...4).contains(second.summary.dataBlobs))
    let theirs = try space.resticBackup(["--force", source])
    #expect(
      try space.subtree(source, of: theirs.tree) == space.subtree(source, of: second.tree))
    #expect(try space.complaints() == "")
  }

  @Test func streamIsStoredAsResticStoresIt() throws {
    let space = try BackupSpace()
    var random = SeededGenerator(seed: 11)
    let data = random.bytes(3 << 20)
    try space.write(space.directory.path("data"), data)
    let raw = open(space.directory.path("data"), O_RDONLY | O_CLOEXEC)
    let descriptor = Descriptor(owning: raw)
    let theirs = try space.resticBackup(
      ["--stdin", "--stdin-filename", "dump.sql", "--time", "2020-01-02 03:04:05"], stdin: data)
    let ours = try space.backup([]) {
      $0.stream = BackupStream(descriptor: descriptor.raw, path: Array("dump.sql".utf8))
      $0.time = theirs.time
    }
    #expect(ours.tree == theirs.tree)
    #expect(ours.summary.dataBlobs == 0)
    #expect(ours.snapshot?.record.paths == theirs.paths)
    #expect(throws: RepositoryError.self) {
      try space.backup([]) {
        $0.stream = BackupStream(descriptor: descriptor.raw, path: Array("empty".utf8))
      }
    }
  }
}
