import CMD5
import Platform

/// MD5 over a message that arrives in pieces; finds accidents, not forgeries.
///
/// One owner, one thread at a time. Source: RFC 1321.
@safe
package final class MD5Message: @unchecked Sendable {
  package static let byteCount = 16
  /// Messages that are hashed side by side.
  package static let laneCount = Int(DROVER_MD5_LANE_COUNT)

  private let hash: UnsafeMutablePointer<drover_md5>

  /// An empty message.
  package init() {
    unsafe hash = .allocate(capacity: 1)
    unsafe hash.initialize(to: drover_md5())
    unsafe drover_md5_init(hash)
  }

  deinit {
    unsafe hash.deallocate()
  }

  /// Adds bytes; their division into calls has no influence on the digest.
  package func update(_ bytes: UnsafeRawBufferPointer) {
    unsafe drover_md5_update(hash, bytes.baseAddress, bytes.count)
  }

  /// The digest, 16 bytes; the message starts anew.
  package func finish() -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: MD5Message.byteCount) { digest, count in
      unsafe drover_md5_finish(hash, digest.baseAddress.unsafelyUnwrapped)
      count = MD5Message.byteCount
    }
  }

  /// Adds to up to ``laneCount`` different messages, quickest when the parts have about the same
  /// length.
  package static func update(_ parts: [(message: MD5Message, bytes: UnsafeRawBufferPointer)]) {
    unsafe precondition(parts.count <= laneCount, "more messages than lanes")
    let pieces = unsafe parts.map { unsafe $0.message.piece($0.bytes) }
    unsafe drover_md5_update_lanes(pieces, pieces.count)
  }

  fileprivate func piece(_ bytes: UnsafeRawBufferPointer) -> drover_md5_piece {
    unsafe drover_md5_piece(hash: hash, bytes: bytes.baseAddress, count: bytes.count)
  }
}

/// Hashes the messages of several threads side by side.
///
/// One message is as fast as the latency of its steps lets it be, 0.8 GB/s on a core of 2025; eight
/// of them in the lanes of vectors make 3.3 GB/s. So threads that come while one hashes wait, and
/// the next one hashes the pieces of all that wait. Any thread may call.
@safe
package final class MD5Combiner: @unchecked Sendable {
  /// It holds nothing between calls, so one serves all that a process hashes.
  package static let shared = MD5Combiner()

  /// Pieces that are shorter are not worth waiting for.
  private static let byteCountMin = 16 << 10

  @safe private final class Request {
    let pieces: [drover_md5_piece]
    let wake: Condition
    var isDone = false

    init(_ pieces: [drover_md5_piece], _ lock: Lock) {
      unsafe self.pieces = unsafe pieces
      wake = Condition(lock)
    }
  }

  private let lock = Lock()
  // Guarded by `lock`.
  private var waiting: [Request] = []
  private var isHashing = false

  package init() {}

  /// Adds bytes to a message; they are valid until the call ends.
  package func update(_ message: MD5Message, _ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= MD5Combiner.byteCountMin else { return unsafe message.update(bytes) }
    unsafe run([message.piece(bytes)])
  }

  /// Adds the same bytes to two different messages.
  package func update(
    _ first: MD5Message, _ second: MD5Message, _ bytes: UnsafeRawBufferPointer
  ) {
    guard bytes.count >= MD5Combiner.byteCountMin else {
      unsafe first.update(bytes)
      return unsafe second.update(bytes)
    }
    unsafe run([first.piece(bytes), second.piece(bytes)])
  }

  private func run(_ pieces: [drover_md5_piece]) {
    let request = unsafe Request(pieces, lock)
    lock.lock()
    defer { lock.unlock() }
    waiting.append(request)
    while !request.isDone {
      if isHashing { request.wake.wait() } else { hashBatch() }
    }
    // Somebody has to go on with those that came meanwhile.
    if !isHashing { waiting.first?.wake.signal() }
  }

  /// Hashes what waits longest; the lock is held before and after, not meanwhile.
  private func hashBatch() {
    var batchCount = 0
    var pieces: [drover_md5_piece] = unsafe []
    for request in waiting {
      guard unsafe pieces.count + request.pieces.count <= MD5Message.laneCount else { break }
      unsafe pieces += request.pieces
      batchCount += 1
    }
    let batch = waiting.prefix(batchCount)
    waiting.removeFirst(batchCount)
    isHashing = true
    lock.unlock()
    unsafe drover_md5_update_lanes(pieces, pieces.count)
    lock.lock()
    isHashing = false
    for request in batch {
      request.isDone = true
      request.wake.signal()
    }
  }
}
