import Platform
import Triggers

/// What the YAML of VolSync cannot say about a host: annotations of one prefix.
package enum Annotation: String, CaseIterable, Sendable {
  case listen
  case allowEmptySource = "allow-empty-source"
  case waitForSchedule = "wait-for-schedule"
  case jitter
  case timeZone = "time-zone"
  case destinations
  case imageRetain = "image-retain"
  case hookBefore = "hook-before"
  case hookAfter = "hook-after"
  case hookTimeout = "hook-timeout"
  case hookOnError = "hook-on-error"
  case guardLevel = "guard"

  package static let prefix = "drover.internal/"
  /// More images of a volume than anybody looks through.
  private static let imageCountMax = 10_000

  package var name: String { Annotation.prefix + rawValue }

  /// Reports unknown names of the prefix, and values out of shape.
  static func check(_ annotations: [String: Marked<String>], _ fields: FieldReader) {
    for (name, value) in annotations where name.hasPrefix(prefix) {
      let path = fields.pathOf("annotations") + ".\(name)"
      guard let annotation = allCases.first(where: { $0.name == name }) else {
        fields.report(
          value.mark, path, "unknown annotation",
          suggestion: nearest(to: name, in: allCases.map(\.name)))
        continue
      }
      if let problem = annotation.problem(in: value.value) {
        fields.report(value.mark, path, problem)
      }
    }
  }

  private func problem(in value: String) -> String? {
    switch self {
    case .allowEmptySource, .waitForSchedule:
      ["true", "false"].contains(value) ? nil : "must be \"true\" or \"false\", not \"\(value)\""
    case .listen:
      HostPort(value) == nil
        ? "\"\(value)\" is not address:port: write for instance \"127.0.0.1:8000\" or \"[::]:8000\""
        : nil
    case .jitter: Annotation.jitterProblem(in: value)
    case .timeZone: Annotation.timeZoneProblem(in: value)
    case .destinations: Annotation.destinationsProblem(in: value)
    case .guardLevel:
      GuardSetting(value) == nil
        ? "\"\(value)\" is neither on nor off nor a list of shares: write for instance "
          + "\"lost-files=80%, lost-bytes=99%, deletions=off\"" : nil
    case .hookBefore, .hookAfter:
      value.contains { !$0.isWhitespace } ? nil : "names no command: write what /bin/sh runs"
    case .hookTimeout:
      goDurationNanoseconds(value).map { (1_000_000_000...86_400_000_000_000).contains($0) }
        ?? false
        ? nil : "\"\(value)\" is no duration from 1s to 24h: write for instance \"30s\" or \"5m\""
    case .hookOnError:
      ["Fail", "Continue"].contains(value)
        ? nil : "must be \"Fail\" or \"Continue\", not \"\(value)\""
    case .imageRetain:
      Int(value).map { (1...Annotation.imageCountMax).contains($0) } ?? false
        ? nil : "\"\(value)\" is no number from 1 to \(Annotation.imageCountMax)"
    }
  }

  /// The remotes that `destinations` names, one a line.
  package static func remotes(in value: String) -> [String] {
    value.split(separator: "\n").map { line in
      var line = line
      while line.last?.isWhitespace == true { line.removeLast() }
      return String(line.drop(while: \.isWhitespace))
    }.filter { !$0.isEmpty }
  }

  private static func jitterProblem(in value: String) -> String? {
    if let nanoseconds = goDurationNanoseconds(value),
      (0...86_400_000_000_000).contains(nanoseconds)
    {
      return nil
    }
    return "\"\(value)\" is no duration from 0s to 24h: write for instance \"5m\" or \"1h30m\""
  }

  private static func timeZoneProblem(in value: String) -> String? {
    do {
      _ = try TimeZone.named(value)
      return nil
    } catch {
      return error.reason
    }
  }

  private static func destinationsProblem(in value: String) -> String? {
    let remotes = remotes(in: value)
    guard !remotes.isEmpty else { return "names no remote: write SECTION:BUCKET/PATH, one a line" }
    for (index, remote) in remotes.enumerated() {
      guard remote.contains(":") else {
        return "\"\(remote)\" is not SECTION:BUCKET/PATH; each remote has a line of its own"
      }
      if remotes[..<index].contains(remote) { return "names \"\(remote)\" twice" }
    }
    return nil
  }
}

/// The annotations of a claim by which an application says when its files may be copied
/// (VolSync reference 5.3).
package enum CopyTriggerAnnotation: String, CaseIterable, Sendable {
  case use = "use-copy-trigger"
  case trigger = "copy-trigger"
  case latestTrigger = "latest-copy-trigger"
  case latestStatus = "latest-copy-status"
  case waitingSince = "latest-copy-trigger-waiting-since"

  package var name: String { "volsync.backube/\(rawValue)" }
}

extension ObjectMetadata {
  /// The value of one of Drover's annotations.
  package subscript(annotation: Annotation) -> String? { annotations[annotation.name]?.value }
}

/// An address to listen on or connect to, with its port; IPv6 literals stand in brackets.
package struct HostPort: Sendable, Equatable, CustomStringConvertible {
  package var host: String
  /// 0 asks for a free port.
  package var port: UInt16

  package init(host: String, port: UInt16) {
    self.host = host
    self.port = port
  }

  /// Nil when the text is not `host:port` or `[ipv6]:port`.
  package init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":") else { return nil }
    let digits = text[text.index(after: colon)...]
    guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits) else {
      return nil
    }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      return nil
    }
    guard !host.isEmpty, !host.contains(where: \.isWhitespace) else { return nil }
    self.init(host: String(host), port: port)
  }

  package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
