import Glibc
import Platform

/// The Unix socket of a state directory. It is reached by a descriptor of the directory, so that
/// the length of the path does not matter.
enum StateSocket {
  static let name = "drover.sock"

  /// A connection to whoever listens; nil when nobody does.
  static func connect(_ directory: String) throws(PlatformError) -> SharedDescriptor? {
    let socket = try make()
    let code = try withAddress(directory) { address, length in
      retryingOnInterrupt { Glibc.connect(socket.raw, address, length) }
    }
    if code == 0 { return socket }
    if errno == ENOENT || errno == ECONNREFUSED { return nil }
    throw .last("connect", "\(directory)/\(name)")
  }

  /// Listens in place of a socket that a killed process has left; the caller holds the lock.
  static func listen(_ directory: String) throws(PlatformError) -> SharedDescriptor {
    let path = "\(directory)/\(name)"
    unlink(path)
    let socket = try make()
    let code = try withAddress(directory) { address, length in
      bind(socket.raw, address, length)
    }
    guard code == 0 else { throw .last("bind", path) }
    guard chmod(path, 0o600) == 0 else { throw .last("chmod", path) }
    guard Glibc.listen(socket.raw, Int32(StateLimits.connectionCountMax)) == 0 else {
      throw .last("listen", path)
    }
    return socket
  }

  private static func make() throws(PlatformError) -> SharedDescriptor {
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let raw = socket(AF_UNIX, type, 0)
    guard raw >= 0 else { throw .last("socket") }
    return SharedDescriptor(owning: raw)
  }

  private static func withAddress(
    _ directory: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) throws(PlatformError) -> Int32 {
    let raw = retryingOnInterrupt {
      open(directory, FileSystem.openPath | FileSystem.openDirectory | O_CLOEXEC)
    }
    guard raw >= 0 else {
      // No directory is nobody who listens.
      if errno == ENOENT { return -1 }
      throw .last("open", directory)
    }
    let descriptor = Descriptor(owning: raw)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let path = Array("/proc/self/fd/\(descriptor.raw)/\(name)".utf8)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }

  /// Bounds how long one read or write of a connection takes.
  static func setTimeout(_ descriptor: Int32, seconds: Int) {
    var time = timeval(tv_sec: seconds, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      // A socket without it waits longer, no more.
      _ = setsockopt(
        descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
    }
  }
}

/// Lines of JSON over a connection, each of a bounded length.
struct LineConnection: ~Copyable {
  private let descriptor: SharedDescriptor
  private let lineSizeBytesMax: Int
  private var pending: [UInt8] = []
  /// Bytes of `pending` that are known to hold no newline.
  private var scannedCount = 0

  init(_ descriptor: SharedDescriptor, lineSizeBytesMax: Int) {
    self.descriptor = descriptor
    self.lineSizeBytesMax = lineSizeBytesMax
  }

  /// The next line as an object; nil at the end of the stream.
  mutating func receive() throws(StateError) -> JSONObject? {
    var piece = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      if let end = pending[scannedCount...].firstIndex(of: 0x0a) {
        let line = Array(pending[..<end])
        pending.removeFirst(end + 1)
        scannedCount = 0
        return try parse(line)
      }
      scannedCount = pending.count
      guard pending.count <= lineSizeBytesMax else {
        throw .badMessage("a line is longer than \(lineSizeBytesMax >> 20) MiB")
      }
      let count = piece.withUnsafeMutableBytes { buffer in
        retryingOnInterrupt { recv(descriptor.raw, buffer.baseAddress, buffer.count, 0) }
      }
      guard count >= 0 else { throw .connection(.last("recv")) }
      if count == 0 {
        if pending.isEmpty { return nil }
        throw .badMessage("a line is cut short")
      }
      pending.append(contentsOf: piece[..<count])
    }
  }

  private func parse(_ line: [UInt8]) throws(StateError) -> JSONObject {
    let limits = JSONLimits(
      sizeBytesMax: lineSizeBytesMax, depthMax: StateLimits.messageDepthMax)
    do throws(JSONError) {
      guard let object = try JSONValue(parsing: line, limits: limits).objectValue else {
        throw JSONError("a message must be an object")
      }
      return object
    } catch {
      throw .badMessage(error.message)
    }
  }

  func send(_ object: JSONObject) throws(StateError) {
    let line = JSONValue.object(object).encoded() + [0x0a]
    var offset = 0
    while offset < line.count {
      let count = line.withUnsafeBytes { buffer in
        retryingOnInterrupt {
          Glibc.send(
            descriptor.raw, buffer.baseAddress.map { $0 + offset }, buffer.count - offset,
            Int32(MSG_NOSIGNAL))
        }
      }
      guard count >= 0 else { throw .connection(.last("send")) }
      offset += count
    }
  }

  /// Whether the other side has gone, or has said something out of turn.
  var hasEnded: Bool { waits(seconds: 0) }

  /// Waits until there is something to receive, the end included; false when the time has passed.
  func waits(seconds: Double) -> Bool {
    if pending.contains(0x0a) { return true }
    let timeout = Int32(min(max(0, seconds) * 1000, 1e9).rounded(.up))
    var entry = pollfd(fd: descriptor.raw, events: Int16(POLLIN), revents: 0)
    return retryingOnInterrupt { poll(&entry, 1, timeout) } > 0
  }
}
