package import Platform

/// A closed channel was sent to, or a failed one was used.
package struct ChannelClosed: Error {
  package init() {}
}

/// A queue between two stages, bounded by count and by weight in bytes.
///
/// Any number of threads may send and receive. An item heavier than the whole bound passes when the
/// channel is empty, so that nothing can wait for ever.
package final class BoundedChannel<Item: Sendable>: @unchecked Sendable {
  private let lock = Lock()
  private let readable: Condition
  private let writable: Condition
  private let countMax: Int
  private let weightMax: Int
  private let refillsInBulk: Bool
  private var items: [(item: Item, weight: Int)?]
  private var head = 0
  private var count = 0
  private var weight = 0
  private var closed = false
  private var failed = false
  private var blockedSenders = 0

  /// With `refillsInBulk` a sender that has found the channel full waits until a quarter of it is
  /// free: two threads that wake each other for every item cost more than the items. Whoever
  /// receives must take all there is then, whatever the sender does.
  package init(countMax: Int, weightMax: Int = .max, refillsInBulk: Bool = false) {
    precondition(countMax > 0 && weightMax > 0)
    self.refillsInBulk = refillsInBulk
    self.countMax = countMax
    self.weightMax = weightMax
    self.items = Array(repeating: nil, count: countMax)
    self.readable = Condition(lock)
    self.writable = Condition(lock)
  }

  private func isFull(for weight: Int) -> Bool {
    count == countMax || (count > 0 && self.weight + weight > weightMax)
  }

  /// Threads that wait for room.
  package var blockedSenderCount: Int { lock.withLock { blockedSenders } }

  private var isRoomy: Bool {
    count == 0 || count <= countMax - countMax / 4 && weight <= weightMax - weightMax / 4
  }

  /// Blocks while the channel is full. `timer` is charged with the time waited.
  package func send(_ item: Item, weight: Int = 0, timer: StageTimer? = nil) throws(ChannelClosed) {
    lock.lock()
    defer { lock.unlock() }
    if isFull(for: weight), !closed, !failed {
      let start = MonotonicTime.now()
      blockedSenders += 1
      while isFull(for: weight), !closed, !failed { writable.wait() }
      blockedSenders -= 1
      timer?.addOutputWait(since: start)
    }
    if closed || failed { throw ChannelClosed() }
    items[(head + count) % countMax] = (item, weight)
    count += 1
    self.weight += weight
    readable.signal()
  }

  /// Sends without blocking; false when the channel is full.
  package func sendIfRoom(_ item: Item, weight: Int = 0) throws(ChannelClosed) -> Bool {
    lock.lock()
    defer { lock.unlock() }
    if closed || failed { throw ChannelClosed() }
    if isFull(for: weight) { return false }
    items[(head + count) % countMax] = (item, weight)
    count += 1
    self.weight += weight
    readable.signal()
    return true
  }

  /// Blocks until there is an item; nil when the channel is closed and empty.
  package func receive(timer: StageTimer? = nil) throws(ChannelClosed) -> Item? {
    try receive(until: nil, timer: timer).item
  }

  /// As ``receive(timer:)``, but gives up at `deadline`.
  package func receive(
    until deadline: MonotonicTime?, timer: StageTimer? = nil
  ) throws(ChannelClosed) -> (item: Item?, timedOut: Bool) {
    lock.lock()
    defer { lock.unlock() }
    if count == 0, !closed, !failed {
      let start = MonotonicTime.now()
      defer { timer?.addInputWait(since: start) }
      while count == 0, !closed, !failed {
        guard let deadline else {
          readable.wait()
          continue
        }
        if !readable.wait(until: deadline), count == 0, !closed, !failed { return (nil, true) }
      }
    }
    if failed { throw ChannelClosed() }
    return (takeFirst(), false)
  }

  /// The next item if there is one now.
  package func receiveIfReady() throws(ChannelClosed) -> Item? {
    lock.lock()
    defer { lock.unlock() }
    if failed { throw ChannelClosed() }
    return takeFirst()
  }

  private func takeFirst() -> Item? {
    guard count > 0, let first = items[head] else { return nil }
    items[head] = nil
    head = (head + 1) % countMax
    count -= 1
    weight -= first.weight
    if !refillsInBulk || isRoomy { writable.broadcast() }
    return first.item
  }

  /// No more items come; what is inside can still be received.
  package func close() {
    lock.withLock {
      closed = true
      readable.broadcast()
      writable.broadcast()
    }
  }

  /// Drops what is inside; every call under way and later throws.
  package func fail() {
    lock.withLock {
      failed = true
      for index in items.indices { items[index] = nil }
      count = 0
      weight = 0
      readable.broadcast()
      writable.broadcast()
    }
  }
}
