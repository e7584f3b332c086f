import Glibc
import Platform

/// An rsync daemon behind stunnel with a pre-shared key, as VolSync's rsync-TLS mover runs them:
/// its options and its two passes, a connection each; without its fixed sleeps and control files.
final class RsyncPeer: Peer {
  private static let tunnelPort = 8000
  private static let localPort = 9000
  private static let startSecondsMax = 10.0

  let name = "rsync"
  private let sandbox: Sandbox
  private let work: String
  private let folder: String
  private var tunnels: [ChildProcess] = []

  init(_ sandbox: Sandbox, work: String) throws {
    self.sandbox = sandbox
    self.work = work
    folder = "\(work)/rsync"
    try runCommand(["mkdir", "-p", "\(folder)/tree", "\(folder)/image"])
    let key = "volsync:\(hex(SecureRandom.bytes(64)))\n"
    try write(key, to: "key.txt")
    try write(daemonConfiguration, to: "rsyncd.conf")
    try write(serverConfiguration, to: "server.conf")
    try write(clientConfiguration, to: "client.conf")
  }

  func destinationPath(_ dataset: Dataset) -> String { "\(folder)/\(dataset.rawValue)" }

  /// The tunnels stand for the whole benchmark, as they stand before VolSync's mover starts rsync.
  func listen(for scenario: Scenario) throws {
    guard tunnels.isEmpty else { return }
    let ends = [(Side.destination, "server"), (.source, "client")]
    for (side, name) in ends {
      tunnels.append(
        try sandbox.start(
          side, ["stunnel", "\(folder)/\(name).conf"], output: "\(folder)/stunnel-\(name).log"))
    }
    let deadline = MonotonicTime.now().advanced(bySeconds: RsyncPeer.startSecondsMax)
    while true {
      // Until both tunnels and the daemon answer, the listing of modules fails.
      if (try? runOnSource(["rsync", "rsync://127.0.0.1:\(RsyncPeer.localPort)/"], "list")) != nil {
        return
      }
      guard MonotonicTime.now() < deadline else {
        throw BenchmarkError("no rsync through stunnel: \(tail(of: "\(folder)/list.log"))")
      }
      SystemClock().sleep(seconds: 0.1)
    }
  }

  func replicate(_ scenario: Scenario) throws {
    let source = scenario.dataset.sourcePath(in: work)
    let address = "rsync://127.0.0.1:\(RsyncPeer.localPort)/\(scenario.dataset.rawValue)"
    let list = "find \"$0\" -mindepth 1 -maxdepth 1 -printf '/%P\\n' >\"$1\""
    try runOnSource(["sh", "-c", list, source, "\(folder)/list.txt"], "list")
    var copy = ["rsync", scenario.rsyncCompresses ? "-aAhHSxz" : "-aAhHSx", "-r"]
    copy += ["--exclude=lost+found", "--itemize-changes", "--info=stats2,misc2"]
    if scenario.inPlace { copy += ["--inplace", "--no-whole-file"] }
    copy += ["--files-from=\(folder)/list.txt", "\(source)/", address]
    try runOnSource(copy, "copy")
    try runOnSource(
      [
        "rsync", "-rx", "--exclude=lost+found", "--ignore-existing", "--ignore-non-existing",
        "--delete", "--itemize-changes", "--info=stats2,misc2", "\(source)/", address,
      ], "delete")
    let sync = ["sync", "-f", destinationPath(scenario.dataset)]
    try sandbox.start(.destination, sync, output: "\(folder)/sync.log").waitForSuccess()
  }

  /// By the same two passes, without compression, which only costs time here.
  func catchUp(_ scenario: Scenario) throws {
    var plain = scenario
    plain.rsyncCompresses = false
    try listen(for: plain)
    try replicate(plain)
  }

  func stop() {
    for tunnel in tunnels { tunnel.terminate() }
    tunnels = []
  }

  private func runOnSource(_ command: [String], _ name: String) throws {
    try sandbox.start(.source, command, output: "\(folder)/\(name).log").waitForSuccess()
  }

  private func write(_ text: String, to name: String) throws {
    let path = "\(folder)/\(name)"
    let raw = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard raw >= 0 else { throw PlatformError.last("open", path) }
    let file = Descriptor(owning: raw)
    try SmallFile.write(Array(text.utf8), to: file.raw, subject: path)
  }

  private var daemonConfiguration: String {
    let modules = ["tree", "image"].map { "[\($0)]\npath = \(folder)/\($0)\n" }.joined()
    return """
      log file = \(folder)/rsyncd.log
      max verbosity = 10
      use chroot = false
      numeric ids = true
      munge symlinks = true
      open noatime = true
      reverse lookup = false
      transfer logging = true
      read only = false
      uid = 0
      gid = *
      \(modules)
      """
  }

  private var serverConfiguration: String {
    """
    \(commonConfiguration)
    [rsync]
    ciphers = kPSK
    PSKsecrets = \(folder)/key.txt
    sslVersionMin = TLSv1.3
    accept = \(Sandbox.destinationAddress):\(RsyncPeer.tunnelPort)
    client = no
    exec = /usr/bin/rsync
    execargs = rsync --server --daemon --config=\(folder)/rsyncd.conf .

    """
  }

  private var clientConfiguration: String {
    """
    \(commonConfiguration)
    [rsync]
    ciphers = PSK
    PSKsecrets = \(folder)/key.txt
    accept = 127.0.0.1:\(RsyncPeer.localPort)
    client = yes
    connect = \(Sandbox.destinationAddress):\(RsyncPeer.tunnelPort)

    """
  }

  private var commonConfiguration: String {
    """
    debug = notice
    foreground = yes
    pid =
    socket = l:SO_KEEPALIVE=1
    socket = r:SO_KEEPALIVE=1
    syslog = no
    """
  }
}
