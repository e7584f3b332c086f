import Glibc
import Platform

/// Drover and rsync + stunnel side by side: the same data, the same changes, one after the other,
/// in an order that alternates with the rounds.
final class ReplicateBenchmark {
  private let options: ReplicateArguments
  private let sandbox: Sandbox
  private let peers: [any Peer]
  private let log: ResultLog
  private var seed: UInt64
  private var retiredCount = 0
  /// Where copies go that a scenario starts without: ext4 hands out inodes very slowly for half a
  /// minute after many were freed nearby, so nothing large is removed before the end.
  private var retired: String { "\(options.work)/retired" }

  init(_ options: ReplicateArguments, log: ResultLog) throws {
    self.options = options
    self.log = log
    seed = options.seed
    try runCommand(["mkdir", "-p", options.work])
    let sandbox = try Sandbox()
    self.sandbox = sandbox
    do {
      peers = [
        try RsyncPeer(sandbox, work: options.work),
        try DroverPeer(sandbox, work: options.work, binary: options.drover),
      ]
    } catch {
      sandbox.tearDown()
      throw error
    }
  }

  /// Runs every scenario and gives its measurements by peer.
  func run() throws -> [ScenarioOutcome] {
    defer {
      for peer in peers { peer.stop() }
      sandbox.tearDown()
      // What stays is removed by the next run.
      try? runCommand(["rm", "-rf", retired])
    }
    try runCommand(["rm", "-rf", retired])
    try runCommand(["mkdir", retired])
    var prepared: Set<Dataset> = []
    var outcomes: [ScenarioOutcome] = []
    for scenario in options.scenarios {
      if prepared.insert(scenario.dataset).inserted {
        try scenario.dataset.prepare(in: options.work)
      }
      outcomes.append(try run(scenario))
    }
    return outcomes
  }

  private func run(_ scenario: Scenario) throws -> ScenarioOutcome {
    var outcome = ScenarioOutcome(scenario: scenario)
    for round in 0..<options.roundCount {
      try sandbox.shape(megabitsPerSecond: nil)
      for peer in peers { try bringToStart(scenario, peer) }
      let changedBytes = try change(scenario)
      try sandbox.shape(megabitsPerSecond: scenario.megabitsPerSecond)
      for peer in round.isMultiple(of: 2) ? peers : peers.reversed() {
        var measurement = try measure(in: sandbox) {
          try peer.listen(for: scenario)
        } _: {
          try peer.replicate(scenario)
        }
        measurement.changedBytes = changedBytes
        outcome.measurements[peer.name, default: []].append(measurement)
        try log.append(scenario: scenario.name, round: round, peer: peer.name, measurement)
      }
      try sandbox.shape(megabitsPerSecond: nil)
      try prove(scenario, byContent: round == options.roundCount - 1)
    }
    return outcome
  }

  private func bringToStart(_ scenario: Scenario, _ peer: any Peer) throws {
    let destination = peer.destinationPath(scenario.dataset)
    if scenario.start == .empty { try retire(destination) }
    try runCommand(["mkdir", "-p", destination])
    // Whatever listens all the time is up before anything is measured.
    if scenario.start == .empty { return }
    try peer.catchUp(scenario)
    // What Drover has written past the page cache would be read from the disk, rsync's would not.
    try Dataset.warm(destination)
  }

  private func retire(_ destination: String) throws {
    guard access(destination, F_OK) == 0 else { return }
    retiredCount += 1
    try runCommand(["mv", destination, "\(retired)/\(retiredCount)"])
  }

  private func change(_ scenario: Scenario) throws -> Int {
    guard scenario.start == .changed else { return 0 }
    seed &+= 1
    let source = scenario.dataset.sourcePath(in: options.work)
    switch scenario.dataset {
    case .tree:
      var mutation = TreeMutation(seed: seed)
      try mutation.apply(to: source)
      return 0
    case .image:
      var mutation = ImageMutation(seed: seed)
      return try mutation.apply(to: "\(source)/disk.img")
    }
  }

  /// A fast run that leaves a difference is worth nothing: rsync must find none in Drover's copy.
  private func prove(_ scenario: Scenario, byContent: Bool) throws {
    let source = scenario.dataset.sourcePath(in: options.work)
    for peer in peers where peer is DroverPeer {
      var command = ["rsync", "-aAXHSn", "--delete", "--itemize-changes"]
      if byContent { command.append("--checksum") }
      command += ["\(source)/", "\(peer.destinationPath(scenario.dataset))/"]
      let differences = try ChildProcess.capture(command)
      guard differences.isEmpty else {
        throw BenchmarkError(
          "\(scenario.name): the copy differs: \(printable(differences.utf8.prefix(600)))",
          kind: .different)
      }
    }
  }
}
