import Manifests
import Platform

/// The share of one run in the gate: connections that have come for its destination, until its
/// mover has taken them.
final class GateSeat: @unchecked Sendable {
  private static let waitingCountMax = 16

  let key: ObjectKey
  let address: HostPort
  /// The address as it was asked for, by which the gate knows its listener.
  let placeName: String
  private let lock = Lock()
  private let changed: Condition
  // Guarded by `lock`.
  /// Not sent, or sent and not taken, in the order of their coming.
  private var waiting: [SharedDescriptor] = []
  private var sentCount = 0
  private var current: DescriptorChannel?
  private var isCancelled = false
  private var hasEnded = false

  init(_ key: ObjectKey, address: HostPort, placeName: String) {
    self.key = key
    self.address = address
    self.placeName = placeName
    changed = Condition(lock)
  }

  /// To the mover at work; nil while there is none.
  var channel: DescriptorChannel? { lock.withLock { current } }

  /// Waits for the first peer; false after ``cancel()``.
  func waitForArrival() -> Bool {
    lock.withLock {
      while waiting.isEmpty, !isCancelled { changed.wait() }
      return !isCancelled
    }
  }

  func cancel() {
    lock.withLock {
      isCancelled = true
      changed.broadcast()
    }
  }

  /// Takes a connection for the run; false when it cannot have it.
  func hand(_ connection: SharedDescriptor) -> Bool {
    lock.withLock {
      guard !hasEnded, !isCancelled, waiting.count < GateSeat.waitingCountMax else { return false }
      waiting.append(connection)
      sendWaiting()
      changed.broadcast()
      return true
    }
  }

  /// Gives the mover what has come so far, and from now on what comes.
  func start(_ channel: DescriptorChannel) {
    lock.withLock {
      current = channel
      sendWaiting()
    }
  }

  private func sendWaiting() {
    guard let current else { return }
    while sentCount < waiting.count, current.send(waiting[sentCount]) { sentCount += 1 }
  }

  /// Lets go of what the mover has taken: a connection ends with its last holder.
  func noteTaken() {
    lock.withLock {
      guard let current else { return }
      let count = min(current.takenCount(), sentCount)
      waiting.removeFirst(count)
      sentCount -= count
      sendWaiting()
    }
  }

  /// Ends the share; what no mover has taken.
  func end() -> [SharedDescriptor] {
    noteTaken()
    return lock.withLock {
      hasEnded = true
      current = nil
      defer { waiting = [] }
      return waiting
    }
  }
}
