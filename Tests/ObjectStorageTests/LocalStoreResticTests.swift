import Glibc
import ObjectStorage
import Platform
import TestSupport
import Testing

/// Real restic as the judge of layout and modes.
@Suite struct LocalStoreResticTests {
  private let directory: TemporaryDirectory
  private let environment: [String: String]

  init() throws {
    directory = try TemporaryDirectory()
    environment = [
      "RESTIC_PASSWORD": "correct horse", "RESTIC_CACHE_DIR": directory.path("cache"),
    ]
  }

  private func makeRepository(_ name: String) throws -> String {
    let path = directory.path(name)
    let source = try directory.makeDirectory("source")
    var random = SeededGenerator(seed: 41)
    for number in 0..<20 {
      let text = String(decoding: random.bytes(100).map { $0 & 0x7f | 0x20 }, as: UTF8.self)
      try SmallFileWriter.write(text, to: "\(source)/\(number)")
    }
    try runChecked("restic", ["-r", path, "init"], environment: environment)
    try runChecked("restic", ["-r", path, "backup", source], environment: environment)
    return path
  }

  /// Names below a root with type, mode and size.
  private func description(of root: String) throws -> [String] {
    try ByteFiles.walk(Array(root.utf8)).map { path in
      let status = try ByteFiles.status(ByteFiles.join(Array(root.utf8), path))
      let name = String(decoding: path, as: UTF8.self)
      let isFile = status.st_mode & S_IFMT == S_IFREG
      return "\(name) \(String(status.st_mode, radix: 8)) \(isFile ? Int(status.st_size) : 0)"
    }.sorted()
  }

  @Test func aCopiedRepositoryIsOneForRestic() throws {
    let original = try makeRepository("original")
    let source = try LocalStore(at: original)
    let copy = directory.path("copy")
    let folders =
      try (0..<256).map { try key("data/\(hex([UInt8($0)]))") }
      + ["index", "keys", "locks", "snapshots"].map { try key($0) }
    let target = try LocalStore.create(at: copy, folders: folders)
    var count = 0
    for name in try keys(in: source) {
      try target.put(key(name), source.load(key(name), sizeBytesMax: 1 << 30))
      count += 1
    }
    #expect(count >= 6)
    #expect(try description(of: copy) == description(of: original))
    try runChecked("restic", ["-r", copy, "check", "--read-data"], environment: environment)
    let restored = directory.path("restored")
    try runChecked(
      "restic", ["-r", copy, "restore", "latest", "--target", restored], environment: environment)
    try runChecked("diff", ["-r", directory.path("source"), restored + directory.path("source")])
  }

  /// Without the folders that restic makes in advance, and with traces of a killed put.
  @Test func resticTakesAStoreWithoutEmptyFolders() throws {
    let source = try LocalStore(at: try makeRepository("original"))
    let copy = directory.path("copy")
    let target = try LocalStore.create(at: copy)
    for name in try keys(in: source) {
      try target.leavePartialPut(key(name), ObjectBody([1, 2, 3, 4]))
      try target.put(key(name), source.load(key(name), sizeBytesMax: 1 << 30))
    }
    try runChecked("restic", ["-r", copy, "snapshots"], environment: environment)
    try runChecked(
      "restic", ["-r", copy, "backup", directory.path("source")],
      environment: environment)
    #expect(try keys(in: target, "snapshots/").count == 2)
  }

  /// A backup by restic is killed while it stores; its leftovers are no objects.
  @Test func leftoversOfAKilledResticAreNotListed() throws {
    let path = directory.path("repository")
    try runChecked("restic", ["-r", path, "init"], environment: environment)
    var random = SeededGenerator(seed: 31)
    let source = try directory.makeDirectory("source")
    for number in 0..<12 {
      let raw = open("\(source)/\(number)", O_CREAT | O_WRONLY | O_CLOEXEC, 0o644)
      let descriptor = Descriptor(owning: raw)
      try FileIO.write(descriptor.raw, random.bytes(4 << 20), at: 0)
    }
    let child = try ChildProcess(
      "restic", ["-r", path, "backup", source], environment: environment)
    let store = try LocalStore(at: path)
    while try keys(in: store, "data/").isEmpty, child.wait(timeoutSeconds: 0.01) == nil {}
    child.kill(SIGKILL)
    #expect(child.wait(timeoutSeconds: 10) != nil)
    let packs = try keys(in: store, "data/")
    #expect(!packs.isEmpty)
    for name in packs {
      let content = try store.load(key(name), sizeBytesMax: 1 << 30)
      let digest = try runChecked("sha256sum", ["-"], stdin: content).outputText.prefix(64)
      #expect(try key(name).name == digest)
    }
  }
}
