import Glibc
import Platform

/// Feeds, hears and watches one child with one `poll`.
struct ChildLoop {
  private let cancellation: CancelPipe
  private let graceSeconds: Double
  private let process: StartedProcess

  private var job: [UInt8]
  private var jobOffset = 0
  private var jobPipe: SharedDescriptor?
  private var eventPipe: SharedDescriptor?
  private var logPipe: SharedDescriptor?

  private var lines = LineBuffer(sizeBytesMax: ChildProcess.eventSizeBytesMax)
  private var log: [UInt8] = []
  private var badEventCount = 0
  private var killTime: MonotonicTime?
  private var isKilled = false
  private var buffer = [UInt8](repeating: 0, count: 64 << 10)

  /// Starts the child.
  init(_ spec: ChildSpec, cancellation: CancelPipe) throws(SupervisionError) {
    self.cancellation = cancellation
    graceSeconds = spec.graceSeconds
    job = spec.job.encoded()
    // Closed here when the child has it: then its end alone lets go of it.
    let lock = try spec.heldLockPath.map { (path) throws(SupervisionError) in
      try RunLock.takeForChild(path)
    }
    do {
      let jobEnds = try Pipe()
      let eventEnds = try Pipe()
      let logEnds = try Pipe()
      let input = spec.standardInput?.raw ?? -1
      let fds = [
        input, logEnds.write.raw, logEnds.write.raw, jobEnds.read.raw, eventEnds.write.raw,
      ]
      process = try withExtendedLifetime((jobEnds, logEnds, eventEnds, spec.standardInput, lock)) {
        () throws(PlatformError) in
        try StartedProcess(
          executable: spec.executable, arguments: spec.arguments, environment: keptEnvironment(),
          descriptors: fds, user: spec.user, held: lock?.raw)
      }
      for end in [jobEnds.write, eventEnds.read, logEnds.read] { try end.setNonblocking() }
      jobPipe = jobEnds.write
      eventPipe = eventEnds.read
      logPipe = logEnds.read
    } catch {
      throw .cannotStart(error)
    }
  }

  mutating func run(onEvent: (JSONObject) -> Void) throws(SupervisionError) -> ChildOutcome {
    // A child that ends without reading its job must not end its parent by SIGPIPE.
    let signals = BrokenPipeGuard()
    defer { signals.end() }
    do {
      while try !waitForSomething() {
        writeJob()
        readEvents(onEvent)
        readLog()
      }
    } catch {
      process.signal(SIGKILL)
      _ = process.reap()
      throw error
    }
    // What it wrote before its end is in the pipes still; a grandchild may keep them open, so no
    // waiting.
    readEvents(onEvent)
    readLog()
    let ending = process.reap()
    return ChildOutcome(
      ending: ending, logTail: log, badEventCount: badEventCount, wasCancelled: killTime != nil)
  }

  /// Waits for input, output, cancellation or the end of the grace; true when the process has
  /// ended.
  private mutating func waitForSomething() throws(SupervisionError) -> Bool {
    var entries = [
      pollfd(fd: process.end.raw, events: Int16(POLLIN), revents: 0),
      // A raised flag is looked at once; a negative descriptor is skipped by poll.
      pollfd(
        fd: killTime == nil ? cancellation.descriptor : -1, events: Int16(POLLIN), revents: 0),
      pollfd(fd: jobPipe?.raw ?? -1, events: Int16(POLLOUT), revents: 0),
      pollfd(fd: eventPipe?.raw ?? -1, events: Int16(POLLIN), revents: 0),
      pollfd(fd: logPipe?.raw ?? -1, events: Int16(POLLIN), revents: 0),
    ]
    let timeout = killTimeoutMilliseconds
    let count = retryingOnInterrupt { poll(&entries, nfds_t(entries.count), timeout) }
    guard count >= 0 else { throw .lost(.last("poll")) }
    if entries[0].revents != 0 { return true }
    if entries[1].revents != 0, killTime == nil {
      process.signal(SIGTERM)
      killTime = MonotonicTime.now().advanced(bySeconds: graceSeconds)
    }
    if let killTime, !isKilled, killTime <= .now() {
      // The group: also what the child may have started.
      process.signalGroup(SIGKILL)
      isKilled = true
    }
    return false
  }

  private var killTimeoutMilliseconds: Int32 {
    guard let killTime, !isKilled else { return -1 }
    let seconds = max(0, killTime.seconds(since: .now()))
    return Int32(min(seconds * 1000 + 1, 60_000))
  }

  private mutating func writeJob() {
    guard let pipe = jobPipe else { return }
    while jobOffset < job.count {
      let offset = jobOffset
      let count = job.withUnsafeBytes { bytes in
        retryingOnInterrupt {
          write(pipe.raw, bytes.baseAddress.map { $0 + offset }, bytes.count - offset)
        }
      }
      if count < 0, errno == EAGAIN { return }
      // Closed by the child: its exit code tells why.
      if count < 0 { break }
      jobOffset += count
    }
    jobPipe = nil
    wipe(&job)
  }

  private mutating func readEvents(_ onEvent: (JSONObject) -> Void) {
    while let count = readPiece(eventPipe) {
      if count == 0 {
        eventPipe = nil
        return
      }
      badEventCount += lines.append(buffer[..<count]) { line in
        let limits = JSONLimits(sizeBytesMax: ChildProcess.eventSizeBytesMax)
        // A line that is no event is counted; the outcome tells.
        guard let event = (try? JSONValue(parsing: line, limits: limits))?.objectValue else {
          return false
        }
        onEvent(event)
        return true
      }
    }
  }

  private mutating func readLog() {
    while let count = readPiece(logPipe) {
      if count == 0 {
        logPipe = nil
        return
      }
      log.append(contentsOf: buffer[..<count])
      let excess = log.count - ChildProcess.logSizeBytesMax
      if excess > 0 { log.removeFirst(excess) }
    }
  }

  /// Bytes read, 0 at the end, nil when there is nothing now.
  private mutating func readPiece(_ pipe: SharedDescriptor?) -> Int? {
    guard let pipe else { return nil }
    let count = buffer.withUnsafeMutableBytes { bytes in
      retryingOnInterrupt { read(pipe.raw, bytes.baseAddress, bytes.count) }
    }
    if count < 0 { return errno == EAGAIN ? nil : 0 }
    return count
  }
}

/// Splits a stream into lines of a bounded size.
struct LineBuffer {
  private let sizeBytesMax: Int
  private var pending: [UInt8] = []
  private var isOverlong = false

  init(sizeBytesMax: Int) { self.sizeBytesMax = sizeBytesMax }

  /// Gives each complete line to `body`; the number of lines that were too long or that `body`
  /// refused.
  mutating func append(_ bytes: ArraySlice<UInt8>, _ body: ([UInt8]) -> Bool) -> Int {
    var badCount = 0
    for byte in bytes {
      if byte != 0x0a {
        if pending.count < sizeBytesMax { pending.append(byte) } else { isOverlong = true }
        continue
      }
      if isOverlong || !body(pending) { badCount += 1 }
      pending.removeAll(keepingCapacity: true)
      isOverlong = false
    }
    return badCount
  }
}

/// Overwrites bytes that held a secret.
private func wipe(_ bytes: inout [UInt8]) {
  bytes.withUnsafeMutableBytes { buffer in
    if let base = buffer.baseAddress { explicit_bzero(base, buffer.count) }
  }
  bytes = []
}
