import ArgumentParser
import Control
import Glibc
import Manifests
import Platform
import StateStore

/// `drover release`: the next run passes the guards.
struct ReleaseCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "release",
    abstract: "Let the next run of a replication pass the guard that has ended one.",
    discussion: """
      A guard ends a run before anything is deleted at the other side; drover describe says which \
      one and why. Those that wait for an image, or for something to restore, end by themselves \
      and are not released. The release holds for one run, whatever guard it would meet: after \
      one that counts, the guards are in force again. Who has released stands in the events.

      The guards:
      \(ReleaseCommand.table)

      The annotation drover.internal/guard sets other shares for an object, or turns guards off.
      """)

  private static var table: String {
    GuardTable.rows.map { "  \($0.name.rawValue): \($0.trips)." }.joined(separator: "\n")
  }

  @Flag(help: "Ask for that run at once, whatever the schedule says.")
  var now = false

  @OptionGroup var options: StateOptions

  @Argument(help: "The source or destination: NAME, rs/NAME or rd/NAME.")
  var name: String

  func run() throws {
    let client = try options.client()
    let key = try options.replication(name, client)
    for change in try client.release(key, by: ReleaseCommand.person) {
      let text =
        change.outcome == .unchanged
        ? "unchanged: no guard has ended a run, or it is released" : "released: the next run passes"
      Console.standard.print("\(change.key.resultName) \(text)")
    }
    if now { _ = try client.trigger(key, tag: "release \(SystemClock().wallTime().rfc3339)") }
    if !client.hasDaemon {
      Console.standard.complain("no daemon runs here: the run starts when one does")
    }
    Console.standard.flush()
  }

  /// Who says it: the name that a login or sudo has left, and the number that the system knows.
  private static var person: String {
    var name = "?"
    for variable in ["LOGNAME", "USER", "SUDO_USER"] {
      if let value = getenv(variable) { name = String(cString: value) }
    }
    return "\(name) (uid \(getuid()))"
  }
}
