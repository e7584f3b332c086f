/// The settings of an `sshd` of ours, which lets one key in, to one command.
///
/// Source: sshd_config(5); volsync.md 7.5.
struct SSHServerSettings {
  /// Addresses with their port, as `ListenAddress` takes them.
  var addresses: [String]
  var hostKeyFile: String
  var authorizedKeysFile: String
  var user: String
  /// With PAM an account without password is no locked one; only root's sshd can use it.
  var usesPAM: Bool

  var text: String {
    let lines =
      addresses.map { "ListenAddress \($0)" } + [
        "HostKey \(hostKeyFile)", "PidFile none", "AuthorizedKeysFile \(authorizedKeysFile)",
        // The files stand in a directory of ours below the temporary one, which all may write.
        "StrictModes no", "UsePAM \(usesPAM ? "yes" : "no")", "PubkeyAuthentication yes",
        "AuthenticationMethods publickey", "PasswordAuthentication no",
        "KbdInteractiveAuthentication no", "HostbasedAuthentication no",
        "PermitRootLogin forced-commands-only", "AllowUsers \(user)", "AllowTcpForwarding no",
        "AllowStreamLocalForwarding no", "AllowAgentForwarding no", "GatewayPorts no",
        "PermitTunnel no", "PermitTTY no", "PermitUserRC no", "PermitUserEnvironment no",
        "X11Forwarding no", "PrintMotd no", "PrintLastLog no", "UseDNS no", "Compression no",
        "TCPKeepAlive yes", "ClientAliveInterval 30", "ClientAliveCountMax 4",
        "LoginGraceTime 30", "MaxAuthTries 3", "LogLevel INFO",
      ]
    return lines.joined(separator: "\n") + "\n"
  }

  /// The one line of the authorized keys: whoever has the key gets `command`, and nothing else.
  static func authorizedKey(_ publicKey: [UInt8], command: String) -> [UInt8] {
    let key = publicKey.split(separator: 0x0a).first.map(Array.init) ?? []
    return Array("restrict,command=\"\(command)\" ".utf8) + key + [0x0a]
  }
}
