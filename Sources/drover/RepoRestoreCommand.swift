import ArgumentParser
import BackupRepository
import FileTree
import Platform

/// `drover repo restore`: files of a snapshot.
struct RepoRestoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore",
    abstract: "Write what a snapshot holds into a directory.",
    discussion: """
      Files that stand in the target already are compared, and only what differs is written. With \
      SNAPSHOT:/FOLDER only that folder is restored, and takes the place of the root.

      Examples:
        drover repo -r /srv/backup restore latest --target /mnt/restored
        drover repo -r /srv/backup restore latest:/srv/data -t /srv/data --delete --verify
        drover repo -r /srv/backup restore 1a2b3c4d -t /tmp/out --include '*.conf'
      """)

  @Option(
    name: [.customShort("t", allowingJoined: true), .long], parsing: .unconditional,
    help: ArgumentHelp("The directory to restore into.", valueName: "directory"))
  var target: String

  @Option(
    name: [.customShort("i", allowingJoined: true), .long], parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Restore only what matches; repeatable.", valueName: "pattern"))
  var include: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("The same without regard to case.", valueName: "pattern"))
  var iinclude: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Read such patterns from FILE.", valueName: "file"))
  var includeFile: [String] = []

  @Option(
    name: [.customShort("e", allowingJoined: true), .long], parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Leave out what matches; repeatable.", valueName: "pattern"))
  var exclude: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("The same without regard to case.", valueName: "pattern"))
  var iexclude: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Read such patterns from FILE.", valueName: "file"))
  var excludeFile: [String] = []

  @Flag(help: "Make holes of zeros.")
  var sparse = false

  @Flag(help: "Read what was restored again and compare it.")
  var verify = false

  @Flag(help: "End only when everything is on the disk.")
  var sync = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("always, if-changed, if-newer or never.", valueName: "mode"),
    transform: RepoRestoreCommand.overwriteMode)
  var overwrite = OverwriteMode.always

  @Flag(help: "Delete from restored directories what the snapshot does not have.")
  var delete = false

  @OptionGroup(title: "Choice of snapshots, for latest") var choice: RepoFilterOptions
  @OptionGroup(title: "All commands") var options: RepoOptions

  @Argument(help: ArgumentHelp("An identifier or latest, and :/FOLDER.", valueName: "snapshot"))
  var reference: String

  func validate() throws {
    let includes = !include.isEmpty || !iinclude.isEmpty || !includeFile.isEmpty
    let excludes = !exclude.isEmpty || !iexclude.isEmpty || !excludeFile.isEmpty
    if includes, excludes {
      throw ValidationError("--include and --exclude exclude each other")
    }
    if target.isEmpty { throw ValidationError("--target is empty") }
  }

  func run() throws {
    try RepoRun.end(options) { run in
      var restore = RestoreOptions(target: target)
      restore.includes = try RepoPatterns.list(
        include, iinclude, files: includeFile)
      restore.excludes = try RepoPatterns.list(
        exclude, iexclude, files: excludeFile)
      restore.overwrite = overwrite
      restore.deletesExtra = delete
      restore.isSparse = sparse
      restore.verifies = verify
      restore.synchronizes = sync
      return try run.withRepository(.shared, isReader: true, worksLong: true) { repository in
        let all = try run.snapshots(repository)
        let (snapshot, subfolder) = try run.snapshot(reference, in: all, choice.filter)
        restore.subpath = subfolder ?? ""
        let report = RepoRestoreReport(run.output)
        report.begins(snapshot, target: target)
        try Restore(
          repository, snapshot.record, restore, isCancelled: run.isInterrupted,
          observe: { report.handle($0) }
        ).run()
        report.completed(verified: verify)
        return .done
      }
    }
  }

  private static func overwriteMode(_ text: String) throws -> OverwriteMode {
    guard let mode = OverwriteMode(rawValue: text) else {
      throw ValidationError(
        "'\(text)' is no way to overwrite: always, if-changed, if-newer or never")
    }
    return mode
  }
}

/// Tells what a restore does, in restic's words and JSON.
final class RepoRestoreReport: @unchecked Sendable {
  private let output: RepoOutput
  private let progress: RepoProgress
  private let began = MonotonicTime.now()
  private let lock = Lock()
  /// The last counts; guarded by `lock`.
  private var counts = RestoreReport()

  init(_ output: RepoOutput) {
    self.output = output
    progress = RepoProgress(output)
  }

  func begins(_ snapshot: StoredSnapshot, target: String) {
    let record = snapshot.record
    output.say(
      printable(
        ("restoring snapshot \(snapshot.id.short) of [\(record.paths.joined(separator: " "))] at"
          + " \(record.time.text) by \(record.username)@\(record.hostname) to \(target)").utf8))
  }

  func handle(_ event: RestoreEvent) {
    switch event {
    case .progress(let report): show(report)
    case .restored(let path, _): tell("restored", path)
    case .deleted(let path): tell("deleted", path)
    case .problem(let problem):
      output.itemFailed(printable(problem.path), during: "restore", problem.message)
    case .finished(let report):
      progress.end()
      lock.withLock { counts = report }
    }
  }

  private func show(_ report: RestoreReport) {
    var figures = ProgressFigures()
    figures.fileCountDone = Int64(report.filesRestored + report.filesUnchanged)
    figures.fileCountTotal = figures.fileCountDone
    figures.sizeBytesDone = report.bytesWritten + report.bytesUnchanged
    figures.sizeBytesTotal = report.bytesTotal
    figures.totalsAreFinal = report.isPlanned
    progress.show(figures) { json("status", report) }
  }

  private func tell(_ action: String, _ path: [UInt8]) {
    let item = "/" + printable(path.first == 0x2f ? path.dropFirst() : path[...])
    guard output.verbosity > 2 else { return }
    if output.isJSON {
      output.emit([
        "message_type": .string("verbose_status"), "action": .string(action),
        "item": .string(item), "size": .integer(0),
      ])
    } else {
      output.say("\(action.padded(to: 9)) \(item)", from: 3)
    }
  }

  func completed(verified: Bool) {
    let report = lock.withLock { counts }
    if output.isJSON { return output.emit(json("summary", report)) }
    let seconds = MonotonicTime.now().seconds(since: began)
    let files = report.filesRestored + report.filesUnchanged
    output.say(
      "Summary: Restored \(report.entryCount - report.entriesSkipped) files/dirs"
        + " (\(byteText(UInt64(clamping: report.bytesTotal)))) in"
        + " \(Shown.duration(seconds: seconds)): \(files) files,"
        + " \(byteText(UInt64(clamping: report.bytesWritten))) written")
    if report.entriesSkipped > 0 { output.say("skipped \(report.entriesSkipped) files/dirs") }
    if report.entriesDeleted > 0 { output.say("deleted \(report.entriesDeleted) files/dirs") }
    if report.ownerProblemCount > 0 {
      output.say("\(report.ownerProblemCount) files/dirs could not be given their owners")
    }
    if verified { output.say("finished verifying \(report.filesVerified) files in the target") }
  }

  private func json(_ type: String, _ report: RestoreReport) -> JSONObject {
    let done = report.bytesWritten + report.bytesUnchanged
    var message: JSONObject = [
      "message_type": .string(type),
      "seconds_elapsed": .integer(Int64(MonotonicTime.now().seconds(since: began))),
    ]
    if type == "status" {
      message["percent_done"] = .double(
        report.bytesTotal > 0 ? min(1, Double(done) / Double(report.bytesTotal)) : 0)
    }
    message["total_files"] = .integer(Int64(report.entryCount))
    message["files_restored"] = .integer(Int64(report.entryCount - report.entriesSkipped))
    message["files_skipped"] = .integer(Int64(report.entriesSkipped))
    message["files_deleted"] = .integer(report.entriesDeleted)
    message["total_bytes"] = .integer(report.bytesTotal)
    message["bytes_restored"] = .integer(done)
    message["bytes_skipped"] = .integer(0)
    return message
  }
}
