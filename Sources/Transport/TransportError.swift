package import Platform

/// Failures of reaching, authenticating and talking to a peer.
///
/// `peer` is an address, with the key's identity where it is known. No case ever holds key bytes.
package enum TransportError: DroverError {
  /// The stream, listener or connection attempt was aborted on this side.
  case cancelled
  /// Nothing moved for the time allowed.
  case timedOut(TransportOperation, peer: String, seconds: Double)
  /// The connection ended without the peer's clean end: bytes may be missing.
  case truncated(peer: String)
  /// The system reported a failure of a standing connection.
  case connectionLost(PlatformError, during: TransportOperation, peer: String)
  /// No address of the peer took the connection; the cause is the last one's.
  case unreachable(address: String, cause: PlatformError)
  /// The host name has no address.
  case unresolved(host: String, reason: String)
  case addressInUse(String)
  case cannotListen(PlatformError, address: String)
  case invalidEndpoint(String, problem: String)
  /// Server side: the peer named an identity we know, with another key.
  case wrongKey(identity: String, peer: String)
  /// Server side: the peer named an identity that the key file does not have.
  case unknownIdentity(String, peer: String)
  /// Client side: the peer refused our identity or our key. It does not say which.
  case keyRefused(identity: String, peer: String)
  /// The peer speaks TLS, but without a pre-shared key that TLS 1.3 could use.
  case noPreSharedKey(peer: String)
  /// The peer speaks no TLS 1.3.
  case versionRefused(peer: String)
  /// What the peer sent is not TLS at all.
  case notTLS(peer: String)
  /// Any other failure of the handshake.
  case handshakeFailed(reason: String, peer: String)
  /// A failure of TLS after the handshake: damaged or forged records, an alert.
  case tlsFailed(reason: String, peer: String)
  /// A library call failed that does not depend on the peer.
  case library(call: String, reason: String)
  case keyFileUnreadable(PlatformError)
  /// A wrong line, or a file without any line when `line` is nil.
  case keyFileInvalid(file: String, line: Int?, problem: String)
  /// `--psk-identity` names no line of the key file.
  case identityNotInKeyFile(String, file: String)
  case system(PlatformError)
  /// A program of the system is not installed.
  case programMissing(String, package: String)
  /// ssh could not reach the peer, or lost it; or sshd has ended.
  case sshFailed(peer: String, reason: String)
  /// ssh and its peer do not accept each other's keys.
  case sshRefused(peer: String, reason: String)
  /// The command at the other side is no receiver of ours.
  case commandFailed(peer: String, code: Int32, said: String)
}

/// What was under way when a transport failed.
package enum TransportOperation: String, Sendable {
  case connect
  case handshake
  case read
  case write
  case finish
  case accept
}

extension TransportError {
  package var kind: FailureKind {
    switch self {
    case .cancelled: .cancelled
    case .timedOut, .truncated, .connectionLost, .unreachable, .unresolved: .unreachable
    case .sshFailed: .unreachable
    case .programMissing: .unsupported
    case .sshRefused: .wrongKey
    case .commandFailed: .failed
    case .addressInUse, .library, .tlsFailed, .handshakeFailed: .failed
    case .cannotListen(let error, _), .keyFileUnreadable(let error), .system(let error): error.kind
    case .invalidEndpoint, .keyFileInvalid, .identityNotInKeyFile: .usage
    case .wrongKey, .unknownIdentity, .keyRefused, .noPreSharedKey, .versionRefused, .notTLS:
      .wrongKey
    }
  }

  package var cause: (any DroverError)? {
    switch self {
    case .connectionLost(let error, _, _), .unreachable(_, let error), .cannotListen(let error, _),
      .keyFileUnreadable(let error), .system(let error):
      error
    default: nil
    }
  }

  package var message: String {
    switch self {
    case .cancelled: "cancelled"
    case .timedOut(let operation, let peer, let seconds):
      "\(peer): timed out in \(operation.rawValue): nothing moved for \(brief(seconds)) s"
    case .truncated(let peer): "\(peer): the connection ended without a clean close"
    case .connectionLost(_, let operation, let peer):
      "\(peer): connection lost in \(operation.rawValue)"
    case .unreachable(let address, _): "cannot connect to \(address)"
    case .unresolved(let host, let reason): "cannot resolve host \(host): \(reason)"
    case .addressInUse(let address): "cannot listen on \(address): the address is in use"
    case .cannotListen(_, let address): "cannot listen on \(address)"
    case .invalidEndpoint(let text, let problem): "invalid address '\(text)': \(problem)"
    case .library(let call, let reason): "\(call): \(reason)"
    case .keyFileUnreadable: "cannot read the key file"
    case .keyFileInvalid(let file, let line, let problem):
      line.map { "\(file):\($0): \(problem)" } ?? "\(file): \(problem)"
    case .identityNotInKeyFile(let identity, let file):
      "\(file): no line for identity '\(identity)'"
    case .system: "system call failed"
    case .programMissing(let name, _): "there is no \(name) on this machine"
    case .sshFailed(let peer, let reason): "\(peer): ssh failed: \(reason)"
    case .commandFailed(let peer, let code, let said):
      "\(peer): the command there ended with code \(code): \(said)"
    default: authenticationMessage
    }
  }

  private var authenticationMessage: String {
    switch self {
    case .sshRefused(let peer, let reason): "\(peer): authentication failed: \(reason)"
    case .wrongKey(let identity, let peer):
      "\(peer): authentication failed: wrong key for identity '\(identity)'"
    case .unknownIdentity(let identity, let peer):
      "\(peer): authentication failed: unknown identity '\(identity)'"
    case .keyRefused(let identity, let peer):
      "\(peer): authentication failed: the peer refused identity '\(identity)' or its key"
    case .noPreSharedKey(let peer):
      "\(peer): authentication failed: the peer uses no pre-shared key"
    case .versionRefused(let peer): "\(peer): the peer does not speak TLS 1.3"
    case .notTLS(let peer): "\(peer): what the peer sends is not TLS"
    case .handshakeFailed(let reason, let peer): "\(peer): TLS handshake failed: \(reason)"
    case .tlsFailed(let reason, let peer): "\(peer): TLS failed: \(reason)"
    default: ""
    }
  }

  package var hint: String? {
    switch self {
    case .programMissing(_, let package): "Install it (Debian: \(package))."
    case .sshFailed:
      "Check that the other side is running and that a firewall lets the port through."
    case .sshRefused:
      "Both sides need the keys of one Secret: source with destination.pub, destination with"
        + " source.pub."
    case .commandFailed:
      "The other side has to run drover: section rsync of a ReplicationDestination, or the command"
        + " drover replicate receive --stdio ROOT."
    case .timedOut: "Look at the other side; --timeout allows more time."
    case .truncated: "The other side died or the network broke; run again to go on."
    case .unreachable:
      "Check that the receiver is running and that a firewall lets the port through."
    case .unresolved: "Check the spelling of the host, or give its address."
    case .addressInUse:
      "Another process has this port; stop it, or give another one (port 0 picks a free one)."
    case .invalidEndpoint: "Write HOST:PORT, [IPV6]:PORT or HOST (port \(Endpoint.defaultPort))."
    case .wrongKey, .keyRefused:
      "Both sides need the same <identity>:<hex> line in their key files."
    case .unknownIdentity: "Add the peer's line to the key file, or choose --psk-identity there."
    case .noPreSharedKey: "Set the peer up with the line of the key file (stunnel: PSKsecrets)."
    case .versionRefused: "Let the peer use TLS 1.3 (stunnel: sslVersionMin = TLSv1.3)."
    case .notTLS: "Check that the port is a Drover receiver's or a TLS tunnel's."
    case .keyFileInvalid: "Each line is <identity>:<hex>; `drover key generate` prints one."
    case .connectionLost, .cannotListen, .keyFileUnreadable, .system: cause?.hint
    default: nil
    }
  }

  private func brief(_ seconds: Double) -> String {
    let rounded = (seconds * 10).rounded() / 10
    return rounded == rounded.rounded() ? String(Int(rounded)) : String(rounded)
  }
}
