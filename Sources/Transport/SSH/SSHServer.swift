import Glibc
import Platform

/// An `sshd` of ours on an address, for one key. Whoever logs in gets the relay, a command that
/// carries its input and output to a socket in a directory of ours: sessions are served by this
/// process.
package final class SSHServer: @unchecked Sendable {
  /// What the server is made from.
  package struct Keys: Sendable {
    package var hostKey: [UInt8]
    /// The public key of the only peer.
    package var peerKey: [UInt8]

    package init(hostKey: [UInt8], peerKey: [UInt8]) {
      self.hostKey = hostKey
      self.peerKey = peerKey
    }
  }

  private static let logLineCountMax = 10
  private static let startSeconds = 30.0
  /// A port that was free may be taken before sshd has it.
  private static let tryCount = 5

  private let directory: PrivateDirectory
  private let listener: LocalListener
  private let stopping: Wakeup
  package let port: UInt16

  private let lock = Lock()
  private let changed: Condition
  // The following are guarded by `lock`.
  private var isListening = false
  private var log: [String] = []
  private var ending: TransportError?

  private var thread: Thread<Void>?

  /// Starts `sshd` on `endpoint`; port 0 picks a free one. `relay` is the command that gets the
  /// path of the socket behind it; `user` is whom it runs as, and whom the peer logs in as.
  ///
  /// - Throws: `TransportError.programMissing`, `.cannotListen`, `.addressInUse`, `.sshFailed`,
  ///   `.system`.
  package static func start(
    on endpoint: Endpoint, keys: Keys, user: String, relay: String
  ) throws(TransportError) -> SSHServer {
    var attempt = 0
    while true {
      attempt += 1
      do throws(TransportError) {
        return try SSHServer(on: endpoint, keys: keys, user: user, relay: relay)
      } catch .addressInUse(let address) {
        guard endpoint.port == 0, attempt < tryCount else { throw .addressInUse(address) }
      }
    }
  }

  private init(
    on endpoint: Endpoint, keys: Keys, user: String, relay: String
  ) throws(TransportError) {
    guard let program = SystemProgram.find("sshd") else {
      throw .programMissing("sshd", package: "openssh-server")
    }
    do throws(PlatformError) {
      directory = try PrivateDirectory("ssh")
      stopping = try Wakeup()
    } catch {
      throw .system(error)
    }
    changed = Condition(lock)
    // Also tells at once when the address cannot be had.
    port = try Listener(on: endpoint, wakeup: stopping).boundPort
    let socket = "\(directory.path)/socket"
    listener = try LocalListener(at: socket, wakeup: stopping)
    let settings: String
    do throws(PlatformError) {
      settings = try SSHServer.write(
        directory, endpoint, port, keys, user, command: "\(relay) \(socket)")
      try SSHServer.give(directory, socket, to: user)
    } catch {
      throw .system(error)
    }
    thread = Thread("sshd") { [unowned self] in self.supervise(program, settings) }
    do throws(TransportError) {
      try waitUntilListening(endpoint)
    } catch {
      stop()
      throw error
    }
  }

  /// Waits for the next login: the stream of its relay.
  ///
  /// - Throws: `TransportError.cancelled` after ``cancel()``, `.sshFailed` when sshd has ended.
  package func accept(timeouts: StreamTimeouts) throws(TransportError) -> DescriptorStream {
    do throws(TransportError) {
      return try listener.accept(timeouts: timeouts)
    } catch {
      if let ending = lock.withLock({ ending }) { throw ending }
      throw error
    }
  }

  /// Ends ``accept(timeouts:)``. Any thread.
  package func cancel() { stopping.signal() }

  /// Ends sshd and waits for it. Once, at the end; streams that were accepted go on.
  package func stop() {
    cancel()
    // Its body keeps its failure in `ending`.
    try? thread?.join()
    thread = nil
  }

  // MARK: Files

  private static func write(
    _ directory: PrivateDirectory, _ endpoint: Endpoint, _ port: UInt16, _ keys: Keys,
    _ user: String, command: String
  ) throws(PlatformError) -> String {
    let hosts = endpoint.host.isEmpty ? ["0.0.0.0", "::"] : [endpoint.host]
    let settings = SSHServerSettings(
      addresses: hosts.map { Endpoint(host: $0, port: port).description },
      hostKeyFile: try directory.write("host", withLineEnd(keys.hostKey)),
      authorizedKeysFile: try directory.write(
        "authorized", SSHServerSettings.authorizedKey(keys.peerKey, command: command)),
      user: user, usesPAM: geteuid() == 0 && isReadable("/etc/pam.d/sshd"))
    return try directory.write("sshd_config", Array(settings.text.utf8))
  }

  private static func isReadable(_ path: String) -> Bool { unsafe access(path, R_OK) == 0 }

  /// OpenSSH takes no private key without its last line end.
  package static func withLineEnd(_ key: [UInt8]) -> [UInt8] {
    key.last == 0x0a ? key : key + [0x0a]
  }

  /// Lets the user whom sshd runs the relay as have the socket, and read which key is allowed.
  private static func give(
    _ directory: PrivateDirectory, _ socket: String, to user: String
  ) throws(PlatformError) {
    if geteuid() == 0, !isReadable("/run/sshd"), unsafe mkdir("/run/sshd", 0o755) != 0 {
      throw .last("mkdir", "/run/sshd")
    }
    guard let entry = unsafe getpwnam(user) else {
      throw PlatformError("getpwnam", "user \(user)", errno: ENOENT)
    }
    let owner = unsafe entry.pointee.pw_uid
    guard owner != geteuid() else { return }
    let authorized = "\(directory.path)/authorized"
    guard unsafe chmod(directory.path, 0o711) == 0, unsafe chmod(authorized, 0o644) == 0,
      unsafe chown(socket, owner, gid_t.max) == 0
    else { throw .last("chown", socket) }
  }

  // MARK: The program

  private func waitUntilListening(_ endpoint: Endpoint) throws(TransportError) {
    let deadline = MonotonicTime.now().advanced(bySeconds: SSHServer.startSeconds)
    let (isListening, ending) = lock.withLock {
      while !self.isListening, self.ending == nil, changed.wait(until: deadline) {}
      return (self.isListening, self.ending)
    }
    if let ending { throw ending }
    if !isListening {
      throw .timedOut(.accept, peer: "sshd", seconds: SSHServer.startSeconds)
    }
  }

  private func supervise(_ program: String, _ settings: String) {
    let log: SharedDescriptor
    let process: StartedProcess
    do throws(PlatformError) {
      (process, log) = try SSHServer.launch(program, settings)
    } catch {
      return end(with: .system(error))
    }
    let reading = Thread("sshd log") { [unowned self] in self.read(log) }
    var outcome = Wakeup.Outcome.woken
    do throws(PlatformError) {
      outcome = try stopping.wait(for: process.end.raw, .reading, until: nil)
    } catch {
      // Without poll nothing can be waited for.
    }
    process.signalGroup(outcome == .woken ? SIGTERM : SIGKILL)
    _ = process.reap()
    // Sessions under way hold the log; they end with their streams. Its body throws nothing.
    try? reading.join()
    if outcome == .woken { return end(with: .cancelled) }
    let said = lock.withLock { self.log }
    let text = said.joined(separator: "; ")
    end(
      with: text.contains("Address already in use")
        ? .addressInUse("port \(port)") : .sshFailed(peer: "sshd", reason: text))
  }

  private static func launch(
    _ program: String, _ settings: String
  ) throws(PlatformError) -> (StartedProcess, SharedDescriptor) {
    let log = try Pipe()
    let process = try withExtendedLifetime(log) { () throws(PlatformError) in
      // Its own path: it starts itself again for each connection.
      try StartedProcess(
        executable: program, arguments: [program, "-D", "-e", "-f", settings],
        environment: SystemProgram.environment,
        descriptors: [-1, log.write.raw, log.write.raw, -1, -1])
    }
    return (process, log.read)
  }

  private func read(_ descriptor: SharedDescriptor) {
    TextLines.read(descriptor) { line in
      lock.withLock {
        log = log.suffix(SSHServer.logLineCountMax - 1) + [line]
        if line.contains("Server listening on ") { isListening = true }
        changed.broadcast()
      }
    }
  }

  private func end(with error: TransportError) {
    lock.withLock {
      ending = error
      changed.broadcast()
    }
    // Ends `accept`.
    stopping.signal()
  }
}
