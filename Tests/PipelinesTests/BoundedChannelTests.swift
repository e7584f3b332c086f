import Glibc
import Platform
import Testing

@testable import Pipelines

/// A channel keeps order and bounds, and nobody waits for ever on one that has ended.
@Suite struct BoundedChannelTests {
  @Test("Items come out in the order in which they went in")
  func order() throws {
    let channel = BoundedChannel<Int>(countMax: 3)
    let sender = Thread("sender") {
      for index in 0..<1000 { try channel.send(index) }
      channel.close()
    }
    var received: [Int] = []
    while let item = try channel.receive() { received.append(item) }
    try sender.join()
    #expect(received == Array(0..<1000))
    #expect(try channel.receive() == nil)
  }

  @Test("Every item of many senders goes to one of many receivers", arguments: [false, true])
  func manyThreads(refillsInBulk: Bool) throws {
    let channel = BoundedChannel<Int>(countMax: 8, weightMax: 20, refillsInBulk: refillsInBulk)
    let senders = (0..<4).map { number in
      Thread("sender") {
        for index in 0..<500 { try channel.send(number * 500 + index, weight: index % 7) }
      }
    }
    let receivers = (0..<3).map { _ in
      Thread<[Int]>("receiver") {
        var items: [Int] = []
        while let item = try channel.receive() { items.append(item) }
        return items
      }
    }
    for sender in senders { try sender.join() }
    channel.close()
    let all = try receivers.flatMap { try $0.join() }
    #expect(all.sorted() == Array(0..<2000))
  }

  @Test("A sender that waits for much room goes on, at the latest when nothing is inside")
  func refillInBulk() throws {
    // Of so little weight that three quarters of it are less than the item that waits.
    for weights in [Array(repeating: 1, count: 100), [9, 9, 1, 8, 10, 40, 3, 10]] {
      let channel = BoundedChannel<Int>(countMax: 16, weightMax: 10, refillsInBulk: true)
      let sender = Thread("sender") {
        for weight in weights { try channel.send(weight, weight: weight) }
        channel.close()
      }
      var received: [Int] = []
      while let weight = try channel.receive() { received.append(weight) }
      try sender.join()
      #expect(received == weights)
    }
  }

  @Test("A sender that waits is woken when a quarter of the channel is free, not before")
  func noWakeUpForOneItem() throws {
    let channel = BoundedChannel<Int>(countMax: 8, refillsInBulk: true)
    for number in 0..<8 { try channel.send(number) }
    let sender = Thread("sender") {
      for number in 8..<24 { try channel.send(number) }
    }
    func waitUntilBlocked() { while channel.blockedSenderCount == 0 { usleep(1000) } }
    waitUntilBlocked()
    #expect(try channel.receive() == 0)
    usleep(50_000)
    #expect(channel.blockedSenderCount == 1)
    #expect(try channel.sendIfRoom(-1))
    #expect(try channel.receive() == 1)
    #expect(try channel.receive() == 2)
    for number in 3..<8 { #expect(try channel.receive() == number) }
    #expect(try channel.receive() == -1)
    for number in 8..<24 { #expect(try channel.receive() == number) }
    try sender.join()
  }

  @Test("Count and weight bound what is inside")
  func bounds() throws {
    let channel = BoundedChannel<Int>(countMax: 3, weightMax: 100)
    #expect(try channel.sendIfRoom(1, weight: 60))
    #expect(try !channel.sendIfRoom(2, weight: 41))
    #expect(try channel.sendIfRoom(2, weight: 40))
    #expect(try channel.sendIfRoom(3, weight: 0))
    #expect(try !channel.sendIfRoom(4, weight: 0))
    #expect(try channel.receiveIfReady() == 1)
    #expect(try channel.sendIfRoom(4, weight: 60))
  }

  @Test("An item heavier than the bound passes when nothing else is inside")
  func heavyItem() throws {
    let channel = BoundedChannel<Int>(countMax: 3, weightMax: 10)
    #expect(try channel.sendIfRoom(1, weight: 500))
    #expect(try !channel.sendIfRoom(2, weight: 1))
    #expect(try channel.receive() == 1)
    #expect(try channel.sendIfRoom(2, weight: 1))
  }

  @Test("Closing lets the rest be received and refuses more")
  func closing() throws {
    let channel = BoundedChannel<Int>(countMax: 3)
    try channel.send(1)
    channel.close()
    #expect(throws: ChannelClosed.self) { try channel.send(2) }
    #expect(throws: ChannelClosed.self) { try channel.sendIfRoom(2) }
    #expect(try channel.receive() == 1)
    #expect(try channel.receive() == nil)
  }

  @Test("Failing wakes whoever waits and drops what is inside")
  func failing() throws {
    let full = BoundedChannel<Int>(countMax: 1)
    try full.send(1)
    let sender = Thread("sender") { try full.send(2) }
    let empty = BoundedChannel<Int>(countMax: 1)
    let receiver = Thread("receiver") { try empty.receive() }
    full.fail()
    empty.fail()
    #expect(throws: ChannelClosed.self) { try sender.join() }
    #expect(throws: ChannelClosed.self) { try receiver.join() }
    #expect(throws: ChannelClosed.self) { try full.receive() }
    #expect(throws: ChannelClosed.self) { try full.receiveIfReady() }
  }

  @Test("Items that are dropped or taken are let go")
  func release() throws {
    final class Token: Sendable {}
    weak var taken: Token?
    weak var dropped: Token?
    let channel = BoundedChannel<Token>(countMax: 2)
    try {
      let tokens = (Token(), Token())
      (taken, dropped) = tokens
      try channel.send(tokens.0)
      try channel.send(tokens.1)
    }()
    _ = try channel.receive()
    #expect(taken == nil)
    #expect(dropped != nil)
    channel.fail()
    #expect(dropped == nil)
  }

  @Test("A receiver with a deadline gives up, or takes what is there")
  func deadline() throws {
    let channel = BoundedChannel<Int>(countMax: 1)
    let past = MonotonicTime.now()
    let (none, timedOut) = try channel.receive(until: past)
    #expect(none == nil)
    #expect(timedOut)
    try channel.send(1)
    let (item, isLate) = try channel.receive(until: past)
    #expect(item == 1)
    #expect(!isLate)
    channel.close()
    let (end, isEndLate) = try channel.receive(until: past)
    #expect(end == nil)
    #expect(!isEndLate)
  }

  @Test("Waiting is charged to the stage that waits")
  func timers() throws {
    let channel = BoundedChannel<Int>(countMax: 1)
    let timer = StageTimer("test")
    _ = try channel.receive(
      until: MonotonicTime.now().advanced(bySeconds: 0.02), timer: timer)
    #expect(timer.inputWaitSeconds >= 0.015)
    try channel.send(1)
    let reader = Thread("reader") {
      SystemClock().sleep(seconds: 0.02)
      return try channel.receive()
    }
    try channel.send(2, timer: timer)
    #expect(try reader.join() == 1)
    #expect(timer.outputWaitSeconds > 0)
  }
}
