import Compression
import FileTree
import Glibc
import Platform
import TestSupport
import Testing

@testable import Replication

/// Whatever a peer sends, the process at the other end stays below 200 MiB.
@Suite(.serialized) struct HostileMemoryTests {
  private typealias Script = SenderScript

  /// How often a flood is repeated: enough to go far beyond the bound if nothing held it.
  private let floodCount = SampledCounts.count(sampled: 1, full: 8)

  private func check(
    _ note: String, _ bytes: Int, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    // Unlike `print` not kept back until the end of all tests.
    let line = "hostile peer, \(note): VmHWM \(bytes >> 20) MiB\n"
    _ = line.withCString { write(1, $0, strlen($0)) }
    #expect(bytes < ChildUnderAttack.peakBytesMax, "\(note)", sourceLocation: sourceLocation)
  }

  private func attackReceiver(
    _ note: String, flags: SenderGreeting.Flags = [], laneCount: Int = 8,
    prepare: (TreePair) throws -> Void = { _ in },
    sourceLocation: SourceLocation = #_sourceLocation, _ script: (SenderScript) throws -> Void
  ) throws {
    let child = try ChildUnderAttack()
    try prepare(child.trees)
    var greeting = try SenderGreeting.tree(flags: flags)
    greeting.laneCount = laneCount
    let bytes = try child.attackReceiver(greeting) { try script(try SenderScript($0)) }
    check(note, bytes, sourceLocation: sourceLocation)
  }

  /// Reads until a frame of this type, or until the other end has nothing to say for seconds: it
  /// waits for its peer, and takes no more.
  private func awaitOrStall(_ type: FrameType, _ peer: ScriptedPeer) throws {
    while true {
      let next = try peer.next()
      if next.type == type { return }
      if next.type == .ping || next.type == .abort { throw ScriptedPeer.SessionOver() }
    }
  }

  /// Announces the root, waits until it is wanted, and sends parts of a listing. Each control
  /// record costs a credit, so what is sent is what the other end has taken.
  private func flood(
    _ script: SenderScript, parts: Int, _ part: (Int) -> [EntryBytes]
  ) throws {
    try script.announce("", [EntryBytes(kind: .fifo, name: "another digest")])
    try script.peer.await(.want)
    for index in 0..<parts {
      try script.peer.send(Script.list(0, part(index), isLast: 0))
      try awaitOrStall(.credit, script.peer)
    }
  }

  private func number(_ value: Int) -> String {
    let digits = String(value)
    return String(repeating: "0", count: 9 - digits.count) + digits
  }

  @Test("Listings without end")
  func listings() throws {
    try attackReceiver("hard links without end") { script in
      try flood(script, parts: 100 * floodCount) { part in
        (0..<2000).map {
          EntryBytes(kind: .regular, name: number(part * 2000 + $0), linkPath: "first")
        }
      }
    }
    try attackReceiver("one file wanted of each part of a listing") { script in
      let block = [UInt8](repeating: 0x61, count: 100_000)
      let attributes = little(UInt16(6)) + Array("user.a".utf8) + little(UInt32(100_000)) + block
      try flood(script, parts: 3000) { part in
        [
          EntryBytes(kind: .regular, name: number(part) + "a", size: 5),
          EntryBytes(
            kind: .regular, name: number(part) + "b", attributes: attributes, linkPath: "first"),
          EntryBytes(
            kind: .regular, name: number(part) + "c", attributes: attributes, linkPath: "first"),
        ]
      }
    }
    try attackReceiver("names of the greatest length") { script in
      try flood(script, parts: 200) { part in
        (0..<500).map {
          EntryBytes(
            kind: .regular, name: number(part * 500 + $0) + String(repeating: "x", count: 240),
            size: .max)
        }
      }
    }
  }

  @Test("Directories, deep and many")
  func directories() throws {
    try attackReceiver("directories of the greatest depth") { script in
      let digest = [UInt8](repeating: 1, count: 16)
      try script.announce("", [])
      for _ in 0..<20 * floodCount {
        var path: [UInt8] = []
        var frames: [UInt8] = []
        for _ in 0..<2047 {
          path += path.isEmpty ? [0x61] : [0x2f, 0x61]
          frames += Script.announcement(path, digest, shared: max(0, path.count - 2))
        }
        try script.peer.send(frames)
        try awaitOrStall(.credit, script.peer)
      }
    }
    try attackReceiver(
      "directories that are heavy here",
      prepare: { trees in
        let target = [UInt8](repeating: 0x74, count: 4000)
        for name in (0..<12).map({ "d\(10 + $0)" }) {
          try ByteFiles.makeDirectory(Array("\(trees.destination)/\(name)".utf8))
          for index in 0..<5000 {
            try ByteFiles.makeSymlink(
              Array("\(trees.destination)/\(name)/\(index)".utf8), target: target)
          }
        }
      }
    ) { script in
      let names = (0..<12).map { "d\(10 + $0)" }
      let entry = EntryBytes(kind: .fifo, name: "x")
      try script.give("", names.map { EntryBytes(kind: .directory, name: $0, mode: 0o755) })
      try script.peer.await(.close)
      for name in names { try script.announce(name, [entry]) }
      for _ in names { try awaitOrStall(.credit, script.peer) }
    }
  }

  @Test("Records of the greatest size, and bombs")
  func records() throws {
    try attackReceiver("the largest records on all lanes") { script in
      try script.give("", (1...8).map { EntryBytes(kind: .regular, name: "f\($0)", size: 1 << 40) })
      for _ in 0..<8 { try script.peer.await(.needWhole) }
      let content = [UInt8](repeating: 5, count: RecordBuilder.bodySizeMax - 12)
      for round in 0..<60 * floodCount {
        for lane in 0..<8 {
          let offset = Int64(round) * 50_000_000
          try script.peer.send(
            Script.data(UInt32(lane), offset, content), lane: UInt8(lane + 1))
        }
      }
    }
    var stream = try ZstdStreamCompressor()
    let zeros = [UInt8](repeating: 0, count: 256 << 20)
    var packed = [UInt8](repeating: 0, count: ZstdStreamCompressor.bound(zeros.count))
    let count = try zeros.withUnsafeBytes { source in
      try packed.withUnsafeMutableBytes { try stream.compress(source, into: $0, level: 3) }
    }
    let bomb = packed[..<min(count, WireLimits.recordWireSizeMax)]
    // The head of a frame that asks for the largest window, and a block that never ends.
    let window: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 31 << 3, 0x00, 0x00, 0x08]
    for (note, bytes) in [("a bomb", [UInt8](bomb)), ("the largest window", window)] {
      try attackReceiver("\(note) on all lanes") { script in
        for lane in (0...8).reversed() {
          let head = little(UInt32(bytes.count)) + little(UInt32(WireLimits.recordSizeMax))
          try script.peer.write(head + [UInt8(lane), 1, 0, 0] + bytes)
        }
        try awaitOrStall(.abort, script.peer)
      }
    }
  }

  @Test("Volumes of the greatest size, with all their segments")
  func volumes() throws {
    let child = try ChildUnderAttack()
    try removeTree(child.trees.destination)
    let greeting = try SenderGreeting.volume(sizeBytes: SegmentLayout.sizeBytesMax)
    let size = Int64(32 << 20)
    let bytes = try child.attackReceiver(greeting) { peer in
      var count = 0
      while count < 600 * floodCount {
        let next = try peer.next()
        if next.type == .ping || next.type == .abort { return }
        guard next.type == .sums || next.type == .resend else { continue }
        let segment = next.body.withUnsafeBytes {
          UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        }
        // Never proved: each is asked for twice and stays in doubt.
        let start = Int64(segment) * size
        let zeros = frame(.zeros, little(UInt32(0)) + little(start) + little(start + size))
        try peer.send(zeros + Script.segmentEnd(0, segment), lane: UInt8(1 + segment % 2))
        count += 1
      }
    }
    check("a volume of 64 TiB", bytes)
  }

  @Test("Requests without end")
  func requests() throws {
    let child = try ChildUnderAttack()
    try child.trees.write("a", [UInt8](repeating: 1, count: 3 << 20))
    func want(_ number: UInt32) -> [UInt8] { frame(.want, little(number)) }
    func need(_ request: UInt32) -> [UInt8] {
      frame(.needWhole, little(request) + [UInt8](repeating: 0, count: 8))
    }
    func delta(_ request: UInt32, _ basis: Int64) -> [UInt8] {
      frame(.needDelta, little(request) + little(basis) + [UInt8](repeating: 0, count: 9))
    }
    check(
      "a million small requests",
      try child.attackSender { peer in
        try peer.await(.directories)
        try peer.send(want(0))
        for batch in 0..<UInt32(1000) {
          try peer.send((0..<1000).flatMap { need(batch * 1000 + $0) })
        }
      })
    check(
      "the largest signatures for all segments",
      try child.attackSender { peer in
        try peer.await(.directories)
        var frames = want(0)
        for request in 0..<UInt32(16) { frames += delta(request, 3 << 20) }
        try peer.send(frames)
        let sums = [UInt8](repeating: 7, count: 768 * 4)
        for request in 0..<UInt32(16) {
          try peer.send(
            frame(.sums, little(request) + little(UInt32(0)) + [0, 0, 0, 0, 0, 0] + sums))
        }
        for _ in 0..<16 { try peer.await(.askRolling) }
        let piece = [UInt8](repeating: 1, count: 250_000)
        for _ in 0..<2000 {
          for request in 0..<UInt32(16) {
            let head = little(request) + little(UInt32(0)) + [0]
            try peer.send(frame(.signature, head + piece))
          }
        }
      })
    check(
      "warnings and items without end",
      try child.attackSender { peer in
        try peer.await(.directories)
        let item = frame(.item, Array(">f.st......".utf8) + [UInt8](repeating: 0x61, count: 4000))
        let warning = frame(
          .warning, little(UInt16(4000)) + [UInt8](repeating: 0x61, count: 8000))
        let record = (0..<15).flatMap { _ in item + warning }
        for _ in 0..<200 * floodCount { try peer.send(record) }
      })
  }

  @Test("Directories of which one file each is asked for, and none is taken")
  func pinnedListings() throws {
    let child = try ChildUnderAttack()
    // Each listing weighs about 2 MiB: 500 link targets of 4,000 bytes.
    let target = [UInt8](repeating: 0x74, count: 4000)
    let directoryCount = 150
    for directory in 0..<directoryCount {
      let name = "d\(1000 + directory)"
      try ByteFiles.makeDirectory(Array("\(child.trees.source)/\(name)".utf8))
      try child.trees.write("\(name)/a", [UInt8](repeating: 1, count: 300_000))
      for index in 0..<500 {
        try ByteFiles.makeSymlink(
          Array("\(child.trees.source)/\(name)/l\(index)".utf8), target: target)
      }
    }
    check(
      "one file asked for of each heavy directory",
      try child.attackSender { peer in
        // Nothing is read any more once both lanes are full of what nobody takes.
        try peer.await(.directories)
        for directory in 1...UInt32(directoryCount) {
          try peer.send(
            frame(.want, little(directory))
              + frame(.needWhole, little(directory) + little(directory) + little(UInt32(0)))
              + frame(.close, little(directory)) + frame(.answered, little(directory + 1))
              + frame(.credit, little(UInt32(16))))
          SystemClock().sleep(seconds: 0.02)
        }
        SystemClock().sleep(seconds: 1)
      })
  }
}
