import Platform
import TestSupport
import Testing
import Transport

@testable import Replication

/// Does something once, before the first record of an end: the source has been listed by then, and
/// no file of it opened.
final class ActionStream: ByteStream, @unchecked Sendable {
  private let inner: any ByteStream
  private let lock = Lock()
  private var writesLeft = 1
  private var action: (() throws -> Void)?

  init(_ inner: any ByteStream, _ action: @escaping () throws -> Void) {
    self.inner = inner
    self.action = action
  }

  func write(_ buffer: UnsafeRawBufferPointer) throws(TransportError) {
    lock.withLock {
      // The first write is the greeting.
      writesLeft -= 1
      guard writesLeft < 0, let action else { return }
      self.action = nil
      do { try action() } catch { Issue.record(error) }
    }
    try inner.write(buffer)
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(TransportError) -> Int {
    try inner.read(into: buffer)
  }
  func finish() throws(TransportError) { try inner.finish() }
  func close() { inner.close() }
  func abort() { inner.abort() }
  var peerDescription: String { inner.peerDescription }
  var wireBytes: WireBytes { inner.wireBytes }
}

/// Files that change between the listing and their reading never stand for what they are not.
@Suite struct ChangingSourceTests {
  /// Replicates a file, then a changed one that `meanwhile` changes once more during the run.
  private func run(
    inPlace: Bool, _ meanwhile: @escaping (_ file: [UInt8]) throws -> Void
  ) throws -> (trees: TreePair, old: [UInt8], outcome: SessionOutcome) {
    let trees = try TreePair()
    var random = SeededGenerator(seed: 80)
    let old = random.bytes(300_000)
    try trees.write("file", old)
    _ = try trees.run().summary()
    try trees.write("file", random.bytes(310_000), seconds: 1_700_000_100)
    let file = Array("\(trees.source)/file".utf8)
    let outcome = try trees.run {
      $0.send.inPlace = inPlace
      $0.wrapReceiver = { ActionStream($0) { try meanwhile(file) } }
    }
    return (trees, old, outcome)
  }

  @Test("A file that has grown since it was listed", arguments: [false, true])
  func grown(inPlace: Bool) throws {
    let (trees, old, outcome) = try run(inPlace: inPlace) {
      try ByteFiles.overwrite($0, [1, 2, 3], at: 310_000)
    }
    let summary = try outcome.summary()
    if inPlace {
      #expect(try trees.read("file") == old)
      #expect(summary.warningCount == 1)
    } else {
      #expect(try trees.differences() == "")
    }
    _ = try trees.run { $0.send.inPlace = inPlace }.summary()
    #expect(try trees.differences() == "")
    #expect(try trees.leftovers() == [])
  }

  @Test("A file that has vanished since it was listed", arguments: [false, true])
  func vanished(inPlace: Bool) throws {
    let (trees, old, outcome) = try run(inPlace: inPlace) { try ByteFiles.remove($0) }
    #expect(try outcome.summary().warningCount == 1)
    #expect(try trees.read("file") == old)
    #expect(try trees.leftovers() == [])
  }

  @Test("A file that has become something else since it was listed", arguments: [false, true])
  func replaced(inPlace: Bool) throws {
    let (trees, old, outcome) = try run(inPlace: inPlace) {
      try ByteFiles.remove($0)
      try ByteFiles.makeSymlink($0, target: Array("/etc/passwd".utf8))
    }
    #expect(try outcome.summary().warningCount == 1)
    #expect(try trees.read("file") == old)
    _ = try trees.run { $0.send.inPlace = inPlace }.summary()
    #expect(try trees.differences() == "")
  }

  @Test("New files that vanish leave nothing behind")
  func newFileVanished() throws {
    let trees = try TreePair()
    try trees.write("small", [1, 2, 3])
    try trees.write("large", [UInt8](repeating: 1, count: 500_000))
    let source = trees.source
    let outcome = try trees.run {
      $0.wrapReceiver = {
        ActionStream($0) {
          for name in ["small", "large"] { try ByteFiles.remove(Array("\(source)/\(name)".utf8)) }
        }
      }
    }
    #expect(try outcome.summary().warningCount == 2)
    #expect(try ByteFiles.names(in: Array(trees.destination.utf8)) == [])
  }

  @Test("More files than requests may vanish at once")
  func manyVanished() throws {
    let trees = try TreePair()
    let count = 6000
    for index in 0..<count {
      try trees.write("file-\(index)", [UInt8](repeating: 1, count: 17_000))
    }
    _ = try trees.run().summary()
    for index in 0..<count {
      let path = Array("\(trees.source)/file-\(index)".utf8)
      try ByteFiles.setTime(path, seconds: 1_700_000_500, nanoseconds: 0)
    }
    let source = trees.source
    let outcome = try trees.run {
      $0.wrapReceiver = {
        ActionStream($0) {
          for index in 0..<count { try ByteFiles.remove(Array("\(source)/file-\(index)".utf8)) }
        }
      }
    }
    #expect(try outcome.summary().warningCount == count)
  }

  @Test("An image that changes its size or goes away fails the run and stays as it was")
  func volume() throws {
    for isGrown in [false, true] {
      let images = try ImagePair()
      var random = SeededGenerator(seed: 81)
      let old = random.bytes(200_000)
      try images.writeDestination(old)
      try images.writeSource(random.bytes(200_000))
      let source = Array(images.source.utf8)
      let outcome = try images.run {
        $0.wrapReceiver = {
          ActionStream($0) {
            if isGrown {
              try ByteFiles.overwrite(source, [1], at: 300_000)
            } else {
              try ByteFiles.remove(source)
            }
          }
        }
      }
      #expect(outcome.senderError is any DroverError)
      #expect(outcome.receiverError is any DroverError)
      #expect(try images.readDestination() == old)
    }
  }
}
