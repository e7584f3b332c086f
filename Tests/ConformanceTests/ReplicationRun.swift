import Foundation
import Glibc
import Platform
import TestSupport
import Testing

/// How one replication between two processes ended.
struct RunOutcome {
  var sendStatus: Int32
  var receiveStatus: Int32
  var events: [RunEvent]
  /// Standard error and output of both ends.
  var outputText: String
  /// Bytes through the proxy, both directions; 0 without one.
  var relayedBytes: Int = 0

  /// The sender's summary.
  var summary: RunEvent? { events.last { $0.name == "summary" } }
}

/// One line of `--json`.
struct RunEvent {
  private let fields: [String: Any]

  init?(line: some StringProtocol) {
    // A line that is no JSON object is no event; what depends on one then fails.
    guard let fields = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
    else { return nil }
    self.fields = fields
  }

  var name: String? { fields["event"] as? String }

  func number(_ field: String) -> Int? { (fields[field] as? NSNumber)?.intValue }
}

/// Starts both ends of a replication as a user would by hand.
struct ReplicationRun {
  /// What happens to a run in its middle.
  enum Interruption {
    case killSender(afterSeconds: Double)
    case killReceiver(afterSeconds: Double)
    case cutConnection(afterBytes: Int)

    static func random(
      seconds: Double, bytes: Int, using random: inout SeededGenerator
    ) -> Interruption {
      switch random.below(3) {
      case 0: .killSender(afterSeconds: Double.random(in: 0...seconds, using: &random))
      case 1: .killReceiver(afterSeconds: Double.random(in: 0...seconds, using: &random))
      default: .cutConnection(afterBytes: random.below(max(bytes, 1)))
      }
    }
  }

  var source: String
  var destination: String
  var keyFile: String
  /// The receiver's key file where it is not the sender's.
  var receiverKeyFile: String?
  var sendOptions: [String] = []
  /// A command that starts the ends, for instance `setpriv` with options.
  var wrapper: [String] = []

  /// Writes a key file of one identity into `directory`.
  static func makeKeyFile(in directory: TemporaryDirectory, _ name: String = "psk") throws -> String
  {
    let path = directory.path(name)
    let key = "test:\(hex(SecureRandom.bytes(32)))\n"
    try ByteFiles.write(Array(path.utf8), Array(key.utf8), mode: 0o600)
    return path
  }

  /// Runs to the end of both sides. An end that is stuck is killed and reported as an issue.
  func run(
    interruption: Interruption? = nil, isRelayed: Bool = false
  ) throws -> RunOutcome {
    let receiver = try start(
      ["receive", "--listen", "127.0.0.1:0", "--psk-file", receiverKeyFile ?? keyFile, "--once"],
      destination)
    defer { receiver.kill(SIGKILL) }
    let port = try listeningPort(of: receiver)
    var proxy: CuttingProxy?
    if case .cutConnection(let bytes) = interruption {
      proxy = try CuttingProxy(targetPort: port, fault: .cut(afterBytes: bytes))
    } else if isRelayed {
      proxy = try CuttingProxy(targetPort: port, fault: .none)
    }
    let sender = try startSender(port: proxy?.port ?? port)
    defer { sender.kill(SIGKILL) }
    switch interruption {
    case .killSender(let seconds):
      SystemClock().sleep(seconds: seconds)
      sender.kill(SIGKILL)
    case .killReceiver(let seconds):
      SystemClock().sleep(seconds: seconds)
      receiver.kill(SIGKILL)
    case .cutConnection, nil:
      break
    }
    let sendStatus = collect(sender, "sender")
    // A receiver that nobody reached, because the sender was refused or killed too early, goes on
    // listening; it is not what is tested then.
    let receiveStatus = receiver.wait(timeoutSeconds: sendStatus == 0 ? 120 : 5) ?? 128 + SIGKILL
    receiver.kill(SIGKILL)
    _ = receiver.wait()
    let lines = String(decoding: sender.output.bytesToEnd(timeoutSeconds: 10), as: UTF8.self)
    return RunOutcome(
      sendStatus: sendStatus, receiveStatus: receiveStatus,
      events: lines.split(separator: "\n").compactMap { RunEvent(line: $0) },
      outputText: text(of: sender) + text(of: receiver), relayedBytes: proxy?.passedBytes ?? 0)
  }

  /// Runs, and reports an issue unless both ends succeed.
  @discardableResult
  func runToSuccess(
    isRelayed: Bool = false, _ comment: Comment? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> RunOutcome {
    let outcome = try run(isRelayed: isRelayed)
    if outcome.sendStatus != 0 || outcome.receiveStatus != 0 {
      Issue.record(
        """
        sender ended with \(outcome.sendStatus), receiver with \(outcome.receiveStatus): \
        \(outcome.outputText) \(comment?.rawValue ?? "")
        """, sourceLocation: sourceLocation)
    }
    return outcome
  }

  /// Starts the sending end alone.
  func startSender(port: UInt16) throws -> ChildProcess {
    try start(
      ["send", "--connect", "127.0.0.1:\(port)", "--psk-file", keyFile] + sendOptions, source)
  }

  private func start(_ arguments: [String], _ root: String) throws -> ChildProcess {
    let command = wrapper + [try DroverBinary.path, "replicate"] + arguments + ["--json", root]
    return try ChildProcess(command[0], Array(command.dropFirst()))
  }

  private func listeningPort(of receiver: ChildProcess) throws -> UInt16 {
    guard let line = receiver.nextLine(), let event = RunEvent(line: line),
      event.name == "listening", let port = event.number("port")
    else {
      throw TestFailure("the receiver does not listen: \(text(of: receiver))")
    }
    return UInt16(port)
  }

  private func collect(_ process: ChildProcess, _ name: String) -> Int32 {
    if let status = process.wait(timeoutSeconds: 300) { return status }
    process.kill(SIGKILL)
    Issue.record("the \(name) hangs: \(text(of: process))")
    return process.wait() ?? -1
  }

  private func text(of process: ChildProcess) -> String {
    let bytes =
      process.errorOutput.bytesToEnd(timeoutSeconds: 10)
      + process.output.bytesToEnd(timeoutSeconds: 10)
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// A source, a destination and a key below one temporary directory.
struct ReplicationBench {
  let directory: TemporaryDirectory
  let source: String
  let destination: String
  var run: ReplicationRun

  init(_ sendOptions: [String] = []) throws {
    directory = try TemporaryDirectory()
    source = try directory.makeDirectory("source")
    destination = try directory.makeDirectory("destination")
    run = ReplicationRun(
      source: source, destination: destination,
      keyFile: try ReplicationRun.makeKeyFile(in: directory), sendOptions: sendOptions)
  }

  /// What rsync would still change; empty when source and destination are equal.
  func differences(_ options: [String] = []) throws -> String {
    try RsyncJudge.differences(source: source, destination: destination, options: options)
  }

  func write(_ root: String, _ name: String, _ content: [UInt8]) throws {
    try ByteFiles.write(Array("\(root)/\(name)".utf8), content)
  }

  func exists(_ root: String, _ name: String) -> Bool {
    Glibc.access("\(root)/\(name)", F_OK) == 0
  }
}
