import FileTree
import Pipelines
import Platform
package import Transport

/// One replication run over a connected stream.
package enum ReplicationSession {
  /// Sends `options.root` to the receiver at the other end; returns when the receiver has confirmed
  /// that everything is durable. Closes the stream.
  ///
  /// Blocking; runs its own threads, all of which have ended when it returns or throws.
  /// - Throws: `ReplicationError`, `TreeError`, `TransportError`.
  package static func send(
    over stream: any ByteStream, options: SendOptions,
    events: @escaping @Sendable (SessionEvent) -> Void = { _ in }
  ) throws -> SessionSummary {
    try SenderSession(stream: stream, options: options, events: inTurn(events)).run()
  }

  /// Receives into `options.root` what the sender at the other end has. Closes the stream.
  ///
  /// Blocking; runs its own threads, all of which have ended when it returns or throws.
  /// - Throws: `ReplicationError`, `TreeError`, `TransportError`.
  package static func receive(
    over stream: any ByteStream, options: ReceiveOptions,
    events: @escaping @Sendable (SessionEvent) -> Void = { _ in }
  ) throws -> SessionSummary {
    try ReceiverSession(stream: stream, options: options, events: inTurn(events)).run()
  }

  /// Engine threads tell events when they come; the handler gets one at a time.
  private static func inTurn(
    _ events: @escaping @Sendable (SessionEvent) -> Void
  ) -> @Sendable (SessionEvent) -> Void {
    let lock = Lock()
    return { event in lock.withLock { events(event) } }
  }
}

/// The threads of one end and how they stop: the first failure ends all of them, the peer is told,
/// and nothing is left running.
final class SessionThreads: @unchecked Sendable {
  private let latch: FailureLatch
  private let stream: any ByteStream
  private let output: RecordOutput
  private var threads: [Thread<Void>] = []
  private var timers: [StageTimer] = []
  private let lock = Lock()
  private let changed: Condition
  private var isReaderDone = false
  private var isWriterDone = false
  private var hasFailed = false
  /// Time that a failing end gives the peer to take note.
  private static let farewellSeconds = 3.0

  init(stream: any ByteStream, output: RecordOutput, latch: FailureLatch) {
    self.stream = stream
    self.output = output
    changed = Condition(lock)
    self.latch = latch
  }

  /// Starts a stage; a failure of it fails the session.
  func start(
    _ name: String, timer: StageTimer? = nil, _ body: @escaping @Sendable () throws -> Void
  ) {
    if let timer { timers.append(timer) }
    let latch = latch
    threads.append(
      Thread<Void>(name) {
        do { try body() } catch { latch.fail(error) }
      })
  }

  /// Starts the thread that reads from the stream.
  func startReader(_ body: @escaping @Sendable () throws -> Void) {
    let latch = latch
    start("wire read") {
      do { try body() } catch { latch.fail(error) }
      self.note { self.isReaderDone = true }
    }
  }

  /// Starts the thread that writes to the stream. On failure it has the last word: it tells the
  /// peer.
  func startWriter() {
    timers.append(output.timer)
    let latch = latch
    let output = output
    threads.append(
      Thread<Void>("wire write") {
        do {
          try output.run()
        } catch {
          // A peer that gives up says why before it closes: what the reader finds is the better
          // reason.
          if error is TransportError { self.waitForReader() }
          latch.fail(error)
        }
        if let failure = latch.failure { output.sayFarewell(failure) }
        self.note { self.isWriterDone = true }
      })
  }

  private func note(_ change: () -> Void) {
    lock.withLock {
      change()
      changed.broadcast()
    }
  }

  /// Returns when the reader has ended, or after the time of a farewell.
  private func waitForReader() {
    lock.lock()
    defer { lock.unlock() }
    let end = MonotonicTime.now().advanced(bySeconds: SessionThreads.farewellSeconds)
    while !isReaderDone, !hasFailed, changed.wait(until: end) {}
  }

  /// Waits for all stages. After a failure the reader gets a moment to see the peer's end and the
  /// writer one to tell the peer, then the stream is cut.
  func join() throws {
    let failed = Thread<Void>("watch") { self.cutAfterFailure() }
    for thread in threads { try thread.join() }
    note {
      isReaderDone = true
      isWriterDone = true
    }
    try failed.join()
    latch.disarm()
    try latch.check()
  }

  private func cutAfterFailure() {
    latch.onFailure {
      self.note { self.hasFailed = true }
    }
    lock.lock()
    defer { lock.unlock() }
    while !hasFailed, !(isReaderDone && isWriterDone) { changed.wait() }
    let end = MonotonicTime.now().advanced(bySeconds: SessionThreads.farewellSeconds)
    while !(isReaderDone && isWriterDone), changed.wait(until: end) {}
    if !(isReaderDone && isWriterDone) { stream.abort() }
  }

  /// Times of all stages, of equal names added up, and the one that was busiest.
  func fill(_ summary: inout SessionSummary) {
    var stages: [StageTime] = []
    for timer in timers {
      let time = StageTime(
        stage: timer.stage, busySeconds: timer.busySeconds,
        inputWaitSeconds: timer.inputWaitSeconds, outputWaitSeconds: timer.outputWaitSeconds)
      if let index = stages.firstIndex(where: { $0.stage == time.stage }) {
        if time.busySeconds > stages[index].busySeconds { stages[index] = time }
      } else {
        stages.append(time)
      }
    }
    summary.stages = stages
    summary.bottleneck = stages.max { $0.busySeconds < $1.busySeconds }?.stage
  }
}
