import Platform
import Transport

/// Carries bytes between two streams, each direction on a thread of its own.
final class StreamRelay: @unchecked Sendable {
  /// Several records of the tunnel at once.
  private static let bufferSizeBytes = 256 << 10

  private let lock = Lock()
  private let changed: Condition
  // The following are guarded by `lock`.
  private var openCount = 2
  private var isInnerOpen = true
  private var failure: TransportError?

  private let inner: any ByteStream
  private let outer: any ByteStream
  private var threads: [Thread<Void>] = []

  /// Starts to carry. `inner` is the local end, `outer` the peer; `onInput` sees what comes from
  /// the peer before it goes on.
  init(
    inner: any ByteStream, outer: any ByteStream,
    onInput: @escaping @Sendable (UnsafeRawBufferPointer) -> Void = { _ in }
  ) {
    self.inner = inner
    self.outer = outer
    changed = Condition(lock)
    threads = [
      Thread("relay in") { [self] in carry(from: outer, to: inner, seen: onInput) },
      Thread("relay out") { [self] in carry(from: inner, to: outer) { _ in } },
    ]
  }

  /// What broke the way to the peer, if it did.
  var outerFailure: TransportError? { lock.withLock { failure } }

  /// Waits for the local end, or until both have ended.
  func waitForInner() {
    lock.withLock {
      while isInnerOpen, openCount > 0 { changed.wait() }
    }
  }

  /// Returns when the peer has ended and all threads have, or when `seconds` have passed since the
  /// local end has: a peer that does not end is cut off then. Once.
  func finish(seconds: Double) {
    let deadline = MonotonicTime.now().advanced(bySeconds: seconds)
    lock.withLock {
      while openCount > 0, changed.wait(until: deadline) {}
    }
    outer.abort()
    inner.abort()
    for thread in threads {
      // The bodies keep their failures in `failure`.
      try? thread.join()
    }
    threads = []
  }

  /// Ends both streams at once.
  func abort() {
    outer.abort()
    inner.abort()
  }

  /// Carries one direction to its end. A receiver of bytes that has gone does not stop the reading:
  /// the sender's end has to be met.
  private func carry(
    from: any ByteStream, to: any ByteStream, seen: (UnsafeRawBufferPointer) -> Void
  ) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: StreamRelay.bufferSizeBytes, alignment: 4096)
    defer {
      buffer.deallocate()
      lock.withLock {
        openCount -= 1
        if from === inner { isInnerOpen = false }
        changed.broadcast()
      }
    }
    var isTaken = true
    do throws(TransportError) {
      while true {
        let count = try from.read(into: buffer)
        if count == 0 { break }
        let piece = UnsafeRawBufferPointer(rebasing: buffer[..<count])
        seen(piece)
        if isTaken { isTaken = write(piece, to: to) }
      }
    } catch {
      note(error, of: from)
      // rsync must not take a broken stream for a complete one.
      return to.abort()
    }
    do throws(TransportError) { try to.finish() } catch { note(error, of: to) }
  }

  private func write(_ piece: UnsafeRawBufferPointer, to stream: any ByteStream) -> Bool {
    do throws(TransportError) {
      try stream.write(piece)
      return true
    } catch {
      note(error, of: stream)
      return false
    }
  }

  private func note(_ error: TransportError, of stream: any ByteStream) {
    guard stream === outer, error.kind != .cancelled else { return }
    lock.withLock { failure = failure ?? error }
  }
}
