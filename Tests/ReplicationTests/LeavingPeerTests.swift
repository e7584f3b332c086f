import FileTree
import Platform
import TestSupport
import Testing
import Transport

@testable import Replication

/// A peer that goes away ends the other side, whatever phase the session is in.
@Suite struct LeavingPeerTests {
  @Test("A sender that goes at any point ends the receiver as unreachable")
  func senderLeaves() throws {
    let fortress = try Fortress()
    let file = EntryBytes(kind: .regular, name: "new", size: 300_000)
    let basis = EntryBytes(kind: .regular, name: "basis", size: 120_000)
    let steps: [(String, (SenderScript) throws -> Void)] = [
      ("after the greeting", { _ in }),
      ("after an announcement", { try $0.announce("", [file]) }),
      (
        "while a listing is wanted",
        {
          try $0.announce("", [file]); try $0.peer.await(.want)
        }
      ),
      (
        "before the data",
        {
          try $0.give("", [file]); try $0.peer.await(.needWhole)
        }
      ),
      (
        "in a file",
        {
          try $0.give("", [file])
          try $0.peer.await(.needWhole)
          let piece = [UInt8](repeating: 1, count: 100_000)
          try $0.peer.send(SenderScript.data(0, 0, piece), lane: 1)
        }
      ),
      (
        "before a delta",
        {
          try $0.give("", [basis]); try $0.peer.await(.sums)
        }
      ),
      (
        "in a delta",
        {
          try $0.give("", [basis])
          try $0.peer.await(.sums)
          try $0.peer.send(SenderScript.data(0, 0, [1, 2, 3]), lane: 1)
        }
      ),
      ("in a record", { try $0.peer.write([9, 0, 0, 0]) }),
      (
        "before the end of the walk",
        {
          try $0.give("", []); try $0.peer.await(.close)
        }
      ),
    ]
    for (note, step) in steps {
      let result = try SessionRun.receive(
        into: fortress.trees.destination, greeting: try SenderGreeting.tree(flags: [])
      ) { peer in
        try step(try SenderScript(peer))
        peer.leave()
      }
      guard case .failure(let error) = result else {
        Issue.record("\(note): taken for a success")
        continue
      }
      #expect((error as? any DroverError)?.kind == .unreachable, "\(note): \(error)")
      try fortress.check(note)
    }
  }

  @Test("A receiver that goes at any point ends the sender as unreachable")
  func receiverLeaves() throws {
    let trees = try TreePair()
    try trees.write("a", [UInt8](repeating: 1, count: 8 << 20))
    let whole = frame(.needWhole, [UInt8](repeating: 0, count: 12))
    let want = frame(.want, little(UInt32(0)))
    let steps: [(String, (ScriptedPeer) throws -> Void)] = [
      ("after the greeting", { _ in }), ("after announcements", { try $0.await(.directories) }),
      (
        "while it wants a listing",
        {
          try $0.await(.directories); try $0.send(want)
        }
      ),
      (
        "with a listing",
        {
          try $0.await(.directories); try $0.send(want); try $0.await(.list)
        }
      ),
      (
        "in a file",
        {
          try $0.await(.directories)
          try $0.send(want + whole)
          try $0.await(.data)
        }
      ),
      ("in a record", { try $0.write([9, 0, 0, 0]) }),
      (
        "before its confirmation",
        {
          try $0.await(.directories)
          try $0.send(frame(.answered, little(UInt32(1))))
          try $0.await(.walkEnd)
        }
      ),
    ]
    for (note, step) in steps {
      for isAbrupt in [false, true] {
        let result = try SessionRun.send(SendOptions(root: trees.source)) { peer in
          try step(peer)
          if isAbrupt { peer.stream.abort() } else { peer.leave() }
        }
        guard case .failure(let error) = result else {
          Issue.record("\(note): taken for a success")
          continue
        }
        #expect((error as? any DroverError)?.kind == .unreachable, "\(note): \(error)")
      }
    }
  }

  @Test("A peer that goes instead of greeting ends the other side")
  func noGreeting() throws {
    let trees = try TreePair()
    try trees.write("a", [1])
    let head = Array("DROVER\r\n".utf8) + [UInt8(WireLimits.version), 0, 0, 0, 9, 9, 0, 0, 1]
    for piece in [[], Array("DROV".utf8), head] {
      for isSender in [false, true] {
        let (left, right) = try DescriptorStream.makePair()
        try piece.withUnsafeBytes { try right.write($0) }
        try right.finish()
        let error = #expect(throws: ReplicationError.self) {
          if isSender {
            _ = try ReplicationSession.send(over: left, options: SendOptions(root: trees.source))
          } else {
            _ = try ReplicationSession.receive(
              over: left, options: ReceiveOptions(root: trees.destination))
          }
        }
        #expect(error?.message.contains("connection") == true)
        right.close()
      }
    }
    for greeting in ["SSH-2.0-OpenSSH_9.2\r\n", "GET / HTTP/1.1\r\n\r\n"] {
      let (left, right) = try DescriptorStream.makePair()
      try Array(greeting.utf8).withUnsafeBytes { try right.write($0) }
      let error = #expect(throws: ReplicationError.self) {
        try ReplicationSession.receive(
          over: left, options: ReceiveOptions(root: trees.destination))
      }
      #expect(error?.kind == .corrupt)
      right.close()
    }
  }

  @Test("A peer that says why it gives up is quoted, though it closes at once")
  func abortIsQuoted() throws {
    let trees = try TreePair()
    var random = SeededGenerator(seed: 1)
    try trees.write("a", random.bytes(8 << 20))
    let want = frame(.want, little(UInt32(0)))
    let whole = frame(.needWhole, [UInt8](repeating: 0, count: 12))
    for round in 0..<SampledCounts.count(sampled: 20, full: 300) {
      let result = try SessionRun.send(SendOptions(root: trees.source)) { peer in
        try peer.await(.directories)
        try peer.send(want + whole)
        if round % 2 == 0 { try peer.await(.data) }
        let message = AbortMessage(kind: .failed, text: "no space left")
        try peer.send(frame(.abort, message.encoded()))
        peer.stream.close()
      }
      guard case .failure(let error as ReplicationError) = result else {
        Issue.record("\(result)")
        continue
      }
      #expect(error.message.contains("no space left"), "\(error)")
    }
  }

  @Test("A sender that goes right after the confirmation leaves a success behind")
  func leavesAfterConfirmation() throws {
    let fortress = try Fortress()
    for isAbrupt in [false, true] {
      let result = try SessionRun.receive(
        into: fortress.trees.destination, greeting: try SenderGreeting.tree(flags: [])
      ) { peer in
        let script = try SenderScript(peer)
        try script.give("", [])
        try peer.send(script.walkEndFrame())
        try peer.await(.acknowledgement)
        if isAbrupt { peer.stream.abort() } else { peer.leave() }
      }
      _ = try result.get()
    }
  }

  @Test("No thread of a session outlives it, however it ends")
  func threadsEnd() throws {
    // Other tests run sessions at the same time: their threads come and go, leaked ones stay.
    let trees = try TreePair()
    var random = SeededGenerator(seed: 2)
    for index in 0..<10 { try trees.write("file-\(index)", random.bytes(300_000)) }
    let before = try taskCount()
    for round in 0..<40 {
      let cut = 500 + round * 70_000
      _ = try trees.run {
        $0.send.compression = .none
        if round % 2 == 0 {
          $0.wrapSender = { CutStream($0, afterBytes: cut) }
        } else {
          $0.wrapReceiver = { CutStream($0, afterBytes: cut / 400) }
        }
      }
    }
    // A session has about a dozen threads: forty leaks would be hundreds.
    #expect(try taskCount() < before + 200)
  }

  @Test("A session that went well leaves no descriptor open")
  func descriptorsClose() throws {
    let trees = try TreePair()
    for index in 0..<20 { try trees.write("file-\(index)", [UInt8](repeating: 1, count: 50_000)) }
    weak var stream: (any ByteStream)?
    _ = try trees.run {
      $0.wrapSender = { inner in
        stream = inner
        return inner
      }
    }.summary()
    #expect(stream == nil)
  }

  private func taskCount() throws -> Int {
    try ByteFiles.names(in: Array("/proc/self/task".utf8)).count
  }
}
