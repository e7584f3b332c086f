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

  func info(_ text: @autoclosure () -> String) {
    if isVerbose { console.complain("INFO  : \(text())") }
  }

  func notice(_ text: @autoclosure () -> String) {
    if !isQuiet { console.complain("NOTICE: \(text())") }
  }

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

  /// Tells what was done with a path, at the destination of that name when there are several.
  func tell(_ event: MirrorEvent, at destination: String? = nil, isDryRun: Bool) {
    if isJSON, tellJSON(event, destination, isDryRun: isDryRun) { return }
    var place: String { destination.map { "\($0): " } ?? "" }
    func notice(_ text: @autoclosure () -> String) { self.notice(place + text()) }
    func info(_ text: @autoclosure () -> String) { self.info(place + text()) }
    func error(_ text: String) { self.error(place + text) }
    func said(
      _ path: [UInt8], _ done: String, _ planned: String, _ more: @autoclosure () -> String = ""
    ) {
      if isDryRun {
        notice("\(printable(path)): Skipped \(planned) as --dry-run is set\(more())")
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
    case .ended(let outcome):
      guard destination != nil else { break }
      let took = MirrorText.duration(outcome.seconds)
      notice(outcome.isGood ? "done after \(took)" : "failed after \(took)")
    case .failed(let path, let failure):
      let text = failure.description
      let name = printable(path)
      error(path.isEmpty || text.contains(name) ? text : "\(name): \(text)")
    }
  }

  /// False for what is told as text.
  private func tellJSON(
    _ event: MirrorEvent, _ destination: String?, isDryRun: Bool
  ) -> Bool {
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
    case .ended(let outcome):
      guard let destination else { return true }
      emit([
        "message_type": .string("ended"), "destination": .string(destination),
        "outcome": .string(outcome.isGood ? "done" : "failed"),
        "elapsedTime": .double(outcome.seconds),
      ])
      // Others may still take hours.
      console.flush()
      return true
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
    if let destination { object["destination"] = .string(destination) }
    if isDryRun { object["dry_run"] = .bool(true) }
    emit(object)
    return true
  }
}

extension MirrorText {
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
