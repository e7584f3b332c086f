import FileTree
import Glibc
import Manifests
import Movers
import Platform
import Replication
import Transport

/// Replication over the system's ssh and sshd, for one job of a mover's child.
final class SSHEngine: SSHReplicationEngine {
  /// What our source asks for; a forced command of our destination takes no notice of it.
  static let command = "drover replicate receive --stdio ."

  private let interruption = Interruption()
  private let timeouts = StreamTimeouts()

  func cancel() { interruption.interrupt() }

  func send(
    _ job: RsyncSSHJob, events: @escaping @Sendable (SessionEvent) -> Void
  ) throws -> SessionSummary {
    let directory = try PrivateDirectory("ssh")
    let client = SSHClient(
      host: job.host, port: job.port, user: job.user,
      identityFile: try directory.write("key", SSHServer.withLineEnd(job.key)),
      knownHostsFile: try directory.write("known_hosts", SSHClient.knownHosts(job.peerKey)))
    var options = job.sendOptions
    options.filter = try FilterRules(commandLine: job.excludes.map(FilterOption.exclude))
    let stream = try client.open(SSHEngine.command, timeouts: timeouts)
    return try StdioSending.run(stream, options, interruption, events: events) { end in
      client.failure(of: end)
    }
  }

  func receive(
    _ job: RsyncSSHJob, events: @escaping @Sendable (SessionEvent) -> Void,
    listening: @escaping @Sendable (HostPort) -> Void
  ) throws -> SessionSummary {
    let server = try SSHServer.start(
      on: Endpoint(host: job.host, port: job.port),
      keys: SSHServer.Keys(hostKey: job.key, peerKey: job.peerKey), user: job.user,
      relay: "\(try RelayCommand.executable()) \(RelayCommand.name)")
    listening(HostPort(host: job.host, port: server.port))
    let reception = SSHReception(server, timeouts: timeouts) {
      events(.warning(path: [], message: "\($0)"))
    }
    defer { reception.stop() }
    let sessions = ReceiverLoop(
      reception, options: job.receiveOptions, interruption: interruption, events: events)
    defer { sessions.stop() }
    return try interruption.cancelling(by: { reception.cancel() }) {
      while true {
        let outcome = try sessions.next()
        do {
          let summary = try outcome.get()
          if job.isOnce { return summary }
        } catch let error where !interruption.isInterrupted && TunnelEngine.isOfPeer(error) {
          events(.warning(path: [], message: "\(error)"))
        }
      }
    }
  }
}

/// A run through the standard input and output of a program, such as ssh.
enum StdioSending {
  /// Sends; blocks. `failure` is what a program that has ended stands for, where that says more
  /// than the broken stream.
  static func run(
    _ stream: ProgramStream, _ options: SendOptions, _ interruption: Interruption,
    events: @escaping @Sendable (SessionEvent) -> Void,
    failure: (ProgramStream.End) -> TransportError? = { _ in nil }
  ) throws -> SessionSummary {
    let result = Result {
      try interruption.cancelling(by: { stream.abort() }) {
        try ReplicationSession.send(over: stream, options: options, events: events)
      }
    }
    let end = stream.end()
    switch result {
    case .success(let summary): return summary
    case .failure(let error):
      if interruption.isInterrupted { throw error }
      if let better = failure(end) { throw better }
      // A command that never was a receiver of ours has something to say as well.
      switch error {
      case ReplicationError.peerLeft, ReplicationError.unanswered, ReplicationError.violation,
        is TransportError:
        guard end.code != 0, !end.messages.isEmpty else { throw error }
        throw TransportError.commandFailed(
          peer: stream.peerDescription, code: end.code,
          said: end.messages.joined(separator: "; "))
      default: throw error
      }
    }
  }
}

extension ProgramStream {
  /// Starts a command of the user, with the user's environment.
  convenience init(words: [String], timeouts: StreamTimeouts) throws(TransportError) {
    guard let name = words.first,
      let path = name.contains("/") ? name : SystemProgram.find(name)
    else { throw .programMissing(words.first ?? "", package: "") }
    try self.init(
      executable: path, arguments: words, environment: StartedProcess.environment,
      peerDescription: name, timeouts: timeouts)
  }
}

/// `drover replicate receive --stdio`: one session on standard input and output.
struct StdioReceiving {
  private let command: ReceiveCommand

  init(_ command: ReceiveCommand) { self.command = command }

  func run() throws {
    let interruption = Interruption.ofProcess()
    // Standard output is the sender's: what is told goes to standard error.
    var output = command.output
    (output.quiet, output.verbose, output.json) = (true, false, false)
    let report = SessionReport(output)
    try ReplicateCommand.end(interruption, report) {
      let stream = try DescriptorStream(
        reading: SharedDescriptor(owning: dup(0)), writing: SharedDescriptor(owning: dup(1)),
        peerDescription: "standard input", timeouts: command.tunnel.timeouts)
      let summary = try interruption.cancelling(by: { stream.abort() }) {
        try ReplicationSession.receive(over: stream, options: command.receiveOptions) {
          report.handle($0)
        }
      }
      return summary.warningCount
    }
  }
}
