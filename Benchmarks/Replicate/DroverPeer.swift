import Glibc
import Platform

/// `drover replicate receive --once` and `drover replicate send`.
final class DroverPeer: Peer {
  /// Not the port of the tunnel that stands beside it.
  private static let port = 8001
  private static let listenSecondsMax = 10.0

  let name = "drover"
  private let sandbox: Sandbox
  private let work: String
  private let binary: String
  private let folder: String
  private var receiver: ChildProcess?

  init(_ sandbox: Sandbox, work: String, binary: String) throws {
    self.sandbox = sandbox
    self.work = work
    self.binary = binary
    folder = "\(work)/drover"
    try runCommand(["mkdir", "-p", folder])
    let script = "umask 077 && \"$0\" key generate >\"$1\""
    try runCommand(["sh", "-c", script, binary, "\(folder)/key.txt"])
  }

  func destinationPath(_ dataset: Dataset) -> String { "\(folder)/\(dataset.rawValue)" }

  func listen(for scenario: Scenario) throws {
    let log = "\(folder)/receive.log"
    let address = "\(Sandbox.destinationAddress):\(DroverPeer.port)"
    let started = try sandbox.start(
      .destination,
      [
        binary, "replicate", "receive", "--json", "--listen", address, "--psk-file",
        "\(folder)/key.txt", "--once", destinationPath(scenario.dataset),
      ], output: log)
    receiver = started
    let deadline = MonotonicTime.now().advanced(bySeconds: DroverPeer.listenSecondsMax)
    while !(try isListening(log)) {
      guard MonotonicTime.now() < deadline else {
        throw BenchmarkError("drover replicate receive does not listen: \(tail(of: log))")
      }
      SystemClock().sleep(seconds: 0.005)
    }
  }

  private func isListening(_ log: String) throws -> Bool {
    let text = String(decoding: try SmallFile.read(log, sizeBytesMax: 1 << 20), as: UTF8.self)
    return text.contains("\"listening\"") && text.contains("\n")
  }

  func replicate(_ scenario: Scenario) throws {
    let address = "\(Sandbox.destinationAddress):\(DroverPeer.port)"
    var command = [
      binary, "replicate", "send", "--json", "--connect", address, "--psk-file",
      "\(folder)/key.txt",
    ]
    command += scenario.droverOptions
    if scenario.inPlace { command.append("--inplace") }
    command.append(scenario.dataset.sourcePath(in: work))
    let sender = try sandbox.start(.source, command, output: "\(folder)/send.log")
    try sender.waitForSuccess()
    try receiver?.waitForSuccess()
    receiver = nil
  }

  /// By a run of its own, so that what the receiver remembers is there as in daily use.
  func catchUp(_ scenario: Scenario) throws {
    var plain = scenario
    plain.droverOptions = []
    try listen(for: plain)
    try replicate(plain)
  }

  func stop() {
    receiver?.terminate()
    receiver = nil
  }
}
