/// All measurements of one scenario, and what they say.
struct ScenarioOutcome {
  /// One figure of the report: both peers' medians, their ratio, and the bound.
  struct Row {
    var quantity: String
    var unit: String
    var rsync: Double?
    var drover: Double
    /// What the bound applies to: the ratio, or Drover's figure alone.
    var judged: Double
    var bound: Double?

    var isWithinBound: Bool { bound.map { judged <= $0 } ?? true }
  }

  var scenario: Scenario
  var measurements: [String: [Measurement]] = [:]

  init(scenario: Scenario) { self.scenario = scenario }

  func rows(_ thresholds: Thresholds) -> [Row] {
    let bounds = thresholds.scenarios[scenario.name]
    var rows = [
      compared("wall", "s", bounds?.wall) { $0.wallSeconds },
      compared("CPU of both sides", "s", bounds?.cpu) { $0.cpuSeconds },
      compared("CPU of the source", "s", nil) { $0.cpuSecondsSource },
      compared("CPU of the destination", "s", nil) { $0.cpuSecondsDestination },
      compared("wire, both ways", "MB", bounds?.wire) { $0.wireBytes / 1e6 },
    ]
    let changed = middle("drover") { Double($0.changedBytes) }
    if changed > 0 {
      let wire = middle("drover") { $0.wireBytes }
      rows.append(
        Row(
          quantity: "wire ÷ changed bytes", unit: "",
          rsync: middle("rsync") { $0.wireBytes } / changed,
          drover: wire / changed, judged: wire / changed, bound: bounds?.wirePerChangedByte))
    }
    // A peak is a peak: the worst round counts, not the median.
    let peaks = ["rsync", "drover"].map { name in
      (measurements[name] ?? []).map(\.peakMiB).max() ?? 0
    }
    rows.append(
      Row(
        quantity: "peak of one process", unit: "MiB", rsync: peaks[0], drover: peaks[1],
        judged: peaks[1], bound: thresholds.peakMiBMax))
    return rows
  }

  private func compared(
    _ quantity: String, _ unit: String, _ bound: Double?, _ value: (Measurement) -> Double
  ) -> Row {
    let (rsync, drover) = (middle("rsync", value), middle("drover", value))
    return Row(
      quantity: quantity, unit: unit, rsync: rsync, drover: drover,
      judged: rsync > 0 ? drover / rsync : .infinity, bound: bound)
  }

  private func middle(_ peer: String, _ value: (Measurement) -> Double) -> Double {
    median((measurements[peer] ?? []).map(value))
  }
}

/// Prints the table of all scenarios; true when every bound is kept.
func report(_ outcomes: [ScenarioOutcome], _ thresholds: Thresholds) -> Bool {
  var isGood = true
  for outcome in outcomes {
    let rounds = outcome.measurements["drover"]?.count ?? 0
    say("\n\(outcome.scenario.name), median of \(rounds)")
    say(columns("", "rsync", "drover", "ratio", "bound"))
    for row in outcome.rows(thresholds) {
      isGood = isGood && row.isWithinBound
      let ratio = row.rsync.flatMap { $0 > 0 ? row.drover / $0 : nil }
      let bound = row.bound.map { "≤ \(decimal($0, 2))" } ?? ""
      say(
        columns(
          "\(row.quantity)\(row.unit.isEmpty ? "" : ", \(row.unit)")",
          row.rsync.map { decimal($0, 2) } ?? "", decimal(row.drover, 2),
          ratio.map { decimal($0, 3) } ?? "",
          bound + (row.isWithinBound ? "" : "  MISSED")))
    }
  }
  return isGood
}

private func columns(_ first: String, _ rest: String...) -> String {
  let widths = [12, 12, 9, 20]
  let name = first + String(repeating: " ", count: max(0, 28 - first.count))
  return zip(rest, widths).reduce(name) { line, cell in
    line + String(repeating: " ", count: max(1, cell.1 - cell.0.count)) + cell.0
  }
}

/// `value` with so many digits after the point.
func decimal(_ value: Double, _ digits: Int) -> String {
  guard value.isFinite else { return "-" }
  let scale = (0..<digits).reduce(1.0) { product, _ in product * 10 }
  let whole = Int64((value * scale).rounded())
  let text = String(whole.magnitude)
  let padded = String(repeating: "0", count: max(0, digits + 1 - text.count)) + text
  return (whole < 0 ? "-" : "") + padded.dropLast(digits) + (digits > 0 ? "." : "")
    + padded.suffix(digits)
}
