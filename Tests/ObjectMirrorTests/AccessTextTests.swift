import Glibc
import ObjectMirror
import Platform
import TestSupport
import Testing

/// `permissions.facl` is written as `getfacl` writes it and read as `setfacl --restore` reads it.
@Suite struct AccessTextTests {
  private static let accessName = "system.posix_acl_access"
  private static let defaultName = "system.posix_acl_default"

  /// A tree of names, modes, owners and lists of all kinds.
  private func makeTree(_ root: String, _ random: inout SeededGenerator) throws -> [[UInt8]] {
    let names: [[UInt8]] =
      [
        "a b", "n\nl", "c\rr", "b\\s", "\\012", "t\tb", "é", " lead", "trail ", "\u{1}", "#x", "d",
        "e",
      ]
      .map { Array($0.utf8) } + [[0xff]]
    var paths = [Array(root.utf8)]
    for name in names {
      let path = ByteFiles.join(Array(root.utf8), name)
      paths.append(path)
      if random.chance(0.4) {
        try ByteFiles.makeDirectory(path)
      } else {
        try ByteFiles.write(path, [])
      }
    }
    for path in paths { try change(path, &random) }
    return paths
  }

  private func change(_ path: [UInt8], _ random: inout SeededGenerator) throws {
    let numbers: [UInt32] = [0, 2, 1234, 77_777, 4_294_967_294]
    try ByteFiles.setOwner(path, user: random.pick(numbers), group: random.pick(numbers))
    // setfacl 2.3.1 does not bring a mode of 0 back; the owner may read everything here.
    try ByteFiles.setMode(path, 0o400 | mode_t(random.below(0o10000)))
    let isDirectory = try ByteFiles.kind(path) == 0o040000
    for name in [AccessTextTests.accessName, AccessTextTests.defaultName]
    where random.chance(0.6) && (isDirectory || name == AccessTextTests.accessName) {
      try ByteFiles.setAttribute(path, name, randomList(&random))
    }
  }

  private func randomList(_ random: inout SeededGenerator) -> [UInt8] {
    var entries: [AccessEntry] = []
    func add(_ kind: AccessEntry.Kind, _ name: String = "") {
      entries.append(
        AccessEntry(kind, Array(name.utf8), permissions: UInt8(random.below(8))))
    }
    add(.owner)
    entries[0].permissions |= 4
    for number in ["2", "5", "1234567"] where random.chance(0.5) { add(.user, number) }
    add(.owningGroup)
    for number in ["1", "88888"] where random.chance(0.5) { add(.group, number) }
    add(.mask)
    add(.other)
    return AccessAttribute.attribute(of: entries) { AccessTextTests.number($1) } ?? []
  }

  private static func number(_ name: [UInt8]) -> UInt32? {
    let text = String(decoding: name, as: UTF8.self)
    return UInt32(text) ?? getpwnam(text)?.pointee.pw_uid
  }

  private static func number(_ kind: AccessEntry.Kind, _ name: [UInt8]) -> UInt32? {
    let text = String(decoding: name, as: UTF8.self)
    if let number = UInt32(text) { return number }
    return kind == .user ? getpwnam(text)?.pointee.pw_uid : getgrnam(text)?.pointee.gr_gid
  }

  private static func name(_ kind: AccessEntry.Kind, _ number: UInt32) -> [UInt8] {
    let name =
      kind == .user
      ? getpwuid(number).map { String(cString: $0.pointee.pw_name) }
      : getgrgid(number).map { String(cString: $0.pointee.gr_name) }
    return Array((name ?? String(number)).utf8)
  }

  /// The record of an entry of the file system.
  private func record(_ path: [UInt8]) throws -> AccessRecord {
    let status = try ByteFiles.status(path)
    func entries(_ name: String) throws -> [AccessEntry] {
      let value = try attribute(path, name)
      return try value.map {
        try #require(AccessAttribute.entries(of: $0, name: AccessTextTests.name))
      } ?? []
    }
    let access = try entries(AccessTextTests.accessName)
    return AccessRecord(
      path: Array(path.dropFirst()), owner: AccessTextTests.name(.user, status.st_uid),
      group: AccessTextTests.name(.group, status.st_gid),
      flags: UInt8(status.st_mode >> 9 & 7),
      access: access.isEmpty ? AccessAttribute.entries(ofMode: status.st_mode) : access,
      inherited: try entries(AccessTextTests.defaultName))
  }

  private func attribute(_ path: [UInt8], _ name: String) throws -> [UInt8]? {
    var value = [UInt8](repeating: 0, count: 4096)
    let count = (path + [0]).withUnsafeBufferPointer { path in
      path.withMemoryRebound(to: CChar.self) { path in
        value.withUnsafeMutableBytes {
          ExtendedAttributes.get(path.baseAddress.unsafelyUnwrapped, name, into: $0)
        }
      }
    }
    return count < 0 ? nil : Array(value.prefix(count))
  }

  private func getfacl(_ root: String) throws -> [UInt8] {
    try runChecked("getfacl", ["-R", "--physical", root], environment: ["LC_ALL": "C"]).output
  }

  @Test func textIsThatOfGetfaclAndRestoresEverything() throws {
    let directory = try TemporaryDirectory()
    var random = SeededGenerator(seed: 0xfac1)
    for round in 0..<SampledCounts.count(sampled: 10, full: 200) {
      let root = try directory.makeDirectory("tree-\(round)")
      let paths = try makeTree(root, &random)
      let theirs = try getfacl(root)
      // What getfacl wrote is understood, and written again byte for byte.
      var reader = AccessTextReader(theirs)
      let records = try reader.all()
      #expect(records.count == paths.count)
      #expect(text(records) == theirs)
      // What the file system says is written as getfacl writes it.
      let bySystem = try records.map { try record([0x2f] + $0.path) }
      #expect(text(bySystem) == theirs)
      // What was changed meanwhile is brought back by setfacl from our text.
      for path in paths { try change(path, &random) }
      #expect(try getfacl(root) != theirs)
      let file = directory.path("permissions.facl")
      try ByteFiles.write(Array(file.utf8), text(records))
      // From the root on: the names are absolute ones without their first slash.
      let script = "cd / && exec setfacl --restore=\"$0\""
      try runChecked("sh", ["-c", script, file])
      #expect(try getfacl(root) == theirs, "round \(round)")
    }
  }

  private func text(_ records: [AccessRecord]) -> [UInt8] {
    var text: [UInt8] = []
    for record in records { record.append(to: &text) }
    return text
  }

  static let variants = [
    "# file: f\n# owner: 5\n# group: 6\n# flags: ss-\nuser::rwx\ngroup::r--\nother::---\n",
    "# file: f\n# owner: bin\nu::7\ng::5\no:0\n", "#file:f\nuser::rwx\ngroup::r-x\nother:r\n",
    "# file: f\n  user::rwx   # note\n\t group::r-x\t\t#effective:r--\nother::r\n",
    "# file: \\146\nuser::rwx\ngroup::r-x\nother::r\n",
    "# file: f\nuser::rwx\ngroup::r-x\nother::r--\nuser:5:rwx\n",
    "# file: f\nuser::rwx\ngroup::r-x\nother::r--\nuser:5:rwx\nmask::r\n",
    "# file: f\r\nuser::rwx\r\ngroup::r-x\r\nother::r--\r\n",
    "# file: f\n# flags: --t\nu::6\ng::4\no::4",
    "\n\n# file: f\n\nuser::rw-\ngroup::---\nother::r--\n\n\n",
    "# file: f\n# junk\nuser::xwr\ngroup::-r-\nother::r\n",
    "# file: f\nuser::rw\nuser::r\ngroup::-r-\nother::r\n",
    "# file: f\nuser : : rw\ngroup::-r-\nother::r\nuser:\\065:rw\nmask::rw\n",
    "# file: f\nother:r\nuser::rw\ngroup:6:r\ngroup::r\n", "# file: f\nu::rwx#n\ng::r-x\no:r--\n",
    "# file: f\nuser::rwx\ngroup::r-x\nother::r--\nd:u:5:rwx\nd:g::r\n",
    "# file: f\nuser::rwx\ngroup::r-x\nother::r--\ndefault:mask::r\n",
    "# file: f\nuser::rwx\n# note\ngroup::r-x\nother::r--\n",
    // These are refused by both.
    "# file: f\nu::rwx,g::r-x,o::x\n", "# file: f\nuser::rwx\ngroup::r\nother::\n",
    "# file: f\nuser::rwx\ngroup::r-x\n", "# file: f\nuser::rwx\nbogus\ngroup::r-x\nother::r--\n",
    "# file: f\nuser::rr\ngroup::r\nother::r\n",
    "# file: f\n# owner: 5\n# owner: 6\nu::6\ng::4\no::4\n", "# file: f\nUSER::rw\ng::4\no::4\n",
    "# file: f\n# flags: st\nu::6\ng::4\no::4\n", "# file: f\n# flags: s-x\nu::6\ng::4\no::4\n",
    "# file: f\nuser:rw\ng::4\no::4\n", "# file: f\nu::0rwx\ng::4\no::4\n",
    "# file: f\n# owner: 5\n",
    "# file: f\n# file: f\nu::6\ng::4\no::4\n", "# file: f\nu::6\ng::4\no:x:4\n",
    "# file: f\ndefault:\nu::6\ng::4\no::4\n",
    "# file: f\ndefault:u::6\ndefault:g::4\ndefault:o::4\n",
  ]

  @Test(arguments: variants)
  func isReadAsBySetfacl(text: String) throws {
    let directory = try TemporaryDirectory()
    let path = try directory.makeDirectory("f")
    try ByteFiles.setMode(Array(path.utf8), 0o755)
    let before = try getfacl(path)
    let file = directory.path("text")
    try ByteFiles.write(Array(file.utf8), Array(text.utf8))
    let script = "cd \"$1\" && exec setfacl --restore=\"$0\""
    let judge = try runProcess("sh", ["-c", script, file, directory.path])
    var reader = AccessTextReader(Array(text.utf8))
    let records: [AccessRecord]
    do {
      records = try reader.all()
    } catch {
      #expect(judge.status != 0, "\(error.message)")
      #expect(try getfacl(path) == before)
      return
    }
    #expect(judge.status == 0, "\(judge.errorText)")
    let ours = try #require(records.first)
    let theirs = try record(Array(path.utf8))
    #expect(records.count == 1)
    #expect(ours.path == Array("f".utf8))
    #expect((ours.flags ?? 0) == (theirs.flags ?? 0))
    #expect(attribute(ours.access) == attribute(theirs.access))
    #expect(attribute(ours.inherited) == attribute(theirs.inherited))
    for (name, other, kind) in [
      (ours.owner, theirs.owner, AccessEntry.Kind.user), (ours.group, theirs.group, .group),
    ] {
      let number = AccessTextTests.number(kind, name ?? Array("0".utf8))
      #expect(number == AccessTextTests.number(kind, other ?? []))
    }
  }

  private func attribute(_ entries: [AccessEntry]) -> [UInt8]? {
    AccessAttribute.attribute(of: entries, number: AccessTextTests.number)
  }

  /// setfacl takes the first for a comment, and does nothing at all for the second.
  @Test(arguments: [
    ("# file: a\nu::6\ng::4\no::4\n# file: b\n", 5), ("\nuser::rwx\ngroup::r-x\nother::r--\n", 2),
  ])
  func problemsAreNamedByLine(text: String, line: Int) {
    var reader = AccessTextReader(Array(text.utf8))
    let error = #expect(throws: AccessTextError.self) { try reader.next() }
    #expect(error?.line == line)
  }

  @Test func anyTextIsReadOrRefused() {
    var random = SeededGenerator(seed: 0xfacade)
    let pieces = [
      "# file: ", "# owner: ", "# flags: ", "sst", "a", "\n", "\n", "\n\n", "user:", "group:",
      "mask:",
      "other:", "default:", ":", "rwx", "r-x", "\\012", "\\", "#", " ", "\t", "7",
      "u::6\ng::4\no::4\n",
      "# file: f\n", "# file: g\nu::6\ng::4\no::4\n",
    ]
    var count = 0
    for _ in 0..<SampledCounts.count(sampled: 5000, full: 200_000) {
      let text = (0..<random.below(14)).map { _ in random.pick(pieces) }.joined()
      var reader = AccessTextReader(Array(text.utf8))
      // Refusing is an answer; the test is that there is one.
      while let record = try? reader.next() {
        count += 1
        // What was read is written in a form that says the same.
        var again: [UInt8] = []
        record.append(to: &again)
        var second = AccessTextReader(again)
        var normal = record
        if normal.flags == 0 { normal.flags = nil }
        #expect(throws: Never.self) { try #expect(second.next() == normal) }
      }
    }
    #expect(count > 50)
  }
}
