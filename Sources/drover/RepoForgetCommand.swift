import ArgumentParser
import BackupRepository
import Platform

/// `drover repo forget`: remove snapshots.
struct RepoForgetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forget",
    abstract: "Remove snapshots that a policy does not keep, or that are named.",
    discussion: """
      The policy holds for each group of snapshots by itself: by default those of one host with \
      the same paths. What only removed snapshots used is freed by prune.

      Examples:
        drover repo -r /srv/backup forget --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --prune
        drover repo -r /srv/backup forget --tag nightly --keep-within 30d --dry-run
        drover repo -r /srv/backup forget 1a2b3c4d
      """)

  @OptionGroup(title: "Policy") var policy: RepoPolicyOptions

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Only snapshots of this host; repeatable [$RESTIC_HOST].", valueName: "host")
  )
  var host: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Only snapshots with all these tags; repeatable.", valueName: "tag,tag"))
  var tag: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Only snapshots with this path; repeatable.", valueName: "path"))
  var path: [String] = []

  @Option(
    name: [.customShort("g", allowingJoined: true), .long], parsing: .unconditional,
    help: ArgumentHelp("Group by host, paths and tags; '' for one group.", valueName: "group"))
  var groupBy = "host,paths"

  @Flag(name: .shortAndLong, help: "Print less of each snapshot.")
  var compact = false

  @Flag(name: [.customShort("n"), .long], help: "Remove nothing; tell what would be removed.")
  var dryRun = false

  @Flag(help: "Run prune when snapshots were removed.")
  var prune = false

  @OptionGroup(title: "Prune") var pruning: RepoPruneOptions
  @OptionGroup(title: "All commands") var options: RepoOptions

  @Argument(help: ArgumentHelp("Snapshots to remove, whatever they are.", valueName: "snapshot"))
  var references: [String] = []

  func run() throws {
    try RepoRun.end(options) { run in
      let plan = try pruning.plan(options)
      let wanted = try choice()
      guard let wanted else {
        run.output.say("no policy was specified, no snapshots will be removed")
        return .done
      }
      return try run.withRepository(.exclusive) { repository in
        try forget(run, repository, wanted, plan)
      }
    }
  }

  /// What is asked for; nil for nothing.
  private func choice() throws -> ForgetOptions.Choice? {
    let rules = try policy.policy
    guard references.isEmpty else {
      guard rules.isEmpty else {
        throw RepositoryError.usage("name snapshots, or give a policy: not both")
      }
      return .named([])
    }
    if rules.isEmpty, !policy.unsafeAllowRemoveAll { return nil }
    return .policy(
      rules, grouping: try SnapshotGrouping(parsing: groupBy),
      emptyPolicy: policy.unsafeAllowRemoveAll ? .removeEverything : .keepEverything)
  }

  private func forget(
    _ run: RepoRun, _ repository: Repository, _ choice: ForgetOptions.Choice, _ plan: PruneOptions
  ) throws -> RepoExitStatus {
    let all = try run.snapshots(repository)
    let filter = RepoFilterOptions.filter(host: host, tag: tag, path: path)
    var options = ForgetOptions(choice)
    if case .named = choice {
      options.choice = .named(
        try references.map { try run.snapshot($0, in: all, filter).snapshot.id })
    }
    options.filter = filter
    options.isDryRun = dryRun
    options.isCancelled = run.isInterrupted
    let report = try Forget(repository, options, snapshots: all).run()
    let list = RepoForgetReport(all, compact: compact)
    if case .policy = choice {
      if run.output.isJSON {
        run.output.emit(list.json(report.groups))
      } else {
        run.output.say("Applying Policy: \(try policy.text)")
        for line in list.lines(report.groups, isVerbose: run.output.verbosity > 1) {
          run.output.say(line)
        }
      }
    }
    tell(run, report)
    guard prune, !report.removed.isEmpty else { return .done }
    run.output.say(
      "\(report.removed.count) snapshots \(dryRun ? "would have" : "have") been removed,"
        + " running prune")
    var pruneOptions = PruneRunOptions()
    pruneOptions.plan = plan
    pruneOptions.isDryRun = dryRun
    pruneOptions.ignoredSnapshots = Set(report.removed)
    _ = try RepoPruneCommand.prune(run, repository, pruneOptions)
    return .done
  }

  private func tell(_ run: RepoRun, _ report: ForgetReport) {
    guard !report.removed.isEmpty else { return }
    if dryRun {
      run.output.say("Would have removed the following snapshots:")
      run.output.say("{\(report.removed.map(\.short).joined(separator: " "))}")
    } else {
      run.output.say("\(report.removed.count) / \(report.removed.count) files deleted")
    }
    run.output.say("")
  }
}

/// The rules of `drover repo forget`.
struct RepoPolicyOptions: ParsableArguments {
  @Option(
    name: [.customShort("l", allowingJoined: true), .long], parsing: .unconditional,
    help: ArgumentHelp("Keep the last N; unlimited or -1 for all.", valueName: "n"))
  var keepLast: String?

  @Option(
    name: [.customShort("H", allowingJoined: true), .long], parsing: .unconditional,
    help: ArgumentHelp("Keep the last of each of the last N hours.", valueName: "n"))
  var keepHourly: String?

  @Option(
    name: [.customShort("d", allowingJoined: true), .long], parsing: .unconditional,
    help: ArgumentHelp("… of the last N days.", valueName: "n"))
  var keepDaily: String?

  @Option(
    name: [.customShort("w", allowingJoined: true), .long], parsing: .unconditional,
    help: ArgumentHelp("… of the last N weeks.", valueName: "n"))
  var keepWeekly: String?

  @Option(
    name: [.customShort("m", allowingJoined: true), .long], parsing: .unconditional,
    help: ArgumentHelp("… of the last N months.", valueName: "n"))
  var keepMonthly: String?

  @Option(
    name: [.customShort("y", allowingJoined: true), .long], parsing: .unconditional,
    help: ArgumentHelp("… of the last N years.", valueName: "n"))
  var keepYearly: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Keep all that are so much older than the newest at most: 2y5m7d3h.", valueName: "duration"))
  var keepWithin: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Keep the last of each hour within.", valueName: "duration"))
  var keepWithinHourly: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Keep the last of each day within.", valueName: "duration"))
  var keepWithinDaily: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Keep the last of each week within.", valueName: "duration"))
  var keepWithinWeekly: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Keep the last of each month within.", valueName: "duration"))
  var keepWithinMonthly: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Keep the last of each year within.", valueName: "duration"))
  var keepWithinYearly: String?

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Keep those with all these tags; repeatable.", valueName: "tag,tag"))
  var keepTag: [String] = []

  @Flag(help: "Without a policy, remove all that fit --host, --tag and --path.")
  var unsafeAllowRemoveAll = false

  var policy: RetentionPolicy {
    get throws {
      var policy = RetentionPolicy()
      func count(_ text: String?) throws -> KeepCount {
        try text.map { try KeepCount(parsing: $0) } ?? .none
      }
      func duration(_ text: String?) throws -> CalendarDuration {
        try text.map { try CalendarDuration(parsing: $0) } ?? .zero
      }
      policy.last = try count(keepLast)
      policy.hourly = try count(keepHourly)
      policy.daily = try count(keepDaily)
      policy.weekly = try count(keepWeekly)
      policy.monthly = try count(keepMonthly)
      policy.yearly = try count(keepYearly)
      policy.within = try duration(keepWithin)
      policy.withinHourly = try duration(keepWithinHourly)
      policy.withinDaily = try duration(keepWithinDaily)
      policy.withinWeekly = try duration(keepWithinWeekly)
      policy.withinMonthly = try duration(keepWithinMonthly)
      policy.withinYearly = try duration(keepWithinYearly)
      policy.tags = keepTag.map(TagList.init(parsing:))
      return policy
    }
  }

  /// The policy in restic's words.
  var text: String {
    get throws {
      let policy = try policy
      let counts = [
        (policy.last, keepLast, "latest"), (policy.hourly, keepHourly, "hourly"),
        (policy.daily, keepDaily, "daily"), (policy.weekly, keepWeekly, "weekly"),
        (policy.monthly, keepMonthly, "monthly"), (policy.yearly, keepYearly, "yearly"),
      ].filter { $0.0 != .none }.map { "\($0.0 == .unlimited ? "all" : $0.1 ?? "") \($0.2)" }
      let within = [
        (policy.withinHourly, "hourly"), (policy.withinDaily, "daily"),
        (policy.withinWeekly, "weekly"), (policy.withinMonthly, "monthly"),
        (policy.withinYearly, "yearly"),
      ].filter { !$0.0.isZero }.map { "\($0.1) snapshots within \($0.0)" }
      var parts = counts.isEmpty ? [] : [counts.joined(separator: ", ") + " snapshots"]
      parts += within
      var text = parts.joined(separator: ", ")
      func add(_ words: String) { text += (text.isEmpty ? "" : " and ") + words }
      if !policy.tags.isEmpty {
        let tags = policy.tags.map(\.description).joined(separator: " ")
        add("all snapshots with tags [\(tags)]")
      }
      if !policy.within.isZero { add("all snapshots within \(policy.within) of the newest") }
      return text.isEmpty ? "remove" : "keep \(text)"
    }
  }
}

/// What a policy decided, as restic's tables and JSON tell it.
struct RepoForgetReport {
  private let snapshots: [SnapshotID: StoredSnapshot]
  private let compact: Bool

  init(_ all: [StoredSnapshot], compact: Bool) {
    snapshots = Dictionary(all.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    self.compact = compact
  }

  func lines(_ groups: [ForgetGroup], isVerbose: Bool) -> [String] {
    var lines: [String] = []
    for group in groups {
      let title = RepoSnapshotsCommand.title(group.key)
      if isVerbose || groups.count > 1, !title.isEmpty {
        lines.append("snapshots for (\(title)):")
        lines.append("")
      }
      let reasons = Dictionary(
        group.keep.map { ($0.snapshot.id, $0.matches) }, uniquingKeysWith: { first, _ in first })
      if !group.keep.isEmpty {
        lines.append("keep \(group.keep.count) snapshots:")
        lines += table(group.keep.map(\.snapshot.id), reasons: reasons)
        lines.append("")
      }
      if !group.remove.isEmpty {
        lines.append("remove \(group.remove.count) snapshots:")
        lines += table(group.remove.map(\.id), reasons: nil)
        lines.append("")
      }
    }
    return lines
  }

  /// The groups hold the newest first, tables the oldest.
  private func table(_ ids: [SnapshotID], reasons: [SnapshotID: [String]]?) -> [String] {
    RepoSnapshotList.lines(
      ids.reversed().compactMap { snapshots[$0] }, compact: compact, reasons: reasons)
  }

  func json(_ groups: [ForgetGroup]) -> [UInt8] {
    RepoSnapshotsCommand.array(groups.map(json))
  }

  private func json(_ group: ForgetGroup) -> [UInt8] {
    func texts(_ list: [String]?) -> [UInt8] {
      guard let list, !list.isEmpty else { return Array("null".utf8) }
      return JSONValue.array(list.map { .string($0) }).encoded()
    }
    var text = Array("{\"tags\":".utf8) + texts(group.key.tags)
    text += Array(",\"host\":".utf8) + JSONValue.string(group.key.hostname ?? "").encoded()
    text += Array(",\"paths\":".utf8) + texts(group.key.paths)
    text += Array(",\"keep\":".utf8) + list(group.keep.map(\.snapshot.id))
    text += Array(",\"remove\":".utf8) + list(group.remove.map(\.id))
    text += Array(",\"reasons\":".utf8) + items(group.keep.compactMap(reason))
    return text + Array("}".utf8)
  }

  private func list(_ ids: [SnapshotID]) -> [UInt8] {
    items(ids.compactMap { id in snapshots[id].map { RecordText.snapshot($0, .listed) } })
  }

  private func items(_ items: [[UInt8]]) -> [UInt8] {
    items.isEmpty ? Array("null".utf8) : RepoSnapshotsCommand.array(items)
  }

  private func reason(_ kept: KeptSnapshot) -> [UInt8]? {
    guard let snapshot = snapshots[kept.snapshot.id] else { return nil }
    var counters = JSONObject()
    let counts = [
      ("last", kept.counters.last), ("hourly", kept.counters.hourly),
      ("daily", kept.counters.daily), ("weekly", kept.counters.weekly),
      ("monthly", kept.counters.monthly), ("yearly", kept.counters.yearly),
    ]
    for (name, count) in counts where count != 0 { counters[name] = .integer(Int64(count)) }
    return Array("{\"snapshot\":".utf8) + RecordText.snapshot(snapshot, .bare)
      + Array(",\"matches\":".utf8)
      + JSONValue.array(kept.matches.map { .string($0) }).encoded()
      + Array(",\"counters\":".utf8) + JSONValue.object(counters).encoded() + Array("}".utf8)
  }
}
