import ArgumentParser
import ObjectMirror
import Platform
import Remotes

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
      "Where runs keep what they have found alike and which uploads they have begun, so that the"
        + " next one asks for less and takes these up; 'off' for nowhere"
        + " [$DROVER_STATE_DIR; $XDG_STATE_HOME/drover].",
      valueName: "directory"))
  var stateDir: String?

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
    abstract: "Make each destination what the source is, deletions included.",
    discussion: """
      Deletions come last unless told otherwise, and only when everything else went well. A \
      source without files deletes nothing unless --allow-empty-source says so.

      With several destinations the source is listed and read once for all of them. Each has its \
      own outcome: one that fails or stalls does not stop the others, and the exit code is that of \
      the worst.

      Examples:
        drover mirror sync /srv/data s3:bucket/data --checksum
        drover mirror sync s3:bucket/data /srv/restored --dry-run
        drover mirror sync /srv/data s3:bucket/data other:bucket/data /mnt/disk/data
        drover mirror sync s3:bucket/data other:bucket/data
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

  @Argument(
    help: ArgumentHelp("A directory or a file, or REMOTE:BUCKET/PATH.", valueName: "source"))
  var source: String
  @Argument(
    help: ArgumentHelp("One or more, each of the same kinds.", valueName: "destination"))
  var destinations: [String]

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
    try MirrorTransfer.run(
      arguments, choice, options, transfer, from: source, to: destinations)
  }
}

/// `drover mirror copy`.
struct MirrorCopyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "copy",
    abstract: "Copy what a destination does not have, or has otherwise; delete nothing.",
    discussion: """
      A source that is a file is copied into the destination under its own name.

      Examples:
        drover mirror copy /srv/data s3:bucket/data
        drover mirror copy /srv/data/notes.txt s3:bucket/data other:bucket/data
        drover mirror copy s3:bucket/data/notes.txt /srv/restored
      """)

  @OptionGroup(title: "Copying") var transfer: MirrorTransferArguments
  @OptionGroup(title: "Choice of files") var choice: MirrorFilterArguments
  @OptionGroup(title: "All commands") var arguments: MirrorArguments

  @Argument(
    help: ArgumentHelp("A directory or a file, or REMOTE:BUCKET/PATH.", valueName: "source"))
  var source: String
  @Argument(
    help: ArgumentHelp("One or more, each of the same kinds.", valueName: "destination"))
  var destinations: [String]

  func run() throws {
    try MirrorTransfer.run(
      arguments, choice, transfer.options(), transfer, from: source,
      to: destinations)
  }
}
