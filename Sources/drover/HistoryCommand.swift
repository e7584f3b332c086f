import ArgumentParser
import Manifests
import Platform
import Presentation
import StateStore

/// `drover history`: the runs of a replication.
struct HistoryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history",
    abstract: "Show the last runs of a replication, the latest last.",
    discussion: """
      Each has when and why it started, how long it took, how it ended and what it moved; with \
      -o wide also what was read and stored, tries, the stage that bounded it and what it has left.

      Examples:
        drover history data
        drover history rd/copy -n backup --limit 5 -o wide
        drover history data --json
      """)

  @Option(
    help: ArgumentHelp("So many runs at most, from 1 to 1000.", valueName: "count"))
  var limit = 20

  @Option(
    name: [.customShort("o"), .long], help: ArgumentHelp("wide or json.", valueName: "format"))
  var output: String?

  @Flag(help: "Print one JSON array.")
  var json = false

  @Flag(help: "Leave out the line of names above the table.")
  var noHeaders = false

  @OptionGroup var options: StateOptions

  @Argument(help: ArgumentHelp("NAME, KIND/NAME or KIND NAME.", valueName: "name"))
  var words: [String] = []

  func validate() throws {
    if !(1...1000).contains(limit) {
      throw ValidationError("--limit takes a number from 1 to 1000")
    }
    if let output, !["wide", "json"].contains(output) {
      throw ValidationError("-o takes wide or json here, not \(output)")
    }
  }

  func run() throws {
    let client = try options.client()
    let object = try ObjectFinder(client, namespace: options.namespace ?? "default").object(words)
    let runs = try client.runs(of: object.key, countMax: limit).map(\.document)
    if json || output == "json" {
      let list = JSONValue.array(runs.map(JSONValue.object))
      Console.standard.print(String(decoding: list.encoded(.indented), as: UTF8.self))
    } else if runs.isEmpty {
      Console.standard.complain("\(object.key): no run yet")
    } else {
      let table = RunHistory.table(runs, now: .now(), isWide: output == "wide")
      for line in table.lines(showsHeader: !noHeaders) { Console.standard.print(line) }
    }
    Console.standard.flush()
  }
}
