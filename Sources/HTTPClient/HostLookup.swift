import Glibc

/// Why a name has no address.
enum HostLookup {
  /// Whether the name servers say that there is no such host (`getaddrinfo(3)`: `EAI_NONAME`,
  /// `EAI_NODATA`), in place of saying nothing. `server` is scheme, host and port. Blocks.
  static func isUnknown(_ server: String) -> Bool {
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    let code = unsafe getaddrinfo(host(of: server), nil, &hints, &found)
    if let list = unsafe found { unsafe freeaddrinfo(list) }
    // EAI_NODATA is -5, and not to be had without _GNU_SOURCE.
    return code == EAI_NONAME || code == -5
  }

  /// `https://host:port` without what stands around the host.
  static func host(of server: String) -> String {
    var rest = Substring(server)
    if let slash = rest.lastIndex(of: "/") { rest = rest[rest.index(after: slash)...] }
    if let colon = rest.lastIndex(of: ":"), !rest.hasSuffix("]") { rest = rest[..<colon] }
    return String(rest)
  }
}
