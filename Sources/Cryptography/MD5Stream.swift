import Platform

/// MD5 over a message that arrives in pieces while others do on other threads: the bytes are kept a
/// while, so that they are hashed side by side with those of the others (see ``MD5Combiner``).
///
/// Two buffers of ``bufferSizeBytes`` each, made with the first byte. One owner, one thread at a
/// time.
@safe
package final class MD5Stream: @unchecked Sendable {
  package static let bufferSizeBytes = 256 << 10

  private let combiner: MD5Combiner
  private let message = MD5Message()
  private var buffers: [UnsafeMutableRawBufferPointer] = unsafe []
  /// Bytes in the first buffer.
  private var filledCount = 0
  private var place: MD5Combiner.Place?
  /// Of the second buffer.
  private var pending: MD5Combiner.Request?

  package init(_ combiner: MD5Combiner = .shared) { self.combiner = combiner }

  deinit {
    if let pending { combiner.withdraw(pending) }
    letGo()
  }

  /// Adds bytes, which are copied.
  package func update(_ bytes: UnsafeRawBufferPointer) {
    if place == nil, unsafe !bytes.isEmpty { begin() }
    var rest = unsafe bytes
    while unsafe !rest.isEmpty {
      let count = min(rest.count, MD5Stream.bufferSizeBytes - filledCount)
      let room = unsafe UnsafeMutableRawBufferPointer(rebasing: buffers[0][filledCount...])
      unsafe room.copyMemory(from: UnsafeRawBufferPointer(rebasing: rest[..<count]))
      unsafe rest = unsafe UnsafeRawBufferPointer(rebasing: rest[count...])
      filledCount += count
      if filledCount == MD5Stream.bufferSizeBytes { handOver() }
    }
  }

  /// The digest, 16 bytes; the message starts anew.
  package func finish() -> [UInt8] {
    if let pending { combiner.wait(pending, isPatient: false) }
    pending = nil
    if filledCount > 0 {
      let rest = unsafe UnsafeRawBufferPointer(rebasing: buffers[0][..<filledCount])
      unsafe combiner.update(message, rest)
    }
    letGo()
    return message.finish()
  }

  private func begin() {
    for _ in 0..<2 {
      unsafe buffers.append(.allocate(byteCount: MD5Stream.bufferSizeBytes, alignment: 64))
    }
    place = combiner.enter()
  }

  private func letGo() {
    guard let place else { return }
    combiner.leave(place)
    self.place = nil
    unsafe buffers.forEach { unsafe $0.deallocate() }
    unsafe buffers = unsafe []
    filledCount = 0
  }

  /// Has the first buffer hashed, and goes on in the second.
  private func handOver() {
    guard let place else { return }
    if let pending { combiner.wait(pending, isPatient: true) }
    let full = unsafe UnsafeRawBufferPointer(buffers[0])
    pending = unsafe combiner.submit(place, message, full)
    unsafe buffers.swapAt(0, 1)
    filledCount = 0
  }
}
