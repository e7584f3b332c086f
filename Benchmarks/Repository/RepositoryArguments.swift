import Glibc
import Platform

/// What `drover-benchmarks repository` is asked to do.
struct RepositoryArguments {
  var work = "/var/tmp/drover-benchmarks"
  var roundCount = 3
  var drover = ""
  var restic = "restic"
  var seed = freshSeed()
  var steps: [RepositoryStep] = []
  /// Restores go onto a file system that has never held anything.
  var usesFreshVolume = false
  /// Nothing but JSON lines is written.
  var isJSON = false

  init(parsing rest: inout ArraySlice<String>) throws {
    while let argument = rest.popFirst() {
      switch argument {
      case "--work": work = try value(of: argument, &rest)
      case "--drover": drover = try value(of: argument, &rest)
      case "--restic": restic = try value(of: argument, &rest)
      case "--rounds": roundCount = try count(of: argument, &rest)
      case "--seed": seed = try benchmarkSeed(try value(of: argument, &rest))
      case "--steps": steps = try benchmarkSteps(try value(of: argument, &rest))
      case "--fresh-volume": usesFreshVolume = true
      case "--json": isJSON = true
      default: throw BenchmarkError("\(argument) is no option; see --help", kind: .usage)
      }
    }
    if steps.isEmpty { steps = RepositoryStep.allCases }
    drover = try droverBinary(drover)
    // A backup names its paths, so they must not depend on the working directory.
    guard work.hasPrefix("/") else {
      throw BenchmarkError("--work needs an absolute path", kind: .usage)
    }
    remark("seed of the changes: \(seed)")
  }
}
