import Glibc
import Platform

/// Measures Drover beside its peers, and the machine beneath both.
@main
struct Main {
  static func main() {
    do {
      exit(try run(Array(CommandLine.arguments.dropFirst())).rawValue)
    } catch let error as any DroverError {
      complain(error.description)
      exit(ExitStatus(error.kind).rawValue)
    } catch {
      complain("\(error)")
      exit(ExitStatus.failed.rawValue)
    }
  }

  private static func run(_ arguments: [String]) throws -> ExitStatus {
    switch try Arguments(parsing: arguments) {
    case .help:
      say(Arguments.usage)
      return .done
    case .machine(let options):
      try runCommand(["mkdir", "-p", options.work])
      let log = ResultLog(path: "\(options.work)/results.jsonl")
      try MachineBenchmark(options, log: log).run()
      return .done
    case .replicate(let options):
      let thresholds = try Thresholds(readingFrom: options.thresholds)
      try runCommand(["mkdir", "-p", options.work])
      let log = ResultLog(path: "\(options.work)/results.jsonl")
      let outcomes = try ReplicateBenchmark(options, log: log).run()
      return report(outcomes, thresholds) ? .done : .different
    case .repository(let options):
      try runCommand(["mkdir", "-p", options.work])
      let log = ResultLog(path: "\(options.work)/results.jsonl")
      try RepositoryBenchmark(options, log: log).run()
      return .done
    case .mirror(let options):
      try runCommand(["mkdir", "-p", options.work])
      let log = ResultLog(path: "\(options.work)/results.jsonl")
      try MirrorBenchmark(options, log: log).run()
      return .done
    case .measuredChild(let rest):
      try MeasuredCommand.runAsChild(rest)
      return .done
    }
  }

  private static func complain(_ message: String) {
    let line = Array("drover-benchmarks: \(message)\n".utf8)
    // Standard error is the last resort; there is nowhere to say that it is closed.
    try? SmallFile.write(line, to: 2, subject: "standard error")
  }
}
