import COpenSSL
import Glibc
import Platform

/// A TLS 1.3 connection, authenticated both ways by a pre-shared key.
///
/// One thread reads and one writes, at once. The `SSL` is touched under a lock that is never held
/// while blocked: the socket does not block, and waits are polls outside the lock. Writes go out as
/// records of at most 16 KiB, one system call each, so callers pass large pieces (64 KiB and more).
@safe package final class TLSStream: ByteStream, @unchecked Sendable {
  /// How long ``close()`` waits for the peer's end.
  static let drainSeconds: Double = 5
  /// The longest wait for the direction that the other thread may serve meanwhile.
  private static let crossWaitSeconds: Double = 0.02

  private let connection: Connection
  private let timeouts: StreamTimeouts
  private let handshake: Handshake
  // Kept so that the settings and keys outlive the connection.
  private let context: TLSContext
  private let ssl: OpaquePointer

  private let lock = Lock()
  // The following are guarded by `lock`.
  private var idle = IdleClock()
  private var isAborted = false
  private var isFinished = false
  private var readFailure: TransportError?
  private var writeFailure: TransportError?

  /// Address and identity, set once by the handshake.
  package private(set) var peerDescription: String
  /// The identity of the key that both ends have proved to hold, printable.
  package private(set) var peerIdentity = ""

  /// Does the handshake as the side that `context` was made for. Blocks, for at most
  /// `timeouts.handshakeSeconds`.
  ///
  /// - Throws: `TransportError`: `.wrongKey`, `.unknownIdentity`, `.keyRefused`, `.noPreSharedKey`,
  ///   `.versionRefused`, `.notTLS`, `.handshakeFailed`, `.timedOut`, `.truncated`,
  /// `.connectionLost`,
  ///   `.cancelled`.
  package init(
    _ connection: Connection, context: TLSContext, timeouts: StreamTimeouts = StreamTimeouts()
  ) throws(TransportError) {
    ignoreSIGPIPE()
    guard let ssl = unsafe SSL_new(context.handle) else {
      throw .library(call: "SSL_new", reason: OpenSSLFailure.drain().text)
    }
    unsafe self.ssl = ssl
    self.connection = connection
    self.timeouts = timeouts
    self.context = context
    handshake = Handshake(context.role)
    peerDescription = connection.peer.description
    let pointer = unsafe Unmanaged.passUnretained(handshake).toOpaque()
    guard unsafe SSL_set_ex_data(ssl, 0, pointer) == 1,
      unsafe SSL_set_fd(ssl, connection.socket.raw) == 1
    else { throw .library(call: "SSL_set_fd", reason: OpenSSLFailure.drain().text) }
    switch context.role {
    case .client: unsafe SSL_set_connect_state(ssl)
    case .server: unsafe SSL_set_accept_state(ssl)
    }
    try shakeHands()
  }

  deinit {
    unsafe SSL_free(ssl)
  }

  /// Protocol version and cipher suite, for instance `TLSv1.3 TLS_AES_128_GCM_SHA256`.
  package var negotiated: String {
    lock.withLock {
      let version = unsafe SSL_get_version(ssl).map { unsafe String(cString: $0) } ?? "?"
      let cipher = unsafe SSL_get_current_cipher(ssl)
      let suite = unsafe SSL_CIPHER_get_name(cipher).map { unsafe String(cString: $0) } ?? "?"
      return "\(version) \(suite)"
    }
  }

  package var wireBytes: WireBytes { lock.withLock { idle.wire } }

  package func read(into buffer: UnsafeMutableRawBufferPointer) throws(TransportError) -> Int {
    try unsafe read(into: buffer, until: nil)
  }

  package func write(_ buffer: UnsafeRawBufferPointer) throws(TransportError) {
    var rest = unsafe buffer
    let start = MonotonicTime.now()
    while let base = rest.baseAddress, rest.count > 0 {
      var count = 0
      let step = unsafe attempt(.write) { unsafe SSL_write_ex($0, base, rest.count, &count) }
      switch step {
      case .done: unsafe rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      case .wants(let interest): try wait(interest, .write, begun: start)
      case .failed(let error): throw error
      case .ended: throw .truncated(peer: peerDescription)
      }
    }
  }

  package func finish() throws(TransportError) {
    let start = MonotonicTime.now()
    while true {
      let step = unsafe attempt(.finish) { ssl in
        if isFinished { return 1 }
        // 0 means that ours is sent and the peer's has not come yet.
        let code = unsafe SSL_shutdown(ssl)
        isFinished = code >= 0
        return code >= 0 ? 1 : code
      }
      switch step {
      case .done, .ended: return
      case .wants(let interest): try wait(interest, .finish, begun: start)
      case .failed(let error): throw error
      }
    }
  }

  package func close() {
    do throws(TransportError) {
      try finish()
      let deadline = MonotonicTime.now().advanced(bySeconds: TLSStream.drainSeconds)
      let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
      defer { unsafe scratch.deallocate() }
      while try unsafe read(into: scratch, until: deadline) > 0, MonotonicTime.now() < deadline {}
    } catch {
      // The session has had its acknowledgement or its error already; nothing is lost by this one.
    }
    abort()
  }

  package func abort() {
    lock.withLock { isAborted = true }
    connection.wakeup.signal()
    _ = shutdown(connection.socket.raw, Int32(SHUT_RDWR))
  }
}

// MARK: - Calls into OpenSSL

extension TLSStream {
  /// What one call into OpenSSL came to.
  private enum Step {
    case done
    /// The peer's close_notify.
    case ended
    case wants(Wakeup.Interest)
    case failed(TransportError)
  }

  /// Calls OpenSSL once under the lock, and reads its outcome and error queue.
  private func attempt(
    _ operation: TransportOperation, _ call: (OpaquePointer) -> Int32
  ) -> Step {
    lock.lock()
    defer { lock.unlock() }
    if isAborted { return .failed(.cancelled) }
    if let failure = operation == .read ? readFailure : writeFailure { return .failed(failure) }
    ERR_clear_error()
    Glibc.errno = 0
    let code = unsafe call(ssl)
    let errno = Glibc.errno
    let wire = unsafe WireBytes(
      sent: Int64(BIO_number_written(SSL_get_wbio(ssl))),
      received: Int64(BIO_number_read(SSL_get_rbio(ssl))))
    idle.note(wire)
    if code == 1 { return .done }
    switch unsafe SSL_get_error(ssl, code) {
    case SSL_ERROR_WANT_READ: return .wants(.reading)
    case SSL_ERROR_WANT_WRITE: return .wants(.writing)
    case SSL_ERROR_ZERO_RETURN: return .ended
    case SSL_ERROR_SYSCALL:
      ERR_clear_error()
      let failure = systemFailure(errno, operation)
      // A write to a peer that has gone does not lose what it sent before: reading goes on.
      if operation == .read { readFailure = failure } else { writeFailure = failure }
      return .failed(failure)
    default:
      let failure = protocolFailure(.drain(), operation)
      readFailure = failure
      writeFailure = failure
      return .failed(failure)
    }
  }

  private func systemFailure(_ errno: Int32, _ operation: TransportOperation) -> TransportError {
    if errno == 0 { return .truncated(peer: peerDescription) }
    let error = PlatformError(operation == .read ? "recv" : "send", "", errno: errno)
    return .connectionLost(error, during: operation, peer: peerDescription)
  }

  private func protocolFailure(
    _ failure: OpenSSLFailure, _ operation: TransportOperation
  ) -> TransportError {
    if failure.contains(SSL_R_UNEXPECTED_EOF_WHILE_READING) {
      return .truncated(peer: peerDescription)
    }
    if operation == .handshake {
      return failure.handshakeError(handshake, peer: peerDescription)
    }
    return .tlsFailed(reason: failure.text, peer: peerDescription)
  }

  private func read(
    into buffer: UnsafeMutableRawBufferPointer, until limit: MonotonicTime?
  ) throws(TransportError) -> Int {
    guard let base = buffer.baseAddress, buffer.count > 0 else { return 0 }
    let start = MonotonicTime.now()
    var filled = 0
    while true {
      var count = 0
      var hasMore = false
      let step = unsafe attempt(.read) { ssl in
        let code = unsafe SSL_read_ex(ssl, base + filled, buffer.count - filled, &count)
        hasMore = unsafe code == 1 && SSL_has_pending(ssl) == 1
        return code
      }
      filled += count
      switch step {
      case .done:
        if filled == buffer.count || !hasMore { return filled }
      case .wants, .ended, .failed:
        // What has arrived is handed over first; the next call meets the end or the failure again.
        if filled > 0 { return filled }
        switch step {
        case .failed(let error): throw error
        case .wants(let interest): try wait(interest, .read, begun: start, until: limit)
        case .done, .ended: return 0
        }
      }
    }
  }

  private func shakeHands() throws(TransportError) {
    let start = MonotonicTime.now()
    let limit = start.advanced(bySeconds: timeouts.handshakeSeconds)
    loop: while true {
      switch unsafe attempt(.handshake, { unsafe SSL_do_handshake($0) }) {
      case .done: break loop
      case .ended: throw .truncated(peer: peerDescription)
      case .wants(let interest): try wait(interest, .handshake, begun: start, until: limit)
      case .failed(let error): throw error
      }
    }
    // A handshake that did not use the key proves nothing, whatever else it verified.
    guard unsafe SSL_session_reused(ssl) == 1, unsafe SSL_version(ssl) == TLS1_3_VERSION else {
      throw .noPreSharedKey(peer: peerDescription)
    }
    switch context.role {
    case .client(let key): peerIdentity = key.name
    case .server: peerIdentity = handshake.found?.name ?? "?"
    }
    peerDescription += " (\(peerIdentity))"
  }

  /// Polls outside the lock until the socket is ready. `limit` is an end that progress does not
  /// move, instead of the idle time.
  private func wait(
    _ interest: Wakeup.Interest, _ operation: TransportOperation, begun start: MonotonicTime,
    until limit: MonotonicTime? = nil
  ) throws(TransportError) {
    let natural: Wakeup.Interest = operation == .read ? .reading : .writing
    while true {
      let deadline =
        limit
        ?? lock.withLock {
          idle.deadline(of: operation, begun: start, idleSeconds: timeouts.idleSeconds)
        }
      var pause = deadline
      if operation != .handshake, interest != natural {
        let cross = MonotonicTime.now().advanced(bySeconds: TLSStream.crossWaitSeconds)
        pause = deadline.map { min($0, cross) } ?? cross
      }
      switch try waitTranslated(connection.wakeup, connection.socket.raw, interest, pause) {
      case .ready: return
      case .woken: throw .cancelled
      case .timedOut:
        guard let deadline else { return }
        let now = MonotonicTime.now()
        if now < deadline { return }
        if limit == nil, hasMoved(operation, since: start, now: now) { continue }
        let seconds = limit.map { $0.seconds(since: start) } ?? timeouts.idleSeconds ?? 0
        throw .timedOut(operation, peer: peerDescription, seconds: seconds)
      }
    }
  }

  /// Whether the other thread has made progress during a wait, so that the wait goes on.
  private func hasMoved(
    _ operation: TransportOperation, since start: MonotonicTime, now: MonotonicTime
  ) -> Bool {
    let deadline = lock.withLock {
      idle.deadline(of: operation, begun: start, idleSeconds: timeouts.idleSeconds)
    }
    return deadline.map { $0 > now } ?? true
  }
}

extension OpenSSLFailure {
  /// Garbage in the place of the first record.
  private static let notTLS = [
    SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST,
    SSL_R_PACKET_LENGTH_TOO_LONG, SSL_R_BAD_RECORD_TYPE, SSL_R_LENGTH_TOO_LONG,
    SSL_R_ENCRYPTED_LENGTH_TOO_LONG, SSL_R_RECORD_LENGTH_MISMATCH, SSL_R_LENGTH_TOO_SHORT,
    SSL_R_BAD_PACKET, SSL_R_UNEXPECTED_MESSAGE,
  ]
  private static let otherVersion = [
    SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_VERSION_TOO_HIGH,
    SSL_R_WRONG_SSL_VERSION, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, SSL_R_UNKNOWN_PROTOCOL,
  ]

  /// Says which failure of a handshake this is, with what the key callbacks have seen.
  func handshakeError(_ handshake: Handshake, peer: String) -> TransportError {
    if contains(anyOf: OpenSSLFailure.otherVersion) { return .versionRefused(peer: peer) }
    if let offered = handshake.offered, handshake.found == nil {
      return .unknownIdentity(printable(offered), peer: peer)
    }
    if let found = handshake.found, contains(SSL_R_BINDER_DOES_NOT_VERIFY) {
      return .wrongKey(identity: found.name, peer: peer)
    }
    if let alert = peerAlert {
      guard case .client(let key) = handshake.role else {
        return .handshakeFailed(reason: text, peer: peer)
      }
      return OpenSSLFailure.isRefusal(alert)
        ? .keyRefused(identity: key.name, peer: peer) : .handshakeFailed(reason: text, peer: peer)
    }
    if contains(anyOf: OpenSSLFailure.notTLS) { return .notTLS(peer: peer) }
    switch handshake.role {
    case .client where contains(SSL_R_CERTIFICATE_VERIFY_FAILED):
      return .noPreSharedKey(peer: peer)
    case .server where handshake.offered == nil && contains(anyOf: OpenSSLFailure.withoutKey):
      return .noPreSharedKey(peer: peer)
    default: return .handshakeFailed(reason: text, peer: peer)
    }
  }

  /// What a server without a certificate ends in when the client offers no key.
  private static let withoutKey = [
    SSL_R_NO_SHARED_CIPHER, SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM,
    SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, SSL_R_NO_SUITABLE_KEY_SHARE,
  ]

  /// Alerts by which servers answer an identity or a key they do not accept: handshake_failure
  /// (40), illegal_parameter (47, OpenSSL's for a wrong binder), decrypt_error (51), access_denied
  /// (49), insufficient_security (71), internal_error (80, stunnel for an unknown identity),
  /// unknown_psk_identity (115) (RFC 8446, 6.2).
  private static func isRefusal(_ alert: Int32) -> Bool {
    [40, 47, 49, 51, 71, 80, 115].contains(alert)
  }
}
