import ObjectMirror
import Platform

/// What a command of `drover mirror` prints: remarks on standard error as rclone's levels have
/// them, results on standard output.
final class MirrorOutput: Sendable {
  let isJSON: Bool
  let isQuiet: Bool
  let isVerbose: Bool
  private let console = Console.standard

  init(_ arguments: MirrorArguments) {
    isJSON = arguments.json
    isQuiet = arguments.quiet
    isVerbose = arguments.verbose > 0
  }

  /// A line that is the result.
  func result(_ line: String) { console.print(line) }

  func emit(_ object: JSONObject) {
    console.print(String(decoding: JSONValue.object(object).encoded(), as: UTF8.self))
  }

  func info(_ text: String) { if isVerbose { console.complain("INFO  : \(text)") } }
  func notice(_ text: String) { if !isQuiet { console.complain("NOTICE: \(text)") } }
  func error(_ text: String) { console.complain("ERROR : \(text)") }

  /// A block of lines for people.
  func block(_ text: String) { if !isQuiet { console.complain(text) } }

  /// The failure that ends the run.
  func failed(_ error: any DroverError, _ status: MirrorExitStatus) {
    console.showStatus("")
    guard isJSON else { return console.report(error) }
    let object: JSONObject = [
      "message_type": .string("exit_error"), "code": .integer(Int64(status.rawValue)),
      "message": .string(error.description),
    ]
    console.complain(String(decoding: JSONValue.object(object).encoded(), as: UTF8.self))
  }

  // MARK: Events

  /// Tells what was done with a path.
  func tell(_ event: MirrorEvent, isDryRun: Bool) {
    if isJSON, tellJSON(event, isDryRun: isDryRun) { return }
    func said(_ path: [UInt8], _ done: String, _ planned: String, _ more: String = "") {
      if isDryRun {
        notice("\(printable(path)): Skipped \(planned) as --dry-run is set\(more)")
      } else {
        info("\(printable(path)): \(done)")
      }
    }
    switch event {
    case .copied(let path, let size, let isNew):
      said(
        path, isNew ? "Copied (new)" : "Copied (replaced existing)", "copy",
        " (size \(MirrorText.size(size)))")
    case .timeSet(let path): said(path, "Updated modification time", "update modification time")
    case .deleted(let path): said(path, "Deleted", "delete")
    case .renamed(let old, let new):
      said(new, "Renamed from \(printable(old))", "rename from \(printable(old))")
    case .directoryMade(let path): said(path, "Made directory", "make directory")
    case .directoryRemoved(let path): said(path, "Removed directory", "remove directory")
    case .unchanged: break
    case .passedOver(let name, let reason): notice("\(printable(name)): left out: \(reason)")
    case .failed(let path, let failure):
      let text = failure.description
      let name = printable(path)
      error(path.isEmpty || text.contains(name) ? text : "\(name): \(text)")
    }
  }

  /// False for what is told as text.
  private func tellJSON(_ event: MirrorEvent, isDryRun: Bool) -> Bool {
    let action: String
    let path: [UInt8]
    var more: [(String, JSONValue)] = []
    switch event {
    case .copied(let name, let size, let isNew):
      (action, path) = (isNew ? "copied" : "replaced", name)
      more = [("size", .integer(size))]
    case .timeSet(let name): (action, path) = ("time_set", name)
    case .deleted(let name): (action, path) = ("deleted", name)
    case .renamed(let old, let new):
      (action, path) = ("renamed", new)
      more = [("from", .string(String(decoding: old, as: UTF8.self)))]
    case .directoryMade(let name): (action, path) = ("directory_made", name)
    case .directoryRemoved(let name): (action, path) = ("directory_removed", name)
    case .unchanged: return true
    case .passedOver(let name, let reason):
      (action, path) = ("passed_over", name)
      more = [("reason", .string(reason))]
    case .failed(let name, let error):
      (action, path) = ("failed", name)
      more = [("error", .string(error.description))]
    }
    var object: JSONObject = [
      "message_type": .string(action), "path": .string(String(decoding: path, as: UTF8.self)),
    ]
    for (name, value) in more { object[name] = value }
    if isDryRun { object["dry_run"] = .bool(true) }
    emit(object)
    return true
  }
}

/// Numbers and blocks as rclone prints them.
enum MirrorText {
  /// `0`, `1.500Ki`: three places at most.
  static func size(_ bytes: Int64) -> String {
    let (value, unit) = scaled(bytes)
    return value + unit
  }

  /// `0 B`, `1.500 KiB`.
  static func bytes(_ bytes: Int64) -> String {
    let (value, unit) = scaled(bytes)
    return unit.isEmpty ? "\(value) B" : "\(value) \(unit)B"
  }

  private static func scaled(_ bytes: Int64) -> (value: String, unit: String) {
    var (value, unit) = (Double(bytes), "")
    for next in ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"] where value >= 1024 {
      (value, unit) = (value / 1024, next)
    }
    if unit.isEmpty { return (String(bytes), "") }
    let places = value == value.rounded() ? 0 : 3
    return (Shown.decimal(value, places: places), unit)
  }

  private static func percent(_ part: Int64, _ whole: Int64) -> String {
    whole > 0 ? "\(Int64(Double(part) / Double(whole) * 100))%" : "-"
  }

  /// The block of figures that scripts look for.
  static func block(_ figures: MirrorFigures, seconds: Double, isDryRun: Bool = false) -> String {
    let rate = seconds > 0 ? Int64(Double(figures.transferredBytes) / seconds) : 0
    let rest = figures.transferTotalBytes - figures.transferredBytes
    let left = rest <= 0 ? (figures.transferredBytes > 0 ? "0s" : "-") : eta(rest, rate)
    func right(_ text: String) -> String {
      String(repeating: " ", count: max(0, 10 - text.count)) + text
    }
    var lines = [
      "Transferred:   \t\(right(bytes(figures.transferredBytes)))"
        + " / \(bytes(figures.transferTotalBytes)),"
        + " \(percent(figures.transferredBytes, figures.transferTotalBytes)),"
        + " \(bytes(rate))/s, ETA \(left)"
    ]
    if figures.errorCount > 0 {
      let more = figures.mayBeRetried ? " (retrying may help)" : ""
      lines.append("Errors:        \(right(String(figures.errorCount)))\(more)")
    }
    if figures.checkTotal > 0 {
      lines.append(
        "Checks:        \(right(String(figures.checkedCount))) / \(figures.checkTotal),"
          + " \(percent(figures.checkedCount, figures.checkTotal)),"
          + " Listed \(figures.listedCount)")
    }
    if figures.deletedCount + figures.directoriesRemovedCount > 0 {
      lines.append(
        "Deleted:       \(right(String(figures.deletedCount))) (files),"
          + " \(figures.directoriesRemovedCount) (dirs)")
    }
    if figures.renamedCount > 0 {
      lines.append("Renamed:       \(right(String(figures.renamedCount)))")
    }
    if figures.transferTotal > 0 {
      lines.append(
        "Transferred:   \(right(String(figures.transferredCount))) / \(figures.transferTotal),"
          + " \(percent(figures.transferredCount, figures.transferTotal))")
    }
    if figures.serverCopyCount > 0 {
      lines.append(
        "Server Side Copies:\(right(String(figures.serverCopyCount)))"
          + " @ \(bytes(figures.serverCopyBytes))")
    }
    lines.append("Elapsed time:  \(right(duration(seconds)))")
    return lines.joined(separator: "\n")
  }

  private static func eta(_ bytes: Int64, _ rate: Int64) -> String {
    rate > 0 ? duration((Double(bytes) / Double(rate)).rounded()) : "-"
  }

  /// `1m2.5s`.
  static func duration(_ seconds: Double) -> String {
    let minutes = Int64(seconds / 60)
    let rest = "\(Shown.decimal(seconds - Double(minutes * 60), places: 1))s"
    let (hours, left) = (minutes / 60, minutes % 60)
    if hours > 0 { return "\(hours)h\(left)m\(rest)" }
    return minutes > 0 ? "\(minutes)m\(rest)" : rest
  }

  /// The figures as JSON, at the end of a run.
  static func summary(_ figures: MirrorFigures, seconds: Double) -> JSONObject {
    [
      "message_type": .string("summary"),
      "bytes": .integer(figures.transferredBytes), "checks": .integer(figures.checkedCount),
      "deletedDirs": .integer(figures.directoriesRemovedCount),
      "deletes": .integer(figures.deletedCount), "elapsedTime": .double(seconds),
      "errors": .integer(figures.errorCount), "listed": .integer(figures.listedCount),
      "renames": .integer(figures.renamedCount),
      "serverSideCopies": .integer(figures.serverCopyCount),
      "serverSideCopyBytes": .integer(figures.serverCopyBytes),
      "timesSet": .integer(figures.timeSetCount),
      "totalBytes": .integer(figures.transferTotalBytes),
      "totalChecks": .integer(figures.checkTotal),
      "totalTransfers": .integer(figures.transferTotal),
      "transfers": .integer(figures.transferredCount),
    ]
  }
}
