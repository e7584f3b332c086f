/// Options of rclone that are read by nobody here, so that whoever has set one can be told.
package enum UnservedOptions {
  /// Of remotes of type s3. Those that would change what a run does are refused; those that say how
  /// rclone does what is done here in another way, with the same outcome, count for nothing.
  static let s3: [String] = [
    "max_upload_parts", "no_system_metadata", "shared_credentials_file", "use_arn_region",
  ]

  /// Of the command line and, as `RCLONE_…`, of the environment.
  package static let global: Set<String> = [
    "bind", "bwlimit-file", "cache-dir", "check-first", "client-cert", "client-key",
    "client-pass", "compare-dest", "contimeout", "copy-dest", "copy-links", "cutoff-mode",
    "default-time", "disable", "dscp", "dump", "error-on-no-transfer", "expect-continue-timeout",
    "fix-case", "hash-filter", "header", "header-download", "header-upload", "ignore-case-sync",
    "ignore-checksum", "inplace", "list-cutoff", "log-file", "log-level", "log-systemd",
    "max-buffer-memory", "max-connections", "max-duration", "max-transfer", "metadata-exclude",
    "metadata-filter", "metadata-include", "metadata-mapper", "metadata-set", "modify-window",
    "name-transform", "no-check-dest", "no-traverse", "no-unicode-normalization", "order-by",
    "partial-suffix", "password-command", "rc", "refresh-times", "retries-sleep",
    "server-side-across-configs", "streaming-upload-cutoff", "suffix-exclude", "syslog", "timeout",
    "use-cookies", "use-json-log",
  ]

  /// The variables of an environment that stand for such options; sorted.
  package static func variables(in environment: [String: String]) -> [String] {
    global.map { "RCLONE_" + String($0.map { $0 == "-" ? "_" : $0 }).uppercased() }
      .filter { environment[$0]?.isEmpty == false }.sorted()
  }
}

extension RemoteConfiguration {
  /// What is set for a remote, in whatever place, and has no effect; by the names of the options.
  package func withoutEffect(_ text: String) throws(RemoteError) -> [String] {
    let address = try RemoteAddress(text)
    guard var reader = OptionReader(address, in: self), let type = try reader.find("type")
    else { return [] }
    guard type.text == "s3" else { return [] }
    reader.type = type.text
    var found: [String] = []
    for option in UnservedOptions.s3 {
      guard let value = try reader.find(option)?.text else { continue }
      if !["", "false", "unset", "off", "10000"].contains(value) { found.append(option) }
    }
    return found
  }
}
