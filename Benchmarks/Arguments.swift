import Glibc
import Platform

/// What `drover-benchmarks replicate` is asked to do.
struct ReplicateArguments {
  var work = "/var/tmp/drover-benchmarks"
  var roundCount = 3
  var drover = ""
  var thresholds = "Benchmarks/Thresholds/replicate.json"
  var seed = freshSeed()
  var scenarios: [Scenario] = []
}

/// What `drover-benchmarks machine` is asked to do.
struct MachineArguments {
  var work = "/var/tmp/drover-benchmarks"
  /// The tree that is walked.
  var tree = "/usr"
  var roundCount = 5
}

enum Arguments {
  case machine(MachineArguments)
  case replicate(ReplicateArguments)
  case repository(RepositoryArguments)
  case mirror(MirrorArguments)
  /// What `repository` and `mirror` start for each run: the file for the usage, then the command.
  case measuredChild(ArraySlice<String>)
  case help

  static let usage = """
    drover-benchmarks machine [--work DIR] [--tree DIR] [--rounds N]
      The limits of this machine: walk, hashes, zstd, TLS, file copy, small files.

    drover-benchmarks replicate [--work DIR] [--rounds N] [--drover FILE] [--thresholds FILE]
                                [--seed N] [SCENARIO…]
      Drover and rsync + stunnel side by side, between two network namespaces. Needs root, about
      20 GB below DIR (default: /var/tmp/drover-benchmarks), and a quiet machine.
      Scenarios (default: all): \(Scenario.all.map(\.name).joined(separator: " "))

    drover-benchmarks repository [--work DIR] [--rounds N] [--drover FILE] [--restic FILE]
                                 [--seed N] [--steps STEP,…] [--fresh-volume] [--json]
      drover repo and restic side by side, each in a repository of its own below DIR. Needs about
      30 GB there, and a quiet machine. Data sets that DIR has (tree, image, large) are taken.
      --fresh-volume restores onto a new ext4 in a file each time, which needs root.
      --json writes nothing but JSON lines, the medians and limits among them.
      Steps (default: all): \(RepositoryStep.allCases.map(\.rawValue).joined(separator: " "))

    drover-benchmarks mirror [--work DIR] [--rounds N] [--drover FILE] [--rclone FILE]
                             [--seed N] [--steps STEP,…]
      drover mirror and rclone side by side, each against an `rclone serve s3` of its own. Needs
      about 30 GB below DIR, and a quiet machine.
      Steps (default: all): \(MirrorStep.allCases.map(\.rawValue).joined(separator: " "))

    One JSON line per run on standard output and in DIR/results.jsonl; then the medians.
    Exit codes: 0 every bound is kept, 1 failed, 2 usage, 4 a bound is missed or a copy differs.
    """

  init(parsing arguments: [String]) throws {
    var rest = arguments[...]
    let command = rest.popFirst()
    if command != MeasuredCommand.verb, rest.contains("--help") || rest.contains("-h") {
      self = .help
      return
    }
    switch command {
    case "machine": self = .machine(try MachineArguments(parsing: &rest))
    case "replicate": self = .replicate(try ReplicateArguments(parsing: &rest))
    case "repository": self = .repository(try RepositoryArguments(parsing: &rest))
    case "mirror": self = .mirror(try MirrorArguments(parsing: &rest))
    case MeasuredCommand.verb: self = .measuredChild(rest)
    case "--help", "-h", "help": self = .help
    case let other:
      throw BenchmarkError("\(other ?? "nothing") is no benchmark; see --help", kind: .usage)
    }
  }
}

extension MachineArguments {
  init(parsing rest: inout ArraySlice<String>) throws {
    while let argument = rest.popFirst() {
      switch argument {
      case "--work": work = try value(of: argument, &rest)
      case "--tree": tree = try value(of: argument, &rest)
      case "--rounds": roundCount = try count(of: argument, &rest)
      default: throw BenchmarkError("\(argument) is no option; see --help", kind: .usage)
      }
    }
  }
}

extension ReplicateArguments {
  init(parsing rest: inout ArraySlice<String>) throws {
    while let argument = rest.popFirst() {
      switch argument {
      case "--work": work = try value(of: argument, &rest)
      case "--drover": drover = try value(of: argument, &rest)
      case "--thresholds": thresholds = try value(of: argument, &rest)
      case "--rounds": roundCount = try count(of: argument, &rest)
      case "--seed": seed = try benchmarkSeed(try value(of: argument, &rest))
      default:
        guard let scenario = Scenario.all.first(where: { $0.name == argument }) else {
          throw BenchmarkError("\(argument) is no scenario; see --help", kind: .usage)
        }
        scenarios.append(scenario)
      }
    }
    if scenarios.isEmpty { scenarios = Scenario.all }
    drover = try droverBinary(drover)
    remark("seed of the changes: \(seed)")
  }
}

/// The binary that was named, `DROVER_BINARY`, or `drover` in the folder of this executable.
func droverBinary(_ named: String) throws -> String {
  var path = named
  if path.isEmpty, let variable = getenv("DROVER_BINARY") { path = String(cString: variable) }
  if path.isEmpty {
    let own = try ownExecutable()
    path = own.lastIndex(of: "/").map { own[..<$0] + "/drover" } ?? "drover"
  }
  guard access(path, X_OK) == 0 else {
    throw BenchmarkError("\(path) is missing: build it, or name one by --drover", kind: .usage)
  }
  return path
}

/// The path of this executable.
func ownExecutable() throws -> String {
  let path = try ChildProcess.capture(["readlink", "/proc/\(getpid())/exe"])
  return path.split(separator: "\n").first.map(String.init) ?? path
}

func value(of option: String, _ rest: inout ArraySlice<String>) throws -> String {
  guard let value = rest.popFirst() else {
    throw BenchmarkError("\(option) needs a value", kind: .usage)
  }
  return value
}

func count(of option: String, _ rest: inout ArraySlice<String>) throws -> Int {
  guard let number = Int(try value(of: option, &rest)), (1...1000).contains(number) else {
    throw BenchmarkError("\(option) needs a number from 1 to 1000", kind: .usage)
  }
  return number
}

/// A seed of changes that no run before had: the data of earlier runs are taken again, and the same
/// changes made twice would change nothing.
func freshSeed() -> UInt64 { UInt64(clamping: SystemClock().wallTime().seconds) }

func benchmarkSeed(_ text: String) throws -> UInt64 {
  guard let seed = UInt64(text) else {
    throw BenchmarkError("--seed needs a number", kind: .usage)
  }
  return seed
}

/// The steps that a list with commas names.
func benchmarkSteps<Step: RawRepresentable<String>>(_ text: String) throws -> [Step] {
  try text.split { $0 == "," || $0 == " " }.map { word in
    guard let step = Step(rawValue: String(word)) else {
      throw BenchmarkError("\(word) is no step; see --help", kind: .usage)
    }
    return step
  }
}
