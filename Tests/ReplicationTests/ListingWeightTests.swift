import FileTree
import Platform
import TestSupport
import Testing

@testable import Replication

/// What a receiver keeps of its own directories is bounded by bytes.
@Suite struct ListingWeightTests {
  /// Directories whose listings are heavier than the bound: long link targets.
  private func makeHeavy(_ names: [String], in root: String) throws {
    let target = [UInt8](repeating: 0x74, count: 4000)
    for name in names {
      try ByteFiles.makeDirectory(Array("\(root)/\(name)".utf8))
      for index in 0..<(WireLimits.localListingWeightMax / 4000) {
        try ByteFiles.makeSymlink(Array("\(root)/\(name)/\(index)".utf8), target: target)
      }
    }
  }

  @Test("The next heavy directory is decided when the one before is closed")
  func decisions() throws {
    let trees = try TreePair()
    let names = ["d1", "d2", "d3"]
    try makeHeavy(names, in: trees.destination)
    let entry = EntryBytes(kind: .fifo, name: "x")
    var order: [String] = []
    let result = try SessionRun.receive(
      into: trees.destination, greeting: try SenderGreeting.tree(flags: [])
    ) { peer in
      let script = try SenderScript(peer)
      try script.give("", names.map { EntryBytes(kind: .directory, name: $0, mode: 0o755) })
      try peer.await(.close)
      try peer.send(try names.flatMap { try script.announcement($0, [entry]) })
      var closed = 0
      while closed < 3 {
        let next = try peer.next()
        let number = next.body.first ?? 0
        switch next.type {
        case .want: order.append("want \(number)")
        case .close:
          order.append("close \(number)")
          closed += 1
        case .answered:
          order.append("answered \(number)")
          try peer.send(SenderScript.list(UInt32(closed + 1), [entry]))
        case .abort: throw ScriptedPeer.SessionOver()
        default: break
        }
      }
      try script.endRun()
    }
    _ = try result.get()
    #expect(
      order == [
        "want 1", "answered 2", "close 1", "want 2", "answered 3", "close 2", "want 3",
        "answered 4", "close 3",
      ])
  }

  @Test("Trees with many heavy directories replicate")
  func replication() throws {
    let trees = try TreePair()
    let names = (0..<6).map { "d\($0)" }
    try makeHeavy(names, in: trees.destination)
    for name in names {
      try ByteFiles.makeDirectory(Array("\(trees.source)/\(name)".utf8))
      try trees.write("\(name)/file", [1, 2, 3])
    }
    _ = try trees.run().summary()
    #expect(try trees.differences() == "")
  }
}
