import Glibc

/// Tells the service manager how the process stands: systemd's `sd_notify`, without its library.
///
/// Source: sd_notify(3): lines in one datagram to the socket that `NOTIFY_SOCKET` names.
package enum ServiceManager {
  package enum State: Sendable {
    case ready
    /// Going on with what was changed, until `ready`.
    case reloading
    case stopping
  }

  /// Sends the state, and a line for people; nothing happens when nobody wants to know. A manager
  /// that cannot be reached is its own matter.
  package static func notify(_ state: State, status: String? = nil) {
    guard let name = getenv("NOTIFY_SOCKET").map({ String(cString: $0) }) else { return }
    var text =
      switch state {
      case .ready: "READY=1"
      case .reloading:
        "RELOADING=1\nMONOTONIC_USEC=\(MonotonicTime.now().nanoseconds / 1000)"
      case .stopping: "STOPPING=1"
      }
    if let status { text += "\nSTATUS=\(status)" }
    send(Array(text.utf8), to: name)
  }

  private static func send(_ bytes: [UInt8], to name: String) {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    var path = Array(name.utf8)
    // A name that starts with @ is of the abstract kind: its first byte is NUL.
    if path.first == UInt8(ascii: "@") { path[0] = 0 }
    guard !path.isEmpty, path.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
    let length = MemoryLayout.offset(of: \sockaddr_un.sun_path).map { $0 + path.count } ?? 0
    let raw = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard raw >= 0 else { return }
    let socket = Descriptor(owning: raw)
    withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = sendto(
          socket.raw, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, socklen_t(length))
      }
    }
  }
}
