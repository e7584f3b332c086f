import Platform
import Replication
import Transport

/// Answers peers that no mover takes: a handshake each, then why not. A few at a time.
final class GateAnswerer: @unchecked Sendable {
  private static let threadCountMax = 16
  private static let waitingCountMax = 64
  /// A peer that holds its key needs one round trip.
  private static let handshakeSeconds = 5.0
  private static let idleSeconds = 5.0

  private struct Task {
    var connection: SharedDescriptor
    var place: GateTable.Place
    var absence: ListeningGate.Absence?
    var refused: (String) -> Void
  }

  private let lock = Lock()
  private let changed: Condition
  // Guarded by `lock`.
  private var tasks: [Task] = []
  private var threadCount = 0
  private var wakeups: [UInt64: Wakeup] = [:]
  private var lastNumber: UInt64 = 0
  private var isStopped = false

  init() { changed = Condition(lock) }

  /// False when too many wait.
  func answer(
    _ connection: SharedDescriptor, _ place: GateTable.Place, _ absence: ListeningGate.Absence?,
    refused: @escaping (String) -> Void
  ) -> Bool {
    let isNew = lock.withLock { () -> Bool? in
      guard !isStopped, tasks.count < GateAnswerer.waitingCountMax else { return nil }
      tasks.append(
        Task(connection: connection, place: place, absence: absence, refused: refused))
      guard threadCount < GateAnswerer.threadCountMax else { return false }
      threadCount += 1
      return true
    }
    guard let isNew else { return false }
    if isNew { startDetachedThread("answer", stackSizeBytes: 512 << 10) { [self] in work() } }
    return true
  }

  /// Ends all answers and waits for them.
  func stop() {
    let wakeups = lock.withLock {
      isStopped = true
      tasks = []
      return Array(self.wakeups.values)
    }
    for wakeup in wakeups { wakeup.signal() }
    lock.withLock {
      while threadCount > 0 { changed.wait() }
    }
  }

  private func work() {
    while let task = next() { answer(task) }
  }

  /// Nil ends the thread.
  private func next() -> Task? {
    lock.withLock {
      if !isStopped, !tasks.isEmpty { return tasks.removeFirst() }
      threadCount -= 1
      changed.broadcast()
      return nil
    }
  }

  private func answer(_ task: Task) {
    do {
      let wakeup = try Wakeup()
      let number = enter(wakeup)
      defer { lock.withLock { wakeups[number] = nil } }
      var timeouts = StreamTimeouts(timeoutSeconds: GateAnswerer.idleSeconds)
      timeouts.handshakeSeconds = GateAnswerer.handshakeSeconds
      let connection = try Connection.adopting(task.connection, wakeup: wakeup)
      let stream = try TLSStream(
        connection, context: .server(task.place.keys), timeouts: timeouts)
      let absence = task.absence ?? ListeningGate.Absence("it does not receive", seconds: 5)
      ReplicationSession.decline(
        stream, fence: task.place.entry.fence,
        because: .notReady(
          seconds: absence.seconds, reason: "\(task.place.entry.key) \(absence.reason)"))
    } catch {
      task.refused("\(error)")
    }
  }

  private func enter(_ wakeup: Wakeup) -> UInt64 {
    let (number, isLate) = lock.withLock {
      lastNumber += 1
      wakeups[lastNumber] = wakeup
      return (lastNumber, isStopped)
    }
    if isLate { wakeup.signal() }
    return number
  }
}
