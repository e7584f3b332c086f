import Platform

/// A program that mirrors, and how it is called.
struct MirrorPeer {
  private static let transferCount = 10
  static let remote = "store"

  let name: String
  /// The program, and the words before `sync`.
  let program: [String]
  let folder: String
  /// Whether one run takes several destinations; else there is one run for each.
  let takesSeveral: Bool
  private let launcher: String

  init(
    _ name: String, _ program: [String], takesSeveral: Bool, work: String, launcher: String
  ) throws {
    self.name = name
    self.program = program
    self.takesSeveral = takesSeveral
    self.launcher = launcher
    folder = "\(work)/mirror-of-\(name)"
    try runCommand(["mkdir", "-p", folder])
  }

  /// The first line of what the program says of its version.
  func version() throws -> String {
    let option = takesSeveral ? "--version" : "version"
    let text = try ChildProcess.capture([program[0], option])
    return text.split(separator: "\n").first.map { printable($0.utf8) } ?? ""
  }

  /// Makes `destinations` equal to `source`.
  func sync(_ source: String, _ destinations: [String], endpoint: String) throws -> CommandUsage {
    let words = program + ["sync", "--transfers", String(MirrorPeer.transferCount), source]
    var command = words + destinations
    if destinations.count > 1, !takesSeveral {
      // One after the other, as a script of its user would.
      let script = destinations.indices.map { "\"$@\" \"$destination\($0)\"" }
      let names = destinations.indices.map { "destination\($0)='\(destinations[$0])'" }
      command =
        ["sh", "-euc", (names + script).joined(separator: "\n"), "sh"] + words
    }
    return try MeasuredCommand.run(
      command, environment: environment(endpoint), launcher: launcher, log: "\(folder)/sync.log")
  }

  private func environment(_ endpoint: String) -> [String] {
    let prefix = "RCLONE_CONFIG_\(MirrorPeer.remote.uppercased())_"
    return [
      "-u", "AWS_CA_BUNDLE", "DROVER_STATE_DIR=\(folder)/state", "RCLONE_CONFIG=/dev/null",
      "\(prefix)TYPE=s3",
      "\(prefix)PROVIDER=Other", "\(prefix)ACCESS_KEY_ID=\(MirrorServer.accessKey)",
      "\(prefix)SECRET_ACCESS_KEY=\(MirrorServer.secretKey)", "\(prefix)ENDPOINT=\(endpoint)",
      "\(prefix)FORCE_PATH_STYLE=true",
    ]
  }
}
