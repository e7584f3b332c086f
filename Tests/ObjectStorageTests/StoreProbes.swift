import ObjectStorage
import Platform
import TestSupport
import Testing

func key(_ text: String) throws(ObjectStoreError) -> ObjectKey { try ObjectKey(text) }

/// The keys of a listing, in the order in which they came.
func keys(
  in store: any ObjectStore, _ prefix: String = "", after: String? = nil
) throws -> [String] {
  var found: [String] = []
  let start = try after.map { try key($0) }
  try store.list(ObjectPrefix(prefix), after: start) { (key, _) throws(ObjectStoreError) in
    found.append(key.text)
  }
  return found
}

/// What one `get` gives.
func bytes(
  of store: any ObjectStore, _ name: String, at offset: Int, _ count: Int
) throws -> [UInt8] {
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
  defer { buffer.deallocate() }
  let read = try store.get(key(name), offset: Int64(offset), into: buffer)
  return Array(buffer[..<read])
}

/// The store's error that `body` throws; nil when it throws none.
func failure(_ body: () throws -> Void) -> ObjectStoreError? {
  do {
    try body()
    return nil
  } catch {
    if let error = error as? ObjectStoreError { return error }
    Issue.record("\(error)")
    return nil
  }
}

/// Runs what has to fail with an error of `kind`.
func expectError(
  _ kind: FailureKind, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
  guard let error = failure(body) else {
    Issue.record("no failure where \(kind) was due", sourceLocation: sourceLocation)
    return
  }
  #expect(error.kind == kind, "\(error)", sourceLocation: sourceLocation)
}

/// Bytes that stay in one place.
final class HeldMemory: @unchecked Sendable {
  private let memory: UnsafeMutableRawBufferPointer

  init(_ bytes: [UInt8]) {
    memory = .allocate(byteCount: bytes.count, alignment: 1)
    memory.copyBytes(from: bytes)
  }

  deinit { memory.deallocate() }

  func range(_ range: Range<Int>) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: memory[range])
  }
}

/// A source that gives at most `stepByteCount` bytes at a time, and may claim more than it has.
final class ArraySource: ObjectSource {
  private let bytes: [UInt8]
  private let stepByteCount: Int
  let sizeBytes: Int64

  init(_ bytes: [UInt8], stepByteCount: Int, claimed: Int? = nil) {
    self.bytes = bytes
    self.stepByteCount = stepByteCount
    sizeBytes = Int64(claimed ?? bytes.count)
  }

  func read(
    at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(ObjectStoreError) -> Int {
    let count = min(stepByteCount, buffer.count, bytes.count - Int(offset))
    buffer.copyBytes(from: bytes[Int(offset)..<(Int(offset) + count)])
    return count
  }
}

/// A clock that moves only by sleeping, and remembers the sleeps.
final class TurnedClock: Clock, @unchecked Sendable {
  private let lock = Lock()
  private var nanoseconds: Int64 = 1_000_000_000
  private var slept: [Double] = []

  var sleeps: [Double] { lock.withLock { slept } }
  var sleptSeconds: Double { sleeps.reduce(0, +) }

  func wallTime() -> WallTime { WallTime(seconds: 1_700_000_000) }
  func monotonicTime() -> MonotonicTime {
    MonotonicTime(nanoseconds: lock.withLock { nanoseconds })
  }
  func sleep(seconds: Double) {
    lock.withLock {
      slept.append(seconds)
      nanoseconds += Int64((seconds * 1e9).rounded(.up))
    }
  }
}
