import Glibc
import Platform

/// The table of all steps, and under it what bounds each of them.
struct RepositoryReport {
  private let outcomes: [RepositoryOutcome]
  private let limits: RepositoryLimits
  private let versions: [String]

  init(_ outcomes: [RepositoryOutcome], _ limits: RepositoryLimits, versions: [String]) {
    self.outcomes = outcomes
    self.limits = limits
    self.versions = versions
  }

  func write(to log: ResultLog, isJSON: Bool) throws {
    if isJSON {
      for figure in limits.figures { try log.append(figure.json) }
      for (outcome, bound) in zip(outcomes, bounds) {
        try log.append(summary(outcome, bound))
      }
      return
    }
    say("\n" + versions.joined(separator: "\n"))
    writeTable()
    say("\nlimits of this machine, on a sample of the data")
    for figure in limits.figures { say(figure.line) }
    say("\nwhat bounds drover: seconds of one core that the step cannot do without")
    for (outcome, bound) in zip(outcomes, bounds) { say(line(outcome, bound)) }
  }

  private func writeTable() {
    let rounds = outcomes.first?.measurements["drover"]?.count ?? 0
    say("\nmedian of \(rounds); restic, drover, drover ÷ restic")
    say(
      RepositoryOutcome.Quantity.allCases.reduce(padded("", 8)) { line, quantity in
        line + "  " + right(quantity.rawValue, 24)
      })
    for outcome in outcomes {
      say(
        RepositoryOutcome.Quantity.allCases.reduce(padded(outcome.step.rawValue, 8)) {
          line, quantity in
          let cells = ["restic", "drover"].map { peer in
            right(decimal(outcome.value(quantity, peer), quantity.digits), 9)
          }
          return line + "  " + cells.joined() + right(decimal(outcome.ratio(quantity), 2), 6)
        })
    }
  }

  /// The parts of each step, in order, with what the steps before it have stored.
  private var bounds: [[RepositoryLimits.Part]] {
    var stored: Set<RepositoryData> = []
    return outcomes.map { outcome in
      defer {
        if outcome.step != .restore, let data = outcome.step.data { stored.insert(data) }
      }
      return limits.parts(of: outcome.step, stored: stored)
    }
  }

  private func line(_ outcome: RepositoryOutcome, _ parts: [RepositoryLimits.Part]) -> String {
    let sum = parts.reduce(0) { $0 + $1.seconds }
    let cpu = outcome.value(.cpu, "drover")
    let named = parts.map { "\($0.name) \(decimal($0.seconds, 2))" }.joined(separator: " + ")
    let share = cpu > 0 ? decimal(sum / cpu * 100, 0) : "-"
    return padded(outcome.step.rawValue, 8) + " \(named) = \(decimal(sum, 2)) s,"
      + " \(share) % of the CPU used; wall at least \(decimal(wallSecondsMin(parts), 2)) s"
  }

  /// The key is derived on one core; everything else is shared by all.
  private func wallSecondsMin(_ parts: [RepositoryLimits.Part]) -> Double {
    let cores = Double(max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    return parts.reduce(0) { $0 + ($1.name == "key" ? $1.seconds : $1.seconds / cores) }
  }

  private func summary(
    _ outcome: RepositoryOutcome, _ parts: [RepositoryLimits.Part]
  ) -> JSONObject {
    var line: JSONObject = [
      "benchmark": .string("repository"), "summary": .bool(true),
      "step": .string(outcome.step.rawValue),
    ]
    for quantity in RepositoryOutcome.Quantity.allCases {
      for peer in ["restic", "drover"] {
        line["\(quantity.member)_\(peer)"] = .double(outcome.value(quantity, peer))
      }
      line["\(quantity.member)_ratio"] = .double(outcome.ratio(quantity))
    }
    var costs: JSONObject = [:]
    for part in parts { costs[part.name] = .double(part.seconds) }
    line["bound_seconds"] = .object(costs)
    return line
  }

  private func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  private func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(1, width - text.count)) + text
  }
}
