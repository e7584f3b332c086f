import Platform

/// Bounds the memory of packs of one type: a fixed count of them may exist at a time.
///
/// Whoever fills packs faster than they can be stored waits here.
final class PackBufferPool: @unchecked Sendable {
  private let type: BlobType
  private let capacity: Int
  private let lock = Lock()
  private let changed: Condition
  private var count = 0
  private let countMax: Int
  private var hasFailed = false

  /// At most `countMax` packs of `capacity` bytes.
  init(_ type: BlobType, capacity: Int, countMax: Int) {
    self.type = type
    self.capacity = capacity
    self.countMax = countMax
    changed = Condition(lock)
  }

  /// An empty pack; blocks while there are too many. nil after ``fail()``.
  func take() -> PackBuffer? {
    lock.lock()
    defer { lock.unlock() }
    while !hasFailed {
      if count < countMax {
        count += 1
        return PackBuffer(type, capacity: capacity, isPooled: true)
      }
      changed.wait()
    }
    return nil
  }

  /// A pack that ``take()`` gave is done with.
  func release() {
    lock.withLock {
      count -= 1
      changed.signal()
    }
  }

  /// Nobody waits any more.
  func fail() {
    lock.withLock {
      hasFailed = true
      changed.broadcast()
    }
  }
}
