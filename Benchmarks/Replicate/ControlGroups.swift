import Glibc
import Platform

/// A control group for each end: who belongs to it, and what it has spent.
///
/// Version 1 (the `cpuacct` controller) and version 2 are understood, alone or side by side.
struct ControlGroups {
  private enum Version {
    case one, two
  }

  private let version: Version
  private let base: String

  init(suffix: String) throws {
    if access("/sys/fs/cgroup/cpuacct/cpuacct.usage", R_OK) == 0 {
      version = .one
      base = "/sys/fs/cgroup/cpuacct/drover-\(suffix)"
    } else if access("/sys/fs/cgroup/cgroup.controllers", R_OK) == 0 {
      version = .two
      base = "/sys/fs/cgroup/drover-\(suffix)"
    } else {
      throw BenchmarkError("found no control groups below /sys/fs/cgroup", kind: .unsupported)
    }
    for side in Side.allCases where mkdir(path(side), 0o755) != 0 && errno != EEXIST {
      throw PlatformError.last("mkdir", path(side))
    }
  }

  func path(_ side: Side) -> String { "\(base)-\(side.rawValue)" }

  /// CPU time of every process that ever belonged to the group, ended ones included.
  func cpuSeconds(_ side: Side) throws -> Double {
    switch version {
    case .one:
      let text = try read("\(path(side))/cpuacct.usage")
      guard let nanoseconds = Double(text.split(separator: "\n").first ?? "") else {
        throw BenchmarkError("cpuacct.usage is no number: \(text)")
      }
      return nanoseconds / 1e9
    case .two:
      for line in try read("\(path(side))/cpu.stat").split(separator: "\n") {
        let fields = line.split(separator: " ")
        if fields.count == 2, fields[0] == "usage_usec", let microseconds = Double(fields[1]) {
          return microseconds / 1e6
        }
      }
      throw BenchmarkError("cpu.stat has no usage_usec")
    }
  }

  func processes(_ side: Side) -> [pid_t] {
    // An end without processes is an empty list as well.
    guard let text = try? read("\(path(side))/cgroup.procs") else { return [] }
    return text.split(separator: "\n").compactMap { pid_t($0) }
  }

  func remove() {
    for side in Side.allCases { rmdir(path(side)) }
  }

  private func read(_ path: String) throws -> String {
    String(decoding: try SmallFile.read(path, sizeBytesMax: 1 << 20), as: UTF8.self)
  }
}
