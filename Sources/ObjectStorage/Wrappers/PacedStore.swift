import Pipelines
package import Platform

/// A rate that several threads share.
private final class SharedPacer: @unchecked Sendable {
  /// What passes at once: a tenth of a second's worth, the burst of a `Pacer`.
  let stepByteCount: Int
  let isCancelled: @Sendable () -> Bool
  private let lock = Lock()
  private var pacer: Pacer

  init(
    bytesPerSecond: Int, clock: any Clock, isCancelled: @escaping @Sendable () -> Bool
  ) {
    self.isCancelled = isCancelled
    pacer = Pacer(bytesPerSecond: bytesPerSecond, clock: clock)
    stepByteCount = min(max(bytesPerSecond / 10, 1), ObjectBody.pieceByteCountMax)
  }

  /// Blocks until `count` more bytes fit the rate, or all is cancelled. Sleeps under the lock, for
  /// one step at a time: whoever comes meanwhile would have to wait for those bytes as well.
  func pace(_ count: Int) {
    var rest = count
    while rest > 0, !isCancelled() {
      let step = min(rest, stepByteCount)
      lock.withLock { pacer.pace(step) }
      rest -= step
    }
  }
}

private final class PacedSource: ObjectSource {
  private let body: ObjectBody
  private let pacer: SharedPacer

  init(_ body: ObjectBody, _ pacer: SharedPacer) {
    self.body = body
    self.pacer = pacer
  }

  var sizeBytes: Int64 { body.sizeBytes }
  var unpaced: ObjectBody? { body }

  func read(
    at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(ObjectStoreError) -> Int {
    if pacer.isCancelled() { throw .cancelled }
    let step = UnsafeMutableRawBufferPointer(
      rebasing: buffer[..<min(buffer.count, pacer.stepByteCount)])
    let count = try body.read(at: offset, into: step)
    pacer.pace(count)
    return count
  }
}

/// Holds the bytes of puts and gets to a rate, over all threads together.
///
/// A put is held back piece by piece while the store reads the body. A get is one request and
/// held back afterwards: the rate holds over several of them, not within one. After a cancellation
/// a put ends with ``ObjectStoreError/cancelled``, and gets are held back no more.
package final class PacedStore: StoreWrapper {
  package let base: any ObjectStore
  private let upload: SharedPacer?
  private let download: SharedPacer?

  /// Rates in bytes a second; nil is no limit.
  package init(
    _ base: any ObjectStore, uploadBytesPerSecond: Int? = nil, downloadBytesPerSecond: Int? = nil,
    clock: any Clock = SystemClock(), isCancelled: @escaping @Sendable () -> Bool = { false }
  ) {
    self.base = base
    upload = uploadBytesPerSecond.map {
      SharedPacer(bytesPerSecond: $0, clock: clock, isCancelled: isCancelled)
    }
    download = downloadBytesPerSecond.map {
      SharedPacer(bytesPerSecond: $0, clock: clock, isCancelled: isCancelled)
    }
  }

  package func around<Value>(
    _ operation: StoreOperation, _ key: String, _ call: () throws(ObjectStoreError) -> Value
  ) throws(ObjectStoreError) -> Value {
    try call()
  }

  package func put(_ key: ObjectKey, _ body: ObjectBody) throws(ObjectStoreError) {
    guard let upload else { return try base.put(key, body) }
    try base.put(key, ObjectBody(PacedSource(body, upload)))
  }

  package func get(
    _ key: ObjectKey, offset: Int64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(ObjectStoreError) -> Int {
    let count = try base.get(key, offset: offset, into: buffer)
    download?.pace(count)
    return count
  }

  package func load(_ key: ObjectKey, sizeBytesMax: Int) throws(ObjectStoreError) -> [UInt8] {
    let bytes = try base.load(key, sizeBytesMax: sizeBytesMax)
    download?.pace(bytes.count)
    return bytes
  }
}
