import ArgumentParser
import Manifests
import Platform
import Presentation
import StateStore

/// `drover get`: objects with their status.
struct GetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "get",
    abstract: "Show objects with their status.",
    discussion: """
      A kind is written in full, plural or short: rs (ReplicationSource), rd \
      (ReplicationDestination), pv, pvc, sc, ns, secret …; all is rs and rd. `drover explain` \
      lists the kinds.

      Examples:
        drover get rs
        drover get rs,rd -A -o wide
        drover get rs/data pvc/data -n backup -o yaml
        drover get rs data -o jsonpath='{.status.lastSyncTime}'
        drover get rs -o custom-columns=NAME:.metadata.name,STATE:.status.conditions[0].reason
        drover get rs -l tier=db --watch
      """)

  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp(
      "wide, yaml, json, name, jsonpath=TEMPLATE or custom-columns=NAME:.path,…",
      valueName: "format"))
  var output: String?

  @Flag(name: [.customShort("A"), .long], help: "Objects of all namespaces.")
  var allNamespaces = false

  @Option(
    name: [.customShort("l"), .long],
    help: ArgumentHelp(
      "Only objects with these labels: app=web, tier!=db, !old …", valueName: "labels"))
  var selector: String?

  @Flag(help: "Leave out the line of names above a table.")
  var noHeaders = false

  @Flag(
    name: [.customShort("w"), .long],
    help: "Show what is there, then each change, until it is ended.")
  var watch = false

  @OptionGroup var options: StateOptions

  @Argument(help: ArgumentHelp("Kinds, then names; or KIND/NAME.", valueName: "what"))
  var words: [String] = []

  func run() throws {
    let format = try output.map { try OutputFormat($0) } ?? .table
    let requests = try ResourceWords().requests(words)
    let selector = try ObjectFinder.selector(selector)
    if allNamespaces, requests.contains(where: { $0.name != nil }) {
      throw ValidationError("a name is of one namespace: say -n, or leave the name out for -A")
    }
    let finder = ObjectFinder(
      try options.client(), namespace: allNamespaces ? nil : options.namespace ?? "default",
      selector: selector)
    var printer = ResourcePrinter(format, now: .now())
    printer.showsHeader = !noHeaders
    printer.showsNamespace = allNamespaces
    printer.showsKind = Set(requests.map(\.kind)).count > 1
    if watch {
      try ObjectWatch(finder, requests, printer).run()
    } else {
      try show(requests, finder, printer)
    }
  }

  private func show(
    _ requests: [ResourceRequest], _ finder: ObjectFinder, _ printer: ResourcePrinter
  ) throws {
    let (found, missing) = try finder.objects(requests)
    let isList = requests.count > 1 || requests.first?.name == nil
    switch printer.format {
    case .table, .wide, .customColumns:
      if found.isEmpty, missing.isEmpty {
        let place = allNamespaces ? "" : " in \(options.namespace ?? "default") namespace"
        Console.standard.complain("No resources found\(place).")
        return
      }
    default: break
    }
    if !found.isEmpty || (isList && missing.isEmpty) {
      Console.standard.printText(try printer.text(of: found, isList: isList))
      Console.standard.flush()
    }
    // Each is told; the first decides the exit code.
    for failure in missing.dropFirst() { Console.standard.report(failure) }
    if let failure = missing.first { throw failure }
  }
}
