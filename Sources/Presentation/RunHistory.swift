package import Platform

/// `drover history`: runs as a table. A run is a document of the store's records.
package enum RunHistory {
  /// The latest last, as logs are read.
  package static func table(
    _ runs: some Sequence<JSONObject>, now: WallTime, isWide: Bool = false
  ) -> TextTable {
    var header = ["STARTED", "AGE", "DURATION", "RESULT", "CAUSE", "FILES", "SENT", "MESSAGE"]
    if isWide { header.insert(contentsOf: ["READ", "STORED", "TRIES", "BOUND BY", "LEFT"], at: 7) }
    var table = TextTable(header)
    for run in runs { table.rows.append(row(run, now: now, isWide: isWide)) }
    return table
  }

  private static func row(_ run: JSONObject, now: WallTime, isWide: Bool) -> [String] {
    let started = run.text("started").flatMap(WallTime.init(rfc3339:))
    let ended = run.text("ended").flatMap(WallTime.init(rfc3339:))
    var duration = ""
    if let started, let ended {
      let nanoseconds =
        (ended.seconds - started.seconds) * 1_000_000_000
        + Int64(ended.nanoseconds) - Int64(started.nanoseconds)
      duration = goDurationText(nanoseconds: max(0, nanoseconds))
    }
    var row = [
      run.text("started") ?? "", ended.map { ageText(seconds: now.seconds - $0.seconds) } ?? "",
      duration, run.text("outcome") ?? "", cause(of: run), count(run["files"]),
      size(run["bytesSent"]),
      message(of: run),
    ]
    if isWide {
      row.insert(
        contentsOf: [
          size(run["bytesRead"]), size(run["bytesStored"]), count(run["attempts"]),
          run.text("bottleneck") ?? "", run.text("result") ?? "",
        ], at: 7)
    }
    return row
  }

  private static func cause(of run: JSONObject) -> String {
    guard let missed = run["missed"]?.integerValue else { return run.text("cause") ?? "" }
    return "\(run.text("cause") ?? "schedule") (\(missed) missed)"
  }

  private static func message(of run: JSONObject) -> String {
    let warnings = run["warnings"]?.integerValue ?? 0
    let text = run.text("message") ?? ""
    guard warnings > 0 else { return text }
    let noun = warnings == 1 ? "warning" : "warnings"
    return text.isEmpty ? "\(warnings) \(noun)" : "\(text) (\(warnings) \(noun))"
  }

  private static func count(_ value: JSONValue?) -> String {
    value?.integerValue.map { "\($0)" } ?? ""
  }

  private static func size(_ value: JSONValue?) -> String {
    value?.integerValue.map { sizeText(bytes: $0) } ?? ""
  }
}

/// A size in binary units with one decimal: `512 B`, `1.5 MiB`.
package func sizeText(bytes: Int64) -> String {
  if bytes.magnitude < 1024 { return "\(bytes) B" }
  let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
  var value = Double(bytes) / 1024
  var index = 0
  while abs(value) >= 1023.95, index + 1 < units.count {
    value /= 1024
    index += 1
  }
  let tenths = Int64((value * 10).rounded())
  return "\(tenths / 10).\((tenths % 10).magnitude) \(units[index])"
}
