import Glibc
import Platform

/// What `tools/install-servers` and `tools/install-packages tests` have put on this machine.
package enum InstalledServers {
  /// The root of the project.
  package static var project: String {
    let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    return parts.dropLast(3).joined(separator: "/")
  }

  /// The directory of `tools/install-servers`.
  package static var directory: String {
    environmentValue("DROVER_SERVERS") ?? "\(project)/.build-servers"
  }

  /// The rclone of Debian 12, 1.60.
  package static var distributionRclone: String {
    get throws { try program("/usr/bin/rclone", from: "tools/install-packages tests") }
  }

  /// A current rclone, whose version `tools/servers.txt` pins.
  package static var currentRclone: String {
    get throws { try program("\(directory)/venv/bin/rclone", from: "tools/install-servers") }
  }

  /// A Python with croniter.
  package static var python: String {
    get throws { try program("\(directory)/venv/bin/python", from: "tools/install-servers") }
  }

  private static func program(_ path: String, from tool: String) throws -> String {
    guard access(path, X_OK) == 0 else { throw TestFailure("no \(path): run \(tool)") }
    return path
  }
}
