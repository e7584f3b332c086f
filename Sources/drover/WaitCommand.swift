import ArgumentParser
import Manifests
import Platform
import Presentation
import StateStore

/// `drover wait`: until objects are in a state.
struct WaitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wait",
    abstract: "Wait until objects are in a state.",
    discussion: """
      Ends with 0 when all of them are, and with 1 when the time has passed before.

      Examples:
        drover wait rs/data --for=condition=Synchronizing=False
        drover wait rs data --for=jsonpath='{.status.lastManualSync}'=before-upgrade --timeout 10m
        drover wait rd/copy --for=jsonpath='{.status.latestImage.name}'
        drover wait rs/old --for=delete
      """)

  @Option(
    name: .customLong("for"),
    help: ArgumentHelp(
      "condition=TYPE[=STATUS], jsonpath=PATH[=VALUE], create or delete.", valueName: "state"))
  var wanted: String

  @Option(
    help: ArgumentHelp("How long, such as 30s, 10m, 2h; 0 looks once.", valueName: "duration"))
  var timeout = "30s"

  @OptionGroup var options: StateOptions

  @Argument(help: ArgumentHelp("A kind, then names; or KIND/NAME.", valueName: "what"))
  var words: [String] = []

  func run() throws {
    let condition = try WaitCondition(wanted)
    guard let nanoseconds = goDurationNanoseconds(timeout), nanoseconds >= 0 else {
      throw ValidationError("--timeout takes a duration such as 30s, 10m or 2h, not \(timeout)")
    }
    let requests = try ResourceWords().requests(words)
    guard requests.allSatisfy({ $0.name != nil }) else {
      throw ValidationError("name the objects: KIND/NAME or KIND NAME")
    }
    let client = try options.client()
    let finder = ObjectFinder(client, namespace: options.namespace ?? "default")
    let deadline = MonotonicTime.now().advanced(bySeconds: Double(nanoseconds) / 1e9)
    for request in requests {
      let key = finder.key(request.kind, request.name ?? "")
      try wait(for: condition, of: key, finder, until: deadline)
      let name = ResourcePrinter.resultName(
        of: PrintedObject(
          kind: key.kind, document: ["metadata": .object(["name": .string(key.name)])]))
      Console.standard.print("\(name) condition met")
      Console.standard.flush()
    }
  }

  private func wait(
    for condition: WaitCondition, of key: ObjectKey, _ finder: ObjectFinder,
    until deadline: MonotonicTime
  ) throws {
    if try isMet(condition, of: key, finder) { return }
    // The state is read anew when something of the kind changes, so that none is missed.
    while MonotonicTime.now() < deadline {
      var isMet = false
      var failure: (any Error)?
      try finder.client.watch(
        kind: key.kind, namespace: key.namespace, until: deadline
      ) { notice in
        guard let notice else {
          // What changed before the watch began is looked at once more.
          do { isMet = try self.isMet(condition, of: key, finder) } catch { failure = error }
          return !isMet && failure == nil
        }
        guard notice.object.key == key else { return true }
        do {
          isMet = try condition.holds(
            for: notice.change == .deleted ? nil : notice.object.document)
        } catch {
          failure = error
        }
        return !isMet && failure == nil
      }
      if let failure { throw failure }
      if isMet { return }
    }
    throw WaitTimeout(key: key, wanted: wanted)
  }

  private func isMet(
    _ condition: WaitCondition, of key: ObjectKey, _ finder: ObjectFinder
  ) throws -> Bool {
    switch try finder.client.lookUp(key) {
    case .success(let object): return try condition.holds(for: object.document)
    case .failure(let failure):
      if condition == .creation { return false }
      guard condition == .deletion else { throw failure }
      return true
    }
  }
}

/// The time has passed.
struct WaitTimeout: DroverError {
  let key: ObjectKey
  let wanted: String

  var kind: FailureKind { .failed }
  var message: String { "timed out waiting for \(wanted) of \(key)" }
  var hint: String? { "drover describe says how it stands; --timeout waits longer" }
}
