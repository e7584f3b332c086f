import HTTPClient
import Platform
import TestSupport

/// Seeded bytes that stay in one place.
final class HeldBytes: @unchecked Sendable {
  private let memory: UnsafeMutableRawBufferPointer

  init(_ count: Int) {
    var random = SeededGenerator(seed: UInt64(count))
    memory = .allocate(byteCount: count, alignment: 1)
    memory.copyBytes(from: random.bytes(count))
  }

  deinit { memory.deallocate() }

  var bytes: [UInt8] { Array(memory) }

  func range(_ range: Range<Int>) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: memory[range])
  }

  /// A body that is read in steps, and fails at `failingAt`.
  func pulled(step: Int, claimed: Int? = nil, failingAt: Int64 = .max) -> HTTPBody {
    HTTPBody(sizeBytes: Int64(claimed ?? memory.count)) {
      (offset, buffer) throws(HTTPError) in
      if offset >= failingAt {
        throw .bodyFailed(PlatformError("read", "the disk", errno: 5))
      }
      let count = min(step, buffer.count, self.memory.count - Int(offset))
      buffer.copyBytes(from: self.memory[Int(offset)..<(Int(offset) + count)])
      return count
    }
  }
}

final class Counter: @unchecked Sendable {
  private let lock = Lock()
  private var count = 0
  var value: Int { lock.withLock { count } }
  func add(_ more: Int = 1) { lock.withLock { count += more } }
}
