package import Platform

/// How the system's `ssh` reaches one peer: VolSync's options (volsync.md 7.5), and nothing of the
/// user's own configuration.
package struct SSHClient: Sendable {
  package var host: String
  package var port: UInt16
  package var user: String
  package var identityFile: String
  /// Has one line: the peer's key under the name ``hostKeyName``.
  package var knownHostsFile: String

  package init(
    host: String, port: UInt16, user: String, identityFile: String, knownHostsFile: String
  ) {
    self.host = host
    self.port = port
    self.user = user
    self.identityFile = identityFile
    self.knownHostsFile = knownHostsFile
  }

  /// The name of the peer's key, whatever address it is reached by.
  private static let hostKeyName = "drover-destination"
  private static let connectSeconds = 30

  /// The content of ``knownHostsFile`` for a public key, as `destination.pub` has it.
  package static func knownHosts(_ publicKey: [UInt8]) -> [UInt8] {
    let line = publicKey.split(separator: 0x0a).first.map(Array.init) ?? []
    return Array("\(hostKeyName) ".utf8) + line + [0x0a]
  }

  /// The options alone, for instance for `rsync -e`.
  package var options: [String] {
    let settings = [
      "BatchMode=yes", "StrictHostKeyChecking=yes", "UserKnownHostsFile=\(knownHostsFile)",
      "GlobalKnownHostsFile=/dev/null", "HostKeyAlias=\(SSHClient.hostKeyName)",
      "UpdateHostKeys=no", "IdentitiesOnly=yes", "IdentityAgent=none",
      "PreferredAuthentications=publickey", "ClearAllForwardings=yes", "RequestTTY=no",
      "EscapeChar=none", "Compression=no", "ConnectTimeout=\(SSHClient.connectSeconds)",
      "ServerAliveInterval=30", "ServerAliveCountMax=4", "TCPKeepAlive=yes",
    ]
    return ["-F", "none", "-T", "-x", "-a"] + settings.flatMap { ["-o", $0] }
      + ["-i", identityFile, "-p", "\(port)", "-l", user]
  }

  /// Starts `ssh` with a command for the other side. The stream belongs to the calling thread.
  ///
  /// - Throws: `TransportError.programMissing`, `.system`.
  package func open(
    _ command: String, timeouts: StreamTimeouts, wakeup: Wakeup? = nil
  ) throws(TransportError) -> ProgramStream {
    guard let path = SystemProgram.find("ssh") else {
      throw .programMissing("ssh", package: "openssh-client")
    }
    return try ProgramStream(
      executable: path, arguments: ["ssh"] + options + ["--", host, command],
      environment: SystemProgram.environment, peerDescription: peer, timeouts: timeouts,
      wakeup: wakeup)
  }

  /// For messages.
  package var peer: String { "\(user)@\(Endpoint(host: host, port: port))" }

  /// The failure that an `ssh` which ended by itself stands for; nil when the command has ended,
  /// not ssh (ssh(1), EXIT STATUS).
  package func failure(of end: ProgramStream.End) -> TransportError? {
    guard end.code == 255 else { return nil }
    let said = end.messages.joined(separator: "; ")
    let isRefused = SSHClient.refusals.contains { said.contains($0) }
    return isRefused ? .sshRefused(peer: peer, reason: said) : .sshFailed(peer: peer, reason: said)
  }

  /// What OpenSSH says of keys that do not fit.
  private static let refusals = [
    "Permission denied", "Host key verification failed", "HOST IDENTIFICATION HAS CHANGED",
    "Too many authentication failures", "invalid format", "error in libcrypto",
    "No RSA host key is known", "host key is known", "no matching host key type",
  ]
}
