import Glibc
import Platform
import TestSupport
import Testing

/// A source, a destination and a key for runs with VolSync's own mover at one end.
struct StockBench {
  let directory: TemporaryDirectory
  let source: String
  let destination: String
  let keyFile: String

  init() throws {
    directory = try TemporaryDirectory()
    source = try directory.makeDirectory("source")
    destination = try directory.makeDirectory("destination")
    keyFile = try ReplicationRun.makeKeyFile(in: directory)
  }

  func write(_ root: String, _ name: String, _ content: String) throws {
    try ByteFiles.write(Array("\(root)/\(name)".utf8), Array(content.utf8))
  }

  func link(_ root: String, _ name: String, to target: String) throws {
    try ByteFiles.makeSymlink(Array("\(root)/\(name)".utf8), target: Array(target.utf8))
  }

  func exists(_ root: String, _ name: String) -> Bool {
    var status = stat()
    return lstat("\(root)/\(name)", &status) == 0
  }

  func target(_ root: String, _ name: String) throws -> String {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = readlink("\(root)/\(name)", &buffer, buffer.count)
    guard count >= 0 else { throw PlatformError.last("readlink", name) }
    return String(decoding: buffer[..<count], as: UTF8.self)
  }

  /// The receiver of the program, and the port it listens on.
  func receiver(
    _ options: [String] = [], wrapper: [String] = []
  ) throws -> (process: ChildProcess, port: UInt16) {
    let command =
      wrapper + [
        try DroverBinary.path, "replicate", "receive", "--listen", "127.0.0.1:0", "--psk-file",
        keyFile, "--json",
      ] + options + [destination]
    let process = try ChildProcess(
      command[0], Array(command.dropFirst()), environment: ["TMPDIR": directory.path])
    guard let line = process.nextLine(), let event = RunEvent(line: line),
      event.name == "listening", let port = event.number("port")
    else { throw TestFailure("the receiver does not listen: \(process.errorOutput.text)") }
    return (process, UInt16(port))
  }

  /// VolSync's source, with a tunnel to a port.
  func stockSource(to port: UInt16, keyFile: String? = nil) throws -> StockSource {
    let tunnel = try StockTunnel(
      toPort: port, keyFile: keyFile ?? self.keyFile, in: directory)
    return StockSource(root: source, tunnel: tunnel, directory: directory)
  }

  /// Sends by the program to a port; ends with its code and events.
  func send(
    to port: UInt16, _ options: [String] = [], keyFile: String? = nil,
    environment: [String: String] = [:]
  ) throws -> (status: Int32, events: [RunEvent], text: String) {
    let result = try runProcess(
      try DroverBinary.path,
      [
        "replicate", "send", "--connect", "127.0.0.1:\(port)", "--psk-file",
        keyFile ?? self.keyFile,
        "--exclude", "lost+found", "--json",
      ] + options + [source],
      environment: environment.merging(["TMPDIR": directory.path]) { mine, _ in mine })
    let events = result.outputText.split(separator: "\n").compactMap { RunEvent(line: $0) }
    return (result.status, events, result.outputText + result.errorText)
  }

  /// All summaries that a process has told so far, once there are `count` of them.
  func summaries(of process: ChildProcess, count: Int) throws -> [RunEvent] {
    let deadline = MonotonicTime.now().advanced(bySeconds: 120)
    while true {
      let events = process.output.text.split(separator: "\n").compactMap { RunEvent(line: $0) }
      let found = events.filter { $0.name == "summary" }
      if found.count >= count { return found }
      guard process.isRunning, MonotonicTime.now() < deadline else {
        throw TestFailure("\(found.count) of \(count) summaries: \(process.output.text)")
      }
      usleep(10_000)
    }
  }

  /// Waits until the process has printed a text.
  func waits(for text: String, _ process: ChildProcess) throws {
    let deadline = MonotonicTime.now().advanced(bySeconds: 120)
    while !process.output.text.contains(text) {
      guard process.isRunning, MonotonicTime.now() < deadline else {
        throw TestFailure("never said '\(text)': \(process.output.text)")
      }
      usleep(10_000)
    }
  }
}
