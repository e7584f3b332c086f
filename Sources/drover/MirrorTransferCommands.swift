import ArgumentParser
import ObjectMirror
import Platform
import Remotes
import Synchronization

/// The options of the commands that copy.
struct MirrorTransferArguments: ParsableArguments {
  @Flag(name: [.customShort("n"), .long], help: "Say what would be done, and do nothing.")
  var dryRun = false

  @Flag(name: .shortAndLong, help: "Compare by size and MD5, not by time.")
  var checksum = false

  @Flag(name: .shortAndLong, help: "Leave what is newer at the destination.")
  var update = false

  @Flag(help: "Leave all that is at the destination already.")
  var ignoreExisting = false

  @Flag(name: [.customShort("I"), .long], help: "Copy all, whatever is at the destination.")
  var ignoreTimes = false

  @Flag(help: "Take no account of sizes.")
  var ignoreSize = false

  @Flag(help: "Fail where a file at the destination would be changed.")
  var immutable = false

  @Flag(help: "Set no times of files whose content is equal.")
  var noUpdateModtime = false

  @Flag(help: "Make empty directories as well.")
  var createEmptySrcDirs = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Move there what would be overwritten or deleted; of the destination's remote.",
      valueName: "path"))
  var backupDir: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Put this behind the names of what is moved there, or beside it without --backup-dir.",
      valueName: "text"))
  var suffix: String?

  @Flag(help: "Put the suffix before the extension.")
  var suffixKeepExtension = false

  @Flag(
    name: [.customShort("M"), .long],
    help: "Keep modes, owners, times of access and user attributes as well.")
  var metadata = false

  @Option(help: ArgumentHelp("Attempts of the whole run.", valueName: "count"))
  var retries = 3

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Where uploads in parts are noted, so that a run takes up what another has begun; 'off' for"
        + " nowhere [$DROVER_UPLOAD_STATE; $XDG_STATE_HOME/drover/uploads].",
      valueName: "directory"))
  var uploadState: String?

  func options() -> MirrorOptions {
    var options = MirrorOptions()
    options.comparison.checksum = checksum
    options.comparison.updatesOlder = update
    options.comparison.ignoresExisting = ignoreExisting
    options.comparison.ignoresTimes = ignoreTimes
    options.comparison.ignoresSize = ignoreSize
    options.comparison.immutable = immutable
    options.comparison.leavesTimes = noUpdateModtime
    options.createsEmptyDirectories = createEmptySrcDirs
    options.isDryRun = dryRun
    return options
  }

  func validate() throws {
    guard retries > 0 else { throw ValidationError("--retries is a number from 1 on") }
  }
}

/// `drover mirror sync`.
struct MirrorSyncCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sync",
    abstract: "Make the destination what the source is, deletions included.",
    discussion: """
      Deletions come last unless told otherwise, and only when everything else went well. A \
      source without files deletes nothing unless --allow-empty-source says so.

      Examples:
        drover mirror sync /srv/data s3:bucket/data --checksum
        drover mirror sync s3:bucket/data /srv/restored --dry-run
      """)

  @OptionGroup(title: "Copying") var transfer: MirrorTransferArguments

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Delete nothing when it would be more files than this.", valueName: "count"))
  var maxDelete: Int64?

  @Flag(help: "Delete what the source does not have although it holds no files at all.")
  var allowEmptySource = false

  @Flag(help: "Delete although something failed.")
  var ignoreErrors = false

  @Flag(help: "Delete what the filter leaves out at the destination.")
  var deleteExcluded = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Delete nothing when it would be more bytes than this.", valueName: "size"))
  var maxDeleteSize: String?

  @Flag(help: "Move what has another name at the source, by size and MD5, in place of sending it.")
  var trackRenames = false

  @Option(parsing: .unconditional, help: .hidden)
  var trackRenamesStrategy = "hash"

  @Flag(help: "Delete before anything is copied.")
  var deleteBefore = false

  @Flag(help: "Delete as it is found.")
  var deleteDuring = false

  @Flag(help: "Delete when all is copied (the default).")
  var deleteAfter = false

  @OptionGroup(title: "Choice of files") var choice: MirrorFilterArguments
  @OptionGroup(title: "All commands") var arguments: MirrorArguments

  @Argument(help: ArgumentHelp("A directory, or REMOTE:BUCKET/PATH.", valueName: "source"))
  var source: String
  @Argument(help: ArgumentHelp("A directory, or REMOTE:BUCKET/PATH.", valueName: "destination"))
  var destination: String

  func validate() throws {
    if [deleteBefore, deleteDuring, deleteAfter].count(where: { $0 }) > 1 {
      throw ValidationError("only one of --delete-before, --delete-during and --delete-after")
    }
    if trackRenames, deleteBefore {
      throw ValidationError("--track-renames has to see all before it deletes: no --delete-before")
    }
    guard trackRenamesStrategy == "hash" else {
      throw ValidationError("--track-renames-strategy: only 'hash' is served")
    }
    if let maxDeleteSize, SizeSuffix(maxDeleteSize) == nil {
      throw ValidationError("--max-delete-size: '\(maxDeleteSize)' is no size such as 10M")
    }
  }

  func run() throws {
    var options = transfer.options()
    options.deletes = true
    options.deletionCountMax = maxDelete.flatMap { $0 < 0 ? nil : $0 }
    options.deletionSizeBytesMax = maxDeleteSize.flatMap { SizeSuffix($0)?.byteCount }
    options.deletionMode = deleteBefore ? .before : deleteDuring ? .during : .after
    options.tracksRenames = trackRenames
    options.allowsEmptySource = allowEmptySource
    options.ignoresErrors = ignoreErrors
    options.deletesExcluded = deleteExcluded
    try MirrorTransfer.run(arguments, choice, transfer, options, from: source, to: destination)
  }
}

/// `drover mirror copy`.
struct MirrorCopyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "copy",
    abstract: "Copy what the destination does not have, or has otherwise; delete nothing.")

  @OptionGroup(title: "Copying") var transfer: MirrorTransferArguments
  @OptionGroup(title: "Choice of files") var choice: MirrorFilterArguments
  @OptionGroup(title: "All commands") var arguments: MirrorArguments

  @Argument(help: ArgumentHelp("A directory, or REMOTE:BUCKET/PATH.", valueName: "source"))
  var source: String
  @Argument(help: ArgumentHelp("A directory, or REMOTE:BUCKET/PATH.", valueName: "destination"))
  var destination: String

  func run() throws {
    try MirrorTransfer.run(
      arguments, choice, transfer, transfer.options(), from: source, to: destination)
  }
}

/// What `sync` and `copy` do alike.
enum MirrorTransfer {
  static func run(
    _ arguments: MirrorArguments, _ choice: MirrorFilterArguments,
    _ transfer: MirrorTransferArguments, _ options: MirrorOptions, from source: String,
    to destination: String
  ) throws {
    let retries = transfer.retries
    try MirrorRunner.end(arguments) { runner in
      var options = options
      options.filter = try choice.read()
      options.depthMax = choice.depthMax
      options.comparison.sizeOnly = arguments.sizeOnly
      options.usesServerTimes = arguments.useServerModtime
      options.transferCount = arguments.transfers
      options.checkerCount = arguments.checkers
      options.temporaryDirectory = RepoEnvironment.temporaryDirectory
      let from = try runner.side(source)
      let to = try runner.side(destination, absence: options.isDryRun ? .pretend : .make)
      if transfer.backupDir != nil || transfer.suffix?.isEmpty == false {
        options.backup = BackupPlace(
          try transfer.backupDir.map {
            try runner.side($0, absence: options.isDryRun ? .pretend : .make)
          }, suffix: transfer.suffix ?? "", keepsExtension: transfer.suffixKeepExtension)
      }
      if transfer.metadata {
        let output = runner.output
        options.metadata = MetadataKeeper { output.notice($0) }
      }
      if case .local = from, case .store = to, !options.isDryRun {
        options.uploads = runner.uploadJournal(transfer.uploadState)
      }
      let began = MonotonicTime.now()
      var figures = MirrorFigures()
      for attempt in 1...retries {
        figures = try once(runner, from, to, options, began)
        guard figures.errorCount > 0, figures.mayBeRetried, attempt < retries,
          !runner.isInterrupted()
        else { break }
        runner.output.notice(
          "attempt \(attempt) of \(retries) left \(figures.errorCount) failures; once more")
      }
      let seconds = MonotonicTime.now().seconds(since: began)
      if runner.output.isJSON {
        runner.output.emit(MirrorText.summary(figures, seconds: seconds))
      } else {
        runner.output.block(MirrorText.block(figures, seconds: seconds))
      }
      if figures.errorCount > 0, options.deletes, !options.ignoresErrors {
        runner.output.error("nothing was deleted, as there were failures")
      }
      return MirrorExitStatus(figures)
    }
  }

  private static func once(
    _ runner: MirrorRunner, _ from: MirrorSide, _ to: MirrorSide, _ options: MirrorOptions,
    _ began: MonotonicTime
  ) throws -> MirrorFigures {
    let output = runner.output
    let isDryRun = options.isDryRun
    let run = MirrorRun(
      from: from, to: to, options, mediaTypes: .ofSystem(), isCancelled: runner.isInterrupted,
      observe: { output.tell($0, isDryRun: isDryRun) })
    let ticker = MirrorTicker(runner, run, began)
    defer { ticker.end() }
    return try run.run()
  }
}

/// Tells how far a run is, from time to time.
private final class MirrorTicker {
  private static let pollSeconds = 0.1

  private final class State: Sendable {
    let isOver = Atomic<Bool>(false)
  }

  private let state: State
  private let thread: Thread<Void>?

  init(_ runner: MirrorRunner, _ run: MirrorRun, _ began: MonotonicTime) {
    let (output, state) = (runner.output, State())
    self.state = state
    let interval = runner.arguments.statsSeconds ?? 0
    guard interval > 0, !output.isQuiet, !output.isJSON else {
      thread = nil
      return
    }
    thread = Thread("mirror-stats") {
      let clock = SystemClock()
      var last = MonotonicTime.now()
      while !state.isOver.load(ordering: .acquiring) {
        clock.sleep(seconds: MirrorTicker.pollSeconds)
        let now = MonotonicTime.now()
        guard now.seconds(since: last) >= interval else { continue }
        last = now
        output.block(MirrorText.block(run.statistics.now, seconds: now.seconds(since: began)))
      }
    }
  }

  func end() {
    state.isOver.store(true, ordering: .releasing)
    // The thread throws nothing.
    try? thread?.join()
  }
}
