import Glibc
package import Platform

/// A plain stream over two descriptors: pipes, a socket pair, standard input and output below ssh.
///
/// It has no authentication of its own and no mark of a clean end: the end of file is the peer's
/// end, and whether everything has arrived is for the protocol above to say. The descriptors are
/// set non-blocking.
package final class DescriptorStream: ByteStream, @unchecked Sendable {
  private let reading: SharedDescriptor
  private let timeouts: StreamTimeouts
  private let wakeup: Wakeup

  private let lock = Lock()
  // The following are guarded by `lock`.
  private var writing: SharedDescriptor?
  private var idle = IdleClock()
  private var isAborted = false

  package let peerDescription: String

  /// Takes both descriptors, which may be one object for a socket.
  ///
  /// - Throws: `TransportError.system`.
  package init(
    reading: SharedDescriptor, writing: SharedDescriptor, peerDescription: String,
    timeouts: StreamTimeouts = StreamTimeouts(), wakeup: Wakeup? = nil
  ) throws(TransportError) {
    ignoreSIGPIPE()
    self.reading = reading
    self.writing = writing
    self.timeouts = timeouts
    self.peerDescription = peerDescription
    if let wakeup {
      self.wakeup = wakeup
    } else {
      do throws(PlatformError) { self.wakeup = try Wakeup() } catch { throw .system(error) }
    }
    for raw in [reading.raw, writing.raw] {
      let flags = fcntl(raw, F_GETFL, 0)
      guard flags >= 0, fcntl(raw, F_SETFL, flags | O_NONBLOCK) == 0 else {
        throw .system(.last("fcntl", peerDescription))
      }
    }
  }

  /// Two connected streams in one process (`socketpair`), for tests and for local sessions.
  package static func makePair(
    timeouts: StreamTimeouts = StreamTimeouts()
  ) throws(TransportError) -> (DescriptorStream, DescriptorStream) {
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    guard unsafe socketpair(AF_UNIX, type, 0, &ends) == 0 else {
      throw .system(.last("socketpair"))
    }
    let left = SharedDescriptor(owning: ends[0])
    let right = SharedDescriptor(owning: ends[1])
    return (
      try DescriptorStream(
        reading: left, writing: left, peerDescription: "right end", timeouts: timeouts),
      try DescriptorStream(
        reading: right, writing: right, peerDescription: "left end", timeouts: timeouts)
    )
  }

  package var wireBytes: WireBytes { lock.withLock { idle.wire } }

  package func read(into buffer: UnsafeMutableRawBufferPointer) throws(TransportError) -> Int {
    guard let base = buffer.baseAddress, buffer.count > 0 else { return 0 }
    let start = MonotonicTime.now()
    while true {
      try checkAborted()
      let count = retryingOnInterrupt { unsafe Glibc.read(reading.raw, base, buffer.count) }
      if count >= 0 {
        note(received: count)
        return count
      }
      guard Glibc.errno == EAGAIN else {
        throw .connectionLost(.last("read"), during: .read, peer: peerDescription)
      }
      try wait(reading.raw, .reading, .read, begun: start)
    }
  }

  package func write(_ buffer: UnsafeRawBufferPointer) throws(TransportError) {
    guard let writing = lock.withLock({ self.writing }) else {
      throw .library(call: "write", reason: "the stream is finished")
    }
    var offset = 0
    let start = MonotonicTime.now()
    while let base = buffer.baseAddress, offset < buffer.count {
      try checkAborted()
      let count = retryingOnInterrupt {
        unsafe Glibc.write(writing.raw, base + offset, buffer.count - offset)
      }
      if count >= 0 {
        offset += count
        note(sent: count)
        continue
      }
      guard Glibc.errno == EAGAIN else {
        throw .connectionLost(.last("write"), during: .write, peer: peerDescription)
      }
      try wait(writing.raw, .writing, .write, begun: start)
    }
  }

  package func finish() throws(TransportError) {
    let writing = lock.withLock {
      let writing = self.writing
      self.writing = nil
      return writing
    }
    // Of a socket the other direction stays open; a pipe's end closes with its last holder, here.
    if let writing { _ = shutdown(writing.raw, Int32(SHUT_WR)) }
  }

  package func close() {
    do throws(TransportError) {
      try finish()
    } catch {
      // Ending cannot fail here; closing is all that is left to do.
    }
    abort()
  }

  package func abort() {
    let writing = lock.withLock {
      isAborted = true
      return self.writing
    }
    wakeup.signal()
    _ = shutdown(reading.raw, Int32(SHUT_RDWR))
    if let writing { _ = shutdown(writing.raw, Int32(SHUT_RDWR)) }
  }

  private func checkAborted() throws(TransportError) {
    if lock.withLock({ isAborted }) { throw .cancelled }
  }

  private func note(sent: Int = 0, received: Int = 0) {
    lock.withLock {
      let wire = idle.wire
      idle.note(
        WireBytes(sent: wire.sent + Int64(sent), received: wire.received + Int64(received)))
    }
  }

  private func wait(
    _ descriptor: Int32, _ interest: Wakeup.Interest, _ operation: TransportOperation,
    begun start: MonotonicTime
  ) throws(TransportError) {
    while true {
      let deadline = lock.withLock {
        idle.deadline(of: operation, begun: start, idleSeconds: timeouts.idleSeconds)
      }
      switch try waitTranslated(wakeup, descriptor, interest, deadline) {
      case .ready: return
      case .woken: throw .cancelled
      case .timedOut:
        let moved = lock.withLock {
          idle.deadline(of: operation, begun: start, idleSeconds: timeouts.idleSeconds)
        }
        if let moved, moved > MonotonicTime.now() { continue }
        throw .timedOut(operation, peer: peerDescription, seconds: timeouts.idleSeconds ?? 0)
      }
    }
  }
}
