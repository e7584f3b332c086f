import ArgumentParser
import BackupRepository
import Platform

/// `drover repo prune`: free what no snapshot uses.
struct RepoPruneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prune",
    abstract: "Remove data that no snapshot uses.",
    discussion: """
      Packs of which enough is unused are written anew. Interrupted at any point, nothing that a \
      snapshot uses is lost.

      Examples:
        drover repo -r /srv/backup prune --dry-run
        drover repo -r /srv/backup prune --max-unused 10% --max-repack-size 50G
      """)

  @Flag(name: [.customShort("n"), .long], help: "Change nothing; tell what would be done.")
  var dryRun = false

  @OptionGroup(title: "What is written anew") var pruning: RepoPruneOptions
  @OptionGroup(title: "All commands") var options: RepoOptions

  func run() throws {
    try RepoRun.end(options) { run in
      var prune = PruneRunOptions()
      prune.plan = try pruning.plan(options)
      prune.isDryRun = dryRun
      return try run.withRepository(.exclusive) { repository in
        let report = try RepoPruneCommand.prune(run, repository, prune)
        if run.output.isJSON { run.output.emit(RepoPruneCommand.json(report)) }
        return .done
      }
    }
  }

  /// Runs a prune and tells of it; the caller holds the lock.
  static func prune(
    _ run: RepoRun, _ repository: Repository, _ options: PruneRunOptions
  ) throws(RepositoryError) -> PruneReport {
    var options = options
    options.threadCount = processorCount
    options.temporaryDirectory = RepoEnvironment.temporaryDirectory
    options.isCancelled = run.isInterrupted
    let progress = RepoProgress(run.output)
    let output = run.output
    let report = try Prune(repository, options) { event in
      switch event {
      case .started(let stage):
        progress.end()
        output.say(RepoPruneCommand.title(stage))
      case .planned(let statistics):
        progress.end()
        for line in statistics.lines(isVerbose: output.verbosity > 1) { output.say(line) }
      case .repacked(let packs, let total): progress.show("packs repacked", packs, of: total)
      }
    }.run()
    progress.end()
    if report.removedPackCount > 0 {
      output.say("\(report.removedPackCount) packs removed, \(report.newPackCount) written")
    }
    output.say("done")
    return report
  }

  private static func title(_ stage: PruneEvent.Stage) -> String {
    switch stage {
    case .index: "loading indexes..."
    case .snapshots: "finding data that is still in use..."
    case .repack: "repacking packs"
    case .rewriteIndex: "rebuilding index"
    case .remove: "removing packs"
    }
  }

  private static func json(_ report: PruneReport) -> JSONObject {
    let statistics = report.statistics
    return [
      "message_type": .string("summary"), "dry_run": .bool(report.isDryRun),
      "pruned_blobs": .integer(Int64(clamping: statistics.prunedBlobs)),
      "pruned_bytes": .integer(Int64(clamping: statistics.prunedBytes)),
      "remaining_blobs": .integer(Int64(clamping: statistics.remainingBlobs)),
      "remaining_bytes": .integer(Int64(clamping: statistics.remainingBytes)),
      "unused_bytes_after": .integer(Int64(clamping: statistics.unusedBytesAfter)),
      "packs_removed": .integer(Int64(report.removedPackCount)),
      "packs_written": .integer(Int64(report.newPackCount)),
    ]
  }
}

/// How much prune writes anew.
struct RepoPruneOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Leave so much unused: 5%, 10G, unlimited.", valueName: "limit"))
  var maxUnused = "5%"

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Write no more than so much anew.", valueName: "size"))
  var maxRepackSize: String?

  @Flag(help: "Write only packs of directories anew.")
  var repackCacheableOnly = false

  @Flag(help: "Gather packs below 80 % of the usual size.")
  var repackSmall = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Gather packs that are smaller.", valueName: "size"))
  var repackSmallerThan: String?

  @Flag(help: "Compress what is not compressed.")
  var repackUncompressed = false

  @Option(parsing: .unconditional, help: .hidden)
  var unsafeRecoverNoFreeSpace: String?

  func plan(_ options: RepoOptions) throws -> PruneOptions {
    if unsafeRecoverNoFreeSpace != nil {
      throw RepositoryError.unsupported(
        what: "--unsafe-recover-no-free-space",
        place: "free some space, or use --max-repack-size 0, which writes next to nothing")
    }
    var plan = PruneOptions()
    plan.maxUnused = try UnusedLimit(parsing: maxUnused)
    plan.maxRepackBytes = try maxRepackSize.map {
      try sizeBytes(parsing: $0, option: "--max-repack-size")
    }
    plan.repacksCacheableOnly = repackCacheableOnly
    plan.repacksUncompressed = repackUncompressed
    if let size = repackSmallerThan {
      plan.smallPacks = .smallerThan(try sizeBytes(parsing: size, option: "--repack-smaller-than"))
    } else if repackSmall {
      plan.smallPacks = .belowTarget
    }
    if let size = try options.settings.packSizeBytes { plan.packSizeBytes = UInt64(size) }
    return plan
  }
}
