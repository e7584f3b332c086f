import Glibc
import Platform
import Transport

/// How one connection of a stock peer has ended.
struct DaemonOutcome: Sendable {
  /// The module it asked for; nil when it ended before.
  var module: String?
  var exitCode: Int32
  var log = TransferLog()
  var wire = WireBytes()
  /// Why the way to the peer broke.
  var failure: TransportError?
  /// The run deletes were refused for.
  var wasGuarded = false

  var isDone: Bool { exitCode == 0 }
}

/// One connection of a stock peer, served by a child `rsync --server --daemon`. The thread that
/// calls ``run()`` starts the child, whose life depends on it, and waits for it.
final class DaemonConnection: Sendable {
  /// How long a peer may take to close after rsync has ended.
  private static let closeSeconds = 5.0
  /// How long rsync may take to end by itself, with its temporary files, when it is told to.
  private static let graceSeconds = 5.0

  private let program: RsyncProgram
  private let settingsFile: String
  private let stream: any ByteStream
  private let cancellation: Wakeup

  init(
    _ program: RsyncProgram, settingsFile: String, stream: any ByteStream
  ) throws(PlatformError) {
    self.program = program
    self.settingsFile = settingsFile
    self.stream = stream
    cancellation = try Wakeup()
  }

  /// Ends it soon, from any thread.
  func cancel() { cancellation.signal() }

  /// Serves to the end. `progress` is called with each line of the log, on a thread of its own.
  func run(progress: @escaping @Sendable (TransferLog) -> Void) throws -> DaemonOutcome {
    let state = ConnectionState()
    let (process, ours, logEnd) = try start()
    let inner: DescriptorStream
    do {
      inner = try DescriptorStream(
        reading: ours, writing: ours, peerDescription: "rsync",
        timeouts: StreamTimeouts(timeoutSeconds: nil))
    } catch {
      process.signalGroup(SIGKILL)
      _ = process.reap()
      throw error
    }
    let relay = StreamRelay(inner: inner, outer: stream) { state.look(at: $0, process) }
    let reading = Thread("rsync log") { state.read(logEnd, progress) }
    let ending = end(of: process)
    relay.finish(seconds: DaemonConnection.closeSeconds)
    try reading.join()
    var outcome = state.outcome(ending.code)
    outcome.failure = relay.outerFailure
    outcome.wire = stream.wireBytes
    return outcome
  }

  /// Gives the child, our end of its socket, and its log; the other ends are the child's alone.
  private func start() throws(PlatformError) -> (StartedProcess, SharedDescriptor, SharedDescriptor)
  {
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw .last("socketpair") }
    let (ours, theirs) = (SharedDescriptor(owning: ends[0]), SharedDescriptor(owning: ends[1]))
    let log = try Pipe()
    let process = try withExtendedLifetime((theirs, log)) { () throws(PlatformError) in
      try StartedProcess(
        executable: program.path,
        arguments: ["rsync", "--server", "--daemon", "--config=\(settingsFile)", "."],
        environment: program.environment,
        descriptors: [theirs.raw, theirs.raw, log.write.raw, -1, -1])
    }
    return (process, ours, log.read)
  }

  /// Waits for the child; after a cancellation it is told to end, and ended.
  private func end(of process: StartedProcess) -> StartedProcess.Ending {
    if isCancelled(before: process, until: nil) {
      process.signal(SIGTERM)
      let deadline = MonotonicTime.now().advanced(bySeconds: DaemonConnection.graceSeconds)
      var entry = pollfd(fd: process.end.raw, events: Int16(POLLIN), revents: 0)
      let rest = deadline.seconds(since: .now())
      _ = retryingOnInterrupt { poll(&entry, 1, Int32(max(0, rest) * 1000)) }
    }
    // What it may have left of itself keeps the streams open.
    process.signalGroup(SIGKILL)
    return process.reap()
  }

  private func isCancelled(before process: StartedProcess, until end: MonotonicTime?) -> Bool {
    do {
      return try cancellation.wait(for: process.end.raw, .reading, until: end) == .woken
    } catch {
      // Without poll nothing can be waited for.
      return true
    }
  }
}

/// What the threads of one connection find out.
private final class ConnectionState: @unchecked Sendable {
  private let lock = Lock()
  // The following are guarded by `lock`.
  private var request = ModuleRequest()
  private var log = TransferLog()

  /// Sees what the peer sends: a child that serves control files writes small ones only.
  func look(at piece: UnsafeRawBufferPointer, _ process: StartedProcess) {
    let isControl = lock.withLock {
      request.look(at: piece) && request.module == DaemonSettings.controlModule
    }
    guard isControl else { return }
    do {
      try process.limitFileSize(DaemonSettings.controlFileSizeBytesMax)
    } catch {
      // Never without its limit.
      process.signal(SIGKILL)
    }
  }

  /// Reads the log to its end.
  func read(_ descriptor: SharedDescriptor, _ progress: (TransferLog) -> Void) {
    var splitter = LineSplitter()
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = buffer.withUnsafeMutableBytes { bytes in
        retryingOnInterrupt { Glibc.read(descriptor.raw, bytes.baseAddress, bytes.count) }
      }
      if count <= 0 { break }
      splitter.append(buffer[..<count]) { add($0) }
      progress(lock.withLock { log })
    }
    splitter.finish { add($0) }
  }

  private func add(_ line: [UInt8]) { lock.withLock { log.add(line: line) } }

  func outcome(_ exitCode: Int32) -> DaemonOutcome {
    lock.withLock { DaemonOutcome(module: request.module, exitCode: exitCode, log: log) }
  }
}
