import Glibc
import Platform

/// `rclone serve s3` on a directory: the store that both programs write to. Started anew for each
/// round of each program, so that neither finds what the other has left in its memory.
struct MirrorServer {
  static let accessKey = "AKIABENCHMARK"
  static let secretKey = "benchmark-secret"
  private static let attemptsMax = 200
  private static let pauseMicroseconds: UInt32 = 50_000

  let endpoint: String
  private let child: ChildProcess

  /// Starts the server on an empty `folder` with `buckets`, and waits until it takes connections.
  init(rclone: String, folder: String, buckets: [String], port: Int) throws {
    try runCommand(["rm", "-rf", folder])
    try runCommand(["mkdir", "-p"] + buckets.map { "\(folder)/\($0)" })
    endpoint = "http://127.0.0.1:\(port)"
    child = try ChildProcess.start(
      [
        "env", "-u", "AWS_CA_BUNDLE", "RCLONE_CONFIG=/dev/null", rclone, "serve", "s3",
        "--auth-key", "\(MirrorServer.accessKey),\(MirrorServer.secretKey)", "--addr",
        "127.0.0.1:\(port)", folder,
      ], output: "\(folder).log")
    for _ in 0..<MirrorServer.attemptsMax {
      if MirrorServer.answers(port: port) { return }
      usleep(MirrorServer.pauseMicroseconds)
    }
    child.terminate()
    throw BenchmarkError("\(rclone) serve s3 does not answer: \(tail(of: "\(folder).log"))")
  }

  func stop() { child.terminate() }

  private static func answers(port: Int) -> Bool {
    let raw = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard raw >= 0 else { return false }
    let descriptor = Descriptor(owning: raw)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor.raw, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }
}
