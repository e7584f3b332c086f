import Glibc
import Platform

/// A program with restic's commands, and the repository and cache it works with.
struct RepositoryPeer {
  private static let password = "benchmark"

  let name: String
  /// The program, and the words before its commands.
  let program: [String]
  private let folder: String
  private let launcher: String

  init(_ name: String, _ program: [String], work: String, launcher: String) throws {
    self.name = name
    self.program = program
    self.launcher = launcher
    folder = "\(work)/repository-\(name)"
    try runCommand(["mkdir", "-p", folder])
  }

  var repository: String { "\(folder)/repository" }

  /// The first line of what the program says of its version.
  func version() throws -> String {
    let program = Array(program.prefix(1))
    let text = try ChildProcess.capture(program + ["version"])
    return text.split(separator: "\n").first.map { printable($0.utf8) } ?? ""
  }

  /// Forgets the repository and the cache of earlier rounds.
  func reset() throws {
    try runCommand(["rm", "-rf", repository, "\(folder)/cache", "\(folder)/temporary"])
    try runCommand(["mkdir", "-p", "\(folder)/cache", "\(folder)/temporary"])
  }

  /// Runs one command to its successful end.
  func run(_ command: [String]) throws -> CommandUsage {
    let environment = [
      "RESTIC_PASSWORD=\(RepositoryPeer.password)", "RESTIC_REPOSITORY=\(repository)",
      "RESTIC_CACHE_DIR=\(folder)/cache", "TMPDIR=\(folder)/temporary",
    ]
    let log = "\(folder)/\(command.first ?? "command").log"
    return try MeasuredCommand.run(
      program + command, environment: environment, launcher: launcher, log: log)
  }

  /// The sum of the lengths of the repository's files.
  func repositoryBytes() throws -> Int { try byteCount(of: repository) }

  /// Checks the repository of `other` by this program, without measuring.
  func prove(_ other: RepositoryPeer) throws {
    _ = try run(["check", "--read-data", "--no-cache", "--repo", other.repository])
  }
}

/// The sum of the lengths of the regular files below `path`.
func byteCount(of path: String) throws -> Int {
  try ChildProcess.capture(["find", path, "-type", "f", "-printf", "%s\n"])
    .split(separator: "\n").reduce(0) { $0 + (Int($1) ?? 0) }
}
