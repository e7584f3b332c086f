import Glibc
import Platform

/// A tree that holds every kind of entry and attribute that a replica has to keep.
///
/// As root it has everything. As another user it lacks what the kernel refuses: foreign owners,
/// devices, and attributes of the `trusted` and `security` name spaces.
package struct MetadataZoo {
  private let root: ByteFiles.Path
  private let scale: Int
  private let isRoot: Bool
  private var random: SeededGenerator
  /// Regular files, for attributes and links.
  private var files: [ByteFiles.Path] = []

  /// Fills the existing directory `path`. `scale` multiplies the number of ordinary files.
  package static func make(at path: String, seed: UInt64, scale: Int = 1) throws {
    var zoo = MetadataZoo(
      root: Array(path.utf8), scale: scale, isRoot: geteuid() == 0,
      random: SeededGenerator(seed: seed))
    try zoo.makeOrdinaryFiles()
    try zoo.makeSparseFiles()
    try zoo.makeOddNames()
    try zoo.makeDeepNest()
    try zoo.makeCrowdedDirectory()
    try zoo.makeSymlinks()
    try zoo.makeSpecialFiles()
    try zoo.makeHardLinks()
    try zoo.setOwners()
    try zoo.setModes()
    try zoo.setLists()
    try zoo.setAttributes()
    try zoo.makeLockedDirectories()
    try zoo.setRootAttributes()
    try zoo.setTimes()
  }

  private func path(_ name: String) -> ByteFiles.Path { ByteFiles.join(root, name) }

  private func directory(_ name: String) throws(PlatformError) -> ByteFiles.Path {
    let path = path(name)
    try ByteFiles.makeDirectory(path)
    return path
  }

  private mutating func makeOrdinaryFiles() throws {
    let sizes = [0, 1, 511, 4095, 4096, 4097, 65_536, 300_001]
    for index in 0..<(12 * scale) {
      let directory = try directory("ordinary-\(index)")
      for number in 0..<(8 + random.below(8)) {
        let file = ByteFiles.join(directory, "file-\(number)")
        let size = number < 2 ? 0 : random.pick(sizes)
        try ByteFiles.write(file, random.bytes(size))
        files.append(file)
      }
    }
    let large = path("large")
    try ByteFiles.write(large, random.bytes(3 << 20))
    // The same content under a second name, and one that compresses.
    try ByteFiles.write(path("large-copy"), try ByteFiles.read(large))
    try ByteFiles.write(path("text"), Array(String(repeating: "all work\n", count: 40_000).utf8))
    files.append(large)
  }

  private mutating func makeSparseFiles() throws {
    let directory = try directory("sparse")
    let block = random.bytes(8192)
    let plans: [(name: String, size: Int, dataAt: [Int])] = [
      ("leading", 1 << 20, [(1 << 20) - 8192]), ("middle", 3 << 20, [0, (3 << 20) - 8192]),
      ("trailing", 2 << 20, [0]), ("only-hole", 5 << 20, []),
      ("many", 4 << 20, Array(stride(from: 65_536, to: 4 << 20, by: 262_144))),
      ("odd-end", (1 << 20) + 17, [4096]), ("mostly-hole", 64 << 20, [40 << 20]),
    ]
    for plan in plans {
      let file = ByteFiles.join(directory, plan.name)
      try ByteFiles.truncate(file, sizeBytes: plan.size)
      for offset in plan.dataAt { try ByteFiles.overwrite(file, block, at: offset) }
    }
  }

  private mutating func makeOddNames() throws {
    let directory = try directory("odd names")
    var names: [[UInt8]] = [
      "new\nline", "-leading-dash", "--delete", "trailing space ", " leading space", "tab\there",
      "back\\slash", "quote\"double", "quote'single", "star*", "quest?ion", "[set]", "$HOME",
      "`id`",
      "#comment", "!bang", "...", ".hidden", "größe-日本語-🗂", "e\u{301}", "\u{e9}", ".rsync-filter",
      "a:b", "name%20", "~", ".file.Xa5sTT", "\\#012",
    ].map { Array($0.utf8) }
    names.append([0xff, 0xfe, 0x80, 0x41])
    names.append([0xc3])
    names.append([0x01, 0x7f, 0x1b])
    names.append([UInt8](repeating: UInt8(ascii: "n"), count: 255))
    names.append([UInt8](repeating: 0xe9, count: 255))
    for (index, name) in names.enumerated() {
      let path = ByteFiles.join(directory, name)
      if index % 5 == 4 {
        try ByteFiles.makeDirectory(path)
        try ByteFiles.write(ByteFiles.join(path, name), random.bytes(10))
      } else {
        try ByteFiles.write(path, random.bytes(20))
      }
    }
    // Neighbours in byte order whose order changes when a directory counts with its slash.
    for name in ["a", "a-b", "a.b", "a0"] {
      try ByteFiles.makeDirectory(ByteFiles.join(directory, name))
      try ByteFiles.write(ByteFiles.join(directory, name + "/x"), [1])
    }
  }

  private mutating func makeDeepNest() throws {
    var path = try directory("deep")
    for level in 0..<60 {
      path = ByteFiles.join(path, "level-\(level)")
      try ByteFiles.makeDirectory(path)
      if level % 7 == 0 { try ByteFiles.write(ByteFiles.join(path, "leaf"), random.bytes(100)) }
    }
  }

  private mutating func makeCrowdedDirectory() throws {
    let directory = try directory("crowded")
    for index in 0..<1500 {
      try ByteFiles.write(
        ByteFiles.join(directory, "entry-\(index)"), random.bytes(random.below(64)))
    }
    _ = try self.directory("empty")
  }

  private mutating func makeSymlinks() throws {
    let directory = try directory("symlinks")
    let long = [UInt8](repeating: UInt8(ascii: "l"), count: 200)
    let targets: [(name: String, target: [UInt8])] = [
      ("dangling", Array("nowhere/at all".utf8)), ("absolute", Array("/etc/passwd".utf8)),
      ("to-directory", Array("../ordinary-0".utf8)), ("to-file", Array("../large".utf8)),
      ("to-self", Array("to-self".utf8)), ("outside", Array("../../../../../../etc".utf8)),
      ("long", Array((0..<5).map { _ in long }.joined(separator: [UInt8(ascii: "/")]))),
      ("invalid", [0xff, 0x0a, 0x80]), ("dot", [UInt8(ascii: ".")]),
    ]
    for (name, target) in targets {
      try ByteFiles.makeSymlink(ByteFiles.join(directory, name), target: target)
    }
    let longest = Array((0..<20).map { _ in long }.joined(separator: [UInt8(ascii: "/")]))
    do throws(PlatformError) {
      try ByteFiles.makeSymlink(ByteFiles.join(directory, "longest"), target: longest)
    } catch {
      // XFS ends at 1,024 bytes.
      guard error.errno == ENAMETOOLONG else { throw error }
    }
  }

  private func makeSpecialFiles() throws {
    let directory = try directory("special")
    try ByteFiles.makeNode(ByteFiles.join(directory, "fifo"), type: S_IFIFO)
    try ByteFiles.makeNode(ByteFiles.join(directory, "socket"), type: S_IFSOCK)
    guard isRoot else { return }
    let devices: [(name: String, type: mode_t, major: UInt32, minor: UInt32)] = [
      ("null", S_IFCHR, 1, 3), ("wide-char", S_IFCHR, 511, 250_000), ("loop", S_IFBLK, 7, 200),
      ("wide-block", S_IFBLK, 300, 70_000),
    ]
    for device in devices {
      try ByteFiles.makeNode(
        ByteFiles.join(directory, device.name), type: device.type, major: device.major,
        minor: device.minor)
    }
  }

  /// Makes 200 further names for files, symlinks, fifos and devices, in groups across directories.
  private mutating func makeHardLinks() throws {
    let directories = try (0..<5).map { try directory("links-\($0)") }
    var originals: [ByteFiles.Path] = []
    for index in 0..<56 {
      let file = ByteFiles.join(random.pick(directories), "original-\(index)")
      try ByteFiles.write(file, random.bytes(random.below(9000)))
      originals.append(file)
    }
    let symlink = ByteFiles.join(directories[0], "linked-symlink")
    try ByteFiles.makeSymlink(symlink, target: Array("original-0".utf8))
    let fifo = ByteFiles.join(directories[1], "linked-fifo")
    try ByteFiles.makeNode(fifo, type: S_IFIFO)
    originals += [symlink, fifo, files[0], files[1]]
    if isRoot { originals.append(path("special/null")) }
    for index in 0..<200 {
      let name = ByteFiles.join(random.pick(directories), "link-\(index)")
      try ByteFiles.link(
        name, to: index < originals.count ? originals[index] : random.pick(originals))
    }
  }

  private mutating func setOwners() throws {
    guard isRoot else { return }
    for path in try ByteFiles.walk(root) where random.chance(0.3) {
      try ByteFiles.setOwner(
        ByteFiles.join(root, path), user: UInt32(random.pick([0, 1, 1000, 65_533, 4_000_000_000])),
        group: UInt32(random.pick([0, 4, 100, 65_533, 3_000_000_000])))
    }
  }

  private mutating func setModes() throws {
    let modes: [mode_t] = [
      0o000, 0o400, 0o444, 0o600, 0o640, 0o644, 0o666, 0o755, 0o777, 0o4755, 0o2755, 0o6711, 0o1644,
    ]
    for file in files { try ByteFiles.setMode(file, random.pick(modes)) }
    for (name, mode) in [("links-0", 0o1777), ("links-1", 0o2775), ("links-2", 0o4755)] {
      try ByteFiles.setMode(path(name), mode_t(mode))
    }
    try ByteFiles.setMode(path("special/fifo"), 0o622)
    try ByteFiles.setMode(path("special/socket"), 0o711)
  }

  private mutating func setLists() throws {
    for file in files where random.chance(0.15) {
      try ByteFiles.setAttribute(file, AccessControlList.accessName, randomList())
    }
    let directory = try directory("lists")
    try ByteFiles.setAttribute(directory, AccessControlList.accessName, randomList())
    try ByteFiles.setAttribute(directory, AccessControlList.defaultName, randomList())
    // Made below a default list, so with an inherited one.
    try ByteFiles.write(ByteFiles.join(directory, "inherits"), [1, 2, 3])
    let child = ByteFiles.join(directory, "inherits-too")
    try ByteFiles.makeDirectory(child)
    try ByteFiles.removeAttribute(child, AccessControlList.defaultName)
  }

  private mutating func randomList() -> [UInt8] {
    AccessControlList.value(
      user: UInt32(1000 + random.below(50)), group: UInt32(2000 + random.below(50)),
      permissions: UInt16(random.below(8)), otherPermissions: UInt16(random.below(8)))
  }

  private mutating func setAttributes() throws {
    for file in files where random.chance(0.2) {
      try ByteFiles.setAttribute(file, "user.note", random.bytes(random.below(40)))
      if random.chance(0.3) { try ByteFiles.setAttribute(file, "user.large", random.bytes(1500)) }
      if isRoot, random.chance(0.3) {
        try ByteFiles.setAttribute(file, "trusted.seen", random.bytes(8))
      }
    }
    try ByteFiles.setAttribute(path("text"), "user.empty", [])
    try ByteFiles.setAttribute(path("text"), "user.größe", Array("value\0with nul".utf8))
    guard isRoot else { return }
    try ByteFiles.setAttribute(path("text"), "security.foo", Array("bar".utf8))
    // cap_net_bind_service=ep, revision 2: magic and flags, then permitted and inheritable, low and
    // high.
    let capability: [UInt8] = [1, 0, 0, 2, 0, 4, 0, 0] + [UInt8](repeating: 0, count: 12)
    try ByteFiles.setAttribute(files[2], "security.capability", capability)
    for name in ["symlinks/dangling", "special/fifo", "special/null", "links-3"] {
      try ByteFiles.setAttribute(path(name), "trusted.kind", Array(name.utf8))
    }
  }

  private func makeLockedDirectories() throws {
    for (name, mode) in [("locked-0555", 0o555), ("locked-0000", 0o000), ("locked-0311", 0o311)] {
      let directory = try directory(name)
      try ByteFiles.write(ByteFiles.join(directory, "inside"), Array(name.utf8))
      try ByteFiles.makeDirectory(ByteFiles.join(directory, "below"))
      try ByteFiles.setMode(directory, mode_t(mode))
    }
  }

  private func setRootAttributes() throws {
    try ByteFiles.setMode(root, 0o2751)
    try ByteFiles.setAttribute(root, "user.root", Array("of the tree".utf8))
    guard isRoot else { return }
    try ByteFiles.setOwner(root, user: 1234, group: 4321)
    try ByteFiles.setMode(root, 0o2751)
    try ByteFiles.setAttribute(root, "trusted.root", [0, 1, 2])
  }

  private mutating func setTimes() throws {
    // 1931, 1969, 1970, 2001, 2038 and just past it, 2100.
    let starts = [
      -1_230_000_000, -1, 0, 1_000_000_000, 2_147_483_647, 2_147_483_648, 4_102_444_800,
    ]
    for path in try ByteFiles.walk(root) where isRoot || random.chance(0.5) {
      let seconds =
        random.chance(0.2) ? random.pick(starts) : 1_500_000_000 + random.below(200_000_000)
      try ByteFiles.setTime(
        ByteFiles.join(root, path), seconds: seconds, nanoseconds: random.below(1_000_000_000))
    }
    try ByteFiles.setTime(root, seconds: 1_600_000_000, nanoseconds: 123_456_789)
  }
}
