import FileTree
import Glibc
import Platform
import TestSupport
import Testing

/// A whole walk, on a thread of its own.
struct Walked: Sendable {
  var listings: [DirectoryListing] = []
  var errors: [TreeError] = []

  /// Paths of all entries.
  var paths: [[UInt8]] { listings.flatMap { list in list.entries.map { list.path(of: $0) } } }

  func entry(_ path: String) throws -> (entry: Entry, listing: DirectoryListing) {
    let (directory, name) = Array(path.utf8).splitLast()
    let listing = try #require(listings.first { $0.path == directory })
    let index = try #require(name.withUnsafeBytes { listing.index(of: $0) }, "\(path)")
    return (listing.entries[index], listing)
  }

  /// Names of an entry's attributes.
  func attributeNames(_ path: String) throws -> [String] {
    let (entry, listing) = try entry(path)
    var reader = ByteReader(listing.bytes(entry.attributes))
    var names: [String] = []
    while reader.remaining > 0 { names.append(printable(try AttributeBlock.next(&reader).name)) }
    return names
  }
}

func walk(_ path: String, _ options: WalkOptions = WalkOptions()) throws -> Walked {
  try Thread("walk") {
    final class Errors { var all: [TreeError] = [] }
    let errors = Errors()
    let walk = TreeWalk(root: try TreeRoot(path: path), options: options) { errors.all.append($0) }
    var walked = Walked()
    while let listing = try walk.next() { walked.listings.append(listing) }
    walked.errors = errors.all
    return walked
  }.join()
}

@Suite struct WalkTests {
  private func bytes(_ path: String) -> ByteFiles.Path { Array(path.utf8) }

  /// The status of every entry is asked of the system a second time, by path.
  @Test func findsEverythingInOrder() throws {
    let directory = try TemporaryDirectory()
    try MetadataZoo.make(at: directory.path, seed: 1)
    let walked = try walk(directory.path)
    #expect(walked.errors.count == 0)
    let expected = try ByteFiles.walk(bytes(directory.path))
    #expect(Set(walked.paths) == Set(expected))
    #expect(walked.paths.count == expected.count)
    let order = walked.listings.map(\.path)
    #expect(order.first == [])
    #expect(order.count == Set(order).count)
    for listing in walked.listings {
      let names = listing.entries.map { [UInt8](listing.name(of: $0)) }
      #expect(names == names.sorted { $0.lexicographicallyPrecedes($1) })
      for entry in listing.entries {
        let path = ByteFiles.join(bytes(directory.path), listing.path(of: entry))
        let status = try ByteFiles.status(path)
        #expect(status.st_mode & 0o7777 == mode_t(entry.mode))
        #expect(status.st_uid == entry.userID && status.st_gid == entry.groupID)
        #expect(Int64(status.st_mtim.tv_sec) == entry.modifiedSeconds)
        #expect(UInt32(status.st_mtim.tv_nsec) == entry.modifiedNanoseconds)
        #expect(entry.size == (entry.kind == .regular ? Int64(status.st_size) : 0))
      }
    }
  }

  /// All names of an inode but the first of the walk carry the path of the first.
  @Test func hardLinksAreGroups() throws {
    let directory = try TemporaryDirectory()
    try MetadataZoo.make(at: directory.path, seed: 2)
    let walked = try walk(directory.path)
    var firsts: [UInt64: [UInt8]] = [:]
    var linkedCount = 0
    for listing in walked.listings {
      for entry in listing.entries where entry.kind != .directory {
        let link = [UInt8](listing.bytes(entry.linkPath))
        if let first = firsts[entry.inode] {
          #expect(link == first)
          linkedCount += 1
        } else {
          #expect(link == [])
          firsts[entry.inode] = listing.path(of: entry)
        }
      }
    }
    #expect(linkedCount == 200)
  }

  @Test func filterAndLeftoversTakeNoPart() throws {
    let directory = try TemporaryDirectory()
    let leftover = TemporaryName.make(7)
    try runChecked(
      "sh",
      [
        "-c",
        "cd \"$1\" && mkdir -p a/skip b \(leftover) && touch a/x a/skip/y b/x.o b/z \(leftover)/q",
        "sh", directory.path,
      ])
    var options = WalkOptions()
    options.filter = FilterRules(rules: [
      try FilterRule(.exclude, "skip/"), try FilterRule(.exclude, "*.o"),
    ])
    let walked = try walk(directory.path, options)
    #expect(walked.paths.map { printable($0) } == [leftover, "a", "b", "a/x", "b/z"])
    #expect(walked.listings[0].entries[0].isLeftover)
  }

  @Test func oneFileSystemStopsAtAMount() throws {
    let directory = try TemporaryDirectory()
    let mount = try LoopMount(.ext4, sizeBytes: 8 << 20)
    try ByteFiles.write(bytes("\(mount.path)/inside"), [1])
    let point = try directory.makeDirectory("point")
    try ByteFiles.write(bytes(directory.path("file")), [1])
    try runChecked("mount", ["--bind", mount.path, point])
    defer { _ = try? runProcess("umount", [point]) }
    #expect(try walk(directory.path).paths.contains(bytes("point/inside")))
    var options = WalkOptions()
    options.oneFileSystem = true
    #expect(try walk(directory.path, options).paths == [bytes("file"), bytes("point")])
  }

  @Test func tooDeepAPathIsToldAndLeftOut() throws {
    let directory = try TemporaryDirectory()
    try DeepTree.make(at: directory.path, levels: 10_000)
    try ByteFiles.write(bytes(directory.path("z")), [1])
    let walked = try walk(directory.path)
    #expect(walked.errors.count == 1)
    guard case .pathTooLong(let path)? = walked.errors.first else {
      Issue.record("\(walked.errors)")
      return
    }
    #expect(path.count == TreeLimits.pathBytesMax + 2)
    #expect(walked.listings.count == 2049)
    #expect(walked.listings.last?.isIncomplete == true)
    #expect(walked.paths.contains(bytes("z")))
  }

  @Test func unreadableDirectoryIsEmptyAndIncomplete() throws {
    let directory = try TemporaryDirectory()
    let root = try directory.makeDirectory("root")
    for name in ["a", "closed", "z"] {
      try ByteFiles.makeDirectory(bytes("\(root)/\(name)"))
      try ByteFiles.write(bytes("\(root)/\(name)/file"), [1])
    }
    try ByteFiles.setMode(bytes("\(root)/closed"), 0o700)
    try ByteFiles.setMode(bytes(directory.path), 0o711)
    let walked = try withoutFilePrivileges { try walk(root) }
    #expect(walked.errors.map(\.message) == ["closed: Permission denied (openat2)"])
    #expect(walked.errors.first?.kind == .denied)
    #expect(walked.paths.map { printable($0) } == ["a", "closed", "z", "a/file", "z/file"])
    #expect(walked.listings.map(\.isIncomplete) == [false, false, true, false])
  }

  @Test func rootThatCannotBeReadIsAnError() throws {
    let directory = try TemporaryDirectory()
    #expect(throws: TreeError.self) { try walk(directory.path("missing")) }
    try ByteFiles.write(bytes(directory.path("file")), [1])
    #expect(throws: TreeError.self) { try walk(directory.path("file")) }
  }

  /// Entries of all kinds come, go and change their kind while walks run over them.
  @Test func changesDuringAWalkAreSurvived() throws {
    let directory = try TemporaryDirectory()
    let script = """
      cd "$1"; while test ! -e stop; do for i in 1 2 3 4 5 6 7 8; do
      rm -rf n$i; mkdir -p n$i/sub; rm -rf n$i; ln -s nowhere n$i; rm n$i; echo x > n$i; done; done
      """
    let child = try ChildProcess("sh", ["-c", script, "sh", directory.path])
    defer {
      child.kill(SIGKILL)
      _ = child.wait(timeoutSeconds: 10)
    }
    var kinds: Set<EntryKind> = []
    for _ in 0..<1000 {
      let walked = try walk(directory.path)
      for listing in walked.listings { kinds.formUnion(listing.entries.map(\.kind)) }
      for error in walked.errors {
        switch error {
        case .changed: break
        case .system(let cause, _):
          #expect([ENOENT, ENOTDIR, ELOOP].contains(cause.errno), "\(error.message)")
        default: Issue.record("\(error.message)")
        }
      }
    }
    #expect(kinds.count >= 2)
    try ByteFiles.write(bytes(directory.path("stop")), [])
  }
}

@Suite struct AttributeReadingTests {
  private func bytes(_ path: String) -> ByteFiles.Path { Array(path.utf8) }

  /// XFS gives root its ACLs a second time, as `trusted.SGI_ACL_FILE` and
  /// `trusted.SGI_ACL_DEFAULT`.
  @Test(arguments: [LoopMount.FileSystem.ext4, .xfs, .btrfs])
  func listsAreReadOnce(kind: LoopMount.FileSystem) throws {
    let mount = try LoopMount(kind, sizeBytes: 16 << 20)
    let path = bytes("\(mount.path)/d")
    try ByteFiles.makeDirectory(path)
    let list = AccessControlList.value(user: 7, group: 8, permissions: 5, otherPermissions: 1)
    try ByteFiles.setAttribute(path, AccessControlList.accessName, list)
    try ByteFiles.setAttribute(path, AccessControlList.defaultName, list)
    try ByteFiles.setAttribute(path, "trusted.mine", [1])
    try ByteFiles.setAttribute(path, "security.label", [2])
    try ByteFiles.setAttribute(path, "user.note", [3])
    #expect(
      try walk(mount.path).attributeNames("d") == [
        "security.label", "system.posix_acl_access", "system.posix_acl_default", "trusted.mine",
        "user.note",
      ])
  }

  @Test func moreThanCanBeHeldIsTold() throws {
    let mount = try LoopMount(.xfs, sizeBytes: 300 << 20)
    for (name, count, size) in [("values", 3, 60_000), ("names", 300, 1)] {
      let path = bytes("\(mount.path)/\(name)")
      try ByteFiles.write(path, [1])
      for index in 0..<count {
        let attribute = "user." + String(repeating: "n", count: 240) + "\(1000 + index)"
        try ByteFiles.setAttribute(path, attribute, [UInt8](repeating: 1, count: size))
      }
    }
    try ByteFiles.write(bytes("\(mount.path)/plain"), [1])
    let walked = try walk(mount.path)
    #expect(walked.paths == [bytes("plain")])
    #expect(walked.listings[0].isIncomplete)
    #expect(walked.errors.count == 2)
    for error in walked.errors {
      #expect(error.kind == .partial)
      #expect(error.message.contains("extended attributes"))
    }
  }

  @Test func fileSystemWithoutAttributesHasNone() throws {
    let walked = try walk("/proc/self/fdinfo")
    #expect(walked.paths.count > 2)
    #expect(walked.listings[0].entries.allSatisfy { $0.attributes.count == 0 })
  }
}

@Suite struct HardLinkTableTests {
  @Test func completeGroupsAreForgotten() {
    let table = HardLinkTable(compactionBytesMin: 1000)
    func path(_ inode: Int) -> [UInt8] { Array("directory/file-\(inode)".utf8) }
    func add(_ inode: Int) -> [UInt8]? {
      var first: [UInt8]?
      table.firstPath(
        fileSystem: 1, inode: UInt64(inode), linkCount: 3, path: { path(inode) }
      ) { first = [UInt8]($0) }
      return first
    }
    var bytesMax = 0
    for inode in 0..<2000 {
      #expect(add(inode) == nil)
      #expect(add(inode) == path(inode))
      // Some groups stay open for long, some for ever.
      if inode % 10 != 0 { #expect(add(inode) == path(inode)) }
      if inode >= 500, inode % 20 == 0 { #expect(add(inode - 500) == path(inode - 500)) }
      bytesMax = max(bytesMax, table.pathBytes)
    }
    #expect(bytesMax < 2 * 20 * 150 + 1000)
    #expect(add(1990) == path(1990))
  }
}
