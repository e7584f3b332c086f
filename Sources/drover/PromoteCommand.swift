import ArgumentParser
import Control
import Manifests
import Movers
import Platform
import StateStore

/// `drover promote`: a destination becomes the truth.
struct PromoteCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "promote",
    abstract: "End receiving, hand out the volume for writing, and fence the old source.",
    discussion: """
      The volume is handed out as it was last committed: what a session has overwritten in place \
      since is put back. A directory whose last sync was cut short cannot be put back; it is \
      handed out with --force only.

      The relationship begins its next generation. A source of an older one is refused from now \
      on, says so in its status, and sends nothing until a person has decided: drover reverse \
      lets it follow this volume. Saying it again does no harm, also after a crash.
      """)

  @OptionGroup var options: StateOptions

  @Argument(help: "The destination: NAME or rd/NAME.")
  var name: String

  @Flag(help: "Hand the volume out although some files are of a later moment than others.")
  var force = false

  @Option(help: ArgumentHelp("How long it may take.", valueName: "seconds"))
  var timeout = 300.0

  func run() throws {
    let client = try options.client()
    let key = try options.destination(name)
    let before = try client.object(key).document.promotedText
    let change = try client.promote(key, isForced: force).first
    if !client.hasDaemon { try handOut(key) }
    let isNew = change?.outcome != .unchanged
    let object = try handedOut(key, client, unlike: isNew ? before : nil)
    let word = change?.outcome == .unchanged ? "unchanged, promoted before" : "promoted"
    let console = Console.standard
    console.print("\(key.resultName) \(word)")
    let section = object["spec"]?.objectValue?[RsyncTLSJob.section]?.objectValue
    if let claim = section?["destinationPVC"]?.stringValue {
      console.print(claim.hasPrefix("/") ? "volume: \(claim)" : "volume: claim \(claim)")
    }
    if let text = object.promotedText { console.print(text) }
    console.print("sources of an older generation are refused; drover reverse turns the direction")
    console.flush()
  }

  /// Without a daemon the files are ours.
  private func handOut(_ key: ObjectKey) throws {
    let path = try options.path()
    let deadline = MonotonicTime.now().advanced(bySeconds: timeout)
    while MonotonicTime.now() < deadline {
      if let directory = try StateDirectory.open(path, absence: .refuse) {
        return try HandOut.perform(
          key, in: directory, served: MoverRegistry<MoverRequest>.standard().sections)
      }
      SystemClock().sleep(seconds: 0.05)
    }
    throw StateError.inUse(path: path, processID: StateDirectory.holder(of: path))
  }

  /// Waits until the volume is handed out; the object as it is then.
  private func handedOut(
    _ key: ObjectKey, _ client: StateClient, unlike before: String?
  ) throws -> JSONObject {
    let deadline = MonotonicTime.now().advanced(bySeconds: timeout)
    while true {
      let object = try client.object(key).document
      if let text = object.promotedText, text != before { return object }
      guard MonotonicTime.now() < deadline else {
        throw StateError.refused(
          "\(key) is promoted, but its volume has not been handed out in time",
          hint: "drover describe rd/\(key.name) says why; say it again to go on waiting.")
      }
      SystemClock().sleep(seconds: 0.05)
    }
  }
}

extension StateOptions {
  /// The key of a destination, named alone or with its kind.
  func destination(_ name: String) throws -> ObjectKey {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    let key = try key(
      kind: parts.count == 2 ? parts[0] : ReplicationDestination.kind, name: parts[parts.count - 1])
    guard key.kind == ReplicationDestination.kind, parts.count <= 2 else {
      throw ValidationError("\(name) is no destination: write NAME or rd/NAME")
    }
    return key
  }
}

extension JSONObject {
  /// What the status of a promoted destination says.
  fileprivate var promotedText: String? {
    self["status"]?.objectValue?[RsyncTLSJob.section]?.objectValue?["promoted"]?.stringValue
  }
}
