import Platform
import TestSupport
import Testing

@testable import Replication

/// An interrupted run loses nothing that came whole, and leaves no wrong content under a final
/// name.
@Suite struct ResumeTests {
  /// Every file of the destination under a final name is one of the source's, or what it was
  /// before.
  private func checkContent(
    _ trees: TreePair, before: [[UInt8]: [UInt8]], _ note: String
  ) throws {
    let there = Array(trees.destination.utf8)
    for (path, kind) in try ByteFiles.tree(there) where kind == 0o100000 {
      if String(decoding: path, as: UTF8.self).contains(".~drover~") { continue }
      let content = try ByteFiles.read(ByteFiles.join(there, path))
      if content == before[path] { continue }
      let source = try ByteFiles.read(ByteFiles.join(Array(trees.source.utf8), path))
      #expect(content == source, "\(printable(path)) \(note)")
    }
  }

  private func contents(_ root: String) throws -> [[UInt8]: [UInt8]] {
    var result: [[UInt8]: [UInt8]] = [:]
    for (path, kind) in try ByteFiles.tree(Array(root.utf8)) where kind == 0o100000 {
      result[path] = try ByteFiles.read(ByteFiles.join(Array(root.utf8), path))
    }
    return result
  }

  @Test("A run cut anywhere leaves whole files, and the next one ends equal")
  func cutAnywhere() throws {
    var random = SeededGenerator(seed: 50)
    for round in 0..<SampledCounts.count(sampled: 6, full: 100) {
      let trees = try TreePair()
      for index in 0..<20 {
        try trees.write("file-\(index)", random.bytes(random.below(400_000)))
      }
      try trees.write("large", random.bytes(5 << 20))
      _ = try trees.run().summary()
      try TreeMutator.mutate(at: trees.source, seed: UInt64(round) + 900)
      // By now the name may belong to a directory or a fifo, or to nothing.
      _ = try? ByteFiles.remove(Array("\(trees.source)/large".utf8))
      try trees.write("large", random.bytes(5 << 20), seconds: 1_700_000_200)
      let before = try contents(trees.destination)
      for attempt in 0..<3 {
        let cut = random.below(5 << 20)
        let outcome = try trees.run {
          let isReceiver = attempt == 2
          if isReceiver {
            $0.wrapReceiver = { CutStream($0, afterBytes: cut / 300) }
          } else {
            $0.wrapSender = { CutStream($0, afterBytes: cut) }
          }
        }
        if case .success = outcome.sender { break }
        #expect((outcome.senderError as? any DroverError)?.kind == .unreachable)
        try checkContent(trees, before: before, "round \(round), cut at \(cut)")
      }
      _ = try trees.run().summary()
      #expect(try trees.differences() == "", "round \(round)")
      #expect(try trees.leftovers() == [])
    }
  }

  @Test("What came of a new file before the cut is not sent again")
  func newFile() throws {
    let trees = try TreePair()
    var random = SeededGenerator(seed: 51)
    try trees.write("file", random.bytes(60 << 20))
    let outcome = try trees.run {
      $0.send.compression = .none
      $0.wrapSender = { CutStream($0, afterBytes: 40 << 20) }
    }
    #expect(outcome.senderError != nil)
    #expect(
      try trees.leftovers()
        == ByteFiles.names(in: Array(trees.destination.utf8)).map {
          String(decoding: $0, as: UTF8.self)
        })
    let summary = try trees.run().summary()
    #expect(summary.literalBytes < 24 << 20)
    #expect(try trees.differences() == "")
    #expect(try trees.leftovers() == [])
  }

  @Test("A cut soon after a longer one does not lose what the longer one had")
  func shortCutAfterLongOne() throws {
    let trees = try TreePair()
    var random = SeededGenerator(seed: 52)
    try trees.write("file", random.bytes(60 << 20))
    for cut in [50 << 20, 2 << 20, 1 << 20] {
      _ = try trees.run {
        $0.send.compression = .none
        $0.wrapSender = { CutStream($0, afterBytes: cut) }
      }
    }
    let summary = try trees.run().summary()
    #expect(summary.literalBytes < 20 << 20)
    #expect(try trees.differences() == "")
    #expect(try trees.leftovers() == [])
  }

  @Test("What came of a changed file before the cut is used", arguments: [false, true])
  func changedFile(inPlace: Bool) throws {
    let trees = try TreePair()
    var random = SeededGenerator(seed: 53)
    var content = random.bytes(64 << 20)
    try trees.write("file", content)
    _ = try trees.run().summary()
    content.changePages(&random)
    try trees.write("file", content, seconds: 1_700_000_100)
    _ = try trees.run {
      $0.send.inPlace = inPlace
      $0.send.compression = .none
      $0.wrapSender = { CutStream($0, afterBytes: 26 << 20) }
    }
    let summary = try trees.run { $0.send.inPlace = inPlace }.summary()
    #expect(summary.literalBytes < 24 << 20)
    #expect(try trees.differences() == "")
    #expect(try trees.leftovers() == [])
  }
}
