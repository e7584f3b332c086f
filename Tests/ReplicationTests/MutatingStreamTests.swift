import Platform
import TestSupport
import Testing
import Transport

@testable import Replication

/// Sits behind an honest end and damages its records: bits, lengths, types, order.
final class MutatingStream: ByteStream, @unchecked Sendable {
  private let inner: any ByteStream
  private let lock = Lock()
  private var random: SeededGenerator
  private let rate: Double
  private var waiting: [UInt8] = []
  private var isGreeted = false
  private var held: [UInt8]?

  init(_ inner: any ByteStream, seed: UInt64, rate: Double) {
    self.inner = inner
    random = SeededGenerator(seed: seed)
    self.rate = rate
  }

  func write(_ buffer: UnsafeRawBufferPointer) throws(TransportError) {
    let output = lock.withLock { () -> [UInt8] in
      waiting.append(contentsOf: buffer)
      var output: [UInt8] = []
      while let message = takeMessage() {
        output += isGreeted ? damaged(message) : message
        isGreeted = true
      }
      return output
    }
    do {
      try output.withUnsafeBytes { try inner.write($0) }
    } catch let error as TransportError {
      throw error
    } catch {
      throw .cancelled
    }
  }

  /// The greeting, or a whole record with its header.
  private func takeMessage() -> [UInt8]? {
    func word(_ offset: Int) -> Int {
      (0..<4).reduce(0) { $0 | Int(waiting[offset + $1]) << (8 * $1) }
    }
    let size: Int
    if isGreeted {
      guard waiting.count >= RecordHeader.size else { return nil }
      size = RecordHeader.size + word(0)
    } else {
      guard waiting.count >= Greeting.headSize else { return nil }
      size = Greeting.headSize + word(12)
    }
    guard waiting.count >= size else { return nil }
    defer { waiting.removeFirst(size) }
    return [UInt8](waiting[..<size])
  }

  private func damaged(_ record: [UInt8]) -> [UInt8] {
    let before = held ?? []
    held = nil
    guard random.chance(rate) else { return record + before }
    var header = [UInt8](record[..<RecordHeader.size])
    var body = [UInt8](record[RecordHeader.size...])
    switch random.below(10) {
    case 0: header[random.below(header.count)] = UInt8(truncatingIfNeeded: random.next())
    case 1: body.removeLast(random.below(body.count))
    case 2: body += random.bytes(1 + random.below(40))
    case 3: return record + record + before
    case 4: return before
    case 5:
      held = record
      return before
    case 6: body[min(3, body.count - 1)] = UInt8(random.below(64))
    case 7:
      let extreme = random.pick([0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] as [UInt32])
      if body.count >= 8 {
        let offset = 4 + random.below(body.count - 7)
        body.replaceSubrange(offset..<offset + 4, with: little(extreme))
      }
    case 8: header[8] = UInt8(random.below(4))
    default:
      for _ in 0..<(1 + random.below(8)) {
        body[random.below(body.count)] ^= UInt8(1 << random.below(8))
      }
    }
    if body.count != record.count - RecordHeader.size {
      header.replaceSubrange(0..<4, with: little(UInt32(body.count)))
      if header[9] == 0 { header.replaceSubrange(4..<8, with: little(UInt32(body.count))) }
    }
    return header + body + before
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(TransportError) -> Int {
    try inner.read(into: buffer)
  }
  func finish() throws(TransportError) { try inner.finish() }
  func close() { inner.close() }
  func abort() { inner.abort() }
  var peerDescription: String { inner.peerDescription }
  var wireBytes: WireBytes { inner.wireBytes }
}

/// Damaged sessions between honest ends come to an end, with an error of our own, and touch nothing
/// else.
@Suite struct MutatingStreamTests {
  @Test(
    "Sessions with damaged records end",
    arguments: [false, true].flatMap { side in
      [Way.standard, .inPlace, .checksum].map { (side, $0) }
    })
  func damagedSessions(_ isSender: Bool, _ way: Way) throws {
    let fortress = try Fortress()
    let trees = fortress.trees
    var random = SeededGenerator(seed: 70)
    try trees.write("basis", random.bytes(120_000))
    try trees.write("new", random.bytes(300_000))
    try trees.write("small", random.bytes(3000))
    for index in 0..<5 {
      _ = try trees.directory.makeDirectory("source/d\(index)")
      try trees.write("d\(index)/file", random.bytes(50_000))
    }
    for seed in 0..<SampledCounts.count(sampled: 25, full: 200) {
      // Something to do for a delta in each round, however the one before has ended.
      try ByteFiles.write(
        Array("\(trees.destination)/basis".utf8), random.bytes(110_000 + random.below(20_000)))
      let (left, right) = try DescriptorStream.makePair()
      let seed64 = UInt64(seed) * 7 + 3
      let sending: any ByteStream =
        isSender ? MutatingStream(left, seed: seed64, rate: 0.25) : left
      let receiving: any ByteStream =
        isSender ? right : MutatingStream(right, seed: seed64, rate: 0.25)
      var send = SendOptions(root: trees.source)
      send.compression = seed % 2 == 0 ? .none : .level(1)
      send.inPlace = way == .inPlace
      send.checksum = way == .checksum
      send.itemizeChanges = true
      let options = send
      // A record that was dropped leaves both waiting for it: that is cut short.
      let cutter = Cutter(seconds: 0.5) {
        left.abort()
        right.abort()
      }
      let receiver = Thread("receiver") {
        Result {
          try ReplicationSession.receive(
            over: receiving, options: ReceiveOptions(root: trees.destination))
        }
      }
      let sent = Result { try ReplicationSession.send(over: sending, options: options) }
      let received = try receiver.join()
      cutter.end()
      for result in [sent, received] {
        if case .failure(let error) = result {
          #expect(error is any DroverError, "seed \(seed): \(error)")
        }
      }
      try fortress.check("seed \(seed)")
    }
    // After all of that a clean run makes it right.
    _ = try trees.run().summary()
    #expect(try trees.differences() == "")
    #expect(try trees.leftovers() == [])
  }
}

/// Does something after a while unless it is ended before.
final class Cutter: @unchecked Sendable {
  private let lock = Lock()
  private let changed: Condition
  private var isOver = false
  private var thread: Thread<Void>?

  init(seconds: Double, _ body: @escaping @Sendable () -> Void) {
    changed = Condition(lock)
    thread = Thread("cutter") {
      self.lock.lock()
      let end = MonotonicTime.now().advanced(bySeconds: seconds)
      while !self.isOver, self.changed.wait(until: end) {}
      let isOver = self.isOver
      self.lock.unlock()
      if !isOver { body() }
    }
  }

  func end() {
    lock.withLock {
      isOver = true
      changed.broadcast()
    }
    do { try thread?.join() } catch { Issue.record(error) }
  }
}
