import Platform

/// Drover and rclone side by side: the same steps on the same data, each against a store of its
/// own, in an order that alternates with the rounds.
final class MirrorBenchmark {
  private static let port = 18_633

  private let options: MirrorArguments
  private let log: ResultLog
  private let peers: [MirrorPeer]
  private var usages: [MirrorStep: [String: [CommandUsage]]] = [:]
  /// Trees of this run. They stay to its end, so that none is made where one has just been deleted.
  private var made: [String] = []

  init(_ options: MirrorArguments, log: ResultLog) throws {
    self.options = options
    self.log = log
    let launcher = try ownExecutable()
    peers = [
      try MirrorPeer(
        "rclone", [options.rclone], takesSeveral: false, work: options.work, launcher: launcher),
      try MirrorPeer(
        "drover", [options.drover, "mirror"], takesSeveral: true, work: options.work,
        launcher: launcher),
    ]
  }

  /// Runs every round and reports; each store is compared with its source.
  func run() throws {
    defer {
      for path in made {
        // What is left over is below the work directory, which the user knows.
        try? runCommand(["rm", "-rf", path])
      }
    }
    for data in MirrorData.allCases where options.steps.contains(where: { $0.data == data }) {
      try data.prepare(in: options.work)
    }
    for round in 0..<options.roundCount {
      for peer in round.isMultiple(of: 2) ? peers : peers.reversed() { try run(round, peer) }
    }
    try report()
  }

  /// All steps of one program against a store of its own.
  private func run(_ round: Int, _ peer: MirrorPeer) throws {
    let stored = fresh("\(peer.folder)/stored")
    let buckets = Set(options.steps.flatMap(\.buckets)).sorted()
    let server = try MirrorServer(
      rclone: options.rclone, folder: stored, buckets: buckets, port: MirrorBenchmark.port)
    defer { server.stop() }
    let tree = fresh("\(options.work)/mirror-changed")
    try copySmall(to: tree)
    for step in options.steps {
      if step == .change {
        var mutation = TreeMutation(seed: options.seed &+ UInt64(round))
        try mutation.apply(to: tree)
      }
      let source = step.data == .small ? tree : step.data.path(in: options.work)
      let usage = try measure(step, peer, server, source, stored)
      usages[step, default: [:]][peer.name, default: []].append(usage)
      var line: JSONObject = [
        "benchmark": .string("mirror"), "step": .string(step.rawValue),
        "round": .integer(Int64(round)), "peer": .string(peer.name),
      ]
      for member in usage.json.members { line[member.name] = member.value }
      try log.append(line)
    }
  }

  private func fresh(_ path: String) -> String {
    let name = "\(path).\(made.count)"
    made.append(name)
    return name
  }

  private func measure(
    _ step: MirrorStep, _ peer: MirrorPeer, _ server: MirrorServer, _ source: String,
    _ stored: String
  ) throws -> CommandUsage {
    let name = step.data.rawValue
    try Dataset.warm(source)
    // Earlier work must not be written out at this run's expense.
    try runCommand(["sync"])
    if step == .pull {
      let target = fresh("\(peer.folder)/pulled")
      let usage = try peer.sync(
        "\(MirrorPeer.remote):one/\(name)", [target], endpoint: server.endpoint)
      try compare(source, target, peer)
      return usage
    }
    let destinations = step.buckets.map { "\(MirrorPeer.remote):\($0)/\(name)" }
    let usage = try peer.sync(source, destinations, endpoint: server.endpoint)
    for bucket in step.buckets {
      try compare(source, "\(stored)/\(bucket)/\(name)", peer)
    }
    return usage
  }

  private func compare(_ source: String, _ other: String, _ peer: MirrorPeer) throws {
    let differences = try ChildProcess.capture([
      "sh", "-c", "diff -rq \"$0\" \"$1\" 2>&1 | head -n 5", source, other,
    ])
    guard differences.isEmpty else {
      throw BenchmarkError("\(peer.name): \(printable(differences.utf8))", kind: .different)
    }
  }

  /// Every program meets the same files, and the same changes of a round.
  private func copySmall(to tree: String) throws {
    guard options.steps.contains(where: { $0.data == .small }) else { return }
    try runCommand(["cp", "-a", MirrorData.small.path(in: options.work), tree])
  }

  // MARK: Report

  private func report() throws {
    say("")
    for peer in peers { say("\(peer.name): \(try peer.version())") }
    say(
      "\nmedian of \(options.roundCount), peak of the worst round; rclone, drover, drover ÷ rclone")
    for step in options.steps {
      let rows = MirrorQuantity.allCases.map { quantity in
        let values = peers.map { quantity.value(of: usages[step]?[$0.name] ?? []) }
        let ratio = values[0] > 0 ? decimal(values[1] / values[0], 2) : "-"
        return "\(quantity.rawValue) \(decimal(values[0], 2)) / \(decimal(values[1], 2)) = \(ratio)"
      }
      say("\(step.rawValue): \(rows.joined(separator: "; "))")
    }
    for step in options.steps {
      guard let single = step.single, let one = usages[single], let three = usages[step] else {
        continue
      }
      let ratios = peers.map { peer in
        let cpu = MirrorQuantity.cpu
        let first = cpu.value(of: one[peer.name] ?? [])
        let all = cpu.value(of: three[peer.name] ?? [])
        return "\(peer.name) \(first > 0 ? decimal(all / first, 2) : "-")"
      }
      say("\(step.rawValue): CPU of three destinations ÷ one: \(ratios.joined(separator: ", "))")
    }
    say("\nlimits of this machine")
    for figure in try measureMD5(rounds: options.roundCount) { say(figure.line) }
  }
}

/// What the table shows of a step.
private enum MirrorQuantity: String, CaseIterable {
  case wall = "wall, s"
  case cpu = "CPU, s"
  case peak = "peak, MiB"

  func value(of rounds: [CommandUsage]) -> Double {
    switch self {
    case .wall: median(rounds.map(\.wallSeconds))
    case .cpu: median(rounds.map(\.cpuSeconds))
    case .peak: rounds.map { Double($0.peakKiB) / 1024 }.max() ?? 0
    }
  }
}
