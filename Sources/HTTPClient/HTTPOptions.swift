package import Platform

/// The way to a server.
package enum HTTPProxy: Sendable, Equatable {
  /// As curl does: `http_proxy` for http, in lower case alone; `https_proxy`, `all_proxy` and
  /// `no_proxy` in either case.
  case environment
  case none
  /// The URL of a proxy, which may hold a password.
  case url(String)
}

/// What an answer may have at most.
package struct HTTPLimits: Sendable, Equatable {
  package var fieldCountMax: Int
  package var headByteCountMax: Int
  /// Collected of an answer that tells of a failure; the rest of it is not read.
  package var failureByteCountMax: Int

  package init(
    fieldCountMax: Int = 256, headByteCountMax: Int = 64 << 10,
    failureByteCountMax: Int = 64 << 10
  ) {
    self.fieldCountMax = fieldCountMax
    self.headByteCountMax = headByteCountMax
    self.failureByteCountMax = failureByteCountMax
  }
}

/// Settings of a client.
package struct HTTPOptions: Sendable {
  package var timeouts = HTTPTimeouts()
  package var limits = HTTPLimits()
  package var proxy: HTTPProxy = .environment
  /// PEM of authorities to trust, in place of the system's bundle; its directory of certificates
  /// stays in use.
  package var certificates: [UInt8] = []
  /// False trusts every server, and so whoever stands in between.
  package var verifiesServer = true
  package var userAgent = "drover"
  /// Bodies of so many bytes and more wait for the server's leave (`Expect: 100-continue`), until
  /// the server has shown that it gives none.
  package var expectByteCountMin: Int64 = 1 << 20
  /// Connections that are kept for later requests.
  package var idleCountMax = 32
  /// Told of body bytes that pass, of success, and of answers that the server does not serve now;
  /// waits of ``HTTPRequest/pace`` are work to it.
  package var activity: Activity?
  /// Asked at least once a second during a request; true ends it.
  package var isCancelled: @Sendable () -> Bool = { false }

  package init() {}

  /// The pace of a request; its waits are no standing still.
  func pace(of request: HTTPRequest) -> (@Sendable (Int) -> Void)? {
    guard let pace = request.pace, let activity else { return request.pace }
    return { byteCount in activity.working { pace(byteCount) } }
  }
}
