import Platform

/// One step of one program.
struct RepositoryMeasurement {
  var usage: CommandUsage
  /// The length of all files of the repository after the step.
  var repositoryBytes: Int

  var json: JSONObject {
    var object = usage.json
    object["repository_bytes"] = .integer(Int64(repositoryBytes))
    return object
  }
}

/// All measurements of one step.
struct RepositoryOutcome {
  /// What the table shows of a step.
  enum Quantity: String, CaseIterable {
    case wall = "wall, s"
    case cpu = "CPU, s"
    case peak = "peak, MiB"
    case repository = "repository, MB"

    var member: String {
      switch self {
      case .wall: "wall_seconds"
      case .cpu: "cpu_seconds"
      case .peak: "peak_mib"
      case .repository: "repository_megabytes"
      }
    }

    /// Digits after the point.
    var digits: Int { self == .wall || self == .cpu ? 2 : 0 }
  }

  var step: RepositoryStep
  var measurements: [String: [RepositoryMeasurement]] = [:]

  init(step: RepositoryStep) { self.step = step }

  /// The median of the rounds; of the peak the worst round, because a peak is a peak.
  func value(_ quantity: Quantity, _ peer: String) -> Double {
    let rounds = measurements[peer] ?? []
    return switch quantity {
    case .wall: median(rounds.map(\.usage.wallSeconds))
    case .cpu: median(rounds.map(\.usage.cpuSeconds))
    case .peak: rounds.map { Double($0.usage.peakKiB) / 1024 }.max() ?? 0
    case .repository: median(rounds.map { Double($0.repositoryBytes) / 1e6 })
    }
  }

  /// Drover ÷ restic.
  func ratio(_ quantity: Quantity) -> Double {
    let restic = value(quantity, "restic")
    return restic > 0 ? value(quantity, "drover") / restic : .infinity
  }
}
