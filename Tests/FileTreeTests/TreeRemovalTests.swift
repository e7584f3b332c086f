import FileTree
import Glibc
import Platform
import TestSupport
import Testing

@Suite struct TreeRemovalTests {
  private func bytes(_ path: String) -> ByteFiles.Path { Array(path.utf8) }

  private func remove(
    _ name: String, in directory: TemporaryDirectory, filter: FilterRules = FilterRules()
  ) throws -> (isGone: Bool, count: Int64) {
    let removal = TreeRemoval(root: try TreeRoot(path: directory.path), filter: filter)
    let isGone = try removal.remove([], bytes(name))
    return (isGone, removal.removedCount)
  }

  @Test func zooGoesAwayWhole() throws {
    let directory = try TemporaryDirectory()
    let zoo = try directory.makeDirectory("zoo")
    try MetadataZoo.make(at: zoo, seed: 8)
    let count = try ByteFiles.walk(bytes(zoo)).count
    let removed = try remove("zoo", in: directory)
    #expect(removed.isGone)
    #expect(removed.count == count + 1)
    #expect(try ByteFiles.names(in: bytes(directory.path)) == [])
    #expect(try remove("zoo", in: directory).isGone)
  }

  @Test func tenThousandLevelsGoAway() throws {
    let directory = try TemporaryDirectory()
    let deep = try directory.makeDirectory("deep")
    try DeepTree.make(at: deep, levels: 10_000)
    try ByteFiles.write(bytes("\(deep)/d/d/other"), [1])
    let removed = try remove("deep", in: directory)
    #expect(removed.isGone)
    #expect(removed.count == 10_003)
    #expect(try ByteFiles.names(in: bytes(directory.path)) == [])
  }

  @Test func excludedEntriesKeepTheirDirectories() throws {
    let directory = try TemporaryDirectory()
    try runChecked(
      "sh",
      [
        "-c",
        "cd \"$1\" && mkdir -p a/keep/x a/b/c a/d && touch a/keep/x/y a/b/c/f.o a/b/g a/d/h a/i",
        "sh", directory.path,
      ])
    let filter = FilterRules(rules: [
      try FilterRule(.exclude, "keep/"), try FilterRule(.exclude, "*.o"),
    ])
    let removed = try remove("a", in: directory, filter: filter)
    #expect(!removed.isGone)
    #expect(removed.count == 4)
    let left = try ByteFiles.walk(bytes(directory.path)).map { printable($0) }
    #expect(left == ["a", "a/b", "a/b/c", "a/b/c/f.o", "a/keep", "a/keep/x", "a/keep/x/y"])
  }

  /// What is too deep for a path cannot be held against the rules, so it stays.
  @Test func deepTreeWithAFilterStays() throws {
    let directory = try TemporaryDirectory()
    let deep = try directory.makeDirectory("deep")
    try DeepTree.make(at: deep, levels: 3_000)
    let filter = FilterRules(rules: [try FilterRule(.exclude, "/deep/d/d/d/**/leaf")])
    let error = #expect(throws: TreeError.self) {
      try remove("deep", in: directory, filter: filter)
    }
    #expect(error?.message.contains("longer than 4095 bytes") == true)
    #expect(try ByteFiles.names(in: bytes(directory.path)) == [bytes("deep")])
  }

  @Test func immutableFileIsNamed() throws {
    let directory = try TemporaryDirectory()
    try runChecked(
      "sh",
      [
        "-c", "cd \"$1\" && mkdir a && touch a/fixed a/other && chattr +i a/fixed", "sh",
        directory.path,
      ])
    let error = #expect(throws: TreeError.self) { try remove("a", in: directory) }
    #expect(error?.message == "a/fixed: Operation not permitted (unlinkat)")
    #expect(error?.kind == .denied)
  }

  @Test func ownerTakesTheRightToEmptyLockedDirectories() throws {
    let directory = try TemporaryDirectory()
    let root = try directory.makeDirectory("root")
    try runChecked(
      "sh",
      [
        "-c",
        """
        cd "$1" && mkdir -p a/b/c && touch a/b/f a/b/c/g && chown -R 65534 . \
        && chmod 0555 a && chmod 0 a/b/c && chmod 0 a/b && chmod 0711 ..
        """, "sh", root,
      ])
    let isGone = try withoutFilePrivileges {
      let removal = TreeRemoval(
        root: try TreeRoot(path: root), filter: FilterRules(), isPrivileged: false)
      return try removal.remove([], Array("a".utf8))
    }
    #expect(isGone)
    #expect(try ByteFiles.names(in: bytes(root)) == [])
  }

  @Test func linksAreRemovedAndNotFollowed() throws {
    let directory = try TemporaryDirectory()
    let outside = try TemporaryDirectory()
    try ByteFiles.write(bytes(outside.path("kept")), [1])
    try ByteFiles.makeDirectory(bytes(directory.path("a")))
    try ByteFiles.makeSymlink(bytes(directory.path("a/link")), target: bytes(outside.path))
    try ByteFiles.makeSymlink(bytes(directory.path("top")), target: bytes(outside.path))
    #expect(try remove("a", in: directory).isGone)
    #expect(try remove("top", in: directory).isGone)
    #expect(try ByteFiles.names(in: bytes(outside.path)) == [bytes("kept")])
  }
}
