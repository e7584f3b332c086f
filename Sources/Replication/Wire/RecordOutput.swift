import FileTree
import Pipelines
import Platform
import Transport

/// The writing side of a session: one thread that takes records from all builders and writes them.
final class RecordOutput: @unchecked Sendable {
  let pool: BufferPool
  let activity = SessionActivity()
  private var lastSteps: UInt64 = 0
  private let stream: any ByteStream
  private let channel: BoundedChannel<Record>
  private let control: CompressionControl?
  private var pacer: Pacer?
  let timer = StageTimer("wire write")
  private var lastWaitedSeconds = 0.0
  private var lastReceiverLimitedSeconds = 0.0
  /// A peer that hears nothing for its time-out gives up, so a ping goes out well before.
  private static let pingSeconds = 5.0

  init(
    stream: any ByteStream, latch: FailureLatch, bytesPerSecondMax: Int? = nil,
    control: CompressionControl? = nil
  ) {
    self.stream = stream
    self.control = control
    pool = BufferPool(
      sizeBytes: WireLimits.recordWireSizeMax + RecordHeader.size, countMax: 24)
    channel = BoundedChannel(countMax: 8)
    pacer = bytesPerSecondMax.map { Pacer(bytesPerSecond: $0) }
    let (pool, channel) = (pool, channel)
    latch.onFailure {
      pool.fail()
      channel.fail()
    }
  }

  func send(_ record: Record, timer: StageTimer?) throws {
    try channel.send(record, timer: timer)
  }

  /// No more records come.
  func close() { channel.close() }

  /// The writer thread's body: until the channel is closed.
  func run() throws {
    timer.start()
    defer { timer.stop() }
    while true {
      let deadline = MonotonicTime.now().advanced(bySeconds: RecordOutput.pingSeconds)
      let (record, timedOut) = try channel.receive(until: deadline, timer: timer)
      if timedOut {
        try writeHeartbeat()
        continue
      }
      guard let record else { return }
      try write(record)
      pool.giveBack(record.buffer)
      activity.step()
      lastSteps = activity.stepCount
    }
  }

  private func write(_ record: Record) throws {
    let header = RecordHeader(
      wireSize: record.buffer.count, rawSize: record.rawSize, lane: record.lane,
      isCompressed: record.isCompressed)
    // The header goes in front of small records in one call; large ones are not moved for it.
    let start = MonotonicTime.now()
    let startCPU = threadCPUNanoseconds()
    pacer?.pace(RecordHeader.size + min(record.buffer.count, RecordOutput.inlineMax))
    try withUnsafeTemporaryAllocation(byteCount: RecordOutput.inlineMax, alignment: 8) { small in
      let base = small.baseAddress.unsafelyUnwrapped
      header.encode(into: base)
      let inline = min(record.buffer.count, RecordOutput.inlineMax - RecordHeader.size)
      (base + RecordHeader.size).copyMemory(
        from: record.buffer.bytes.baseAddress.unsafelyUnwrapped, byteCount: inline)
      try stream.write(
        UnsafeRawBufferPointer(start: base, count: RecordHeader.size + inline))
      try writeRest(UnsafeRawBufferPointer(rebasing: record.buffer.filled[inline...]))
    }
    let cpuSeconds = Double(threadCPUNanoseconds() - startCPU) / 1e9
    let waited = timer.inputWaitSeconds
    // Less to write does not help a peer that is slow to read.
    let receiverLimited = stream.receiverLimitedSeconds
    let blocked =
      MonotonicTime.now().seconds(since: start) - cpuSeconds
      - (receiverLimited - lastReceiverLimitedSeconds)
    lastReceiverLimitedSeconds = receiverLimited
    control?.recordWrite(
      bytes: record.buffer.count, blockedSeconds: max(0, blocked),
      waitedSeconds: waited - lastWaitedSeconds)
    lastWaitedSeconds = waited
  }

  private static let inlineMax = 16 << 10

  /// With a limit the bytes go out in small pieces, so that the peer hears something all the time.
  private func writeRest(_ bytes: UnsafeRawBufferPointer) throws {
    guard pacer != nil else {
      if !bytes.isEmpty { try stream.write(bytes) }
      return
    }
    var done = 0
    while done < bytes.count {
      let count = min(RecordOutput.inlineMax, bytes.count - done)
      pacer?.pace(count)
      try stream.write(UnsafeRawBufferPointer(rebasing: bytes[done..<done + count]))
      done += count
    }
  }

  /// Says that this end is alive, and whether it has got on or is in a call that lasts.
  private func writeHeartbeat() throws {
    let steps = activity.stepCount
    defer { lastSteps = steps }
    let type: FrameType = steps != lastSteps ? .working : activity.isBusy ? .busy : .ping
    try writeFrame(type, [])
  }

  /// Tells the peer why this end gives up, unless the connection itself is what failed. A record
  /// under way is complete by now: this is the thread that writes.
  func sayFarewell(_ failure: any Error) {
    if failure is TransportError { return stream.abort() }
    do {
      if case ReplicationError.peer = failure {
      } else {
        try writeFrame(.abort, AbortMessage(failure).encoded())
      }
      try stream.finish()
    } catch {
      stream.abort()
    }
  }

  /// Says that nothing more comes, and ends the writing side.
  func sayGoodbye() throws {
    try writeFrame(.goodbye, [])
    try stream.finish()
  }

  /// Writes one frame as a record of its own; for the writer's thread, or after its end.
  private func writeFrame(_ type: FrameType, _ body: [UInt8]) throws {
    let size = 4 + body.count
    try withUnsafeTemporaryAllocation(byteCount: RecordHeader.size + size, alignment: 8) { bytes in
      var writer = PointerWriter(bytes.baseAddress.unsafelyUnwrapped)
      RecordHeader(wireSize: size, rawSize: size, lane: 0, isCompressed: false).encode(
        into: bytes.baseAddress.unsafelyUnwrapped)
      writer = PointerWriter(bytes.baseAddress.unsafelyUnwrapped + RecordHeader.size)
      writer.put(UInt32(body.count) | UInt32(type.rawValue) << 24)
      body.withUnsafeBytes { writer.put($0) }
      try stream.write(UnsafeRawBufferPointer(bytes))
    }
  }
}
