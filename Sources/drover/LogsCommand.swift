import ArgumentParser
import Manifests
import Platform
import Presentation
import StateStore

/// `drover logs`: what the movers of a replication have said.
struct LogsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logs",
    abstract: "Show what the movers of a replication have said.",
    discussion: """
      Examples:
        drover logs data
        drover logs rd/copy -n backup --tail 50
        drover logs data -f
      """)

  /// What is kept of a log is less.
  private static let sizeBytesMax = 512 << 10
  /// How long a line may wait to be shown with -f, when nothing else tells of it.
  private static let lookSeconds = 1.0

  @Flag(name: [.customShort("f"), .long], help: "Go on with each line as it comes.")
  var follow = false

  @Option(help: ArgumentHelp("The last lines only, so many; -1 for all.", valueName: "count"))
  var tail = -1

  @OptionGroup var options: StateOptions

  @Argument(help: ArgumentHelp("NAME, KIND/NAME or KIND NAME.", valueName: "name"))
  var words: [String] = []

  func run() throws {
    let client = try options.client()
    let key = try ObjectFinder(client, namespace: options.namespace ?? "default").object(words).key
    var shown = try client.log(of: key, sizeBytesMax: LogsCommand.sizeBytesMax)
    Console.standard.printText(LogTail.lastLines(of: shown, count: tail < 0 ? nil : tail))
    Console.standard.flush()
    while follow, !Console.standard.hasLostReader {
      try client.watch(
        kind: key.kind, namespace: key.namespace,
        until: MonotonicTime.now().advanced(bySeconds: LogsCommand.lookSeconds)
      ) { notice in
        // A change of this object after those that were there: look at once.
        guard let notice else { return true }
        return notice.change != .modified || notice.object.key != key
      }
      guard case .success = try client.lookUp(key) else {
        Console.standard.complain("\(key) is gone")
        return
      }
      let log = try client.log(of: key, sizeBytesMax: LogsCommand.sizeBytesMax)
      Console.standard.printText(LogTail.addition(to: shown, in: log))
      Console.standard.flush()
      shown = log
    }
  }
}
