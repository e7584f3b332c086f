import ArgumentParser
import Platform

/// `drover replicate`: the replication mover by hand.
struct ReplicateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replicate",
    abstract: "Make one volume equal to another, through an authenticated tunnel.",
    discussion: """
      Examples:
        (umask 077; drover key generate > psk.txt)  # the same file on both sides
        drover replicate receive --listen :8000 --psk-file psk.txt /srv/copy
        drover replicate send --connect backup:8000 --psk-file psk.txt /srv/data
      """,
    subcommands: [SendCommand.self, ReceiveCommand.self, RollbackCommand.self])

  /// The exit code of an error or of an outcome with `warningCount`, seen with an interruption.
  static func end(
    _ interruption: Interruption, _ report: SessionReport, _ body: () throws -> Int64
  ) throws {
    let status: ExitStatus
    do {
      status = try body() == 0 ? .done : .partial
    } catch let error where interruption.isInterrupted {
      // Whatever the abort broke is a consequence, unless it says that something else was wrong.
      let failure = error as? any DroverError
      if let failure, failure.kind != .cancelled, failure.kind != .unreachable {
        report.failed(failure)
      }
      status = .interrupted
    } catch let error as any DroverError {
      report.failed(error)
      status = ExitStatus(error.kind)
    }
    Console.standard.flush()
    if status != .done { throw ExitCode(status.rawValue) }
  }
}
