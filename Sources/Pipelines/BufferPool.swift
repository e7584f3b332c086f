import Platform

/// One buffer of a ``BufferPool``; goes back to it with ``BufferPool/giveBack(_:)``.
package final class PooledBuffer: @unchecked Sendable {
  package let bytes: UnsafeMutableRawBufferPointer
  /// Bytes in use from the start; set by whoever fills the buffer.
  package var count = 0

  fileprivate init(sizeBytes: Int) {
    bytes = .allocate(byteCount: sizeBytes, alignment: 4096)
  }

  deinit { bytes.deallocate() }

  package var capacity: Int { bytes.count }
  package var free: Int { bytes.count - count }
  package var filled: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[..<count]) }
  package var rest: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(rebasing: bytes[count...])
  }
}

/// A fixed number of equal buffers, made when first needed. `take` blocks while all are out: that
/// is the memory bound of a pipeline.
package final class BufferPool: @unchecked Sendable {
  private let lock = Lock()
  private let available: Condition
  private let sizeBytes: Int
  private let countMax: Int
  private var idle: [PooledBuffer] = []
  private var made = 0
  private var failed = false

  package init(sizeBytes: Int, countMax: Int) {
    self.sizeBytes = sizeBytes
    self.countMax = countMax
    self.available = Condition(lock)
  }

  package func take(timer: StageTimer? = nil) throws(ChannelClosed) -> PooledBuffer {
    lock.lock()
    defer { lock.unlock() }
    if idle.isEmpty, made == countMax, !failed {
      let start = MonotonicTime.now()
      while idle.isEmpty, !failed { available.wait() }
      timer?.addOutputWait(since: start)
    }
    if failed { throw ChannelClosed() }
    if let buffer = idle.popLast() {
      buffer.count = 0
      return buffer
    }
    made += 1
    return PooledBuffer(sizeBytes: sizeBytes)
  }

  package func giveBack(_ buffer: PooledBuffer) {
    lock.withLock {
      idle.append(buffer)
      available.signal()
    }
  }

  package func fail() {
    lock.withLock {
      failed = true
      available.broadcast()
    }
  }
}
