import DeltaCoding
import FileTree
import Platform
import TestSupport
import Testing
import Transport

@testable import Replication

/// A sender ends a receiver that does not keep to the protocol.
@Suite struct HostileReceiverTests {
  /// What the sender announces: the root with a directory, a file and a link.
  private func makeTree() throws -> TreePair {
    let trees = try TreePair()
    try trees.write("a", [UInt8](repeating: 1, count: 200_000))
    _ = try trees.directory.makeDirectory("source/b")
    try trees.write("b/inner", [1, 2, 3])
    try ByteFiles.makeSymlink(Array("\(trees.source)/link".utf8), target: Array("a".utf8))
    return trees
  }

  private func expectRefusal(
    _ note: String, sourceLocation: SourceLocation = #_sourceLocation,
    _ script: (ScriptedPeer) throws -> Void
  ) throws {
    let trees = try makeTree()
    let result = try SessionRun.send(SendOptions(root: trees.source), script)
    switch result {
    case .success: Issue.record("\(note): accepted", sourceLocation: sourceLocation)
    case .failure(let error):
      let kind = (error as? any DroverError)?.kind
      #expect(kind == .corrupt, "\(note): \(error)", sourceLocation: sourceLocation)
    }
  }

  private func want(_ number: UInt32) -> [UInt8] { frame(.want, little(number)) }
  private func answered(_ count: UInt32) -> [UInt8] { frame(.answered, little(count)) }
  private func needWhole(_ request: UInt32, _ directory: UInt32, _ index: UInt32) -> [UInt8] {
    frame(.needWhole, little(request) + little(directory) + little(index))
  }
  private func needDelta(
    _ request: UInt32, basis: Int64 = 200_000, _ directory: UInt32 = 0, _ index: UInt32 = 0
  ) -> [UInt8] {
    frame(
      .needDelta, little(request) + little(basis) + [0] + little(directory) + little(index))
  }
  /// Sums of a basis of 200,000 bytes.
  private func sums(_ request: UInt32, _ segment: UInt32 = 0, zeroBlocks: UInt8 = 0) -> [UInt8] {
    let pages = zeroBlocks == 0 ? 49 : 0
    let head = little(request) + little(segment) + [zeroBlocks]
    return frame(.sums, head + [UInt8](repeating: 7, count: pages * 4))
  }

  @Test("Directories that are not open are refused")
  func directories() throws {
    try expectRefusal("wanted before announced") { try $0.send(want(50)) }
    try expectRefusal("wanted twice") { peer in
      try peer.await(.directories)
      try peer.send(want(0) + want(0))
    }
    try expectRefusal("answered before announced") { try $0.send(answered(50)) }
    try expectRefusal("answered backwards") { peer in
      try peer.await(.directories)
      try peer.send(want(0) + answered(1) + answered(0))
    }
    try expectRefusal("wanted after its answer") { peer in
      try peer.await(.directories)
      try peer.send(answered(1) + want(0))
    }
    try expectRefusal("wanted and closed at once, then asked for") { peer in
      try peer.await(.directories)
      try peer.send(want(0) + frame(.close, little(UInt32(0))) + needWhole(0, 0, 0))
    }
  }

  @Test("Requests for what is not there are refused")
  func requests() throws {
    for (note, message) in [
      ("another directory", needWhole(0, 9, 0)), ("an index too high", needWhole(0, 0, 77)),
      ("the highest index", needWhole(0, 0, .max)), ("a directory as a file", needWhole(0, 0, 1)),
      ("a link as a file", needWhole(0, 0, 2)), ("a delta of a directory", needDelta(0, 0, 1)),
    ] as [(String, [UInt8])] {
      try expectRefusal(note) { peer in
        try peer.await(.directories)
        try peer.send(want(0) + message)
      }
    }
    for (note, message) in [
      ("sums", sums(3)),
      ("a signature", frame(.signature, little(UInt32(3)) + little(UInt32(0)) + [1])),
      ("again", frame(.resend, little(UInt32(3)) + little(UInt32(0)))),
      ("the end", frame(.finish, little(UInt32(3)))),
    ] {
      try expectRefusal("\(note) of a request that is not open") { try $0.send(message) }
    }
    try expectRefusal("a number twice") { peer in
      try peer.await(.directories)
      try peer.send(want(0) + needDelta(4) + needDelta(4))
    }
  }

  @Test("More requests than allowed are refused")
  func floods() throws {
    try expectRefusal("whole files") { peer in
      try peer.await(.directories)
      try peer.send(want(0))
      var frames: [UInt8] = []
      for request in 0..<UInt32(8000) { frames += needWhole(request, 0, 0) }
      for _ in 0..<100 { try peer.send(frames) }
    }
    try expectRefusal("deltas") { peer in
      try peer.await(.directories)
      var frames = want(0)
      for request in 0..<UInt32(5000) { frames += needDelta(request) }
      try peer.send(frames)
    }
    try expectRefusal("page sums") { peer in
      try peer.await(.directories)
      try peer.send(want(0) + needDelta(0))
      for _ in 0..<2000 { try peer.send(sums(0) + sums(0)) }
    }
    try expectRefusal("segments again") { peer in
      try peer.await(.directories)
      try peer.send(want(0) + needDelta(0))
      let again = frame(.resend, little(UInt32(0)) + little(UInt32(0)))
      for _ in 0..<2000 { try peer.send(again + again) }
    }
    try expectRefusal("a signature without end") { peer in
      try peer.await(.directories)
      try peer.send(want(0) + needDelta(0) + sums(0))
      try peer.await(.askRolling)
      let piece = [UInt8](repeating: 1, count: 200_000)
      for _ in 0..<1000 {
        try peer.send(frame(.signature, little(UInt32(0)) + little(UInt32(0)) + [0] + piece))
      }
    }
  }

  @Test("Sums and signatures of another form are refused")
  func sumsAndSignatures() throws {
    func attempt(_ note: String, basis: Int64 = 200_000, _ messages: [UInt8]...) throws {
      try expectRefusal(note) { peer in
        try peer.await(.directories)
        try peer.send(want(0) + needDelta(0, basis: basis))
        for message in messages { try peer.send(message) }
      }
    }
    let head = little(UInt32(0)) + little(UInt32(0))
    try attempt("too few sums", frame(.sums, head + [0] + [UInt8](repeating: 1, count: 48 * 4)))
    try attempt("too many sums", frame(.sums, head + [0] + [UInt8](repeating: 1, count: 50 * 4)))
    try attempt("no sums", frame(.sums, head))
    try attempt(
      "sums of zero blocks", frame(.sums, head + [0xff] + [UInt8](repeating: 1, count: 4)))
    try attempt("another segment", sums(0, 1))
    try attempt("the highest segment", sums(0, .max))
    try attempt("a signature that was not asked for", frame(.signature, head + [1] + [1, 2, 3]))
    try expectRefusal("a signature that is none") { peer in
      try peer.await(.directories)
      try peer.send(want(0) + needDelta(0) + sums(0))
      try peer.await(.askRolling)
      try peer.send(frame(.signature, head + [1] + [UInt8](repeating: 0x72, count: 100)))
    }
    try attempt(
      "a segment that does not exist again", frame(.resend, little(UInt32(0)) + little(UInt32(5))))
  }

  @Test("Sizes of a basis beyond all limits do no harm")
  func basisSizes() throws {
    for basis in [Int64.max, Int64.max - 1, -1, Int64.min] {
      let trees = try makeTree()
      let result = try SessionRun.send(SendOptions(root: trees.source)) { peer in
        try peer.await(.directories)
        try peer.send(want(0) + needDelta(0, basis: basis))
        // All the blocks of the segment's range are said to be there.
        let head = little(UInt32(0)) + little(UInt32(0)) + [UInt8](repeating: 0, count: 1)
        try peer.send(frame(.sums, head + [UInt8](repeating: 7, count: 49 * 4)))
        try peer.await(.askRolling)
        peer.leave()
      }
      guard case .failure(let error) = result else {
        Issue.record("a basis of \(basis) bytes: accepted")
        continue
      }
      #expect(error is any DroverError)
    }
  }

  @Test("A confirmation that is wrong or comes too early is no success")
  func acknowledgements() throws {
    let zero = [UInt8](repeating: 0, count: Acknowledgement.size)
    try expectRefusal("at once") { try $0.send(frame(.acknowledgement, zero)) }
    try expectRefusal("too short") { try $0.send(frame(.acknowledgement, [1, 2, 3])) }
    try expectRefusal("another digest") { peer in
      // Both directories are said to be as they are here already.
      var count: UInt32 = 0
      while true {
        let next = try peer.next()
        if next.type == .directories { count += 1 }
        if next.type == .walkEnd { break }
      }
      try peer.send(answered(count) + frame(.acknowledgement, zero))
    }
  }

  @Test("A volume is only confirmed by the proofs of its segments")
  func volumeAcknowledgements() throws {
    let images = try ImagePair()
    try images.writeSource([UInt8](repeating: 3, count: 100_000))
    let counts = [UInt8](repeating: 0, count: Acknowledgement.size - 32)
    for digest in [VolumeProofs.unproven, [UInt8](repeating: 5, count: 32)] {
      for isAsked in [false, true] {
        let result = try SessionRun.send(SendOptions(root: images.source)) { peer in
          if isAsked {
            try peer.send(frame(.needDelta, little(UInt32(0)) + little(Int64(0)) + [1]))
            try peer.send(frame(.sums, little(UInt32(0)) + little(UInt32(0))))
            try peer.await(.segmentEnd)
            try peer.send(frame(.finish, little(UInt32(0))))
            try peer.await(.fileEnd)
          }
          try peer.send(frame(.acknowledgement, digest + counts))
        }
        #expect(throws: ReplicationError.self) { try result.get() }
      }
    }
  }

  @Test("Records of another form are refused")
  func records() throws {
    func header(_ wire: UInt32, _ raw: UInt32, _ lane: UInt8, _ encoding: UInt8 = 0) -> [UInt8] {
      little(wire) + little(raw) + [lane, encoding, 0, 0]
    }
    for (note, bytes) in [
      ("empty", header(0, 0, 0)), ("huge", header(.max, .max, 0)),
      ("a data lane", header(4, 4, 1) + frame(.ping, [])),
      ("an unknown frame", header(4, 4, 0) + frame(98, [])),
      ("a sender's frame", header(4, 4, 0) + frame(.walkEnd, [])),
      ("no zstd", header(4, 9, 0, 1) + [1, 2, 3, 4]),
      ("half a request", header(6, 6, 0) + frame(.want, [1, 2])),
      ("an item without its change", header(5, 5, 0) + frame(.item, [1])),
      ("a warning with a long path", header(6, 6, 0) + frame(.warning, [0xff, 0xff])),
    ] as [(String, [UInt8])] {
      try expectRefusal(note) { try $0.write(bytes) }
    }
  }

  @Test("A refusal in the greeting is told as the receiver's")
  func refusal() throws {
    let trees = try makeTree()
    let (left, right) = try DescriptorStream.makePair()
    let answer = ReceiverGreeting(
      nonce: [UInt8](repeating: 1, count: 32),
      .refused(AbortMessage(kind: .refused, text: "not today")))
    try Greeting.send(answer.encoded(), over: right)
    let error = try #require(throws: ReplicationError.self) {
      try ReplicationSession.send(over: left, options: SendOptions(root: trees.source))
    }
    #expect(error.kind == .refused)
    #expect(error.message.contains("not today"))
    right.close()
  }
}
