import ArgumentParser
import Manifests
import Platform
import StateStore

/// `drover trigger`: a run now.
struct TriggerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trigger",
    abstract: "Ask for a run now, whatever the schedule says.",
    discussion: """
      A schedule stays in force. Where spec.trigger.manual is set, its tag is changed. When the \
      run counts, status.lastManualSync is the tag; one that is under way is followed by another.
      """)

  @OptionGroup var options: StateOptions

  @Argument(help: "The source or destination: NAME, rs/NAME or rd/NAME.")
  var name: String

  @Option(name: .long, help: "The tag of the run [the time].")
  var tag: String?

  func run() throws {
    let client = try options.client()
    let key = try options.replication(name, client)
    let tag = tag ?? SystemClock().wallTime().rfc3339WithNanoseconds
    for change in try client.trigger(key, tag: tag) {
      let outcome = change.outcome == .unchanged ? "unchanged" : "triggered: \(tag)"
      Console.standard.print("\(change.key.resultName) \(outcome)")
    }
    if !client.hasDaemon {
      Console.standard.complain("no daemon runs here: the run starts when one does")
    }
    Console.standard.flush()
  }
}

/// `drover pause`: no further run.
struct PauseCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pause",
    abstract: "Let a replication start no further run; one under way ends as it would.")

  @OptionGroup var options: StateOptions

  @Argument(help: "The source or destination: NAME, rs/NAME or rd/NAME.")
  var name: String

  func run() throws { try options.setPaused(name, true, "paused") }
}

/// `drover resume`: runs again.
struct ResumeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resume",
    abstract: "Let a paused replication run again; what is overdue starts at once.")

  @OptionGroup var options: StateOptions

  @Argument(help: "The source or destination: NAME, rs/NAME or rd/NAME.")
  var name: String

  func run() throws { try options.setPaused(name, false, "resumed") }
}

extension StateOptions {
  fileprivate func setPaused(_ name: String, _ isPaused: Bool, _ word: String) throws {
    let client = try client()
    let key = try replication(name, client)
    for change in try client.setPaused(key, isPaused) {
      let outcome = change.outcome == .unchanged ? "unchanged" : word
      Console.standard.print("\(change.key.resultName) \(outcome)")
    }
    Console.standard.flush()
  }
}

extension WallTime {
  /// RFC 3339 with nine digits of a fraction: of each call another.
  fileprivate var rfc3339WithNanoseconds: String {
    let digits = String(nanoseconds)
    return rfc3339.dropLast() + "." + String(repeating: "0", count: 9 - digits.count) + digits + "Z"
  }
}
