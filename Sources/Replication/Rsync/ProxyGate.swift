import Cryptography
import Glibc
import Platform
import Transport

/// The way of the installed rsync to a peer behind the tunnel.
///
/// rsync connects to it as to a web proxy (`RSYNC_PROXY`) on the loopback address, with a name and
/// a password that are made for this run and reach rsync in its environment; nobody else on this
/// machine gets through. Each connection becomes one of the tunnel.
final class ProxyGate: @unchecked Sendable {
  /// The longest request: rsync's own is under 1 KiB.
  private static let requestSizeBytesMax = 4096
  private static let requestSeconds = 30.0
  private static let closeSeconds = 5.0

  private let listener: Listener
  private let password = hex(SecureRandom.bytes(16))
  private let makeStream: @Sendable () throws -> any ByteStream

  private let lock = Lock()
  private let changed: Condition
  // The following are guarded by `lock`.
  private var isStopped = false
  private var firstFailure: (any Error)?
  private var sum = WireBytes()
  private var streams: [UInt64: any ByteStream] = [:]
  private var connectionWakeups: [UInt64: Wakeup] = [:]
  private var threads: [Thread<Void>] = []
  private var number: UInt64 = 0

  private var accepting: Thread<Void>?

  /// `makeStream` connects to the peer and authenticates.
  init(_ makeStream: @escaping @Sendable () throws -> any ByteStream) throws {
    self.makeStream = makeStream
    changed = Condition(lock)
    listener = try Listener(on: Endpoint(host: "127.0.0.1", port: 0), wakeup: Wakeup())
    accepting = Thread("gate") { [unowned self] in self.acceptAll() }
  }

  /// For rsync's environment.
  var variable: String { "RSYNC_PROXY=drover:\(password)@127.0.0.1:\(listener.boundPort)" }

  /// Why the peer could not be reached, or broke off; the first reason.
  var failure: (any Error)? { lock.withLock { firstFailure } }

  /// Bytes of all connections so far that have ended.
  var wireBytes: WireBytes { lock.withLock { sum } }

  /// Cuts everything off.
  func cancel() {
    let (open, wakeups) = lock.withLock {
      isStopped = true
      return (Array(streams.values), Array(connectionWakeups.values))
    }
    listener.abort()
    for wakeup in wakeups { wakeup.signal() }
    for stream in open { stream.abort() }
  }

  /// Waits until the connections of an rsync that has ended are over.
  func waitUntilIdle() {
    let deadline = MonotonicTime.now().advanced(bySeconds: 2 * ProxyGate.closeSeconds)
    lock.withLock {
      while !connectionWakeups.isEmpty, changed.wait(until: deadline) {}
    }
  }

  /// Cancels and waits for all threads. Once, at the end.
  func stop() {
    cancel()
    for thread in [accepting].compactMap({ $0 }) + lock.withLock({ threads }) {
      // The bodies of these threads keep their failures in `firstFailure`.
      try? thread.join()
    }
    accepting = nil
  }

  private func acceptAll() {
    while !lock.withLock({ isStopped }) {
      do {
        let wakeup = try Wakeup()
        let connection = try listener.accept(wakeup: wakeup)
        lock.withLock {
          number += 1
          let number = number
          connectionWakeups[number] = wakeup
          if isStopped { wakeup.signal() }
          threads.append(Thread("gate peer") { [self] in self.serve(connection, number) })
        }
      } catch {
        return note(error)
      }
    }
  }

  private func note(_ error: any Error) {
    if let error = error as? TransportError, error.kind == .cancelled { return }
    lock.withLock { firstFailure = firstFailure ?? error }
  }

  private func serve(_ connection: Connection, _ number: UInt64) {
    defer {
      lock.withLock {
        if let stream = streams.removeValue(forKey: number) {
          sum.sent += stream.wireBytes.sent
          sum.received += stream.wireBytes.received
        }
        connectionWakeups[number] = nil
        changed.broadcast()
      }
    }
    do {
      let inner = try DescriptorStream(
        reading: connection.socket, writing: connection.socket, peerDescription: "rsync",
        timeouts: StreamTimeouts(timeoutSeconds: ProxyGate.requestSeconds),
        wakeup: connection.wakeup)
      guard try isAllowed(inner) else { return try answer("403 Forbidden", inner) }
      let outer: any ByteStream
      do { outer = try makeStream() } catch {
        note(error)
        return try answer("502 Bad Gateway", inner)
      }
      let isLate = lock.withLock {
        streams[number] = outer
        return isStopped
      }
      if isLate { outer.abort() }
      try answer("200 OK", inner)
      try relay(connection, outer)
    } catch {
      note(error)
    }
  }

  private func relay(_ connection: Connection, _ outer: any ByteStream) throws {
    // rsync may be busy with its files for long: only the peer's side has a time limit.
    let inner = try DescriptorStream(
      reading: connection.socket, writing: connection.socket, peerDescription: "rsync",
      timeouts: StreamTimeouts(timeoutSeconds: nil), wakeup: connection.wakeup)
    let relay = StreamRelay(inner: inner, outer: outer)
    relay.waitForInner()
    relay.finish(seconds: ProxyGate.closeSeconds)
    if let failure = relay.outerFailure { note(failure) }
  }

  private func answer(_ status: String, _ stream: any ByteStream) throws {
    let text = Array("HTTP/1.0 \(status)\r\n\r\n".utf8)
    try text.withUnsafeBytes { try stream.write($0) }
    // A refused one reads this to its end and closes.
    if status.first != "2" { try stream.finish() }
  }

  /// Reads the request to its empty line, byte by byte: what follows is the peer's.
  private func isAllowed(_ stream: any ByteStream) throws -> Bool {
    var request: [UInt8] = []
    var byte: [UInt8] = [0]
    while !request.reversed().starts(with: "\n\r\n\r".utf8) {
      guard request.count < ProxyGate.requestSizeBytesMax,
        try byte.withUnsafeMutableBytes({ try stream.read(into: $0) }) == 1
      else { return false }
      request.append(byte[0])
    }
    var proof: [UInt8] = Array("Proxy-Authorization: Basic ".utf8)
    Array("drover:\(password)".utf8).withUnsafeBytes { Base64.append($0, to: &proof) }
    return request.split(whereSeparator: { $0 == 0x0d || $0 == 0x0a }).contains { line in
      constantTimeEquals(Array(line), proof)
    }
  }
}
