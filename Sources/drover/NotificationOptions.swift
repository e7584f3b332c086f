import ArgumentParser
import Glibc
import Observation
import Platform

/// How a daemon tells what it does.
enum LogFormat: String, ExpressibleByArgument, CaseIterable {
  case text
  case json
}

/// Whom a daemon tells of runs.
struct NotificationOptions: ParsableArguments {
  private static let urlSizeBytesMax = 8 << 10

  @Option(
    name: .customLong("webhook"),
    help: ArgumentHelp(
      "POST JSON to this URL when a run begins, succeeds or fails [$DROVER_WEBHOOK]; @FILE reads"
        + " it from a file.", valueName: "url"))
  var webhook: String?

  @Option(
    name: .customLong("heartbeat"),
    help: ArgumentHelp(
      "GET this URL when a run has succeeded, URL/start when one begins, URL/fail when one has"
        + " failed [$DROVER_HEARTBEAT]; {name}, {namespace} and {kind} stand for those of the"
        + " object; @FILE reads it from a file.", valueName: "url"))
  var heartbeat: String?

  /// Nil when nobody is to be told.
  func open(_ complain: @escaping @Sendable (String) -> Void) throws -> Notifier? {
    let targets = Notifier.Targets(
      webhook: try NotificationOptions.url(webhook, "DROVER_WEBHOOK", "--webhook"),
      ping: try NotificationOptions.url(heartbeat, "DROVER_HEARTBEAT", "--heartbeat"))
    return targets.isEmpty ? nil : Notifier(targets, complain: complain)
  }

  /// A URL may hold a secret, which others see in the arguments of a process.
  private static func url(
    _ option: String?, _ variable: String, _ name: String
  ) throws -> String? {
    guard var text = option ?? getenv(variable).map({ String(cString: $0) }), !text.isEmpty else {
      return nil
    }
    if text.hasPrefix("@") {
      let bytes = try SmallFile.read(String(text.dropFirst()), sizeBytesMax: urlSizeBytesMax)
      text = String(decoding: bytes.prefix { $0 > 0x20 }, as: UTF8.self)
    }
    let isURL = ["http://", "https://"].contains { text.hasPrefix($0) && text != $0 }
    guard isURL, text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
      throw ValidationError("\(name) is a URL that begins with http:// or https://")
    }
    return text
  }
}
