import ArgumentParser
import Control
import Manifests
import Movers
import Platform
import StateStore

/// `drover reverse`: source and destination change places after a promotion.
struct ReverseCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reverse",
    abstract: "Turn source and destination round after a promotion; the way back travels by delta.",
    discussion: """
      With both ends in this state directory their volumes change places, and a run is asked for.

      With one end here it is said on both sides: on that of the promoted destination, with \
      --address, it makes the source that sends the promoted volume, and prints the destination \
      for the other side; on that of the fenced source it makes the destination that receives \
      into its volume. Keys stay the same.

      With --discard the promotion is undone instead, on each side: the old source is the truth \
      again, and what was written to the promoted volume is lost.

      What is received makes the old source's volume equal to the promoted one: what only that \
      side has is lost.
      """)

  @OptionGroup var options: StateOptions

  @Argument(help: "One end: NAME, rd/NAME or rs/NAME.")
  var name: String

  @Option(
    help: ArgumentHelp("Where the other side listens from now on.", valueName: "host:port"),
    transform: ReverseCommand.address)
  var address: HostPort?

  @Option(
    help: ArgumentHelp(
      "Where a destination that is made here listens [all addresses, port 8000].",
      valueName: "address:port"),
    transform: ReverseCommand.address)
  var listen: HostPort?

  @Option(
    help: ArgumentHelp("The other side's volume, for what is printed.", valueName: "claim or path"))
  var otherVolume: String?

  @Option(help: ArgumentHelp("When the way back runs [once].", valueName: "cron"))
  var schedule: String?

  @Flag(help: "Undo the promotion: the old source sends again, over the promoted volume.")
  var discard = false

  @Flag(help: "Change nothing; tell what would be done.")
  var dryRun = false

  private static func address(_ text: String) throws -> HostPort {
    if let address = HostPort(text) { return address }
    guard let address = HostPort("\(text):\(RunPlanner.standardPort)") else {
      throw ValidationError("'\(text)' is no address: write HOST:PORT or [IPV6]:PORT")
    }
    return address
  }

  func run() throws {
    let client = try options.client()
    let set = try objects(client)
    let key = try key(in: set)
    var choice = Reversal.Options()
    choice.address = address
    choice.otherVolume = otherVolume
    choice.listen = listen
    choice.discards = discard
    choice.schedule = schedule
    let reversal = try Reversal.make(
      of: key, in: set, served: MoverRegistry<MoverRequest>.standard().sections, options: choice
    ) { try client.relation(of: $0) }
    if !dryRun { try client.exchange(reversal.steps) }
    let console = Console.standard
    for line in reversal.lines { console.complain(line) }
    if let text = reversal.otherSide {
      console.complain("for the other side, where drover reverse rs/\(key.name) makes the same:")
      console.print(String(text.dropLast()))
    }
    console.flush()
  }

  /// Everything that stands in the state directory, decoded.
  private func objects(_ client: StateClient) throws -> ManifestSet {
    let texts = try client.list().objects.map { object in
      (
        name: "\(object.key)",
        text: Array(JSONValue.object(object.document.asWritten).yamlText.utf8)
      )
    }
    return ManifestLoader().decodeEach(texts).set
  }

  private func key(in set: ManifestSet) throws -> ObjectKey {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    if parts.count == 2 { return try options.key(kind: parts[0], name: parts[1]) }
    let named = try options.key(kind: ReplicationDestination.kind, name: name)
    guard let key = Reversal.key(named: named, in: set) else {
      throw StateError.notFound(resource: ReplicationDestination.resourceName, name: name)
    }
    return key
  }
}
