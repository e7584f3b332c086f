import Glibc
import Platform

/// What bounds Drover on this machine: every figure of a run stands beside one of these.
final class MachineBenchmark {
  private let options: MachineArguments
  private let log: ResultLog

  init(_ options: MachineArguments, log: ResultLog) {
    self.options = options
    self.log = log
  }

  func run() throws {
    var figures: [Figure] = []
    let parts: [() throws -> [Figure]] = [
      { try measureHashes(rounds: self.options.roundCount) },
      { try measureMD5(rounds: self.options.roundCount) },
      { try measureCompression(rounds: self.options.roundCount) },
      { try measureSealing(rounds: self.options.roundCount) },
      { [try measureTunnel(rounds: self.options.roundCount)] },
      { [try measureWalk(of: self.options.tree, rounds: self.options.roundCount)] },
      { try measureFiles(in: self.options.work, rounds: self.options.roundCount) },
    ]
    for part in parts {
      for figure in try part() {
        try log.append(figure.json)
        figures.append(figure)
      }
    }
    say("\nlimits of this machine, median of \(options.roundCount)")
    for figure in figures { say(figure.line) }
  }
}

/// One limit: how much of `unit` in a second.
struct Figure {
  var name: String
  var perSecond: Double
  var unit: String
  /// What the figure depends on, such as a compression ratio.
  var note = ""

  var json: JSONObject {
    [
      "benchmark": .string("machine"), "name": .string(name), "per_second": .double(perSecond),
      "unit": .string(unit), "note": .string(note),
    ]
  }

  var line: String {
    let number = decimal(perSecond, perSecond < 100 ? 1 : 0)
    let name = name + String(repeating: " ", count: max(1, 34 - name.count))
    return name + String(repeating: " ", count: max(0, 10 - number.count)) + number
      + " \(unit)/s" + (note.isEmpty ? "" : "  \(note)")
  }
}

/// The median time of `rounds` runs of `body`, after one that is not counted.
func medianSeconds(rounds: Int, _ body: () throws -> Void) throws -> Double {
  try body()
  var times: [Double] = []
  for _ in 0..<rounds {
    let start = MonotonicTime.now()
    try body()
    times.append(MonotonicTime.now().seconds(since: start))
  }
  return median(times)
}
