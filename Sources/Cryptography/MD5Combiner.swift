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
/// the next one hashes the pieces of all that wait.
///
/// What an ``MD5Stream`` hands over waits for pieces of the other streams that are under way, as
/// each thread comes a long way at a time before the next one runs. A stream that lets the others
/// wait too long is not waited for until it hands over something again. Any thread may call.
@safe
package final class MD5Combiner: @unchecked Sendable {
  /// It holds nothing that outlives the messages, so one serves all that a process hashes.
  package static let shared = MD5Combiner()

  /// Pieces that are shorter are not worth waiting for.
  private static let byteCountMin = 16 << 10
  /// How long a stream with two full buffers waits for the others. Its connection has megabytes to
  /// send meanwhile.
  private static let patienceSeconds = 0.01

  /// Pieces that are hashed in one go. What changes is guarded by the combiner's lock.
  @safe final class Request {
    fileprivate let pieces: [drover_md5_piece]
    fileprivate let wake: Condition
    /// Of a stream.
    fileprivate let place: Place?
    fileprivate var isDone = false
    /// Whether its thread waits, for others still or for this alone.
    fileprivate var isAwaited = false
    fileprivate var isUrgent = false

    fileprivate init(_ pieces: [drover_md5_piece], _ lock: Lock, _ place: Place? = nil) {
      unsafe self.pieces = unsafe pieces
      self.place = place
      wake = Condition(lock)
    }
  }

  /// A stream among the others.
  final class Place: @unchecked Sendable {
    /// Whether others wait for it; guarded by the combiner's lock.
    fileprivate var isExpected = false
  }

  private let lock = Lock()
  // Guarded by `lock`.
  private var waiting: [Request] = []
  private var isHashing = false
  private var places: [Place] = []
  private var expectedCount = 0

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
    lock.withLock {
      waiting.append(request)
      finish(request)
    }
  }

  // MARK: Streams

  func enter() -> Place {
    let place = Place()
    lock.withLock { places.append(place) }
    return place
  }

  func leave(_ place: Place) {
    lock.withLock {
      places.removeAll { $0 === place }
      expect(place, false)
      // It may have been the last one that somebody waits for.
      passOn()
    }
  }

  /// Hands over bytes that stay in place until ``wait(_:)`` or ``withdraw(_:)`` has returned. They
  /// are hashed here when there is nobody else to wait for.
  func submit(
    _ place: Place, _ message: MD5Message, _ bytes: UnsafeRawBufferPointer
  ) -> Request {
    let request = unsafe Request([message.piece(bytes)], lock, place)
    lock.withLock {
      expect(place, true)
      waiting.append(request)
      guard !isHashing, isEnough else { return }
      hashBatch()
      passOn()
    }
    return request
  }

  /// Waits until a request is hashed, or hashes it with all that waits; with `isPatient` not before
  /// the other streams have had their time to hand over something.
  func wait(_ request: Request, isPatient: Bool) {
    lock.withLock {
      request.isAwaited = true
      let end = MonotonicTime.now().advanced(bySeconds: MD5Combiner.patienceSeconds)
      while isPatient, !request.isDone {
        if isHashing {
          request.wake.wait()
        } else if isEnough {
          hashBatch()
        } else if !request.wake.wait(until: end) {
          for place in places where !waiting.contains(where: { $0.place === place }) {
            expect(place, false)
          }
          break
        }
      }
      finish(request)
    }
  }

  /// Gives a request up.
  func withdraw(_ request: Request) {
    lock.withLock {
      if let index = waiting.firstIndex(where: { $0 === request }) {
        waiting.remove(at: index)
      } else {
        finish(request)
      }
    }
  }

  // MARK: Hashing, with the lock

  private var isEnough: Bool {
    waiting.count >= min(max(expectedCount, 1), MD5Message.laneCount)
  }

  private func expect(_ place: Place, _ isExpected: Bool) {
    guard place.isExpected != isExpected else { return }
    place.isExpected = isExpected
    expectedCount += isExpected ? 1 : -1
  }

  private func finish(_ request: Request) {
    request.isUrgent = true
    while !request.isDone {
      if isHashing { request.wake.wait() } else { hashBatch() }
    }
    passOn()
  }

  /// Somebody has to go on with those that came meanwhile, one whose thread waits.
  private func passOn() {
    guard !isHashing else { return }
    if let urgent = waiting.first(where: \.isUrgent) {
      urgent.wake.signal()
    } else if isEnough {
      waiting.first(where: \.isAwaited)?.wake.signal()
    }
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
