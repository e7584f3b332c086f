import FileTree
import Glibc
import Platform
import TestSupport
import Testing
import Transport

@testable import Replication

/// What the two ends of one session in this process came to.
struct SessionOutcome {
  var sender: Result<SessionSummary, any Error>
  var receiver: Result<SessionSummary, any Error>
  /// Changes that the sending end was told, as `change path`.
  var items: [String]
  /// Warnings that the sending end gave or was told.
  var warnings: [String]

  /// The sender's summary of a session that went well at both ends.
  func summary() throws -> SessionSummary {
    _ = try receiver.get()
    return try sender.get()
  }

  var senderError: (any Error)? { if case .failure(let error) = sender { error } else { nil } }
  var receiverError: (any Error)? { if case .failure(let error) = receiver { error } else { nil } }
}

/// One session between two threads of this process.
struct SessionRun {
  var send: SendOptions
  var receive: ReceiveOptions
  /// Puts something between an end and its stream.
  var wrapSender: (any ByteStream) -> any ByteStream = { $0 }
  var wrapReceiver: (any ByteStream) -> any ByteStream = { $0 }

  init(_ source: String, _ destination: String) {
    send = SendOptions(root: source)
    receive = ReceiveOptions(root: destination)
  }

  func run() throws -> SessionOutcome {
    let (left, right) = try DescriptorStream.makePair()
    let (sending, receiving) = (wrapSender(left), wrapReceiver(right))
    let events = EventLog()
    let (send, receive) = (send, receive)
    let watchdog = Watchdog {
      left.abort()
      right.abort()
    }
    defer { watchdog.end() }
    let receiver = Thread("receiver") {
      Result { try ReplicationSession.receive(over: receiving, options: receive) }
    }
    let sender = Result {
      try ReplicationSession.send(over: sending, options: send) { events.note($0) }
    }
    let received = try receiver.join()
    return SessionOutcome(
      sender: sender, receiver: received, items: events.items, warnings: events.warnings)
  }
}

/// Collects events. It has no lock: an engine tells one event at a time.
final class EventLog: @unchecked Sendable {
  private(set) var items: [String] = []
  private(set) var warnings: [String] = []
  private(set) var progressCount = 0

  func note(_ event: SessionEvent) {
    switch event {
    case .item(let change, let path): items.append("\(change) \(printable(path))")
    case .warning(let path, let message): warnings.append("\(printable(path)): \(message)")
    case .progress: progressCount += 1
    }
  }
}

/// Ends a session that hangs, so that the test fails instead of the whole run standing still.
final class Watchdog: @unchecked Sendable {
  private let lock = Lock()
  private let changed: Condition
  private var isOver = false
  private var thread: Thread<Void>?
  /// Far beyond what any session here takes, on a busy machine and under a sanitizer.
  private static let seconds = 240.0

  init(_ cut: @escaping @Sendable () -> Void) {
    changed = Condition(lock)
    thread = Thread("watchdog") { self.watch(cut) }
  }

  private func watch(_ cut: () -> Void) {
    if waitForEnd() { return }
    Issue.record("the session hangs")
    cut()
    precondition(waitForEnd(), "the session hangs even without its connection")
  }

  private func waitForEnd() -> Bool {
    lock.lock()
    defer { lock.unlock() }
    let end = MonotonicTime.now().advanced(bySeconds: Watchdog.seconds)
    while !isOver, changed.wait(until: end) {}
    return isOver
  }

  func end() {
    lock.withLock {
      isOver = true
      changed.broadcast()
    }
    do { try thread?.join() } catch { Issue.record(error) }
  }
}

/// A stream that breaks after a number of bytes written.
final class CutStream: ByteStream, @unchecked Sendable {
  private let inner: any ByteStream
  private let lock = Lock()
  private var bytesLeft: Int

  init(_ inner: any ByteStream, afterBytes count: Int) {
    self.inner = inner
    bytesLeft = count
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(TransportError) -> Int {
    do {
      return try inner.read(into: buffer)
    } catch .cancelled {
      throw lost(.read)
    } catch {
      throw error
    }
  }

  private func lost(_ operation: TransportOperation) -> TransportError {
    .connectionLost(
      PlatformError("read", "", errno: ECONNRESET), during: operation,
      peer: inner.peerDescription)
  }

  func write(_ buffer: UnsafeRawBufferPointer) throws(TransportError) {
    let count = lock.withLock {
      let count = min(bytesLeft, buffer.count)
      bytesLeft -= count
      return count
    }
    try inner.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    guard count == buffer.count else {
      inner.abort()
      throw lost(.write)
    }
  }

  func finish() throws(TransportError) { try inner.finish() }
  func close() { inner.close() }
  func abort() { inner.abort() }
  var peerDescription: String { inner.peerDescription }
  var wireBytes: WireBytes { inner.wireBytes }
}

/// A source and a destination directory below one temporary directory.
struct TreePair {
  let directory: TemporaryDirectory
  let source: String
  let destination: String

  /// `destination` is where the copy goes when not beside the source.
  init(destination: String? = nil) throws {
    directory = try TemporaryDirectory()
    source = try directory.makeDirectory("source")
    self.destination = try destination ?? directory.makeDirectory("destination")
  }

  /// A session from one to the other.
  func run(_ change: (inout SessionRun) -> Void = { _ in }) throws -> SessionOutcome {
    var run = SessionRun(source, destination)
    change(&run)
    return try run.run()
  }

  func differences(_ options: [String] = []) throws -> String {
    try RsyncJudge.differences(source: source, destination: destination, options: options)
  }

  func write(_ name: String, _ content: [UInt8], seconds: Int = 1_700_000_000) throws {
    let path = Array("\(source)/\(name)".utf8)
    try ByteFiles.write(path, content)
    try ByteFiles.setTime(path, seconds: seconds, nanoseconds: 0)
  }

  func read(_ name: String) throws -> [UInt8] {
    try ByteFiles.read(Array("\(destination)/\(name)".utf8))
  }

  /// Names in the destination that are Drover's own.
  func leftovers() throws -> [String] {
    try ByteFiles.walk(Array(destination.utf8)).map { String(decoding: $0, as: UTF8.self) }
      .filter { $0.contains(".~drover") }
  }
}
