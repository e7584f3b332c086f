import Glibc
import Platform

/// The two ends of a replication on one machine.
enum Side: String, CaseIterable {
  case source, destination
}

/// Two network namespaces joined by a pair of virtual interfaces, and a control group for each end.
///
/// What is counted is therefore everything that an end does, helpers such as stunnel included, and
/// every byte that crosses, Ethernet framing included. Needs root; nothing leaves the machine.
final class Sandbox {
  static let sourceAddress = "10.231.7.1"
  static let destinationAddress = "10.231.7.2"

  private let groups: ControlGroups
  private let suffix = String(getpid())

  init() throws {
    guard geteuid() == 0 else {
      throw BenchmarkError("network namespaces and control groups need root", kind: .usage)
    }
    try Sandbox.removeLeftovers()
    groups = try ControlGroups(suffix: suffix)
    try connect()
  }

  func tearDown() {
    for side in Side.allCases {
      // A namespace that was never made cannot be removed.
      try? runCommand(["ip", "netns", "delete", namespace(side)])
    }
    groups.remove()
  }

  /// Starts `command` as a process of one end; what it writes goes to the file `output`.
  func start(_ side: Side, _ command: [String], output: String) throws -> ChildProcess {
    let prefix = [
      "sh", "-c", "echo $$ >\"$0/cgroup.procs\" && exec \"$@\"", groups.path(side),
      "nsenter", "--net=/run/netns/\(namespace(side))",
    ]
    return try ChildProcess.start(prefix + command, named: command, output: output)
  }

  /// Limits both directions to so many Mbit/s, or to nothing.
  func shape(megabitsPerSecond: Int?) throws {
    for side in Side.allCases {
      let prefix = ["ip", "netns", "exec", namespace(side), "tc", "qdisc"]
      let device = ["dev", interface(side), "root"]
      // There may be no limit to remove.
      try? runCommand(prefix + ["delete"] + device)
      if let megabitsPerSecond {
        let limit = [
          "tbf", "rate", "\(megabitsPerSecond)mbit", "burst", "128kb", "latency", "60ms",
        ]
        try runCommand(prefix + ["add"] + device + limit)
      }
    }
  }

  func cpuSeconds(_ side: Side) throws -> Double { try groups.cpuSeconds(side) }

  /// The groups, for who watches them from another thread.
  var watched: ControlGroups { groups }

  /// Bytes that left each end since the start.
  func wireBytes() throws -> (toDestination: Int64, toSource: Int64) {
    let text = try ChildProcess.capture([
      "nsenter", "--net=/run/netns/\(namespace(.source))", "cat", "/proc/net/dev",
    ])
    for line in text.split(separator: "\n") {
      let fields = line.split { $0 == " " || $0 == ":" }
      guard fields.count > 9, fields[0] == interface(.source) else { continue }
      guard let received = Int64(fields[1]), let sent = Int64(fields[9]) else { continue }
      return (sent, received)
    }
    throw BenchmarkError("/proc/net/dev does not list \(interface(.source))")
  }

  private func namespace(_ side: Side) -> String { "drover-\(side.rawValue)-\(suffix)" }

  private func interface(_ side: Side) -> String { side == .source ? "drover-s" : "drover-d" }

  private func connect() throws {
    for side in Side.allCases { try runCommand(["ip", "netns", "add", namespace(side)]) }
    try runCommand([
      "ip", "link", "add", interface(.source), "netns", namespace(.source), "type", "veth",
      "peer", "name", interface(.destination), "netns", namespace(.destination),
    ])
    let addresses = [Sandbox.sourceAddress, Sandbox.destinationAddress]
    for (side, address) in zip(Side.allCases, addresses) {
      let prefix = ["ip", "-n", namespace(side)]
      try runCommand(prefix + ["addr", "add", "\(address)/24", "dev", interface(side)])
      try runCommand(prefix + ["link", "set", "lo", "up"])
      try runCommand(prefix + ["link", "set", interface(side), "up"])
    }
  }

  /// Removes the namespaces of benchmarks that were killed.
  private static func removeLeftovers() throws {
    for line in try ChildProcess.capture(["ip", "netns", "list"]).split(separator: "\n") {
      guard let name = line.split(separator: " ").first else { continue }
      let parts = name.split(separator: "-")
      guard parts.count == 3, parts[0] == "drover", Side(rawValue: String(parts[1])) != nil,
        let owner = pid_t(parts[2]), kill(owner, 0) != 0
      else { continue }
      try runCommand(["ip", "netns", "delete", String(name)])
    }
  }
}
