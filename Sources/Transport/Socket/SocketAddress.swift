import Glibc
import Platform

/// An IPv4 or IPv6 socket address, as the kernel takes it.
package struct SocketAddress: Sendable, CustomStringConvertible {
  /// The bytes of a `sockaddr_in` or `sockaddr_in6`.
  let bytes: [UInt8]

  var family: Int32 {
    unsafe bytes.withUnsafeBytes { unsafe Int32($0.loadUnaligned(as: sa_family_t.self)) }
  }

  /// The port, from its place that both families share (offset 2, big-endian).
  package var port: UInt16 { UInt16(bytes[2]) << 8 | UInt16(bytes[3]) }

  /// The numeric host (`getnameinfo`); an IPv4 address in IPv6 clothes is shown as IPv4.
  package var host: String {
    let capacity = 128
    let text = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) {
      name -> String in
      let code = unsafe withPointer { address, length in
        unsafe getnameinfo(
          address, length, name.baseAddress, socklen_t(capacity), nil, 0, NI_NUMERICHOST)
      }
      guard code == 0, let base = name.baseAddress else { return "?" }
      return unsafe String(cString: base)
    }
    return text.hasPrefix("::ffff:") && text.contains(".") ? String(text.dropFirst(7)) : text
  }

  package var description: String { Endpoint(host: host, port: port).description }

  func withPointer<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
    unsafe bytes.withUnsafeBytes { raw in
      guard let base = raw.baseAddress else { preconditionFailure("an address is never empty") }
      return unsafe body(base.assumingMemoryBound(to: sockaddr.self), socklen_t(raw.count))
    }
  }

  /// Reads an address by a call such as `getsockname`; nil when the call fails.
  static func reading(
    _ call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
  ) -> SocketAddress? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      let code = unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe call($0, &length)
      }
      guard code == 0 else { return nil }
      let bytes = unsafe UnsafeRawBufferPointer(start: pointer, count: Int(length))
      return unsafe SocketAddress(bytes: Array(bytes))
    }
  }

  /// Looks up a host (`getaddrinfo`), in the order of preference of the system. Blocks.
  ///
  /// - Throws: `TransportError.unresolved`.
  static func resolve(
    _ endpoint: Endpoint, purpose: Purpose
  ) throws(TransportError) -> [SocketAddress] {
    var hints = unsafe addrinfo()
    unsafe hints.ai_family = AF_UNSPEC
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = AI_NUMERICSERV | (purpose == .listen ? AI_PASSIVE : 0)
    var list: UnsafeMutablePointer<addrinfo>?
    let host: String? = endpoint.host.isEmpty ? nil : endpoint.host
    let code = unsafe getaddrinfo(host, String(endpoint.port), &hints, &list)
    guard code == 0 else {
      let reason =
        code == EAI_SYSTEM
        ? PlatformError.reason(of: Glibc.errno)
        : unsafe gai_strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)"
      throw .unresolved(host: endpoint.host, reason: reason)
    }
    defer { unsafe freeaddrinfo(list) }
    var addresses: [SocketAddress] = []
    var entry = unsafe list
    while let info = unsafe entry {
      if let address = unsafe info.pointee.ai_addr {
        let count = unsafe Int(info.pointee.ai_addrlen)
        let bytes = unsafe UnsafeRawBufferPointer(start: address, count: count)
        unsafe addresses.append(SocketAddress(bytes: Array(bytes)))
      }
      unsafe entry = info.pointee.ai_next
    }
    guard !addresses.isEmpty else { throw .unresolved(host: endpoint.host, reason: "no address") }
    return addresses
  }

  enum Purpose {
    case connect
    case listen
  }
}
