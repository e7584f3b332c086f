import FileTree
import Glibc
import Platform
import TestSupport
import Testing

/// A plain copy of a tree by what `FileTree/Apply` offers, for the tests.
private final class TreeCopy {
  private let source: String
  private let target: TreeRoot
  private let writer: TreeWriter
  private let attributes: AttributeWriter
  var problems: [String] = []

  init(from source: String, to target: String) throws {
    self.source = source
    self.target = try TreeRoot(path: target)
    final class Told { var lines: [String] = [] }
    let told = Told()
    writer = TreeWriter(root: self.target) { told.lines.append("\(printable($0)): \($1)") }
    attributes = writer.attributes
    let listings = try walk(source).listings
    for listing in listings { try make(listing) }
    for listing in listings { try link(listing) }
    // What is deeper gets its time first.
    for listing in listings.reversed() { try finishDirectories(listing) }
    let own = listings[0].ownEntryListing()
    attributes.apply(
      own.entries[0], in: own, directory: self.target.descriptor, name: ".", path: { [] })
    problems = told.lines
  }

  private func make(_ listing: DirectoryListing) throws {
    for entry in listing.entries where entry.linkPath.count == 0 {
      switch entry.kind {
      case .directory:
        try writer.makeDirectory(listing.path, listing.cName(of: entry)) { [] }
      case .regular: try makeFile(entry, listing)
      default: try writer.makeSpecial(entry, in: listing)
      }
    }
  }

  private func makeFile(_ entry: Entry, _ listing: DirectoryListing) throws {
    let path = ByteFiles.join(Array(source.utf8), listing.path(of: entry))
    let parent = try writer.directories.descriptor(of: listing.path)
    let temporary = TemporaryName.make(SecureRandom.integer())
    let raw = openat(parent, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard raw >= 0 else { throw PlatformError.last("openat", printable(path)) }
    let file = Descriptor(owning: raw)
    if entry.size < 1 << 20 {
      try FileIO.write(file.raw, try ByteFiles.read(path), at: 0)
    } else {
      try runChecked(
        "cp",
        [
          "--sparse=always", String(decoding: path, as: UTF8.self),
          "\(target.path)/\(String(decoding: listing.path.isEmpty ? [0x2e] : listing.path, as: UTF8.self))/\(temporary)",
        ])
    }
    attributes.apply(entry, in: listing, to: file.raw) { listing.path(of: entry) }
    try writer.rename(parent, temporary, to: listing.cName(of: entry)) { [] }
  }

  private func link(_ listing: DirectoryListing) throws {
    for entry in listing.entries where entry.linkPath.count > 0 {
      try writer.makeLink(
        to: [UInt8](listing.bytes(entry.linkPath)), listing.path,
        [UInt8](listing.name(of: entry)))
    }
  }

  private func finishDirectories(_ listing: DirectoryListing) throws {
    for entry in listing.entries where entry.kind == .directory {
      let parent = try writer.directories.descriptor(of: listing.path)
      attributes.apply(
        entry, in: listing, directory: parent, name: listing.cName(of: entry)
      ) { listing.path(of: entry) }
    }
  }
}

@Suite struct ApplyTests {
  private func bytes(_ path: String) -> ByteFiles.Path { Array(path.utf8) }

  /// Real rsync finds nothing to do on a tree that was made from listings.
  @Test func treeMadeFromListingsIsEqual() throws {
    let directory = try TemporaryDirectory()
    let source = try directory.makeDirectory("source")
    let target = try directory.makeDirectory("target")
    try MetadataZoo.make(at: source, seed: 21)
    let copy = try TreeCopy(from: source, to: target)
    #expect(copy.problems == [])
    #expect(try RsyncJudge.differences(source: source, destination: target) == "")
  }

  /// A directory with setgid gives new files its own group.
  @Test func groupIsSetBelowADirectoryWithSetgid() throws {
    let directory = try TemporaryDirectory()
    let source = try directory.makeDirectory("source")
    let target = try directory.makeDirectory("target")
    try ByteFiles.write(bytes("\(source)/file"), [1])
    try ByteFiles.setOwner(bytes(target), user: 0, group: 4321)
    try ByteFiles.setMode(bytes(target), 0o2755)
    _ = try TreeCopy(from: source, to: target)
    #expect(try ByteFiles.status(bytes("\(target)/file")).st_gid == 0)
    #expect(try RsyncJudge.differences(source: source, destination: target) == "")
  }

  /// Lists that a default ACL has left on new entries go away.
  @Test func inheritedListsAreRemoved() throws {
    let directory = try TemporaryDirectory()
    let source = try directory.makeDirectory("source")
    let target = try directory.makeDirectory("target")
    try ByteFiles.write(bytes("\(source)/file"), [1], mode: 0o640)
    try ByteFiles.makeDirectory(bytes("\(source)/sub"))
    try ByteFiles.makeNode(bytes("\(source)/fifo"), type: S_IFIFO)
    try ByteFiles.setAttribute(
      bytes(target), AccessControlList.defaultName,
      AccessControlList.value(user: 7, group: 8, permissions: 7, otherPermissions: 7))
    let copy = try TreeCopy(from: source, to: target)
    #expect(copy.problems == [])
    #expect(try RsyncJudge.differences(source: source, destination: target) == "")
  }

  /// A user's own file that nobody may write gets its attributes all the same.
  @Test func attributesOfReadOnlyFilesNeedNoPrivilege() throws {
    let directory = try TemporaryDirectory()
    let source = try directory.makeDirectory("source")
    let target = try directory.makeDirectory("target")
    for (name, mode) in [("file", 0o444), ("none", 0o000)] {
      for side in [source, target] {
        try ByteFiles.write(bytes("\(side)/\(name)"), [1], mode: mode_t(mode))
        try ByteFiles.setMode(bytes("\(side)/\(name)"), mode_t(mode))
      }
      try ByteFiles.setAttribute(bytes("\(source)/\(name)"), "user.note", [1, 2])
      try ByteFiles.setOwner(bytes("\(source)/\(name)"), user: 12, group: 0)
      try ByteFiles.setAttribute(bytes("\(target)/\(name)"), "user.old", [3])
      try ByteFiles.setOwner(bytes("\(target)/\(name)"), user: 65_534, group: 77)
    }
    try ByteFiles.setMode(bytes(directory.path), 0o711)
    let listing = try walk(source).listings[0]
    let told = try withoutFilePrivileges {
      var told: [String] = []
      let root = try TreeRoot(path: target)
      let writer = AttributeWriter(isPrivileged: false) { told.append("\(printable($0)): \($1)") }
      for entry in listing.entries {
        writer.apply(
          entry, in: listing, directory: root.descriptor, name: listing.cName(of: entry)
        ) { listing.path(of: entry) }
      }
      return told + ["\(writer.ownerProblemCount)"]
    }
    // The owner cannot be given away; the group is one that the process has.
    #expect(told == ["2"])
    let found = try walk(target)
    for (name, mode) in [("file", 0o444), ("none", 0o000)] {
      #expect(try found.attributeNames(name) == ["user.note"])
      let entry = try found.entry(name).entry
      #expect(entry.mode == UInt16(mode))
      #expect(entry.userID == 65_534)
      #expect(entry.groupID == 0)
    }
  }

  @Test func whatIsRefusedIsTold() throws {
    let mount = try LoopMount(.ext4, sizeBytes: 8 << 20)
    let directory = try TemporaryDirectory()
    try ByteFiles.write(bytes(directory.path("file")), [1])
    try ByteFiles.setAttribute(
      bytes(directory.path("file")), "user.large", [UInt8](repeating: 1, count: 3500))
    // Together more than ext4 holds.
    let source = try walk(directory.path).listings[0]
    try ByteFiles.write(bytes("\(mount.path)/file"), [1])
    try runChecked("chattr", ["+i", "\(mount.path)/file"])
    defer { _ = try? runProcess("chattr", ["-i", "\(mount.path)/file"]) }
    var told: [String] = []
    let root = try TreeRoot(path: mount.path)
    let writer = AttributeWriter { told.append("\(printable($0)): \($1)") }
    writer.apply(
      source.entries[0], in: source, directory: root.descriptor,
      name: source.cName(of: source.entries[0])
    ) { source.path(of: source.entries[0]) }
    #expect(told.contains("file: Operation not permitted (chmod)"), "\(told)")
    #expect(told.contains("file: attribute user.large: Operation not permitted"), "\(told)")
    #expect(told.contains("file: Operation not permitted (utimensat)"), "\(told)")
  }
}

@Suite struct TreeWriterTests {
  private func bytes(_ path: String) -> ByteFiles.Path { Array(path.utf8) }

  /// An entry of the given kind in a listing of the root.
  private func listing(_ kind: EntryKind, _ name: String, target: String = "") -> DirectoryListing {
    let listing = DirectoryListing(path: [])
    var entry = Entry()
    entry.kind = kind
    entry.mode = 0o640
    entry.modifiedSeconds = 1000
    entry.name = ArenaSlice(
      offset: Array(name.utf8).withUnsafeBytes { listing.arena.appendString($0) },
      count: UInt32(name.utf8.count))
    entry.target = ArenaSlice(
      offset: Array(target.utf8).withUnsafeBytes { listing.arena.appendString($0) },
      count: UInt32(target.utf8.count))
    listing.entries = [entry]
    return listing
  }

  @Test func specialsReplaceEverythingButDirectories() throws {
    let directory = try TemporaryDirectory()
    let writer = TreeWriter(root: try TreeRoot(path: directory.path)) { path, message in
      Issue.record("\(printable(path)): \(message)")
    }
    try ByteFiles.write(bytes(directory.path("x")), [1])
    for (kind, type) in [
      (.fifo, S_IFIFO), (.symbolicLink, S_IFLNK), (.socket, S_IFSOCK), (.symbolicLink, S_IFLNK),
      (.characterDevice, S_IFCHR), (.blockDevice, S_IFBLK),
    ] as [(EntryKind, mode_t)] {
      let listing = listing(kind, "x", target: "../elsewhere")
      try writer.makeSpecial(listing.entries[0], in: listing)
      let status = try ByteFiles.status(bytes(directory.path("x")))
      #expect(status.st_mode & S_IFMT == type)
      #expect(status.st_mtim.tv_sec == 1000)
    }
    try ByteFiles.remove(bytes(directory.path("x")))
    try ByteFiles.makeDirectory(bytes(directory.path("x")))
    let fifo = listing(.fifo, "x")
    #expect(throws: TreeError.self) { try writer.makeSpecial(fifo.entries[0], in: fifo) }
    // Nothing unfinished stays behind.
    #expect(try ByteFiles.names(in: bytes(directory.path)) == [bytes("x")])
    let aside = try writer.moveAside([], fifo.cName(of: fifo.entries[0])) { [] }
    #expect(aside.withUnsafeBytes(TemporaryName.matches))
    try writer.makeSpecial(fifo.entries[0], in: fifo)
    #expect(try ByteFiles.names(in: bytes(directory.path)) == [aside, bytes("x")])
  }

  @Test func linksReplaceWhatStandsThere() throws {
    let directory = try TemporaryDirectory()
    let writer = TreeWriter(root: try TreeRoot(path: directory.path)) { _, _ in }
    try ByteFiles.makeDirectory(bytes(directory.path("d")))
    try ByteFiles.write(bytes(directory.path("d/first")), [1])
    try ByteFiles.write(bytes(directory.path("second")), [2])
    for _ in 0..<2 {  // the second time it is a link already
      try writer.makeLink(to: bytes("d/first"), [], bytes("second"))
      #expect(try ByteFiles.read(bytes(directory.path("second"))) == [1])
      #expect(try ByteFiles.status(bytes(directory.path("second"))).st_nlink == 2)
      #expect(try ByteFiles.names(in: bytes(directory.path)).count == 2)
    }
    #expect(throws: TreeError.self) {
      try writer.makeLink(to: bytes("d/missing"), [], bytes("third"))
    }
    #expect(throws: TreeError.self) { try writer.makeLink(to: bytes("second"), [], bytes("d")) }
    #expect(try ByteFiles.names(in: bytes(directory.path)) == [bytes("d"), bytes("second")])
  }

  /// A symlink in the way, also one that was swapped in, leads nowhere.
  @Test func nothingLeavesTheRoot() throws {
    let directory = try TemporaryDirectory()
    let outside = try directory.makeDirectory("outside")
    let root = try directory.makeDirectory("root")
    try ByteFiles.makeSymlink(bytes("\(root)/out"), target: bytes(outside))
    try ByteFiles.makeSymlink(bytes("\(root)/up"), target: bytes(".."))
    try ByteFiles.write(bytes("\(outside)/kept"), [1])
    let tree = try TreeRoot(path: root)
    let writer = TreeWriter(root: tree) { _, _ in }
    let removal = TreeRemoval(root: tree, filter: FilterRules())
    for path in ["out", "up", "up/outside", "../outside", "/", "out/."] {
      #expect(throws: TreeError.self, "\(path)") { try tree.openDirectory(bytes(path)) }
      #expect(throws: TreeError.self, "\(path)") {
        try bytes("new").withCString { name in
          try writer.makeDirectory(bytes(path), name) { bytes(path) }
        }
      }
      #expect(throws: TreeError.self, "\(path)") { try removal.remove(bytes(path), bytes("kept")) }
    }
    #expect(try removal.remove([], bytes("out")))
    #expect(try ByteFiles.names(in: bytes(outside)) == [bytes("kept")])
  }
}
