import Compression
import DeltaCoding
import FileTree
import Platform
import TestSupport
import Testing
import Transport

@testable import Replication

/// A receiver ends a sender that does not keep to the protocol, and nothing leaves its root.
@Suite struct HostileSenderTests {
  private typealias Script = SenderScript

  /// Runs a script; the receiver must end with an error that says the sender is at fault.
  private func expectRefusal(
    _ note: String, flags: SenderGreeting.Flags = [],
    sourceLocation: SourceLocation = #_sourceLocation,
    _ script: (SenderScript) throws -> Void
  ) throws {
    let fortress = try Fortress()
    let result = try SessionRun.receive(
      into: fortress.trees.destination, greeting: try SenderGreeting.tree(flags: flags)
    ) { try script(try SenderScript($0)) }
    switch result {
    case .success: Issue.record("\(note): accepted", sourceLocation: sourceLocation)
    case .failure(let error):
      let kind = (error as? any DroverError)?.kind
      #expect(kind == .corrupt, "\(note): \(error)", sourceLocation: sourceLocation)
    }
    try fortress.check(note, sourceLocation: sourceLocation)
  }

  /// Runs a script; whatever comes of it, nothing outside is touched.
  private func expectContained(
    _ note: String, flags: SenderGreeting.Flags = [],
    sourceLocation: SourceLocation = #_sourceLocation,
    _ script: (SenderScript) throws -> Void
  ) throws {
    let fortress = try Fortress()
    let result = try SessionRun.receive(
      into: fortress.trees.destination, greeting: try SenderGreeting.tree(flags: flags)
    ) { try script(try SenderScript($0)) }
    if case .failure(let error) = result {
      #expect(error is any DroverError, "\(note): \(error)", sourceLocation: sourceLocation)
    }
    try fortress.check(note, sourceLocation: sourceLocation)
  }

  private let file = EntryBytes(kind: .regular, name: "new", size: 10)
  /// A file that stands in the destination with other content, so that it goes as a delta.
  private let basis = EntryBytes(kind: .regular, name: "basis", size: 120_000)

  @Test("Announced paths that lead out are refused")
  func announcedPaths() throws {
    let digest = [UInt8](repeating: 1, count: 16)
    for path in ["../x", "/x", "..", "a/../b", "a//b", "a/", "", "a\0b", "./a"] {
      try expectRefusal("path \(path.debugDescription)") { script in
        try script.announce("", [])
        try script.peer.send(Script.announcement(Array(path.utf8), digest))
      }
    }
    try expectRefusal("first path not the root") { script in
      try script.peer.send(Script.announcement(Array("a".utf8), digest))
    }
    try expectRefusal("a prefix longer than the path before") { script in
      try script.announce("", [])
      let body = [0] + little(UInt16(9)) + little(UInt16(1)) + [0x61] + digest
      try script.peer.send(frame(.directories, body))
    }
    try expectRefusal("a path beyond the limit") { script in
      try script.announce("", [])
      let path = Array(String(repeating: "a/", count: 3000).utf8) + [0x61]
      try script.peer.send(Script.announcement(path, digest))
    }
  }

  @Test("Listed names that lead out are refused")
  func names() throws {
    for name in ["../x", "/x", "..", ".", "a/b", "a\0b", ""] {
      try expectRefusal("name \(name.debugDescription)") { script in
        try script.give("", [EntryBytes(kind: .regular, name: name, size: 1)])
      }
    }
    for path in ["/etc/passwd", "../canary/bird", "dir/../../canary/bird"] {
      try expectRefusal("link to \(path)") { script in
        try script.give("", [EntryBytes(kind: .regular, name: "a", linkPath: path)])
      }
    }
    try expectRefusal("one of Drover's own names") { script in
      try script.give(
        "", [EntryBytes(kind: .regular, name: PartialName.temporary(for: [0x61]), size: 1)])
    }
  }

  @Test("Links in the destination are not followed")
  func links() throws {
    let inner = EntryBytes(kind: .regular, name: "planted", size: 3)
    try expectContained("a directory that is a link here") { script in
      try script.announce("", [EntryBytes(kind: .directory, name: "other")])
      try script.announce("out", [inner])
      try script.peer.await(.want)
      try script.peer.await(.want)
      try script.peer.send(Script.list(1, [inner]))
      try script.peer.await(.needWhole)
      try script.peer.send(Script.file(0, [1, 2, 3]), lane: 1)
    }
    try expectContained("a link that becomes a directory") { script in
      let top = EntryBytes(kind: .directory, name: "out", mode: 0o755)
      try script.give("", [top])
      try script.give("out", [inner])
      try script.peer.await(.needWhole)
      try script.peer.send(Script.file(0, [1, 2, 3]), lane: 1)
      try script.endRun()
    }
    try expectContained("a new link, then a directory of the same name") { script in
      let link = EntryBytes(kind: .symbolicLink, name: "fresh", target: "../canary")
      try script.give("", [link])
      try script.give("fresh", [inner])
      try script.peer.await(.needWhole)
      try script.peer.send(Script.file(0, [1, 2, 3]), lane: 1)
      try script.endRun()
    }
    for name in ["file-out", "new-out"] {
      try expectContained("a file where a link stands: \(name)") { script in
        try script.give("", [EntryBytes(kind: .regular, name: name, size: 3, mode: 0o666)])
        try script.peer.await(.needWhole)
        try script.peer.send(Script.file(0, [1, 2, 3]), lane: 1)
        try script.endRun()
      }
    }
    try expectContained("a hard link through a link") { script in
      try script.give("", [EntryBytes(kind: .regular, name: "a", linkPath: "out/bird")])
      try script.endRun()
    }
    try expectContained("deletion with links", flags: [.delete]) { script in
      try script.give("", [])
      try script.endRun()
    }
  }

  @Test("Listings that were not asked for, or are not as announced, are refused")
  func listings() throws {
    try expectRefusal("a listing before any announcement") {
      try $0.peer.send(Script.list(0, [file]))
    }
    try expectRefusal("a listing of another directory") { script in
      try script.announce("", [file])
      try script.peer.await(.want)
      try script.peer.send(Script.list(5, [file]))
    }
    try expectRefusal("a listing twice") { script in
      try script.give("", [file])
      try script.peer.send(Script.list(0, [file]))
    }
    try expectRefusal("another listing than announced") { script in
      try script.announce("", [file])
      try script.peer.await(.want)
      try script.peer.send(Script.list(0, [EntryBytes(kind: .regular, name: "other", size: 10)]))
    }
    try expectRefusal("names out of order") { script in
      try script.give(
        "", [EntryBytes(kind: .fifo, name: "b"), EntryBytes(kind: .fifo, name: "a")])
    }
    try expectRefusal("a name twice") { script in
      try script.give("", [file, file])
    }
    try expectRefusal("parts without entries") { script in
      try script.announce("", [])
      try script.peer.await(.want)
      try script.peer.send(Script.list(0, [], isLast: 0))
    }
  }

  @Test("Ends of a walk that do not add up are refused")
  func walkEnds() throws {
    try expectRefusal("too early") {
      try $0.peer.send($0.walkEndFrame() + $0.walkEndFrame())
    }
    try expectRefusal("another digest") { script in
      try script.give("", [])
      let body = little(UInt32(1)) + [UInt8](repeating: 0, count: 25 + 32)
      try script.peer.send(frame(.walkEnd, body))
    }
    try expectRefusal("another count") { script in
      try script.give("", [])
      let body = little(UInt32(7)) + [UInt8](repeating: 0, count: 25 + 32)
      try script.peer.send(frame(.walkEnd, body))
    }
    try expectRefusal("a directory after the end") { script in
      try script.announce("", [file])
      let end = script.walkEndFrame()
      try script.peer.send(end + Script.announcement([0x61], [UInt8](repeating: 0, count: 16)))
    }
  }

  @Test("Data that was not asked for is refused")
  func unrequestedData() throws {
    let messages: [(String, [UInt8])] = [
      ("file", Script.file(3, [1])), ("data", Script.data(3, 0, [1])),
      ("zeros", frame(.zeros, little(UInt32(3)) + little(Int64(0)) + little(Int64(9)))),
      ("rolled", frame(.rolled, little(UInt32(3)) + little(Int64(0)) + little(Int64(9)))),
      ("segment end", Script.segmentEnd(3, 0)),
      ("question", frame(.askRolling, little(UInt32(3)) + [UInt8](repeating: 0, count: 20))),
      ("end", Script.fileEnd(3, Script.end(.complete, sizeBytes: 1))),
    ]
    for (name, message) in messages {
      try expectRefusal(name) { try $0.peer.send(message, lane: 1) }
      try expectRefusal("\(name) on the control lane") { try $0.peer.send(message) }
    }
    try expectRefusal("a file twice") { script in
      try script.give("", [file])
      try script.peer.await(.needWhole)
      let message = Script.file(0, [UInt8](repeating: 1, count: 10))
      try script.peer.send(message + message, lane: 1)
    }
  }

  @Test("A file that is said to be equal though nobody asked is refused")
  func unaskedEquality() throws {
    for (flags, name) in [
      ([], "new"), ([.checksum], "basis"), ([.checksum, .wholeFile], "new"),
      ([.checksum, .wholeFile, .inPlace], "basis"),
    ] as [(SenderGreeting.Flags, String)] {
      try expectRefusal("\(flags) \(name)", flags: flags) { script in
        try script.give("", [EntryBytes(kind: .regular, name: name, size: 100_000)])
        var request: [UInt8] = []
        while request.isEmpty {
          let frame = try script.peer.next()
          if [.needWhole, .needDelta].contains(frame.type) { request = [UInt8](frame.body[..<4]) }
        }
        // Of another size than what stands here.
        let end = Script.end(.equal, sizeBytes: 99_999)
        try script.peer.send(frame(.fileEnd, request + end), lane: 1)
      }
    }
  }

  @Test("Damaged files are refused and never stand under their name")
  func damagedFiles() throws {
    let fortress = try Fortress()
    let large = EntryBytes(kind: .regular, name: "large", size: 300_000)
    let content = [UInt8](repeating: 8, count: 200_000)
    let wrongHash = Script.end(.complete, sizeBytes: 200_000, hash: 1)
    let small = frame(
      .file, little(UInt32(0)) + Script.end(.complete, sizeBytes: 10, hash: 5) + [1, 2, 3])
    for (entry, message) in [
      (large, Script.data(0, 0, content) + Script.fileEnd(0, wrongHash)), (file, small),
    ] {
      let result = try SessionRun.receive(
        into: fortress.trees.destination, greeting: try SenderGreeting.tree(flags: [])
      ) { peer in
        try SenderScript(peer).give("", [entry])
        try peer.await(.needWhole)
        try peer.send(message, lane: 1)
      }
      #expect(throws: ReplicationError.self) { try result.get() }
      let names = try ByteFiles.names(in: Array(fortress.trees.destination.utf8))
      #expect(!names.contains(Array(entry.name.utf8)))
    }
    try fortress.check()
  }

  @Test("Offsets and sizes beyond all limits end in an error")
  func extremes() throws {
    for offset in [Int64.max, Int64.max - 5, -1, Int64.min] {
      try expectContained("whole file at \(offset)") { script in
        try script.give("", [EntryBytes(kind: .regular, name: "new", size: .max)])
        try script.peer.await(.needWhole)
        try script.peer.send(Script.data(0, offset, [1, 2, 3, 4]), lane: 1)
        let end = Script.end(.complete, sizeBytes: .max)
        try script.peer.send(Script.fileEnd(0, end), lane: 1)
        try script.endRun()
      }
    }
    let large: Int64 = 1 << 46
    for size in [Int64.max, Int64.max - 33_554_432, large, large + 1] {
      for name in ["basis", "new"] {
        try expectContained("\(name) of \(size)") { script in
          // Two of them, so that their sum is beyond all limits as well.
          try script.give(
            "",
            [
              EntryBytes(kind: .regular, name: name, size: size),
              EntryBytes(kind: .regular, name: "zzz", size: size),
            ])
          try script.peer.send(script.walkEndFrame())
          _ = try script.peer.next()
          script.peer.leave()
        }
      }
    }
    let images = try ImagePair()
    for size in [Int64.max, SegmentLayout.sizeBytesMax + 1, -1] {
      let (left, right) = try DescriptorStream.makePair()
      try Greeting.send(try SenderGreeting.volume(sizeBytes: size).encoded(), over: left)
      #expect(throws: ReplicationError.self) {
        try ReplicationSession.receive(
          over: right, options: ReceiveOptions(root: images.destination))
      }
      left.close()
    }
  }

  @Test("Parts of a delta that do not fit are refused", arguments: [false, true])
  func deltas(inPlace: Bool) throws {
    let flags: SenderGreeting.Flags = inPlace ? [.inPlace] : []
    func attempt(_ note: String, _ frames: [UInt8]...) throws {
      try expectRefusal(note, flags: flags) { script in
        try script.give("", [basis])
        try script.peer.await(.sums)
        for frame in frames { try script.peer.send(frame, lane: 1) }
      }
    }
    func range(_ type: FrameType, _ start: Int64, _ end: Int64, _ rest: [UInt8] = []) -> [UInt8] {
      frame(type, little(UInt32(0)) + little(start) + little(end) + rest)
    }
    func question(_ segment: UInt32, _ start: Int64, _ end: Int64) -> [UInt8] {
      frame(.askRolling, little(UInt32(0)) + little(segment) + little(start) + little(end))
    }
    try attempt("negative offset", Script.data(0, -5, [1]))
    try attempt("offset of another segment", Script.data(0, 64 << 20, [1]))
    try attempt("offset at the limit", Script.data(0, .max, [1]))
    try attempt("data behind the end", Script.data(0, 119_999, [1, 2]))
    try attempt("data backwards", Script.data(0, 5000, [1]) + Script.data(0, 4000, [1]))
    try attempt("zeros backwards", range(.zeros, 9, 3))
    try attempt("zeros behind the end", range(.zeros, 0, .max))
    try attempt("zeros of nothing", range(.zeros, 5, 5))
    try attempt("a rolled span without its question", range(.rolled, 0, 4096, [1]))
    try attempt("a question for another segment", question(9, 0, 10))
    try attempt("a question backwards", question(0, 10, 5))
    try attempt("a question behind the basis", question(0, 0, 1 << 40))
    try attempt("a question before the basis", question(0, -1, 10))
    try attempt(
      "a rolled span that is no delta",
      question(0, 0, 100_000) + range(.rolled, 0, 4096, [1, 2, 3, 4]) + Script.segmentEnd(0, 0))
    try attempt(
      "a rolled span beyond its size",
      question(0, 0, 100_000)
        + range(.rolled, 0, 4096, [UInt8](repeating: 0x41, count: 20_000)))
    try attempt(
      "two rolled spans mixed",
      question(0, 0, 100_000) + range(.rolled, 0, 4096, [0x72]) + range(.rolled, 1, 4096, [0x72]))
    try attempt(
      "a segment's end twice", Script.segmentEnd(0, 0, .changed) + Script.segmentEnd(0, 0))
    try attempt("a segment that does not exist", Script.segmentEnd(0, 4))
    try attempt(
      "an unknown outcome", frame(.segmentEnd, little(UInt32(0)) + little(UInt32(0)) + [9]))
    try attempt("a whole file instead", Script.file(0, [1, 2, 3]))
    try attempt(
      "an end that was not asked for", Script.fileEnd(0, Script.end(.complete, sizeBytes: 5)))
    try attempt(
      "an early end without the file", Script.fileEnd(0, Script.end(.vanished, sizeBytes: 0)))
    try attempt(
      "data after the end of its file",
      Script.data(0, 0, [1]) + Script.segmentEnd(0, 0, .unreadable) + Script.data(0, 0, [1]))
  }

  @Test("A wrong proof gets the segment again, and a second one is never taken for good")
  func wrongProof() throws {
    let fortress = try Fortress()
    let before = try ByteFiles.read(Array("\(fortress.trees.destination)/basis".utf8))
    let result = try SessionRun.receive(
      into: fortress.trees.destination, greeting: try SenderGreeting.tree(flags: [])
    ) { peer in
      try SenderScript(peer).give("", [basis])
      try peer.await(.sums)
      let content = [UInt8](repeating: 5, count: 120_000)
      for segment in [UInt32(0), .max] {
        try peer.send(Script.data(0, 0, content) + Script.segmentEnd(0, 0), lane: 1)
        let asked = try peer.await(.resend)
        #expect(asked == little(UInt32(0)) + little(segment))
      }
      // Now the whole file is asked for; the sender goes.
      peer.leave()
    }
    #expect(throws: ReplicationError.self) { try result.get() }
    let after = try ByteFiles.read(Array("\(fortress.trees.destination)/basis".utf8))
    #expect(after == before)
  }

  @Test("A file in place whose source cannot be read goes back to what it was")
  func unreadableInPlace() throws {
    let fortress = try Fortress()
    let path = Array("\(fortress.trees.destination)/basis".utf8)
    let before = try ByteFiles.read(path)
    let entry = EntryBytes(kind: .regular, name: "basis", size: 40 << 20)
    let result = try SessionRun.receive(
      into: fortress.trees.destination, greeting: try SenderGreeting.tree(flags: [.inPlace])
    ) { peer in
      let script = try SenderScript(peer)
      try script.give("", [entry])
      try peer.await(.sums)
      try peer.await(.sums)
      // One segment comes with a wrong proof, twice, and is written; the other cannot be read.
      for _ in 0..<2 {
        for start in stride(from: 0, to: 32 << 20, by: 128 << 10) {
          let content = [UInt8](repeating: UInt8(start >> 17), count: 128 << 10)
          try peer.send(Script.data(0, Int64(start), content), lane: 1)
        }
        try peer.send(Script.segmentEnd(0, 0), lane: 1)
      }
      try peer.await(.resend)
      try peer.send(Script.data(0, 32 << 20, [1, 2, 3]), lane: 1)
      try peer.send(Script.segmentEnd(0, 1, .unreadable), lane: 1)
      try peer.await(.finish)
      #expect(try ByteFiles.read(path) != before)
      try peer.send(Script.fileEnd(0, Script.end(.complete, sizeBytes: 40 << 20)), lane: 1)
      try script.endRun()
    }
    _ = try result.get()
    #expect(try ByteFiles.read(path) == before)
    let names = try ByteFiles.names(in: Array(fortress.trees.destination.utf8))
    #expect(!names.contains { String(decoding: $0, as: UTF8.self).contains("undo") })
  }

  @Test("More control records or directories than allowed are refused")
  func floods() throws {
    try expectRefusal("endless directories") { script in
      try script.announce("", [file])
      let digest = [UInt8](repeating: 1, count: 16)
      for batch in 0..<100_000 {
        var frames: [UInt8] = []
        for index in 0..<100 {
          frames += Script.announcement(Array("d\(batch)-\(index)".utf8), digest)
        }
        try script.peer.send(frames)
        if batch % 4 == 3 { try script.peer.await(.credit) }
      }
    }
  }

  @Test("Compressed records that are not what they say are refused")
  func compression() throws {
    func record(_ packed: [UInt8], rawSize: Int, lane: UInt8 = 0) -> [UInt8] {
      little(UInt32(packed.count)) + little(UInt32(rawSize)) + [lane, 1, 0, 0] + packed
    }
    var stream = try ZstdStreamCompressor()
    func pack(_ bytes: [UInt8]) throws -> [UInt8] {
      var packed = [UInt8](repeating: 0, count: ZstdStreamCompressor.bound(bytes.count))
      let count = try bytes.withUnsafeBytes { source in
        try packed.withUnsafeMutableBytes { try stream.compress(source, into: $0, level: 3) }
      }
      return [UInt8](packed[..<count])
    }
    let bomb = try pack([UInt8](repeating: 0, count: 64 << 20))
    try expectRefusal("a bomb") { try $0.peer.write(record(bomb, rawSize: 256 << 10)) }
    try expectRefusal("a bomb on a data lane") {
      try $0.peer.write(record(bomb, rawSize: 256 << 10, lane: 1))
    }
    stream = try ZstdStreamCompressor()
    let short = try pack([1, 2, 3])
    try expectRefusal("another size") { try $0.peer.write(record(short, rawSize: 300)) }
    try expectRefusal("no zstd at all") { try $0.peer.write(record([1, 2, 3, 4, 5], rawSize: 9)) }
  }

  @Test("Records and frames beyond the limits are refused")
  func malformedRecords() throws {
    func header(_ wire: UInt32, _ raw: UInt32, _ lane: UInt8, _ encoding: UInt8 = 0) -> [UInt8] {
      little(wire) + little(raw) + [lane, encoding, 0, 0]
    }
    let records: [(String, [UInt8])] = [
      ("empty", header(0, 0, 0)), ("huge", header(.max, .max, 0)),
      ("unequal sizes", header(5, 6, 0) + [1, 2, 3, 4, 5]), ("a lane too high", header(4, 4, 9)),
      ("an unknown encoding", header(4, 4, 0, 2)),
      ("a frame longer than its record", header(4, 4, 0) + little(UInt32(9 | 1 << 24))),
      ("half a frame", header(2, 2, 0) + [1, 2]),
      ("an unknown frame", header(4, 4, 0) + [0, 0, 0, 99]),
      ("an unknown frame for a lane", header(4, 4, 1) + [0, 0, 0, 99]),
      ("a receiver's frame", header(4, 4, 0) + [0, 0, 0, FrameType.credit.rawValue]),
    ]
    for (note, bytes) in records { try expectRefusal(note) { try $0.peer.write(bytes) } }
  }
}
