import Glibc
import Platform
import TestSupport
import Testing

@testable import Replication

extension SharedDescriptor {
  /// Opens an existing file.
  convenience init(opening path: String, _ flags: Int32 = O_RDONLY) throws {
    let raw = open(path, flags | O_CLOEXEC)
    guard raw >= 0 else { throw PlatformError.last("open", path) }
    self.init(owning: raw)
  }
}

/// A source image and a destination image in one temporary directory.
struct ImagePair {
  let directory: TemporaryDirectory
  var source: String { directory.path("source.img") }
  var destination: String { directory.path("destination.img") }
  var undoName: String { PartialName.undo(for: Array("destination.img".utf8)) }

  init() throws { directory = try TemporaryDirectory() }

  func writeSource(_ bytes: [UInt8]) throws { try ByteFiles.write(Array(source.utf8), bytes) }
  func writeDestination(_ bytes: [UInt8]) throws {
    try ByteFiles.write(Array(destination.utf8), bytes)
  }
  func readDestination() throws -> [UInt8] { try ByteFiles.read(Array(destination.utf8)) }

  func run(_ change: (inout SessionRun) -> Void = { _ in }) throws -> SessionOutcome {
    var run = SessionRun(source, destination)
    change(&run)
    return try run.run()
  }

  var names: [String] {
    get throws {
      try ByteFiles.names(in: Array(directory.path.utf8)).map {
        String(decoding: $0, as: UTF8.self)
      }
    }
  }
}

/// Images and devices are rewritten in place, behind an undo journal.
@Suite struct VolumeTests {
  @Test("An image is made, then only its changes travel")
  func images() throws {
    let images = try ImagePair()
    var random = SeededGenerator(seed: 20)
    var content = random.bytes(70 << 20)
    try images.writeSource(content)
    _ = try images.run().summary()
    #expect(try images.readDestination() == content)
    for _ in 0..<20 {
      let offset = random.below(content.count - 512)
      content.replaceSubrange(offset..<offset + 512, with: random.bytes(512))
    }
    try images.writeSource(content)
    let second = try images.run().summary()
    #expect(second.literalBytes <= 40 * 4096)
    #expect(try images.readDestination() == content)
    let third = try images.run().summary()
    #expect(third.literalBytes == 0)
    #expect(try images.names == ["destination.img", "source.img"])
  }

  @Test(
    "An image takes the source's size",
    arguments: [(0, 5 << 20), (5 << 20, 1), (1 << 20, 40 << 20), (40 << 20, (33 << 20) + 77)])
  func sizes(_ old: Int, _ new: Int) throws {
    let images = try ImagePair()
    var random = SeededGenerator(seed: UInt64(new))
    try images.writeDestination(random.bytes(old))
    let content = random.bytes(new)
    try images.writeSource(content)
    _ = try images.run().summary()
    #expect(try images.readDestination() == content)
    #expect(try images.names == ["destination.img", "source.img"])
  }

  @Test("Zeros become holes, also where the destination had data")
  func sparse() throws {
    let images = try ImagePair()
    var random = SeededGenerator(seed: 21)
    try images.writeDestination(random.bytes(40 << 20))
    try ByteFiles.truncate(Array(images.source.utf8), sizeBytes: 2 << 30)
    try ByteFiles.overwrite(Array(images.source.utf8), random.bytes(65_536), at: 1 << 30)
    _ = try images.run().summary()
    #expect(try ByteFiles.status(Array(images.destination.utf8)).st_size == 2 << 30)
    #expect(try blocks(images.destination) < 1 << 20)
    let result = try runProcess("cmp", [images.source, images.destination])
    #expect(result.status == 0, "\(result.outputText)\(result.errorText)")
  }

  @Test("An empty image does not empty another unless it is meant to")
  func empty() throws {
    let images = try ImagePair()
    try images.writeSource([])
    try images.writeDestination([1, 2, 3])
    let refused = try images.run()
    #expect((refused.senderError as? any DroverError)?.kind == .refused)
    #expect(try images.readDestination() == [1, 2, 3])
    _ = try images.run { $0.send.allowEmptySource = true }.summary()
    #expect(try images.readDestination() == [])
  }

  @Test("A dry run leaves an image alone")
  func dryRun() throws {
    let images = try ImagePair()
    var random = SeededGenerator(seed: 22)
    let old = random.bytes(100_000)
    try images.writeSource(random.bytes(100_000))
    try images.writeDestination(old)
    _ = try images.run { $0.send.dryRun = true }.summary()
    #expect(try images.readDestination() == old)
    #expect(try images.names == ["destination.img", "source.img"])
  }

  @Test("A tree does not go into an image, nor an image into a tree")
  func kinds() throws {
    let images = try ImagePair()
    let tree = try images.directory.makeDirectory("tree")
    try ByteFiles.write(Array("\(tree)/file".utf8), [1])
    try images.writeSource([1])
    for (source, destination) in [(images.source, tree), (tree, images.source)] {
      let outcome = try SessionRun(source, destination).run()
      #expect(outcome.senderError is any DroverError)
      #expect(outcome.receiverError is any DroverError)
    }
    #expect(try ByteFiles.read(Array("\(tree)/file".utf8)) == [1])
    #expect(try ByteFiles.read(Array(images.source.utf8)) == [1])
  }
}

extension [UInt8] {
  /// Changes every second page, so that no long run differs and data travels and is written page by
  /// page.
  mutating func changePages(_ random: inout SeededGenerator) {
    for page in stride(from: 0, to: count - 4096, by: 8192) {
      replaceSubrange(page..<page + 4096, with: random.bytes(4096))
    }
  }
}

/// An interrupted run in place can be taken back.
@Suite struct UndoTests {
  private func rollBack(_ directory: String, _ undoName: String, _ target: String) throws -> Int {
    let journal = try SharedDescriptor(opening: "\(directory)/\(undoName)")
    let file = try SharedDescriptor(opening: target, O_RDWR)
    return try UndoJournal.rollBack(journal.raw, target: file.raw, isDevice: false)
  }

  @Test("Going back restores an image that several runs have changed", arguments: [0, 1, 2])
  func image(_ kind: Int) throws {
    let images = try ImagePair()
    var random = SeededGenerator(seed: UInt64(30 + kind))
    // The source is of equal size, larger, and smaller.
    let size = [40 << 20, 70 << 20, 30 << 20][kind]
    let committed = random.bytes(40 << 20)
    try images.writeDestination(committed)
    try ByteFiles.setTime(Array(images.destination.utf8), seconds: 1_234_567, nanoseconds: 89)
    for round in 0..<3 {
      var content = [UInt8](committed.prefix(size))
      content += random.bytes(size - content.count)
      content.changePages(&random)
      for index in (1 << 20)..<(3 << 20) { content[index] = 0 }
      try images.writeSource(content)
      let cut = 9_000_000 + 500_000 * round
      let outcome = try images.run {
        $0.send.compression = .none
        $0.wrapSender = { CutStream($0, afterBytes: cut) }
      }
      #expect(outcome.senderError is any DroverError)
      #expect(outcome.receiverError is any DroverError)
    }
    #expect(try images.readDestination() != committed)
    #expect(try rollBack(images.directory.path, images.undoName, images.destination) > 0)
    #expect(try images.readDestination() == committed)
    let status = try ByteFiles.status(Array(images.destination.utf8))
    #expect(status.st_mtim.tv_sec == 1_234_567)
    #expect(status.st_mtim.tv_nsec == 89)
  }

  @Test("A run after an interrupted one commits, and its journal goes")
  func resumed() throws {
    let images = try ImagePair()
    var random = SeededGenerator(seed: 40)
    var content = random.bytes(60 << 20)
    try images.writeDestination(content)
    content.changePages(&random)
    try images.writeSource(content)
    _ = try images.run {
      $0.send.compression = .none
      $0.wrapSender = { CutStream($0, afterBytes: 20 << 20) }
    }
    #expect(try images.names.contains(images.undoName))
    let summary = try images.run().summary()
    #expect(summary.literalBytes < 22 << 20)
    #expect(try images.readDestination() == content)
    #expect(try images.names == ["destination.img", "source.img"])
  }

  @Test("Going back restores a file of a tree rewritten in place")
  func fileInPlace() throws {
    let trees = try TreePair()
    var random = SeededGenerator(seed: 41)
    let committed = random.bytes(40 << 20)
    try trees.write("file", committed)
    _ = try trees.run().summary()
    var content = committed + random.bytes(5 << 20)
    content.changePages(&random)
    try trees.write("file", content, seconds: 1_700_000_100)
    _ = try trees.run {
      $0.send.inPlace = true
      $0.send.compression = .none
      $0.wrapSender = { CutStream($0, afterBytes: 15_000_000) }
    }
    #expect(try trees.read("file") != committed)
    let undo = PartialName.undo(for: Array("file".utf8))
    #expect(try rollBack(trees.destination, undo, "\(trees.destination)/file") > 0)
    #expect(try trees.read("file") == committed)
    // The next run brings the new content and takes the journal away.
    _ = try trees.run { $0.send.inPlace = true }.summary()
    #expect(try trees.differences() == "")
    #expect(try trees.leftovers() == [])
  }

  @Test("A journal cut at any length goes back to what was overwritten by then")
  func tornJournal() throws {
    let directory = try TemporaryDirectory()
    var random = SeededGenerator(seed: 42)
    let old = random.bytes(200_000)
    let target = directory.path("target")
    let name = "journal"
    try ByteFiles.write(Array(target.utf8), old)
    let parent = try SharedDescriptor(opening: directory.path, O_DIRECTORY)
    let undo = try UndoJournal(
      directory: parent.raw, name: name, targetName: Array("target".utf8), sizeBytes: 200_000,
      modifiedSeconds: 1, modifiedNanoseconds: 2)
    for start in [0, 65_536, 131_072] {
      var record = [UInt8](repeating: 0, count: UndoJournal.recordSize(60_000))
      try record.withUnsafeMutableBytes { target in
        let base = try #require(target.baseAddress)
        _ = old[start..<start + 60_000].withUnsafeBytes {
          UndoJournal.encode($0, at: Int64(start), into: base)
        }
        try undo.append(UnsafeRawBufferPointer(target))
      }
    }
    try undo.synchronize()
    let whole = try ByteFiles.read(Array(directory.path(name).utf8))
    for _ in 0..<SampledCounts.count(sampled: 60, full: 2000) {
      let length = random.below(whole.count + 1)
      try ByteFiles.write(Array(directory.path(name).utf8), [UInt8](whole[..<length]))
      // A record that is torn was not durable: nothing of what it saves was overwritten.
      let record = 20 + 60_000
      let complete = max(0, (length - 40 - 6) / record)
      var new = old
      for index in 0..<complete {
        for offset in 0..<60_000 { new[index * 65_536 + offset] = 0xee }
      }
      try ByteFiles.write(Array(target.utf8), new)
      let count = try rollBack(directory.path, name, target)
      #expect(count == complete)
      #expect(try ByteFiles.read(Array(target.utf8)) == old)
    }
  }
}
