import Glibc
import Platform

/// `rclone serve s3` over a directory of its own, gone with the last holder.
///
/// Fast, but not strict: it stores what was damaged on the way, and forgets the user metadata of
/// objects when it is stopped. What a strict store refuses is asked of ``SwiftServer``.
/// When several objects arrive at once in a folder that is not there yet, it may answer one with
/// status 500; so a test counts what was done, not what was tried.
package final class RcloneServer: BucketServer, @unchecked Sendable {
  package let endpoint: ServerEndpoint
  /// Each directory in it is a bucket, each file below an object.
  package var dataDirectory: String { directory.path("data") }

  private let directory: TemporaryDirectory
  private let options: [String]
  private let lock = Lock()
  private var child: ChildProcess

  /// Starts the server on a free port and waits until it listens. `options` are added to its
  /// command line. With an authority it speaks HTTPS alone, by a certificate of that.
  package init(options: [String] = [], authority: TestAuthority? = nil) throws {
    let options =
      options
      + (authority.map { ["--cert", $0.serverCertificatePath, "--key", $0.serverKeyPath] } ?? [])
    directory = try TemporaryDirectory()
    let data = try directory.makeDirectory("data")
    let started = try RcloneServer.start(data, port: 0, options)
    self.options = options
    child = started.child
    var endpoint = ServerEndpoint(
      port: started.port, accessKey: accessKey, secretKey: secretKey, region: "us-east-1")
    endpoint.isSecure = authority != nil
    self.endpoint = endpoint
  }

  deinit { stop() }

  /// The server's process.
  package var processID: pid_t { lock.withLock { child.processID } }

  /// What the server complained about since it was last started; for the message of a failed test.
  package var log: String { lock.withLock { String(child.errorOutput.text.suffix(4000)) } }

  package func makeBucket(_ name: String) throws {
    let path = "\(dataDirectory)/\(name)"
    guard mkdir(path, 0o755) == 0 else { throw PlatformError.last("mkdir", path) }
  }

  /// Kills the server with `kill -9`; its data stays.
  package func stop() {
    lock.withLock {
      child.kill(SIGKILL)
      _ = child.wait()
    }
  }

  /// Starts the server again, on the same port and data; it must have been stopped.
  package func restart() throws {
    let started = try RcloneServer.start(dataDirectory, port: endpoint.port, options)
    lock.withLock { child = started.child }
  }

  private static func start(
    _ data: String, port: UInt16, _ options: [String]
  ) throws -> (child: ChildProcess, port: UInt16) {
    let child = try startLastingChild(
      "env",
      ["-u", "AWS_CA_BUNDLE", try InstalledServers.currentRclone]
        + ["serve", "s3", "--config", "/dev/null", "--addr", "127.0.0.1:\(port)"]
        + ["--auth-key", "\(accessKey),\(secretKey)"] + options + [data])
    // It says where it listens once it does; with port 0 the kernel has chosen.
    let deadline = MonotonicTime.now().advanced(bySeconds: 60)
    while MonotonicTime.now() < deadline, child.isRunning {
      let said = child.errorOutput.text
      if let found = listeningPort(in: said) { return (child, found) }
      SystemClock().sleep(seconds: 0.01)
    }
    child.kill(SIGKILL)
    throw TestFailure("rclone serve s3 did not start: \(child.errorOutput.text.suffix(2000))")
  }

  private static func listeningPort(in text: String) -> UInt16? {
    let marker = "://127.0.0.1:"
    for line in text.split(separator: "\n") {
      guard let found = line.firstRange(of: marker) else { continue }
      return UInt16(line[found.upperBound...].prefix { $0.isNumber })
    }
    return nil
  }
}

private let accessKey = "drover-test"
private let secretKey = "drover-test-secret"
