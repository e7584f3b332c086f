import ArgumentParser
import BackupRepository
import Platform

/// `drover repo snapshots`: what there is to restore.
struct RepoSnapshotsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "snapshots",
    abstract: "List the snapshots.",
    discussion: """
      Examples:
        drover repo -r /srv/backup snapshots
        drover repo -r /srv/backup snapshots --host web1 --tag daily --latest 3
        drover repo -r /srv/backup snapshots --group-by host --json
      """)

  @Flag(name: .shortAndLong, help: "Print less of each.")
  var compact = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Only the last N of each host and paths.", valueName: "n"))
  var latest: Int?

  @Option(
    name: [.customShort("g", allowingJoined: true), .long], parsing: .unconditional,
    help: ArgumentHelp("Group by host, paths and tags, divided by commas.", valueName: "group"))
  var groupBy = ""

  @OptionGroup(title: "Choice of snapshots") var choice: RepoFilterOptions
  @OptionGroup(title: "All commands") var options: RepoOptions

  @Argument(help: ArgumentHelp("Identifiers, or latest; all without.", valueName: "snapshot"))
  var references: [String] = []

  func validate() throws {
    if let latest, latest < 0 { throw ValidationError("--latest takes a number from 0 upwards") }
  }

  func run() throws {
    try RepoRun.end(options) { run in
      let grouping = try SnapshotGrouping(parsing: groupBy)
      let chosen = try run.withRepository(.shared, isReader: true) { repository in
        latestOnly(try selected(run, try run.snapshots(repository)))
      }
      let groups =
        grouping.isEmpty ? [(nil, chosen)] : RepoSnapshotsCommand.groups(chosen, by: grouping)
      if run.output.isJSON {
        run.output.emit(json(groups))
      } else {
        for (key, members) in groups { printTable(run, key, members) }
      }
      return .done
    }
  }

  private func selected(
    _ run: RepoRun, _ all: [StoredSnapshot]
  ) throws -> [StoredSnapshot] {
    guard !references.isEmpty else {
      return all.filter { choice.filter.matches(RetentionSnapshot($0)) }
    }
    var wanted: Set<SnapshotID> = []
    for reference in references {
      do {
        wanted.insert(try run.snapshot(reference, in: all, choice.filter).snapshot.id)
      } catch let error as RetentionError {
        run.output.itemFailed("", during: "find", "ignoring \(error.message)")
      }
    }
    return all.filter { wanted.contains($0.id) }
  }

  private func latestOnly(_ snapshots: [StoredSnapshot]) -> [StoredSnapshot] {
    guard let latest, latest > 0 else { return snapshots }
    let groups = RepoSnapshotsCommand.groups(snapshots, by: .standard)
    let kept = Set(groups.flatMap { $0.1.suffix(latest).map(\.id) })
    return snapshots.filter { kept.contains($0.id) }
  }

  /// Groups in the order of their first snapshot.
  static func groups(
    _ snapshots: [StoredSnapshot], by grouping: SnapshotGrouping
  ) -> [(SnapshotGroupKey?, [StoredSnapshot])] {
    var groups: [(SnapshotGroupKey?, [StoredSnapshot])] = []
    var numbers: [String: Int] = [:]
    for snapshot in snapshots {
      let key = SnapshotGroupKey(RetentionSnapshot(snapshot), by: grouping)
      let name = String(decoding: RepoSnapshotsCommand.json(key).encoded(), as: UTF8.self)
      if let number = numbers[name] {
        groups[number].1.append(snapshot)
      } else {
        numbers[name] = groups.count
        groups.append((key, [snapshot]))
      }
    }
    return groups
  }

  private func printTable(
    _ run: RepoRun, _ key: SnapshotGroupKey?, _ snapshots: [StoredSnapshot]
  ) {
    guard !snapshots.isEmpty else { return }
    if let key, !key.description.isEmpty {
      run.output.result("snapshots for (\(RepoSnapshotsCommand.title(key))):")
    }
    for line in RepoSnapshotList.lines(snapshots, compact: compact) { run.output.result(line) }
  }

  /// The group in restic's words.
  static func title(_ key: SnapshotGroupKey) -> String {
    var parts: [String] = []
    if let host = key.hostname { parts.append("host [\(host)]") }
    if let tags = key.tags, !tags.isEmpty { parts.append("tags [\(tags.joined(separator: ", "))]") }
    if let paths = key.paths { parts.append("paths [\(paths.joined(separator: ", "))]") }
    return printable(parts.joined(separator: ", ").utf8)
  }

  private func json(_ groups: [(SnapshotGroupKey?, [StoredSnapshot])]) -> [UInt8] {
    if groups.count == 1, groups[0].0 == nil { return RepoSnapshotsCommand.json(groups[0].1) }
    let texts = groups.map { key, snapshots in
      let name = key.map(RepoSnapshotsCommand.json) ?? .null
      return Array("{\"group_key\":".utf8) + name.encoded() + Array(",\"snapshots\":".utf8)
        + RepoSnapshotsCommand.json(snapshots) + Array("}".utf8)
    }
    return RepoSnapshotsCommand.array(texts)
  }

  static func json(_ snapshots: [StoredSnapshot]) -> [UInt8] {
    array(snapshots.map { RecordText.snapshot($0, .listed) })
  }

  static func array(_ items: [[UInt8]]) -> [UInt8] {
    Array("[".utf8) + items.joined(separator: [UInt8(ascii: ",")]) + Array("]".utf8)
  }

  /// The parts of a group; those it was not made by, and an empty list of tags, are null.
  static func json(_ key: SnapshotGroupKey) -> JSONValue {
    func list(_ texts: [String]?) -> JSONValue {
      guard let texts, !texts.isEmpty else { return .null }
      return .array(texts.map { .string($0) })
    }
    return .object([
      "hostname": .string(key.hostname ?? ""), "paths": list(key.paths), "tags": list(key.tags),
    ])
  }
}
