import Glibc
import ObjectStorage
import Platform
import TestSupport
import Testing

@Suite struct LocalStoreTests {
  private let directory: TemporaryDirectory
  private let path: String

  init() throws {
    directory = try TemporaryDirectory()
    path = directory.path("store")
  }

  private func mode(_ name: String) throws -> mode_t {
    try ByteFiles.status(Array("\(path)/\(name)".utf8)).st_mode & 0o7777
  }

  private var umask: mode_t {
    get throws {
      let status = try SmallFile.read("/proc/self/status", sizeBytesMax: 1 << 16)
      let lines = String(decoding: status, as: UTF8.self).split(separator: "\n")
      let line = try #require(lines.first { $0.hasPrefix("Umask:") })
      return try #require(mode_t(line.dropFirst(6).filter { !$0.isWhitespace }, radix: 8))
    }
  }

  @Test func modesAreForTheOwner() throws {
    let store = try LocalStore.create(at: path, folders: [key("data/00"), key("keys")])
    #expect(store.modes == .owner)
    try store.put(key("config"), [1])
    try store.put(key("data/00/a"), [1])
    try store.put(key("data/01/b"), [1])
    for folder in ["", "data", "data/00", "data/01", "keys"] { #expect(try mode(folder) == 0o700) }
    for file in ["config", "data/00/a", "data/01/b"] { #expect(try mode(file) == 0o400) }
  }

  @Test func modesAreForTheGroupWhenConfigIs() throws {
    let first = try LocalStore.create(at: path)
    try first.put(key("config"), [1])
    try ByteFiles.setMode(Array("\(path)/config".utf8), 0o440)
    let store = try LocalStore(at: path)
    #expect(store.modes == .group)
    try store.put(key("data/00/a"), [1])
    #expect(try mode("data/00/a") == 0o440)
    #expect(try mode("data/00") == 0o770 & ~umask)
    #expect(try mode("data") == 0o770 & ~umask)
  }

  @Test func createMakesParentsAndTakesWhatIsThere() throws {
    let deep = directory.path("a/b//c/")
    try LocalStore.create(at: deep).put(key("config"), [1])
    #expect(try LocalStore.create(at: deep).load(key("config"), sizeBytesMax: 1) == [1])
    #expect(try LocalStore(at: directory.path("a/b/c")).stat(key("config")).sizeBytes == 1)
    expectError(.usage) { _ = try LocalStore.create(at: directory.path("a/b/c/config")) }
    expectError(.failed) { _ = try LocalStore.create(at: directory.path("a/b/c/config/x")) }
    expectError(.notFound) { _ = try LocalStore.create(at: "") }
  }

  @Test func aStoreThatIsNotThereIsNotMade() throws {
    expectError(.notFound) { _ = try LocalStore(at: path) }
    #expect(access(path, F_OK) != 0)
  }

  @Test func theRootMayBeALink() throws {
    try LocalStore.create(at: path).put(key("config"), [1])
    let link = directory.path("link")
    try ByteFiles.makeSymlink(Array(link.utf8), target: Array("store".utf8))
    let store = try LocalStore(at: link)
    try store.put(key("data/a"), [2])
    #expect(try keys(in: store) == ["config", "data/a"])
  }

  @Test func linksBelowTheRootAreNotFollowed() throws {
    let store = try LocalStore.create(at: path)
    let outside = try directory.makeDirectory("outside")
    try SmallFileWriter.write("secret", to: "\(outside)/file")
    try ByteFiles.makeSymlink(Array("\(path)/data".utf8), target: Array(outside.utf8))
    try ByteFiles.makeSymlink(Array("\(path)/config".utf8), target: Array("\(outside)/file".utf8))
    for name in ["config", "data/file"] {
      expectError(.failed) { _ = try store.load(key(name), sizeBytesMax: 100) }
      expectError(.failed) { _ = try store.stat(key(name)) }
    }
    expectError(.failed) { try store.put(key("data/new"), [1]) }
    expectError(.failed) { try store.delete(key("data/file")) }
    // A folder that is a link is not an empty folder.
    expectError(.failed) { _ = try keys(in: store, "data/") }
    #expect(try keys(in: store) == [])
    #expect(try ByteFiles.names(in: Array(outside.utf8)) == [Array("file".utf8)])
    // A put replaces the link, not what it leads to.
    try store.put(key("config"), [1])
    #expect(try SmallFile.read("\(outside)/file", sizeBytesMax: 9) == Array("secret".utf8))
    #expect(try store.load(key("config"), sizeBytesMax: 9) == [1])
  }

  @Test func listingsPassOverWhatIsForeign() throws {
    let store = try LocalStore.create(at: path)
    try store.put(key("data/aa/pack"), [1])
    let root = Array(path.utf8)
    try ByteFiles.makeNode(ByteFiles.join(root, "data/fifo"), type: S_IFIFO)
    try ByteFiles.makeDirectory(ByteFiles.join(root, "data/empty"))
    try ByteFiles.makeDirectory(ByteFiles.join(root, "data/no-tmp-12"))
    try ByteFiles.makeDirectory(ByteFiles.join(root, [0x64, 0xff]))
    try SmallFileWriter.write("x", to: "\(path)/data/aa/pack-tmp-3914120712")
    try SmallFileWriter.write("x", to: "\(path)/data/aa/desktop.ini")
    #expect(try keys(in: store) == ["data/aa/desktop.ini", "data/aa/pack"])
    expectError(.failed) { _ = try store.load(key("data/fifo"), sizeBytesMax: 10) }
    expectError(.failed) { _ = try store.stat(key("data/fifo")) }
  }

  @Test func namesOfUnfinishedPutsAreNoKeys() throws {
    let store = try LocalStore.create(at: path)
    let name = try key("data/pack-tmp-1")
    expectError(.usage) { try store.put(name, [1]) }
    expectError(.usage) { try store.delete(name) }
    expectError(.usage) { _ = try store.stat(name) }
  }

  @Test func deletingNeedsNoRightToTheFile() throws {
    let store = try LocalStore.create(at: path)
    try store.put(key("data/aa/pack"), [1])
    try ByteFiles.setMode(Array("\(path)/data/aa/pack".utf8), 0)
    for folder in ["", "/data", "/data/aa"] {
      try ByteFiles.setOwner(Array("\(path)\(folder)".utf8), user: 65_534, group: 65_534)
    }
    try ByteFiles.setMode(Array(directory.path.utf8), 0o755)
    try withoutFilePrivileges {
      expectError(.denied) { _ = try store.load(key("data/aa/pack"), sizeBytesMax: 1) }
      try store.delete(key("data/aa/pack"))
    }
    #expect(try keys(in: store) == [])
  }

  @Test func deniedIsToldAsSuch() throws {
    let store = try LocalStore.create(at: path)
    try store.put(key("data/aa/pack"), [1])
    try withoutFilePrivileges {
      expectError(.denied) { try store.put(key("data/aa/other"), [1]) }
      expectError(.denied) { try store.delete(key("data/aa/pack")) }
      expectError(.denied) { _ = try keys(in: store) }
      expectError(.denied) { _ = try store.stat(key("data/aa/pack")) }
    }
  }

  @Test func aFullDiskLeavesNothingBehind() throws {
    let mount = try LoopMount(.ext4, sizeBytes: 8 << 20)
    let store = try LocalStore.create(at: "\(mount.path)/store")
    var random = SeededGenerator(seed: 21)
    try store.put(key("data/small"), random.bytes(1000))
    let error = try #require(
      failure { try store.put(key("data/large"), random.bytes(12 << 20)) })
    guard case .full = error else {
      Issue.record("\(error)")
      return
    }
    #expect(error.hint != nil)
    let left = try ByteFiles.names(in: Array("\(mount.path)/store/data".utf8))
    #expect(left == [Array("small".utf8)])
    // The room is free again.
    try store.put(key("data/medium"), random.bytes(2 << 20))
    #expect(try keys(in: store) == ["data/medium", "data/small"])
  }

  @Test func aStoreThatWasMovedAwayIsStillTheSame() throws {
    let store = try LocalStore.create(at: path)
    try store.put(key("a"), [1])
    try ByteFiles.rename(Array(path.utf8), to: Array(directory.path("moved").utf8))
    try store.put(key("data/b"), [2])
    #expect(try keys(in: LocalStore(at: directory.path("moved"))) == ["a", "data/b"])
  }

  @Test func deletionsInFoldersThatAreGoneAreDurable() throws {
    let store = try LocalStore.create(at: path)
    try store.put(key("data/aa/pack"), [1])
    try store.delete(key("data/aa/pack"))
    #expect(rmdir("\(path)/data/aa") == 0)
    try store.synchronize()
  }
}

/// Writes files that no store has made.
enum SmallFileWriter {
  static func write(_ text: String, to path: String) throws {
    let raw = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o644)
    guard raw >= 0 else { throw PlatformError.last("open", path) }
    let descriptor = Descriptor(owning: raw)
    try SmallFile.write(Array(text.utf8), to: descriptor.raw, subject: path)
  }
}
