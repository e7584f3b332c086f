import Glibc
import Platform

/// One connection: its request, then its answer, then the rest of what it sends, unread. Confined
/// to one thread.
final class EndpointClient {
  private enum State {
    case reading
    case writing
    /// The answer is out; closing at once could lose it when something unread is there.
    case draining
    case over
  }

  /// What is thrown away of a client that goes on talking.
  private static let drainSizeBytesMax = 64 << 10

  let socket: SharedDescriptor
  let deadline: MonotonicTime
  private var state = State.reading
  private var input: [UInt8] = []
  private var head: [UInt8] = []
  private var body: [UInt8] = []
  private var sentCount = 0
  private var drainedCount = 0

  init(_ socket: SharedDescriptor, deadline: MonotonicTime) {
    self.socket = socket
    self.deadline = deadline
  }

  var isOver: Bool { state == .over }
  var interest: Int16 { Int16(state == .writing ? POLLOUT : POLLIN) }

  /// Goes on as far as the socket lets it without waiting. `answer` is asked once, with the head of
  /// the request; ``RequestHead/unfinished`` stands for one that is too long.
  func advance(_ answer: (RequestHead) -> TextAnswer) {
    switch state {
    case .reading: read(answer)
    case .writing: write()
    case .draining: drain()
    case .over: break
    }
  }

  private func read(_ answer: (RequestHead) -> TextAnswer) {
    guard let bytes = receive(), !bytes.isEmpty else { return }
    input += bytes
    let request = RequestHead(input)
    guard request != .unfinished || input.count >= RequestHead.sizeBytesMax else { return }
    let answer = answer(request)
    input = []
    head = answer.head
    body = answer.hasBody ? answer.body : []
    state = .writing
    write()
  }

  private func write() {
    while sentCount < head.count + body.count {
      let isHead = sentCount < head.count
      let offset = isHead ? sentCount : sentCount - head.count
      let count = (isHead ? head : body).withUnsafeBytes { buffer in
        retryingOnInterrupt {
          send(
            socket.raw, buffer.baseAddress.map { $0 + offset }, buffer.count - offset,
            Int32(MSG_NOSIGNAL))
        }
      }
      guard count >= 0 else {
        if errno != EAGAIN { state = .over }
        return
      }
      sentCount += count
    }
    body = []
    state = .draining
    _ = shutdown(socket.raw, Int32(SHUT_WR))
  }

  private func drain() {
    guard let bytes = receive() else { return }
    drainedCount += bytes.count
    if drainedCount > EndpointClient.drainSizeBytesMax { state = .over }
  }

  /// What has come, empty when nothing has; nil when the client is gone.
  private func receive() -> [UInt8]? {
    var piece = [UInt8](repeating: 0, count: 4 << 10)
    let count = retryingOnInterrupt { recv(socket.raw, &piece, piece.count, 0) }
    if count < 0, errno == EAGAIN { return [] }
    guard count > 0 else {
      state = .over
      return nil
    }
    return Array(piece[..<count])
  }
}
