import ArgumentParser
import Glibc
import Platform

/// The program: reads the command line, runs one command, ends with its exit code.
@main
struct Drover: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drover",
    abstract: "Replicate volumes and back them up: file trees, block devices and raw images.",
    discussion: """
      Exit codes: 0 done, 1 failed, 2 wrong usage, 3 partial (some entries could not be read or \
      applied), 4 a verification found differences, 5 refused by a guard, 6 the peer could not be \
      authenticated, 7 the peer cannot be reached or timed out, 130 interrupted. `drover repo` has \
      those of restic, `drover mirror` those of rclone: see their help.
      """,
    version: "drover \(droverVersion)",
    subcommands: [
      DaemonCommand.self, ApplyCommand.self, GetCommand.self, DescribeCommand.self,
      HistoryCommand.self, LogsCommand.self, WaitCommand.self, TriggerCommand.self,
      PauseCommand.self, ResumeCommand.self, ReleaseCommand.self, PromoteCommand.self,
      ReverseCommand.self, DeleteCommand.self, ExplainCommand.self,
      RunCommand.self, ReplicateCommand.self, RepoCommand.self, MirrorCommand.self,
      VerifyCommand.self, KeyCommand.self, DoctorCommand.self, VersionCommand.self,
      MoverCommand.self,
      RelayCommand.self,
    ])

  static func main() {
    // A reader of our output that goes away is met as an error of the write (see `Console`).
    signal(SIGPIPE, SIG_IGN)
    let arguments = SpelledOut.arguments(Array(CommandLine.arguments.dropFirst()))
    do {
      var command = try parseAsRoot(arguments)
      try command.run()
    } catch {
      end(with: error, usage: arguments.first == "repo" ? RepoExitStatus.failed.rawValue : nil)
    }
  }

  /// Tells the error, in its place, and ends the process with its code; `usage` is that of wrong
  /// usage in a family of commands that has its own.
  private static func end(with error: any Error, usage: Int32?) -> Never {
    Console.standard.flush()
    if let failure = error as? any DroverError {
      Console.standard.report(failure)
      Glibc.exit(ExitStatus(failure.kind).rawValue)
    }
    let code = exitCode(for: error)
    if error is ExitCode { Glibc.exit(code.rawValue) }
    let message = fullMessage(for: error)
    if code == .success {
      Console.standard.print(message)
      Console.standard.flush()
      Glibc.exit(ExitStatus.done.rawValue)
    }
    let prefix = "Error: "
    Console.standard.complain(
      message.hasPrefix(prefix) ? "drover: \(message.dropFirst(prefix.count))" : message)
    let isUsage = code == .validationFailure
    Glibc.exit(isUsage ? usage ?? ExitStatus.usage.rawValue : ExitStatus.failed.rawValue)
  }
}

/// Options whose value may be left out, which ArgumentParser does not know: `--compress[=LEVEL]`.
enum SpelledOut {
  /// The arguments with the value that such an option stands for when it is alone.
  static func arguments(_ arguments: [String]) -> [String] {
    if arguments.first == "repo" {
      return ["repo"] + RepoArguments.spelledOut(Array(arguments.dropFirst()))
    }
    if arguments.first == "mirror" {
      return ["mirror"]
        + MirrorSpelling.spelledOut(
          Array(arguments.dropFirst()), environment: ProcessEnvironment.all)
    }
    var isOption = true
    return arguments.map { argument in
      if argument == "--" { isOption = false }
      return isOption && argument == "--compress" ? "--compress=adaptive" : argument
    }
  }
}
