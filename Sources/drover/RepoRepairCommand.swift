import ArgumentParser
import BackupRepository
import Platform

/// `drover repo unlock`: remove locks that nobody holds.
struct RepoUnlockCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unlock",
    abstract: "Remove the locks of dead programs.",
    discussion: """
      Drover removes locks that it knows to be dead by itself. With --remove-all live ones go too: \
      make sure that no other program works in the repository.

      Examples:
        drover repo -r /srv/backup unlock
        drover repo -r /srv/backup unlock --remove-all
      """)

  @Flag(help: "Remove every lock.")
  var removeAll = false

  @OptionGroup(title: "All commands") var options: RepoOptions

  func run() throws {
    try RepoRun.end(options) { run in
      let removed = try RepositoryLock.removeStaleLocks(
        try run.open(), all: removeAll, options: run.lockOptions)
      if !removed.isEmpty { run.output.say("successfully removed \(removed.count) locks") }
      return .done
    }
  }
}

/// `drover repo repair`: make a damaged repository whole as far as it goes.
struct RepoRepairCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "repair", abstract: "Repair a part of the repository.",
    subcommands: [Index.self, Packs.self])

  /// `drover repo repair index`: an index that fits the packs.
  struct Index: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "index",
      abstract: "Make the index fit the packs that are there.",
      discussion: """
        Packs that no index lists, or with another size, are read from their headers; those that \
        are gone are dropped. Nothing of a snapshot is removed.

        Examples:
          drover repo -r /srv/backup repair index
          drover repo -r /srv/backup repair index --read-all-packs
        """)

    @Flag(help: "Trust no index: read the header of every pack.")
    var readAllPacks = false

    @OptionGroup(title: "All commands") var options: RepoOptions

    func run() throws {
      try RepoRun.end(options) { run in
        try run.withRepository(.exclusive) { repository in try repair(run, repository) }
      }
    }

    private func repair(_ run: RepoRun, _ repository: Repository) throws -> RepoExitStatus {
      var repair = RepairIndexOptions()
      repair.readsAllPacks = readAllPacks
      repair.temporaryDirectory = RepoEnvironment.temporaryDirectory
      repair.isCancelled = run.isInterrupted
      let output = run.output
      let progress = RepoProgress(output)
      output.say("loading indexes...")
      let report = try RepairIndex(repository, repair) { event in
        switch event {
        case .damagedIndex(let id, let error):
          output.itemFailed("index \(id.short)", during: "load", error.description)
        case .unreadablePack(let id, let error):
          output.itemFailed("pack \(id.short)", during: "read", error.description)
        case .read(let packs, let total): progress.show("packs read", packs, of: total)
        }
      }.run()
      progress.end()
      if output.isJSON {
        output.emit(json(report))
      } else if report.isUnchanged {
        output.say("the index fits the packs, nothing was changed")
      } else {
        output.say(
          "\(report.readPackCount) packs read, \(report.missingPacks.count) missing ones dropped,"
            + " \(report.removedIndexCount) index files replaced")
      }
      output.say("done")
      return report.unreadablePacks.isEmpty ? .done : .failed
    }

    private func json(_ report: RepairIndexReport) -> JSONObject {
      func names(_ packs: [PackID]) -> JSONValue { .array(packs.map { .string($0.hex) }) }
      return [
        "message_type": .string("summary"), "packs_read": .integer(Int64(report.readPackCount)),
        "packs_unreadable": names(report.unreadablePacks),
        "packs_missing": names(report.missingPacks),
        "indexes_damaged": .integer(Int64(report.damagedIndexFiles.count)),
        "indexes_removed": .integer(Int64(report.removedIndexCount)),
      ]
    }
  }
}
