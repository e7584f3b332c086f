import FileTree
import Glibc
import ObjectStorage
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// Damaged repositories, hostile trees and interrupted runs.
@Suite struct RestoreDamageTests {
  private func filled() throws -> RestoreBench {
    let bench = try RestoreBench()
    var random = SeededGenerator(seed: 11)
    for index in 0..<20 {
      try bench.write("file-\(index)", random.bytes(20_000), in: bench.source)
    }
    try bench.write("large", random.bytes(9 << 20), in: bench.source)
    try bench.backUp()
    return bench
  }

  private func packs(_ bench: RestoreBench) throws -> [String] {
    try ByteFiles.walk(Array("\(bench.repositoryPath)/data".utf8)).map {
      "\(bench.repositoryPath)/data/" + String(decoding: $0, as: UTF8.self)
    }.filter { $0.split(separator: "/").last?.count == 64 }
  }

  /// The place of one blob of a file of the snapshot.
  private func place(_ bench: RestoreBench, of name: String) throws -> BlobLocation {
    let repository = try bench.open()
    let index = try repository.loadIndex()
    let lister = try TreeLister(repository, index)
    let root = try RestoreBench.latest(repository).tree
    guard let item = try lister.find(root, name), let id = item.tree.content(of: item.node).last,
      let location = try index.lookup(BlobHandle(.data, id))
    else { throw TestFailure("no \(name)") }
    return location
  }

  private func flip(_ bench: RestoreBench, _ place: BlobLocation) throws {
    let id = place.pack.hex
    let path = Array("\(bench.repositoryPath)/data/\(id.prefix(2))/\(id)".utf8)
    try ByteFiles.setMode(path, 0o600)
    let offset = Int(place.offset) + 40
    let old = try ByteFiles.read(path)[offset]
    try ByteFiles.overwrite(path, [old ^ 0x10], at: offset)
  }

  @Test(arguments: ["file-7", "large"])
  func aFlippedBitCostsOneFile(name: String) throws {
    let bench = try filled()
    try flip(bench, try place(bench, of: name))
    let error = #expect(throws: RepositoryError.self) { try bench.restore() }
    #expect(error?.kind == .corrupt)
    #expect(error?.message.contains(name) == true)
    var expected = try bench.names(bench.source)
    expected.removeAll { $0 == name }
    // No torn file, neither under its name nor under another.
    #expect(try bench.names(bench.target) == expected)
    for other in expected {
      #expect(
        try ByteFiles.read(Array("\(bench.target)/\(other)".utf8))
          == ByteFiles.read(Array("\(bench.source)/\(other)".utf8)))
    }
  }

  @Test func anEarlierFileStaysWhenItsReplacementIsDamaged() throws {
    let bench = try filled()
    try bench.restore()
    try bench.write("file-7", Array("earlier".utf8), in: bench.target)
    try flip(bench, try place(bench, of: "file-7"))
    #expect(throws: RepositoryError.self) { try bench.restore() }
    #expect(try bench.read("file-7") == "earlier")
  }

  @Test func aMissingPackCostsItsFilesAndIsTold() throws {
    let bench = try filled()
    let id = try place(bench, of: "file-3").pack.hex
    try ByteFiles.remove(Array("\(bench.repositoryPath)/data/\(id.prefix(2))/\(id)".utf8))
    let error = #expect(throws: RepositoryError.self) { try bench.restore() }
    #expect(error?.kind == .corrupt)
    #expect(try !bench.names(bench.target).contains("file-3"))
  }

  @Test func anotherCopyOfADamagedBlobServes() throws {
    let bench = try filled()
    // A second repository's packs, copied in with an index, hold the same blobs again.
    let before = Set(try packs(bench))
    let hidden = bench.directory.path("hidden")
    try runChecked("mv", ["\(bench.repositoryPath)/index", hidden])
    try runChecked("mkdir", ["\(bench.repositoryPath)/index"])
    try bench.backUp(["--force"])
    try runChecked(
      "sh", ["-c", "mv \"$1\"/* \"$2\"/", "sh", hidden, bench.repositoryPath + "/index"])
    #expect(try packs(bench).count > before.count)
    try flip(bench, try place(bench, of: "file-5"))
    let report = try bench.restore()
    #expect(report.problems.isEmpty)
    #expect(try bench.differences() == "")
  }

  @Test func aKilledRunIsCompletedByTheNext() throws {
    let bench = try filled()
    let repository = try bench.open()
    let snapshot = try RestoreBench.latest(repository)
    // A file cut off in the middle, as a killed process leaves it.
    _ = try bench.directory.makeDirectory("target")
    let number = Array("large".utf8).withUnsafeBytes { RestoreTemporary.number(of: $0) }
    let content = try ByteFiles.read(Array("\(bench.source)/large".utf8))
    try bench.write(
      RestoreTemporary.name(number), Array(content.prefix(6 << 20)), in: bench.target)
    try bench.write(TemporaryName.make(77), [1, 2, 3], in: bench.target)
    var options = RestoreOptions(target: bench.target)
    options.synchronizes = false
    let report = try Restore(repository, snapshot, options).run()
    #expect(report.bytesUnchanged > 3 << 20)
    #expect(try bench.differences() == "")
  }

  @Test func aCancelledRunLeavesNoTornFile() throws {
    let bench = try filled()
    let repository = try bench.open()
    let snapshot = try RestoreBench.latest(repository)
    for limit in [1, 3, 5, 8] {
      let counter = CallCounter(limit: limit)
      var options = RestoreOptions(target: bench.target)
      options.synchronizes = false
      let error = #expect(throws: RepositoryError.self) {
        try Restore(repository, snapshot, options, isCancelled: { counter.isOver() }).run()
      }
      #expect(error?.kind == .cancelled)
      for name in try bench.names(bench.target) {
        #expect(
          try ByteFiles.read(Array("\(bench.target)/\(name)".utf8))
            == ByteFiles.read(Array("\(bench.source)/\(name)".utf8)))
      }
    }
    try bench.restore()
    #expect(try bench.differences() == "")
  }

  // MARK: Hostile trees

  /// A repository in memory with one snapshot tree and the blobs of `files`.
  /// `name` takes the place of the name `0-placeholder`, which an encoder would refuse.
  private func hostile(
    name: String = "",
    _ fill: (inout TreeEncoder, PackWriter, RepositoryCodec) throws -> Void
  ) throws -> (Repository, SnapshotRecord) {
    let repository = try Repository.create(
      MemoryStore(), password: Array("test".utf8), Repository.Creation(),
      now: GoTime(seconds: 1_700_000_000))
    let codec = try repository.makeCodec()
    let writer = PackWriter(repository, sizeBytes: 4 << 20)
    var tree = TreeEncoder()
    try fill(&tree, writer, codec)
    tree.finish()
    let parts = String(decoding: tree.bytes, as: UTF8.self).split(
      separator: "0-placeholder", omittingEmptySubsequences: false)
    let root = try Array(parts.joined(separator: name).utf8).withUnsafeBytes {
      try store($0, .tree, writer, codec)
    }
    try writer.finish(codec)
    let record = SnapshotRecord(time: GoTime(seconds: 1_700_000_000), tree: root, paths: ["/x"])
    return (repository, record)
  }

  private func store(
    _ bytes: UnsafeRawBufferPointer, _ type: BlobType, _ writer: PackWriter,
    _ codec: RepositoryCodec
  ) throws -> BlobID {
    let id = codec.identifier(of: bytes, BlobID.self)
    let blob = try codec.compressed(bytes, isCompressed: true)
    try writer.add(
      sealing: blob.content, by: codec, BlobHandle(type, id), plaintextLength: blob.plaintextLength)
    return id
  }

  private func append(
    _ name: String, _ type: NodeType, to tree: inout TreeEncoder, content: [BlobID] = [],
    change: (inout NodeFacts) -> Void = { _ in }
  ) throws {
    var facts = NodeFacts()
    facts.type = type
    facts.mode = FileMode(type, permissions: 0o644)
    facts.modified = GoTime(seconds: 1_600_000_000)
    facts.accessed = facts.modified
    facts.changed = facts.modified
    change(&facts)
    try Array(name.utf8).withUnsafeBytes { name in
      try content.withUnsafeBufferPointer { content in
        var fields = NodeFields(facts, name: name)
        if type == .file { fields.content = content }
        try tree.append(fields)
      }
    }
  }

  @Test(arguments: ["../escaped", "..", ".", "/escaped", "a/b"])
  func namesThatLeaveTheDirectoryAreRefused(name: String) throws {
    let directory = try TemporaryDirectory()
    let (repository, snapshot) = try hostile(name: name) { tree, writer, codec in
      let id = try Array("evil".utf8).withUnsafeBytes { try store($0, .data, writer, codec) }
      try append("0-placeholder", .file, to: &tree, content: [id]) { $0.size = 4 }
      try append("good", .file, to: &tree, content: [id]) { $0.size = 4 }
    }
    let target = try directory.makeDirectory("target")
    var options = RestoreOptions(target: target)
    options.synchronizes = false
    let error = #expect(throws: RepositoryError.self) {
      try Restore(repository, snapshot, options).run()
    }
    #expect(error?.kind == .corrupt)
    #expect(try ByteFiles.names(in: Array(directory.path.utf8)) == [Array("target".utf8)])
    #expect(try ByteFiles.names(in: Array(target.utf8)) == [Array("good".utf8)])
  }

  @Test func hugeSizesAndMissingBlobsAreToldAndTakeNoMemory() throws {
    let directory = try TemporaryDirectory()
    let (repository, snapshot) = try hostile { tree, writer, codec in
      let id = try Array("content".utf8).withUnsafeBytes { try store($0, .data, writer, codec) }
      try append("a-huge", .file, to: &tree, content: [id]) { $0.size = .max }
      try append("b-lost", .file, to: &tree, content: [BlobID(words: (1, 2, 3, 4))]) { $0.size = 9 }
      try append("c-tree", .directory, to: &tree) { $0.subtree = BlobID(words: (5, 6, 7, 8)) }
      try append("d-good", .file, to: &tree, content: [id, id, id]) { $0.size = 21 }
    }
    let problems = MetProblems()
    var options = RestoreOptions(target: directory.path("target"))
    options.synchronizes = false
    let error = #expect(throws: RepositoryError.self) {
      try Restore(repository, snapshot, options, observe: { problems.add($0) }).run()
    }
    #expect(error?.kind == .corrupt)
    #expect(problems.paths == ["a-huge", "b-lost", "c-tree"])
    let good = try ByteFiles.read(Array(directory.path("target/d-good").utf8))
    #expect(good == Array("contentcontentcontent".utf8))
    let names = try ByteFiles.names(in: Array(directory.path("target").utf8))
    #expect(!names.contains(Array("b-lost".utf8)))
  }

  @Test func aLinkSwappedIntoTheTargetIsNotFollowed() throws {
    let directory = try TemporaryDirectory()
    let outside = try directory.makeDirectory("outside")
    var subtree = TreeEncoder()
    let (repository, snapshot) = try hostile { tree, writer, codec in
      let id = try Array("content".utf8).withUnsafeBytes { try store($0, .data, writer, codec) }
      for index in 0..<200 {
        try append("file-\(1000 + index)", .file, to: &subtree, content: [id]) { $0.size = 7 }
      }
      subtree.finish()
      let inner = try subtree.bytes.withUnsafeBytes { try store($0, .tree, writer, codec) }
      for index in 0..<30 {
        try append("dir-\(1000 + index)", .directory, to: &tree) { $0.subtree = inner }
      }
    }
    // As soon as a directory is told to be there, others of it are replaced by links.
    let target = directory.path("target")
    let swapper = Thread<Void>("swap") {
      for round in 0..<400 {
        let name = "\(target)/dir-\(1000 + round % 30)"
        _ = rename(name, "\(name).moved-\(round)")
        _ = symlink(outside, name)
        usleep(200)
      }
    }
    var options = RestoreOptions(target: target)
    options.synchronizes = false
    // It ends, with or without problems; nothing must have gone outside.
    _ = try? Restore(repository, snapshot, options).run()
    try swapper.join()
    #expect(try ByteFiles.names(in: Array(outside.utf8)) == [])
  }

  @Test func aFullTargetIsNamedAndTheNextRunCompletes() throws {
    guard geteuid() == 0 else { return }
    let bench = try filled()
    try ByteFiles.makeDirectory(Array(bench.target.utf8))
    try runChecked("mount", ["-t", "tmpfs", "-o", "size=4m", "none", bench.target])
    defer { _ = try? runProcess("umount", [bench.target]) }
    let error = #expect(throws: RepositoryError.self) { try bench.restore() }
    // By name where that is known: bytes of several files are written together.
    #expect(error?.message.contains(bench.target) == true)
    #expect(error?.message.contains("No space left on device") == true)
    #expect(error?.hint?.contains("larger") == true)
    #expect(try bench.names(bench.target).allSatisfy { $0.hasPrefix("file-") })
    try runChecked("mount", ["-o", "remount,size=64m", bench.target])
    try bench.restore()
    #expect(try bench.differences() == "")
  }
}

private final class CallCounter: @unchecked Sendable {
  private let lock = Lock()
  private var left: Int

  init(limit: Int) { left = limit }

  func isOver() -> Bool {
    lock.withLock {
      left -= 1
      return left < 0
    }
  }
}

private final class MetProblems: @unchecked Sendable {
  private let lock = Lock()
  private var met: Set<String> = []

  var paths: [String] { lock.withLock { met.sorted() } }

  func add(_ event: RestoreEvent) {
    guard case .problem(let problem) = event else { return }
    lock.withLock { _ = met.insert(String(decoding: problem.path, as: UTF8.self)) }
  }
}
