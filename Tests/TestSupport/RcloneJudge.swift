import Glibc
import Platform

/// Real rclone, in the two versions that are compared with: Debian's 1.60, found by `PATH`, and
/// 1.75, which `tools/install-servers` installs, or `DROVER_RCLONE` names.
package struct RcloneJudge: Sendable {
  package let path: String
  package let version: String

  /// Both versions.
  /// - Throws: when one of them is missing.
  package static func all() throws -> [RcloneJudge] {
    let newer = try environmentValue("DROVER_RCLONE") ?? InstalledServers.currentRclone
    return [
      try RcloneJudge("rclone", prefix: "rclone v1.60."),
      try RcloneJudge(newer, prefix: "rclone v1.75."),
    ]
  }

  private init(_ path: String, prefix: String) throws {
    let text: String
    do {
      let environment = RcloneJudge.environment([:])
      text = try TestSupport.runChecked(path, ["version"], environment: environment).outputText
    } catch {
      throw TestFailure(
        "\(prefix)x is needed; run tools/test, or tools/install-packages tests and tools/install-servers: \(error)"
      )
    }
    guard text.hasPrefix(prefix) else {
      throw TestFailure("\(path) is not \(prefix)x but \(text.prefix { $0 != "\n" })")
    }
    self.path = path
    version = String(text.prefix { $0 != "\n" })
  }

  private static func environment(_ more: [String: String]) -> [String: String] {
    // Whatever the user has configured stays out.
    ["RCLONE_CONFIG": "/dev/null", "LC_ALL": "C.UTF-8", "TZ": "UTC"]
      .merging(more) { $1 }
  }

  /// Runs rclone to its end; the configuration is empty unless `environment` names one.
  package func run(
    _ arguments: [String], environment: [String: String] = [:], stdin: [UInt8] = []
  ) throws -> ProcessResult {
    try runProcess(
      path, arguments, environment: RcloneJudge.environment(environment), stdin: stdin)
  }

  /// Runs rclone, which has to succeed.
  package func runChecked(
    _ arguments: [String], environment: [String: String] = [:]
  ) throws -> ProcessResult {
    let result = try run(arguments, environment: environment)
    guard result.status == 0 else {
      throw TestFailure(
        "\(version) \(arguments.joined(separator: " ")) ended with \(result.status): "
          + result.errorText)
    }
    return result
  }
}
