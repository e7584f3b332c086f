import ArgumentParser
import Manifests
import Platform
import Presentation
import StateStore

/// `drover describe`: one object or several, in words.
struct DescribeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "describe",
    abstract: "Describe objects: what they do, how it goes, what happened last.",
    discussion: """
      Of a replication it shows the volume, the mover and its peer, how far the copy is of one \
      moment, the trigger, the state and since when, the lag behind the source, the guards, the \
      last runs and the events. Of a Secret it shows names and sizes.

      Examples:
        drover describe rs data
        drover describe rs/data rd/copy -n backup
        drover describe rs -A
      """)

  @Flag(name: [.customShort("A"), .long], help: "Objects of all namespaces.")
  var allNamespaces = false

  @Option(
    name: [.customShort("l"), .long],
    help: ArgumentHelp("Only objects with these labels.", valueName: "labels"))
  var selector: String?

  @OptionGroup var options: StateOptions

  @Argument(help: ArgumentHelp("Kinds, then names; or KIND/NAME.", valueName: "what"))
  var words: [String] = []

  func run() throws {
    let requests = try ResourceWords().requests(words)
    let client = try options.client()
    let finder = ObjectFinder(
      client, namespace: allNamespaces ? nil : options.namespace ?? "default",
      selector: try ObjectFinder.selector(selector))
    let (found, missing) = try finder.objects(requests)
    if found.isEmpty, missing.isEmpty { Console.standard.complain("No resources found.") }
    for (index, object) in found.enumerated() {
      if index > 0 { Console.standard.printText("\n") }
      let metadata = object.document["metadata"]?.objectValue
      let key = ObjectKey(
        kind: object.kind, namespace: metadata?["namespace"]?.stringValue,
        name: metadata?["name"]?.stringValue ?? "")
      let description = Description(
        object, runs: try client.runs(of: key, countMax: Description.runCountMax).map(\.document),
        events: try client.events(of: key).map(\.document), now: .now())
      Console.standard.printText(description.text)
    }
    Console.standard.flush()
    for failure in missing.dropFirst() { Console.standard.report(failure) }
    if let failure = missing.first { throw failure }
  }
}
