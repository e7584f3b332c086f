import FileTree
import Platform
import TestSupport
import Testing

@testable import Replication

/// A session that does not get on ends; one in which somebody works does not.
@Suite struct PatienceTests {
  /// Looks at a watch with limits of 10 s and 100 s; gives the second in which the session ended.
  private func end(
    activity: SessionActivity = SessionActivity(), seconds: Int = 200,
    _ heartbeat: (Int) -> FrameType?
  ) -> Int? {
    let start = MonotonicTime(nanoseconds: 0)
    var watch = StallWatch(
      Patience(stallSeconds: 10, busySeconds: 100), activity, now: start)
    for second in 1...seconds {
      do {
        try watch.note(
          heartbeat: heartbeat(second), now: start.advanced(bySeconds: Double(second)))
      } catch {
        #expect(error.kind == .unreachable)
        return second
      }
    }
    return nil
  }

  @Test("Heartbeats alone end a session, each kind at its limit")
  func limits() {
    #expect(end { _ in .ping } == 11)
    #expect(end { _ in .busy } == 101)
    #expect(end { _ in .working } == nil)
    #expect(end { $0 == 5 ? nil : .ping } == 16)
    #expect(end { $0 == 5 ? .working : .ping } == 16)
    // The end of a long call shows in the record that follows; a ping without one is a stall.
    #expect(end { $0 < 50 ? .busy : .ping } == 50)
  }

  @Test("Work of this end counts, and so does a long call of it")
  func ownWork() {
    let activity = SessionActivity()
    #expect(
      end(activity: activity) { second in
        if second < 60 { activity.step() }
        return .ping
      } == 70)
    #expect(activity.busy { end(activity: activity) { _ in .ping } } == 101)
    #expect(!activity.isBusy)
  }

  private let short = Patience(stallSeconds: 0.4, busySeconds: 30)

  /// Sends a heartbeat ten times a second, for so long or until the other end has had enough.
  private func beat(_ type: FrameType, _ peer: ScriptedPeer, seconds: Double) throws {
    for _ in 0..<Int(seconds * 10) {
      try peer.send(frame(type, []))
      SystemClock().sleep(seconds: 0.1)
    }
  }

  @Test("A sender that only pings ends the receiver as unreachable, whatever it was asked for")
  func pingingSender() throws {
    let fortress = try Fortress()
    for step in 0..<3 {
      let result = try SessionRun.receive(
        into: fortress.trees.destination, greeting: try SenderGreeting.tree(flags: []),
        patience: short
      ) { peer in
        let script = try SenderScript(peer)
        let file = EntryBytes(kind: .regular, name: "new", size: 10)
        if step == 1 { try script.announce("", [file]) }
        if step == 2 { try script.give("", [file]) }
        try beat(.ping, peer, seconds: 60)
      }
      guard case .failure(ReplicationError.stalled) = result else {
        Issue.record("step \(step): \(result)")
        continue
      }
    }
  }

  @Test("A receiver that only pings ends the sender as unreachable, whatever it has asked for")
  func pingingReceiver() throws {
    let trees = try TreePair()
    try trees.write("a", [1, 2, 3])
    var options = SendOptions(root: trees.source)
    options.patience = short
    for step in 0..<3 {
      let result = try SessionRun.send(options) { peer in
        if step > 0 {
          try peer.await(.directories)
          try peer.send(frame(step == 1 ? .want : .answered, little(UInt32(step == 1 ? 0 : 1))))
          try peer.await(step == 1 ? .list : .walkEnd)
        }
        try beat(.ping, peer, seconds: 60)
      }
      guard case .failure(ReplicationError.stalled) = result else {
        Issue.record("step \(step): \(result)")
        continue
      }
    }
  }

  @Test("A receiver at work is waited for", arguments: [FrameType.working, .busy])
  func workingReceiver(_ type: FrameType) throws {
    let trees = try TreePair()
    try trees.write("a", [1, 2, 3])
    var options = SendOptions(root: trees.source)
    options.patience = short
    let result = try SessionRun.send(options) { peer in
      try peer.await(.directories)
      try peer.send(frame(.answered, little(UInt32(1))))
      let digest = try peer.await(.walkEnd).suffix(32)
      try beat(type, peer, seconds: 1.2)
      let counts = [UInt8](repeating: 0, count: Acknowledgement.size - 32)
      try peer.send(frame(.acknowledgement, digest + counts))
      try peer.await(.goodbye)
    }
    _ = try result.get()
  }

  @Test("A heartbeat is a record of its own: in others it is refused")
  func hiddenHeartbeats() throws {
    let fortress = try Fortress()
    let result = try SessionRun.receive(
      into: fortress.trees.destination, greeting: try SenderGreeting.tree(flags: [])
    ) { try $0.send(frame(.ping, []) + frame(.ping, [])) }
    #expect(throws: ReplicationError.self) { try result.get() }
    let trees = try TreePair()
    try trees.write("a", [1])
    let sent = try SessionRun.send(SendOptions(root: trees.source)) {
      try $0.send(frame(.ping, []) + frame(.ping, []))
    }
    #expect(throws: ReplicationError.self) { try sent.get() }
  }
}
