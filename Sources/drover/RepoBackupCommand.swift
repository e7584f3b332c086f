import ArgumentParser
import BackupRepository
import Platform

/// `drover repo backup`: a new snapshot.
struct RepoBackupCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup",
    abstract: "Store files and directories as a new snapshot.",
    discussion: """
      What the repository has already is not stored again. Files that cannot be read are told and \
      left out; the snapshot is written all the same, and the exit code is 3.

      Examples:
        drover repo -r /srv/backup backup /srv/data
        drover repo -r /srv/backup backup -x --exclude '*.tmp' --exclude-caches --tag daily /
        pg_dump app | drover repo -r /srv/backup backup --stdin --stdin-filename app.sql
      """)

  @OptionGroup(title: "Choice of files") var sources: RepoSourceOptions

  @Flag(name: .shortAndLong, help: "Read every file, whatever earlier snapshots say.")
  var force = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Compare with this snapshot; the newest of the same host and paths by default.",
      valueName: "snapshot"))
  var parent: String?

  @Option(
    name: [.customShort("H", allowingJoined: true), .long], parsing: .unconditional,
    help: ArgumentHelp("Host of the snapshot [$RESTIC_HOST; this machine's].", valueName: "host"))
  var host: String?

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Tags of the snapshot; repeatable.", valueName: "tag,tag"))
  var tag: [String] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Time of the snapshot: '2012-11-01 22:08:41'.", valueName: "time"),
    transform: RepoTime.parse)
  var time: GoTime?

  @Flag(help: "Take files with other inode numbers as unchanged.")
  var ignoreInode = false

  @Flag(help: "Take files whose inode was changed as unchanged.")
  var ignoreCtime = false

  @Flag(help: "Store times of access too.")
  var withAtime = false

  @Flag(name: [.customShort("n"), .long], help: "Store nothing; tell what would be stored.")
  var dryRun = false

  @Flag(help: "Write no snapshot when it would hold the same as its parent.")
  var skipIfUnchanged = false

  @Flag(help: .hidden)
  var noScan = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Read so many files at once [$RESTIC_READ_CONCURRENCY].", valueName: "n"))
  var readConcurrency: Int?

  @Option(
    name: [.customShort("g", allowingJoined: true), .long], parsing: .unconditional, help: .hidden)
  var groupBy: String?

  @OptionGroup(title: "All commands") var options: RepoOptions

  @Argument(help: ArgumentHelp("Files and directories.", valueName: "path"))
  var paths: [String] = []

  func validate() throws {
    if let readConcurrency, readConcurrency < 1 {
      throw ValidationError("--read-concurrency takes a number from 1 upwards")
    }
    if let groupBy, try SnapshotGrouping(parsing: groupBy) != .standard {
      throw ValidationError("--group-by: parents are looked for by host,paths only")
    }
  }

  func run() throws {
    try RepoRun.end(options) { run in
      let stream = try sources.stream(paths)
      var backup = try backupOptions(run)
      let (targets, missing) =
        stream == nil ? try sources.targets(paths, run) : ([], 0)
      backup.stream = stream
      backup.targets = targets
      return try run.withRepository(
        .shared, isReader: dryRun, inputIsTaken: sources.readsInput, worksLong: true
      ) { repository in
        if !force, let parent {
          let all = try run.snapshots(repository)
          backup.parent = .given(
            try run.snapshot(parent, in: all, SnapshotFilter()).snapshot.id)
        }
        let report = RepoBackupReport(run.output, isDryRun: dryRun)
        let result = try Backup(repository, backup) { report.handle($0) }.run()
        report.completed(result)
        return result.isPartial || missing > 0 ? .partial : .done
      }
    }
  }

  private func backupOptions(_ run: RepoRun) throws -> BackupOptions {
    var backup = BackupOptions()
    try sources.fill(&backup)
    backup.hostname = host ?? RepoEnvironment["RESTIC_HOST"] ?? RepoEnvironment.hostname
    backup.username = RepoEnvironment.username
    backup.userID = RepoEnvironment.userID
    backup.groupID = RepoEnvironment.groupID
    backup.tags = tag.flatMap { TagList(parsing: $0).tags }.filter { !$0.isEmpty }
    backup.time = time
    backup.programVersion = "drover \(droverVersion)"
    if force { backup.parent = .none }
    backup.ignoresInode = ignoreInode
    backup.ignoresChangeTime = ignoreCtime
    backup.withAccessTime = withAtime
    backup.skipsUnchanged = skipIfUnchanged
    backup.isDryRun = dryRun
    if let size = try options.settings.packSizeBytes { backup.packSizeBytes = size }
    let readers = readConcurrency ?? RepoEnvironment["RESTIC_READ_CONCURRENCY"].flatMap { Int($0) }
    backup.workerCount = BackupOptions.workerCount(readerCount: readers ?? 0)
    backup.temporaryDirectory = RepoEnvironment.temporaryDirectory
    backup.reportsItems = run.output.verbosity > 2 || (run.output.isJSON && options.verbose > 1)
    backup.isCancelled = run.isInterrupted
    return backup
  }
}

/// Tells what a backup does, in restic's words and JSON.
final class RepoBackupReport: @unchecked Sendable {
  private let output: RepoOutput
  private let isDryRun: Bool
  private let progress: RepoProgress
  private let began = MonotonicTime.now()

  init(_ output: RepoOutput, isDryRun: Bool) {
    self.output = output
    self.isDryRun = isDryRun
    progress = RepoProgress(output)
  }

  /// Called on several threads at once.
  func handle(_ event: BackupEvent) {
    switch event {
    case .parent(let parent?): output.say("using parent snapshot \(parent.id.short)")
    case .parent(nil): output.say("no parent snapshot found, will read all files")
    case .problem(let problem):
      output.itemFailed(
        printable(problem.path), during: "archival", problem.error.description)
    case .progress(let state): show(state)
    case .item(let item): tell(item)
    }
  }

  private func show(_ state: BackupProgress) {
    var figures = ProgressFigures()
    figures.fileCountDone = Int64(state.filesDone)
    figures.fileCountTotal = Int64(state.filesFound)
    figures.sizeBytesDone = state.bytesDone
    figures.sizeBytesTotal = state.bytesFound
    progress.show(figures) {
      var message: JSONObject = [
        "message_type": .string("status"),
        "seconds_elapsed": .integer(Int64(state.secondsElapsed)),
      ]
      let share =
        state.bytesFound > 0 ? min(1, Double(state.bytesDone) / Double(state.bytesFound)) : 0
      message["percent_done"] = .double(share)
      message["total_files"] = .integer(Int64(state.filesFound))
      message["files_done"] = .integer(Int64(state.filesDone))
      message["total_bytes"] = .integer(state.bytesFound)
      message["bytes_done"] = .integer(state.bytesDone)
      if state.problemCount > 0 {
        message["error_count"] = .integer(Int64(state.problemCount))
      }
      return message
    }
  }

  private func tell(_ item: BackupItem) {
    let path = printable(item.path) + (item.isDirectory ? "/" : "")
    let word = item.change == .changed ? "modified" : item.change.rawValue
    guard output.isJSON else {
      output.say("\(word.padded(to: 9)) \(path)", from: 3)
      return
    }
    output.emit([
      "message_type": .string("verbose_status"), "action": .string(word), "item": .string(path),
      "duration": .integer(0), "data_size": .integer(Int64(clamping: item.sizeBytes)),
      "data_size_in_repo": .integer(0), "metadata_size": .integer(0),
      "metadata_size_in_repo": .integer(0), "total_files": .integer(0),
    ])
  }

  func completed(_ report: BackupReport) {
    progress.end()
    let seconds = MonotonicTime.now().seconds(since: began)
    if output.isJSON {
      output.emit(json(report, seconds: seconds))
    } else {
      for line in lines(report, seconds: seconds) { output.say(line) }
    }
    if report.isPartial, !output.isJSON {
      output.warn("\(report.unreadableCount) files or directories could not be read")
    }
  }

  private func lines(_ report: BackupReport, seconds: Double) -> [String] {
    let summary = report.summary
    func counts(_ new: UInt64, _ changed: UInt64, _ same: UInt64) -> String {
      "\(RepoPath.right("\(new)", 5)) new, \(RepoPath.right("\(changed)", 5)) changed,"
        + " \(RepoPath.right("\(same)", 5)) unmodified"
    }
    var lines = [
      "",
      "Files:       "
        + counts(summary.filesNew, summary.filesChanged, summary.filesUnmodified),
      "Dirs:        "
        + counts(
          summary.directoriesNew, summary.directoriesChanged, summary.directoriesUnmodified),
    ]
    if output.verbosity > 1 {
      lines.append("Data Blobs:  \(RepoPath.right("\(summary.dataBlobs)", 5)) new")
      lines.append("Tree Blobs:  \(RepoPath.right("\(summary.treeBlobs)", 5)) new")
    }
    lines.append(
      "\(isDryRun ? "Would add" : "Added") to the repository: \(byteText(summary.dataAdded))"
        + " (\(byteText(summary.dataAddedPacked)) stored)")
    lines.append("")
    lines.append(
      "processed \(summary.totalFilesProcessed) files,"
        + " \(byteText(summary.totalBytesProcessed)) in \(Shown.duration(seconds: seconds))")
    if let snapshot = report.snapshot {
      lines.append("snapshot \(snapshot.id.short) saved")
    } else if !isDryRun {
      lines.append("skipped creating snapshot")
    }
    return lines
  }

  private func json(_ report: BackupReport, seconds: Double) -> JSONObject {
    let summary = report.summary
    var message: JSONObject = ["message_type": .string("summary")]
    if isDryRun { message["dry_run"] = .bool(true) }
    let counts: [(String, UInt64)] = [
      ("files_new", summary.filesNew), ("files_changed", summary.filesChanged),
      ("files_unmodified", summary.filesUnmodified), ("dirs_new", summary.directoriesNew),
      ("dirs_changed", summary.directoriesChanged),
      ("dirs_unmodified", summary.directoriesUnmodified), ("data_blobs", summary.dataBlobs),
      ("tree_blobs", summary.treeBlobs), ("data_added", summary.dataAdded),
      ("data_added_packed", summary.dataAddedPacked),
      ("total_files_processed", summary.totalFilesProcessed),
      ("total_bytes_processed", summary.totalBytesProcessed),
    ]
    for (name, count) in counts { message[name] = .integer(Int64(clamping: count)) }
    message["total_duration"] = .double(seconds)
    message["backup_start"] = .string(summary.backupStart.text)
    message["backup_end"] = .string(summary.backupEnd.text)
    if let snapshot = report.snapshot { message["snapshot_id"] = .string(snapshot.id.hex) }
    return message
  }
}

extension String {
  /// The text with spaces behind it.
  func padded(to width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - count))
  }
}
