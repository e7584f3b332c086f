import Glibc
import Platform

/// What `drover-benchmarks mirror` is asked to do.
struct MirrorArguments {
  var work = "/var/tmp/drover-benchmarks"
  var roundCount = 3
  var drover = ""
  /// Both the peer and, as `rclone serve s3`, the store.
  var rclone = "rclone"
  var seed = freshSeed()
  var steps: [MirrorStep] = []

  init(parsing rest: inout ArraySlice<String>) throws {
    while let argument = rest.popFirst() {
      switch argument {
      case "--work": work = try value(of: argument, &rest)
      case "--drover": drover = try value(of: argument, &rest)
      case "--rclone": rclone = try value(of: argument, &rest)
      case "--rounds": roundCount = try count(of: argument, &rest)
      case "--seed": seed = try benchmarkSeed(try value(of: argument, &rest))
      case "--steps": steps = try benchmarkSteps(try value(of: argument, &rest))
      default: throw BenchmarkError("\(argument) is no option; see --help", kind: .usage)
      }
    }
    if steps.isEmpty { steps = MirrorStep.allCases }
    drover = try droverBinary(drover)
    remark("seed of the changes: \(seed)")
  }
}
