import Glibc
import Platform
import Replication
import Transport

/// The thread of the gate: accepts, looks at what peers say first, and passes them on.
final class GateLoop: @unchecked Sendable {
  /// Peers that have not said who they are; one more, and the oldest has to go.
  private static let silentCountMax = 128
  /// A peer speaks at once: one round trip, and another for what was lost.
  private static let silentSeconds = 10.0
  /// How often sockets that could not be opened are tried again, and peers without time let go.
  private static let lookMilliseconds: Int32 = 1000
  private static let acceptCountMax = 32
  /// `POLLRDHUP` of poll(2): the peer sends no more.
  private static let endOfPeer: Int32 = 0x2000

  private struct Silent {
    var connection: SharedDescriptor
    var name: String
    var deadline: MonotonicTime
  }

  private let table: GateTable
  private let answerer: GateAnswerer
  private let refused: ListeningGate.Refused
  private let control: Pipe
  private let lock = Lock()
  // Guarded by `lock`.
  private var again: [(connection: SharedDescriptor, name: String)] = []
  private var isStopped = false
  private var thread: Thread<Void>?
  // Of the thread alone.
  private var silent: [Silent] = []
  private var buffer = [UInt8](repeating: 0, count: ClientHello.sizeBytesMax)
  private var lastNotice: MonotonicTime?

  init(_ table: GateTable, refused: @escaping ListeningGate.Refused) throws(PlatformError) {
    self.table = table
    self.refused = refused
    answerer = GateAnswerer()
    control = try Pipe()
    try control.write.setNonblocking()
    try control.read.setNonblocking()
  }

  /// Starts the thread; of no effect when it runs.
  func start() {
    lock.withLock {
      guard thread == nil, !isStopped else { return }
      thread = Thread("gate") { [unowned self] in self.run() }
    }
  }

  /// Lets the thread look at everything anew; from any thread.
  func lookAgain() {
    var byte: UInt8 = 1
    // A full pipe wakes it as well.
    _ = retryingOnInterrupt { write(control.write.raw, &byte, 1) }
  }

  /// Decides about a connection anew that nobody has read from.
  func arrive(_ connection: SharedDescriptor, at name: String) {
    lock.withLock { again.append((connection, name)) }
  }

  func stop() {
    let thread = lock.withLock {
      isStopped = true
      defer { self.thread = nil }
      return self.thread
    }
    lookAgain()
    // It does not throw.
    try? thread?.join()
    answerer.stop()
  }

  private func run() {
    while !lock.withLock({ isStopped }) {
      let (listeners, hasFailed) = table.openListeners()
      let channels = table.channels()
      takeAgain()
      var entries = [pollfd(fd: control.read.raw, events: Int16(POLLIN), revents: 0)]
      func add(_ raw: Int32, _ events: Int32 = POLLIN) {
        entries.append(pollfd(fd: raw, events: Int16(events), revents: 0))
      }
      for (_, listener) in listeners { add(listener.descriptor) }
      for seat in channels { add(seat.channel?.descriptor.raw ?? -1) }
      for peer in silent { add(peer.connection.raw, POLLIN | GateLoop.endOfPeer) }
      let timeout = hasFailed || !silent.isEmpty ? GateLoop.lookMilliseconds : -1
      guard retryingOnInterrupt({ poll(&entries, nfds_t(entries.count), timeout) }) >= 0 else {
        refused("poll failed: \(PlatformError.reason(of: errno))")
        SystemClock().sleep(seconds: 0.1)
        continue
      }
      drainControl()
      for seat in channels { seat.noteTaken() }
      let first = 1 + listeners.count + channels.count
      listen(to: entries[first...].map(\.revents))
      for (index, place) in listeners.enumerated() where entries[1 + index].revents != 0 {
        accept(place.listener, place.name)
      }
    }
  }

  private func drainControl() {
    var bytes = [UInt8](repeating: 0, count: 64)
    while read(control.read.raw, &bytes, bytes.count) == bytes.count {}
  }

  /// What a run has left untaken has said who it is: it is looked at as if it had just come.
  private func takeAgain() {
    let left = lock.withLock {
      defer { again = [] }
      return again
    }
    for (connection, name) in left { admit(connection, name) }
  }

  private func accept(_ listener: Listener, _ name: String) {
    for _ in 0..<GateLoop.acceptCountMax {
      do throws(TransportError) {
        guard let connection = try listener.acceptNow() else { return }
        admit(connection, name)
      } catch {
        // Out of descriptors or memory: those who are silent give some back.
        tell("\(error)")
        if !silent.isEmpty { silent.removeFirst() }
        SystemClock().sleep(seconds: 0.05)
        return
      }
    }
  }

  private func admit(_ connection: SharedDescriptor, _ name: String) {
    if silent.count >= GateLoop.silentCountMax { silent.removeFirst() }
    silent.append(
      Silent(
        connection: connection, name: name,
        deadline: MonotonicTime.now().advanced(bySeconds: GateLoop.silentSeconds)))
  }

  /// Looks at those of the silent that have something to say, or have had their time.
  private func listen(to events: [Int16]) {
    let now = MonotonicTime.now()
    var rest: [Silent] = []
    for (index, peer) in silent.enumerated() {
      let happened = index < events.count ? Int32(events[index]) : 0
      if happened == 0 {
        if now < peer.deadline { rest.append(peer) } else { tell("a peer has said nothing") }
        continue
      }
      if isSettled(peer, happened) { continue }
      rest.append(peer)
    }
    silent = rest
  }

  private func isSettled(_ peer: Silent, _ happened: Int32) -> Bool {
    switch buffer.withUnsafeMutableBytes({ Connection.peek(peer.connection, $0) }) {
    case .gone: return true
    case .incomplete(let wanted):
      // One that has ended says no more.
      if happened & (GateLoop.endOfPeer | POLLHUP | POLLERR) != 0 { return true }
      Connection.setReadableSize(peer.connection, wanted)
      return false
    case .garbage: pass(peer, nil)
    case .hello(let hello): pass(peer, hello)
    }
    return true
  }

  private func pass(_ peer: Silent, _ hello: ClientHello?) {
    Connection.setReadableSize(peer.connection, 1)
    guard
      case .answered(let place, let absence) = table.decide(peer.connection, hello, to: peer.name)
    else { return }
    let isTaken = answerer.answer(peer.connection, place, absence) { [self] in tell($0) }
    if !isTaken { tell("too many peers at once") }
  }

  /// At most one line a second: whoever knocks must not fill the log.
  private func tell(_ text: String) {
    let isDue = lock.withLock {
      let now = MonotonicTime.now()
      if let lastNotice, now.seconds(since: lastNotice) < 1 { return false }
      lastNotice = now
      return true
    }
    if isDue { refused(text) }
  }
}
