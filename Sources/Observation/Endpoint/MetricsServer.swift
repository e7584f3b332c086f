import Glibc
import Platform
package import Transport

/// Shows the metrics over HTTP: `/metrics`, and `/healthz` for those who only ask whether there is
/// somebody.
///
/// One thread serves all connections, of which there are ``connectionCountMax`` at most: another
/// one takes the place of the oldest. Each has ``secondsMax`` for everything, and sends a head of
/// at most 8 KiB, so that no client holds the endpoint up or makes it grow.
package final class MetricsServer: @unchecked Sendable {
  package static let connectionCountMax = 32
  /// From the first byte of a request to the last of its answer.
  package static let secondsMax = 10.0
  /// A text that was made is shown again for so long.
  private static let freshSeconds = 1.0
  /// After accepting has failed, for want of descriptors.
  private static let pauseSeconds = 1.0

  package let address: SocketAddress
  /// Nil when all is over.
  private var listener: Listener?
  private let wakeup: Wakeup
  private let text: @Sendable () -> [UInt8]
  private var thread: Thread<Void>?
  // Of the thread alone.
  private var clients: [EndpointClient] = []
  private var made: (text: [UInt8], at: MonotonicTime)?
  private var acceptsAgain: MonotonicTime?

  /// Listens, and serves in a thread of its own.
  /// - Throws: `TransportError` when the address cannot be listened on.
  package init(
    on endpoint: Endpoint, text: @escaping @Sendable () -> [UInt8]
  ) throws(TransportError) {
    do { wakeup = try Wakeup() } catch { throw .system(error) }
    let listener = try Listener(on: endpoint, wakeup: wakeup)
    address = listener.boundAddress
    self.listener = listener
    self.text = text
    thread = Thread("metrics") { [self] in serve(listener) }
  }

  /// Ends all connections; once.
  package func stop() {
    wakeup.signal()
    // Its body does not throw.
    try? thread?.join()
    listener = nil
    clients = []
  }

  private func serve(_ listener: Listener) {
    while true {
      let now = MonotonicTime.now()
      clients.removeAll { $0.deadline <= now }
      if let time = acceptsAgain, time <= now { acceptsAgain = nil }
      var entries = [
        pollfd(fd: wakeup.descriptor, events: Int16(POLLIN), revents: 0),
        pollfd(
          fd: acceptsAgain == nil ? listener.descriptor : -1, events: Int16(POLLIN), revents: 0),
      ]
      entries += clients.map { pollfd(fd: $0.socket.raw, events: $0.interest, revents: 0) }
      let count = poll(&entries, nfds_t(entries.count), milliseconds(from: now))
      if count < 0, errno != EINTR { return }
      guard count > 0 else { continue }
      if entries[0].revents != 0 { return }
      for (client, entry) in zip(clients, entries.dropFirst(2)) where entry.revents != 0 {
        client.advance { [self] in answer(to: $0) }
      }
      clients.removeAll(where: \.isOver)
      if entries[1].revents != 0 { accept(from: listener) }
    }
  }

  /// Until the next deadline; rounded up.
  private func milliseconds(from now: MonotonicTime) -> Int32 {
    let times = clients.map(\.deadline) + [acceptsAgain].compactMap(\.self)
    guard let first = times.min() else { return -1 }
    return Int32(clamping: (max(0, first.nanoseconds - now.nanoseconds) + 999_999) / 1_000_000)
  }

  private func accept(from listener: Listener) {
    let now = MonotonicTime.now()
    do throws(TransportError) {
      let connection = try listener.accept(wakeup: wakeup, until: now)
      if clients.count >= MetricsServer.connectionCountMax { clients.removeFirst() }
      clients.append(
        EndpointClient(
          connection.socket, deadline: now.advanced(bySeconds: MetricsServer.secondsMax)))
    } catch {
      if case .timedOut = error { return }
      acceptsAgain = now.advanced(bySeconds: MetricsServer.pauseSeconds)
    }
  }

  // MARK: Answers

  private func answer(to head: RequestHead) -> TextAnswer {
    switch head {
    case .get(let path): return page(path)
    case .head(let path):
      var answer = page(path)
      answer.hasBody = false
      return answer
    case .otherMethod:
      var answer = TextAnswer("405 Method Not Allowed", "only GET and HEAD\n")
      answer.fields = "Allow: GET, HEAD\r\n"
      return answer
    case .malformed: return TextAnswer("400 Bad Request", "not a request of HTTP/1.1\n")
    case .unfinished: return TextAnswer("431 Request Header Fields Too Large", "too long\n")
    }
  }

  private func page(_ path: String) -> TextAnswer {
    switch path {
    case "/metrics":
      var answer = TextAnswer("200 OK", metrics)
      answer.contentType = "text/plain; version=0.0.4; charset=utf-8"
      return answer
    case "/healthz": return TextAnswer("200 OK", "ok\n")
    case "/": return TextAnswer("200 OK", "drover: /metrics, /healthz\n")
    default: return TextAnswer("404 Not Found", "there is /metrics, and /healthz\n")
    }
  }

  private var metrics: [UInt8] {
    let now = MonotonicTime.now()
    if let made, now.seconds(since: made.at) < MetricsServer.freshSeconds { return made.text }
    let text = text()
    made = (text, now)
    return text
  }
}
