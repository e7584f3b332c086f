import Platform

/// Real rclone as a client of one server, with a configuration of its own.
package final class RcloneClient: Sendable {
  package enum Version: Sendable, CaseIterable {
    /// What Debian 12 has, 1.60.
    case distribution
    /// What `tools/install-servers` has installed.
    case current
  }

  /// The executable.
  package let path: String
  /// The configuration file; the server is its remote `s3`.
  package var configurationPath: String { directory.path("rclone.conf") }

  private let directory: TemporaryDirectory

  /// `settings` are lines of the remote's section, after those that name server and user.
  package init(_ version: Version, _ endpoint: ServerEndpoint, settings: [String] = []) throws {
    path =
      switch version {
      case .distribution: try InstalledServers.distributionRclone
      case .current: try InstalledServers.currentRclone
      }
    directory = try TemporaryDirectory()
    let lines =
      [
        "[s3]", "type = s3", "provider = Other", "env_auth = false",
        "access_key_id = \(endpoint.accessKey)", "secret_access_key = \(endpoint.secretKey)",
        "region = \(endpoint.region)", "endpoint = \(endpoint.url)", "force_path_style = true",
      ] + settings
    let text = lines.joined(separator: "\n") + "\n"
    try ByteFiles.write(Array(configurationPath.utf8), Array(text.utf8))
  }

  /// How rclone names a bucket, or a key below one.
  package func remote(_ path: String) -> String { "s3:\(path)" }

  /// Runs `rclone ARGUMENTS…` to its end. Its environment holds no `AWS_CA_BUNDLE`, with which
  /// 1.60 refuses to start.
  @discardableResult
  package func run(
    _ arguments: [String], timeoutSeconds: Double = 600
  ) throws -> ProcessResult {
    try runProcess("env", environmentArguments + arguments, timeoutSeconds: timeoutSeconds)
  }

  /// Runs `rclone ARGUMENTS…`, which has to succeed.
  @discardableResult
  package func runChecked(_ arguments: [String]) throws -> ProcessResult {
    let result = try run(arguments)
    guard result.status == 0 else {
      throw TestFailure(
        "rclone \(arguments.joined(separator: " ")) ended with \(result.status): "
          + result.errorText)
    }
    return result
  }

  /// Starts `rclone ARGUMENTS…` in the background.
  package func start(_ arguments: [String]) throws -> ChildProcess {
    try ChildProcess("env", environmentArguments + arguments)
  }

  private var environmentArguments: [String] {
    ["-u", "AWS_CA_BUNDLE", path, "--config", configurationPath]
  }
}
