import COpenSSL
import Platform

/// The settings of one end of the tunnel: TLS 1.3 alone, one cipher suite, external pre-shared keys
/// with (EC)DHE, no certificates, no tickets, no early data.
///
/// Made once for a client's connection or a server's listener; many connections may share it.
@safe package final class TLSContext: @unchecked Sendable {
  enum Role {
    case client(PreSharedKey)
    case server(KeyRing)
  }

  // Not changed after `init`; `SSL_new` locks what it counts.
  let handle: OpaquePointer
  let role: Role

  /// The client's end, which offers one key.
  package static func client(_ key: PreSharedKey) throws(TransportError) -> TLSContext {
    try TLSContext(.client(key))
  }

  /// The server's end, which takes every key of the ring.
  package static func server(_ keys: KeyRing) throws(TransportError) -> TLSContext {
    try TLSContext(.server(keys))
  }

  private init(_ role: Role) throws(TransportError) {
    let method: OpaquePointer?
    switch role {
    case .client: unsafe method = TLS_client_method()
    case .server: unsafe method = TLS_server_method()
    }
    guard let handle = unsafe SSL_CTX_new(method) else {
      throw .library(call: "SSL_CTX_new", reason: OpenSSLFailure.drain().text)
    }
    unsafe self.handle = handle
    self.role = role
    try unsafe TLSContext.configure(handle)
    switch role {
    case .client:
      // A server that shows a certificate instead of the key must fail: none is ever trusted.
      unsafe SSL_CTX_set_verify(handle, SSL_VERIFY_PEER, nil)
      unsafe SSL_CTX_set_psk_use_session_callback(handle) {
        unsafe offerKey($0, $1, $2, $3, $4)
      }
    case .server:
      unsafe SSL_CTX_set_psk_find_session_callback(handle) { unsafe findKey($0, $1, $2, $3) }
    }
  }

  deinit {
    unsafe SSL_CTX_free(handle)
  }

  // `SSL_OP_NO_TICKET` and `SSL_OP_NO_RENEGOTIATION` are expressions, which Swift does not import.
  private static let optionNoTicket = UInt64(1) << 14
  private static let optionNoRenegotiation = UInt64(1) << 30
  /// Room for two full records, so that one `recv` fetches more than one of them.
  private static let readBufferSizeBytes = 64 << 10

  private static func configure(_ handle: OpaquePointer) throws(TransportError) {
    let version = Int(TLS1_3_VERSION)
    guard unsafe SSL_CTX_ctrl(handle, SSL_CTRL_SET_MIN_PROTO_VERSION, version, nil) == 1,
      unsafe SSL_CTX_ctrl(handle, SSL_CTRL_SET_MAX_PROTO_VERSION, version, nil) == 1,
      // The hash of an external key is SHA-256 with stunnel's callbacks, so this suite alone can be
      // used with it (delta-transport.md 4.1).
      unsafe SSL_CTX_set_ciphersuites(handle, "TLS_AES_128_GCM_SHA256") == 1,
      unsafe SSL_CTX_set_num_tickets(handle, 0) == 1
    else {
      throw .library(call: "SSL_CTX setup", reason: OpenSSLFailure.drain().text)
    }
    unsafe SSL_CTX_set_options(handle, optionNoTicket | optionNoRenegotiation)
    unsafe SSL_CTX_ctrl(handle, SSL_CTRL_SET_SESS_CACHE_MODE, Int(SSL_SESS_CACHE_OFF), nil)
    // One record per call, so that the lock is let go between records; buffers may move.
    let mode = SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
    unsafe SSL_CTX_ctrl(handle, SSL_CTRL_MODE, Int(mode), nil)
    unsafe SSL_CTX_ctrl(handle, SSL_CTRL_SET_READ_AHEAD, 1, nil)
    unsafe SSL_CTX_set_default_read_buffer_len(handle, readBufferSizeBytes)
  }
}

// MARK: - Key callbacks

/// What one handshake knows about keys; OpenSSL's callbacks find it in slot 0 of the `SSL`.
///
/// Used by the one thread that does the handshake.
@safe final class Handshake {
  let role: TLSContext.Role
  /// The bytes that OpenSSL is lent as the client's identity; they live as long as this object.
  let identity: UnsafeMutableBufferPointer<UInt8>
  /// The identity that the client has named; nil before.
  var offered: [UInt8]?
  /// The key that goes with it, if there is one.
  var found: PreSharedKey?

  init(_ role: TLSContext.Role) {
    self.role = role
    let bytes: [UInt8]
    if case .client(let key) = role { bytes = key.identity } else { bytes = [] }
    unsafe identity = .allocate(capacity: bytes.count)
    _ = unsafe identity.initialize(fromContentsOf: bytes)
  }

  deinit {
    unsafe identity.deallocate()
  }

  static func of(_ ssl: OpaquePointer?) -> Handshake? {
    guard let pointer = unsafe SSL_get_ex_data(ssl, 0) else { return nil }
    return unsafe Unmanaged<Handshake>.fromOpaque(pointer).takeUnretainedValue()
  }

  /// A session that stands for an external key; OpenSSL wipes its copy of the key.
  static func makeSession(_ ssl: OpaquePointer?, _ key: PreSharedKey) -> OpaquePointer? {
    // TLS_AES_128_GCM_SHA256 (RFC 8446, B.4).
    let suite: [UInt8] = [0x13, 0x01]
    guard let cipher = unsafe SSL_CIPHER_find(ssl, suite), let session = unsafe SSL_SESSION_new()
    else { return nil }
    let isSet = unsafe key.secret.withBytes { bytes in
      unsafe SSL_SESSION_set1_master_key(
        session, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count)
    }
    guard isSet == 1, unsafe SSL_SESSION_set_cipher(session, cipher) == 1,
      unsafe SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1
    else {
      unsafe SSL_SESSION_free(session)
      return nil
    }
    return unsafe session
  }
}

/// `SSL_psk_use_session_cb_func`: gives the client's key, for any hash or for SHA-256.
private func offerKey(
  _ ssl: OpaquePointer?, _ digest: OpaquePointer?,
  _ identity: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
  _ identitySize: UnsafeMutablePointer<Int>?,
  _ session: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  guard let handshake = unsafe Handshake.of(ssl), case .client(let key) = handshake.role,
    let identity = unsafe identity, let identitySize = unsafe identitySize,
    let session = unsafe session
  else { return 0 }
  unsafe session.pointee = nil
  // After a HelloRetryRequest the hash is fixed; our key goes with SHA-256 alone.
  if let digest = unsafe digest, unsafe EVP_MD_get_type(digest) != NID_sha256 { return 1 }
  guard let made = unsafe Handshake.makeSession(ssl, key) else { return 0 }
  unsafe identity.pointee = UnsafePointer(handshake.identity.baseAddress)
  unsafe identitySize.pointee = handshake.identity.count
  unsafe session.pointee = made
  return 1
}

/// `SSL_psk_find_session_cb_func`: looks up the key of the identity that a client has named.
private func findKey(
  _ ssl: OpaquePointer?, _ identity: UnsafePointer<UInt8>?, _ identitySize: Int,
  _ session: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  guard let handshake = unsafe Handshake.of(ssl), case .server(let keys) = handshake.role,
    let session = unsafe session
  else { return 0 }
  unsafe session.pointee = nil
  let name = unsafe Array(UnsafeBufferPointer(start: identity, count: identitySize))
  handshake.offered = name
  guard let key = keys.key(identity: name) else { return 1 }
  handshake.found = key
  guard let made = unsafe Handshake.makeSession(ssl, key) else { return 0 }
  unsafe session.pointee = made
  return 1
}
