import Manifests
package import Platform

/// `drover describe`: what a person wants to know of one object.
package struct Description: Sendable {
  /// Rows of the history and of events that are shown.
  package static let runCountMax = 5
  package static let eventCountMax = 20

  private let object: JSONObject
  private let kind: String
  private let runs: [JSONObject]
  private let events: [JSONObject]
  private let now: WallTime

  /// `runs` and `events` are in the order of time, the latest last.
  package init(
    _ object: PrintedObject, runs: [JSONObject] = [], events: [JSONObject] = [], now: WallTime
  ) {
    self.object = object.document
    kind = object.kind
    self.runs = runs
    self.events = events
    self.now = now
  }

  package var text: String {
    var lines = pairs(header)
    if kind == ReplicationSource.uniqueKind || kind == ReplicationDestination.uniqueKind {
      let view = ReplicationSummary(
        object, now: now, isSource: kind == ReplicationSource.uniqueKind)
      lines += pairs(view.pairs)
      lines += conditions(view.view)
      lines += block("Mover's Last Words", view.lastWords)
      lines += section("Spec", object["spec"])
    } else if kind == Secret.uniqueKind || kind == ConfigMap.uniqueKind {
      lines += data
    } else {
      for member in object.members where !Description.headerFields.contains(member.name) {
        lines += section(Description.title(member.name), member.value)
      }
    }
    if !runs.isEmpty { lines += runTable }
    lines += eventTable
    return lines.map { $0 + "\n" }.joined()
  }

  private static let headerFields = ["apiVersion", "kind", "metadata"]

  private static func title(_ name: String) -> String {
    guard let first = name.first else { return name }
    return first.uppercased() + name.dropFirst()
  }

  // MARK: header

  private var header: [(String, String)] {
    var pairs: [(String, String)] = [("Name", object.text("metadata", "name") ?? "")]
    if let namespace = object.text("metadata", "namespace") {
      pairs.append(("Namespace", namespace))
    }
    pairs.append(("Labels", map(["metadata", "labels"], sign: "=")))
    pairs.append(("Annotations", map(["metadata", "annotations"], sign: ": ")))
    pairs.append(("API Version", object.text("apiVersion") ?? ""))
    pairs.append(("Kind", object.text("kind") ?? ""))
    if let text = object.text("metadata", "creationTimestamp"), let time = WallTime(rfc3339: text) {
      pairs.append(("Created", "\(text) (\(ageText(seconds: now.seconds - time.seconds)) ago)"))
    }
    if let type = KindRegistry.standard[kind], type.service == .notServed {
      pairs.append(("Served", "not yet: it is checked and kept, and nothing is done for it"))
    }
    return pairs
  }

  private func map(_ path: [String], sign: String) -> String {
    let members = object.value(path)?.objectValue?.members ?? []
    guard !members.isEmpty else { return "<none>" }
    return members.map { "\($0.name)\(sign)\(JSONPath.text(of: $0.value))" }.joined(separator: "\n")
  }

  // MARK: parts

  private func conditions(_ view: ReplicationView) -> [String] {
    guard !view.conditions.isEmpty else { return [] }
    var table = TextTable(["  Type", "Status", "Reason", "Since", "Message"])
    table.rows = view.conditions.map { condition in
      let since = condition["lastTransitionTime"]?.stringValue.flatMap(WallTime.init(rfc3339:))
      return [
        "  " + (condition["type"]?.stringValue ?? ""), condition["status"]?.stringValue ?? "",
        condition["reason"]?.stringValue ?? "",
        since.map { ageText(seconds: now.seconds - $0.seconds) } ?? "",
        condition["message"]?.stringValue ?? "",
      ]
    }
    return ["Conditions:"] + table.lines()
  }

  /// Names and sizes: what a Secret holds is not shown.
  private var data: [String] {
    var sizes: [(String, Int)] = []
    for name in ["data", "binaryData", "stringData"] {
      for member in object[name]?.objectValue?.members ?? [] {
        let text = member.value.stringValue ?? ""
        let isEncoded = name == "binaryData" || (name == "data" && kind == Secret.uniqueKind)
        let size = isEncoded ? Base64.bytes(of: text)?.count ?? 0 : text.utf8.count
        sizes.removeAll { $0.0 == member.name }
        sizes.append((member.name, size))
      }
    }
    return ["Data:"]
      + (sizes.isEmpty
        ? ["  <none>"] : pairs(sizes.map { ($0.0, "\($0.1) bytes") }).map { "  " + $0 })
  }

  private func section(_ title: String, _ value: JSONValue?) -> [String] {
    guard let value else { return [] }
    switch value {
    case .object(let object) where object.members.isEmpty: return ["\(title):  <none>"]
    case .array(let items) where items.isEmpty: return ["\(title):  <none>"]
    case .object, .array:
      let text = value.yamlText.split(separator: "\n", omittingEmptySubsequences: false)
      return ["\(title):"] + text.dropLast().map { "  " + $0 }
    default: return ["\(title):  \(Description.shown(JSONPath.text(of: value)))"]
    }
  }

  private func block(_ title: String, _ text: String?) -> [String] {
    guard let text, !text.isEmpty else { return [] }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    return ["\(title):"] + lines.map { "  " + Description.shown(String($0)) }
  }

  private var runTable: [String] {
    lastRun + ["Last Runs:"]
      + RunHistory.table(runs.suffix(Description.runCountMax), now: now).lines().map { "  " + $0 }
  }

  /// Where the time of the last run that took place went, and what it moved.
  private var lastRun: [String] {
    guard let run = runs.last(where: { $0.text("outcome") != "Missed" }) else { return [] }
    var parts: [(String, String)] = []
    let phases = (run["phases"]?.arrayValue ?? []).compactMap(\.objectValue).compactMap { phase in
      phase.text("name").flatMap { name in
        phase["seconds"]?.doubleValue.map { "\(name) \(Description.seconds($0))" }
      }
    }
    if !phases.isEmpty { parts.append(("Phases", phases.joined(separator: ", "))) }
    if let stage = run.text("bottleneck") { parts.append(("Bound By", stage)) }
    let sizes = [
      ("read", "bytesRead"), ("sent", "bytesSent"), ("stored", "bytesStored"),
      ("in the source", "sourceBytes"),
    ].compactMap { word, name in
      run[name]?.integerValue.map { "\(sizeText(bytes: $0)) \(word)" }
    }
    if !sizes.isEmpty { parts.append(("Bytes", sizes.joined(separator: ", "))) }
    if let size = run["repositoryBytes"]?.integerValue {
      parts.append(("Repository", sizeText(bytes: size)))
    }
    guard !parts.isEmpty else { return [] }
    return ["Last Run:"] + pairs(parts).map { "  " + $0 }
  }

  private static func seconds(_ value: Double) -> String {
    let tenths = Int64((max(0, min(value, 1e12)) * 10).rounded())
    return "\(tenths / 10).\(tenths % 10) s"
  }

  private var eventTable: [String] {
    guard !events.isEmpty else { return ["Events:  <none>"] }
    var table = TextTable(["Type", "Reason", "Age", "Message"])
    for event in events.suffix(Description.eventCountMax) {
      let last = event.text("lastTimestamp").flatMap(WallTime.init(rfc3339:))
      let first = event.text("firstTimestamp").flatMap(WallTime.init(rfc3339:))
      var age = last.map { ageText(seconds: now.seconds - $0.seconds) } ?? ""
      if let count = event["count"]?.integerValue, count > 1, let first {
        age += " (x\(count) over \(ageText(seconds: now.seconds - first.seconds)))"
      }
      table.rows.append([
        event.text("type") ?? "", event.text("reason") ?? "", age, event.text("message") ?? "",
      ])
    }
    return ["Events:"] + table.lines().map { "  " + $0 }
  }

  // MARK: layout

  /// `Name:   value`, the values below each other; further lines of a value below its first.
  private func pairs(_ pairs: [(String, String)]) -> [String] {
    let width = max(14, (pairs.map { $0.0.count }.max() ?? 0) + 3)
    return pairs.flatMap { name, value in
      let lines = value.split(separator: "\n", omittingEmptySubsequences: false)
      return lines.enumerated().map { index, line in
        let label = index == 0 ? name + ":" : ""
        let gap = String(repeating: " ", count: max(1, width - label.count))
        return label + gap + Description.shown(String(line))
      }
    }
  }

  /// Without characters that command a terminal.
  static func shown(_ text: String) -> String {
    String(
      text.map { $0.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7f } ? " " : $0 })
  }
}
