package import Platform

/// Failures of sending a request and of receiving its answer. An answer with a status of failure is
/// none of them.
///
/// `server` is scheme, host and port; no case ever holds a header or the rest of a URL.
package enum HTTPError: DroverError {
  case invalidRequest(server: String, problem: String)
  case unresolved(server: String, reason: String)
  /// The name servers know no such host.
  case noSuchHost(server: String)
  case unreachable(server: String, reason: String)
  case timedOut(server: String, reason: String)
  /// The server's certificate is not trusted, or not the server's.
  case tlsRefused(server: String, reason: String)
  /// TLS broke otherwise.
  case tlsFailed(server: String, reason: String)
  case connectionLost(server: String, reason: String)
  /// The answer ended before the length that it announced.
  case cutShort(server: String, receivedByteCount: Int64)
  case notHTTP(server: String, reason: String)
  /// More than allowed of `what`.
  case tooLarge(server: String, what: String, limit: Int)
  case cancelled
  /// The content to send could not be read.
  case bodyFailed(any DroverError)
  case bodyEnded(read: Int64, expected: Int64)
  /// The receiver of the answer failed.
  case receiverFailed(any DroverError)
  case certificatesUnusable(reason: String)
  case proxyFailed(reason: String)
  case library(call: String, reason: String)

  package var kind: FailureKind {
    switch self {
    case .invalidRequest, .certificatesUnusable: .usage
    case .unresolved, .unreachable, .timedOut, .tlsFailed, .connectionLost, .cutShort,
      .proxyFailed:
      .unreachable
    // Some resolvers say so for a moment; a few attempts show it.
    case .noSuchHost: .unreachable
    case .tlsRefused: .denied
    case .notHTTP, .bodyEnded, .library: .failed
    case .tooLarge: .corrupt
    case .cancelled: .cancelled
    case .bodyFailed(let error), .receiverFailed(let error): error.kind
    }
  }

  /// Whether nothing that is sent to the same server arrives.
  package var isLasting: Bool {
    switch self {
    case .noSuchHost, .unresolved, .tlsRefused, .certificatesUnusable: true
    default: false
    }
  }

  /// Attempts that are worth while; nil for those that the policy allows.
  package var attemptsMax: Int? {
    switch self {
    case .noSuchHost: 2
    case .unresolved: 4
    default: nil
    }
  }

  package var message: String {
    switch self {
    case .invalidRequest(let server, let problem): "\(server): cannot send: \(problem)"
    case .unresolved(let server, let reason): "\(server): no address: \(reason)"
    case .noSuchHost(let server): "\(server): there is no such host"
    case .unreachable(let server, let reason): "\(server): cannot connect: \(reason)"
    case .timedOut(let server, let reason): "\(server): timed out: \(reason)"
    case .tlsRefused(let server, let reason): "\(server): the certificate is refused: \(reason)"
    case .tlsFailed(let server, let reason): "\(server): TLS failed: \(reason)"
    case .connectionLost(let server, let reason): "\(server): connection lost: \(reason)"
    case .cutShort(let server, let count):
      "\(server): the answer was cut short after \(count) bytes"
    case .notHTTP(let server, let reason): "\(server): what answers is not HTTP: \(reason)"
    case .tooLarge(let server, let what, let limit):
      "\(server): \(what) is larger than the \(limit) bytes that are allowed"
    case .cancelled: "cancelled"
    case .bodyFailed: "the content to send cannot be read"
    case .bodyEnded(let read, let expected):
      "the content to send ended after \(read) of \(expected) bytes"
    case .receiverFailed: "the answer cannot be taken"
    case .certificatesUnusable(let reason): "the certificates to trust cannot be used: \(reason)"
    case .proxyFailed(let reason): "the proxy failed: \(reason)"
    case .library(let call, let reason): "\(call): \(reason)"
    }
  }

  package var hint: String? {
    switch self {
    case .unresolved, .noSuchHost:
      "Check the spelling of the host, and this machine's name servers."
    case .unreachable: "Check that the server runs, and that a firewall lets the port through."
    case .timedOut: "Look at the server and at the way to it."
    case .tlsRefused:
      "Give the authority that signed the certificate (--cacert), or the server's right name."
    case .tlsFailed: "Check whether the server speaks https on this port, TLS 1.2 or newer."
    case .notHTTP: "Check the port, and whether it wants https."
    case .bodyEnded: "The source became shorter while it was read; run again."
    case .certificatesUnusable: "A file of certificates is PEM: BEGIN CERTIFICATE, base64, END."
    case .proxyFailed: "Check the variables http_proxy, https_proxy, all_proxy and no_proxy."
    case .bodyFailed(let error), .receiverFailed(let error): error.hint
    default: nil
    }
  }

  package var cause: (any DroverError)? {
    switch self {
    case .bodyFailed(let error), .receiverFailed(let error): error
    default: nil
    }
  }
}
