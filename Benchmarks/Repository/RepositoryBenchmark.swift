import Glibc
import Platform

/// Drover and restic side by side: the same steps on the same data, each in a repository of its
/// own, in an order that alternates with the rounds.
final class RepositoryBenchmark {
  private let options: RepositoryArguments
  private let log: ResultLog
  private let restic: RepositoryPeer
  private let drover: RepositoryPeer
  private var seed: UInt64
  /// Restored trees of this run. They stay to its end, so that none is made where one has just been
  /// deleted.
  private var targets: [String] = []

  private var peers: [RepositoryPeer] { [restic, drover] }

  init(_ options: RepositoryArguments, log: ResultLog) throws {
    self.options = options
    self.log = log
    seed = options.seed
    let launcher = try ownExecutable()
    restic = try RepositoryPeer("restic", [options.restic], work: options.work, launcher: launcher)
    drover = try RepositoryPeer(
      "drover", [options.drover, "repo"], work: options.work, launcher: launcher)
  }

  /// Runs every round, proves the last, measures the machine, and reports.
  func run() throws {
    defer {
      for target in targets {
        // What is left over is below the work directory, which the user knows.
        try? runCommand(["rm", "-rf", target])
      }
    }
    for data in RepositoryData.allCases where options.steps.contains(where: { $0.data == data }) {
      try data.prepare(in: options.work)
    }
    var outcomes = options.steps.map { RepositoryOutcome(step: $0) }
    for round in 0..<options.roundCount { try run(round, &outcomes) }
    // A fast run that leaves damage is worth nothing: restic reads everything.
    try restic.prove(drover)
    let limits = try RepositoryLimits(
      measuring: Set(options.steps.compactMap(\.data)), in: options.work,
      onFreshVolume: options.usesFreshVolume, repositories: peers.map { ($0.name, $0.repository) })
    let versions = try peers.map { "\($0.name): \(try $0.version())" }
    try RepositoryReport(outcomes, limits, versions: versions).write(
      to: log, isJSON: options.isJSON)
  }

  private func run(_ round: Int, _ outcomes: inout [RepositoryOutcome]) throws {
    for index in outcomes.indices {
      let step = outcomes[index].step
      if step.changes, let data = step.data {
        seed &+= 1
        try data.change(in: options.work, seed: seed)
      }
      if step == .`init` {
        for peer in peers { try peer.reset() }
      }
      for peer in round.isMultiple(of: 2) ? peers : peers.reversed() {
        let measurement = try measure(step, peer, isLast: round == options.roundCount - 1)
        outcomes[index].measurements[peer.name, default: []].append(measurement)
        var line: JSONObject = [
          "benchmark": .string("repository"), "step": .string(step.rawValue),
          "round": .integer(Int64(round)), "peer": .string(peer.name),
        ]
        for member in measurement.json.members { line[member.name] = member.value }
        try log.append(line)
      }
    }
  }

  private func measure(
    _ step: RepositoryStep, _ peer: RepositoryPeer, isLast: Bool
  ) throws -> RepositoryMeasurement {
    if let data = step.data, step != .restore { try Dataset.warm(data.path(in: options.work)) }
    if step == .restore { return try measureRestore(peer, isLast: isLast) }
    let usage = try measure(step, peer, target: "")
    return RepositoryMeasurement(usage: usage, repositoryBytes: try peer.repositoryBytes())
  }

  private func measure(
    _ step: RepositoryStep, _ peer: RepositoryPeer, target: String
  ) throws -> CommandUsage {
    let command = step.command(in: options.work, target: target)
    // Earlier work must not be written out at this run's expense.
    try runCommand(["sync"])
    return try peer.run(command)
  }

  private func measureRestore(
    _ peer: RepositoryPeer, isLast: Bool
  ) throws -> RepositoryMeasurement {
    let source = RepositoryData.tree.path(in: options.work)
    try Dataset.warm(peer.repository)
    let usage: CommandUsage
    if options.usesFreshVolume {
      let volume = try FreshVolume(in: options.work, byteCount: try byteCount(of: source))
      let target = "\(volume.path)/restored"
      let outcome = Result {
        let usage = try measure(.restore, peer, target: target)
        try compare(source, "\(target)\(source)", peer, byContent: isLast)
        return usage
      }
      try volume.remove()
      usage = try outcome.get()
    } else {
      let target = "\(options.work)/restored.\(getpid()).\(targets.count)"
      targets.append(target)
      usage = try measure(.restore, peer, target: target)
      try compare(source, "\(target)\(source)", peer, byContent: isLast)
    }
    return RepositoryMeasurement(usage: usage, repositoryBytes: try peer.repositoryBytes())
  }

  /// rsync must find no difference in what either program has restored.
  private func compare(
    _ source: String, _ restored: String, _ peer: RepositoryPeer, byContent: Bool
  ) throws {
    var command = ["rsync", "-aAXHSn", "--delete", "--itemize-changes"]
    if byContent { command.append("--checksum") }
    let differences = try ChildProcess.capture(command + ["\(source)/", "\(restored)/"])
    guard differences.isEmpty else {
      throw BenchmarkError(
        "\(peer.name): the restored tree differs: \(printable(differences.utf8.prefix(600)))",
        kind: .different)
    }
  }
}
