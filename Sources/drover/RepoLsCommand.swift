import ArgumentParser
import BackupRepository
import Platform

/// `drover repo ls`: what a snapshot holds.
struct RepoLsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls",
    abstract: "List the entries of a snapshot.",
    discussion: """
      With directories, absolute and divided by slashes, only those and what stands directly in \
      them are listed; with --recursive all that is below.

      Examples:
        drover repo -r /srv/backup ls latest
        drover repo -r /srv/backup ls -l latest /srv/web
        drover repo -r /srv/backup ls --json 1a2b3c4d:/srv
      """)

  @Flag(name: .shortAndLong, help: "Print mode, owner, size and time as well.")
  var long = false

  @Flag(help: "List what is below the given directories too.")
  var recursive = false

  @Flag(help: "With --long, print sizes with a unit.")
  var humanReadable = false

  @OptionGroup(title: "Choice of snapshots, for latest") var choice: RepoFilterOptions
  @OptionGroup(title: "All commands") var options: RepoOptions

  @Argument(help: ArgumentHelp("An identifier or latest, and :/FOLDER.", valueName: "snapshot"))
  var reference: String

  @Argument(help: ArgumentHelp("Absolute paths in the snapshot.", valueName: "directory"))
  var directories: [String] = []

  func validate() throws {
    for directory in directories where !directory.hasPrefix("/") {
      throw ValidationError("'\(directory)' is not absolute: begin it with a slash")
    }
  }

  func run() throws {
    try RepoRun.end(options) { run in
      try run.withRepository(.shared, isReader: true) { try list(run, $0) }
    }
  }

  private func list(_ run: RepoRun, _ repository: Repository) throws -> RepoExitStatus {
    let all = try run.snapshots(repository)
    let (snapshot, subfolder) = try run.snapshot(reference, in: all, choice.filter)
    let contents = try RepositoryInspection(repository)
    let tree = try contents.folder(subfolder ?? "", of: snapshot.record)
    printHeader(run, snapshot)
    var isDamaged = false
    let folders = directories.map { RepoPath.cleaned($0) }
    try contents.walk(
      tree,
      onDamage: { fault in
        isDamaged = true
        run.output.itemFailed("", during: "list", fault)
      },
      { path, node in
        // Nobody reads any further: as if everything had been printed.
        if run.isInterrupted() || Console.standard.hasLostReader { return false }
        let isWithin = folders.isEmpty || folders.contains { RepoPath.contains($0, path) }
        if isWithin { printNode(run, path, node) }
        return (isWithin && (recursive || folders.isEmpty))
          || folders.contains { RepoPath.contains(path, $0) }
      })
    if run.isInterrupted() { throw RepositoryError.cancelled }
    return isDamaged ? .failed : .done
  }

  private func printHeader(_ run: RepoRun, _ snapshot: StoredSnapshot) {
    if run.output.isJSON { return run.output.emit(RecordText.snapshot(snapshot, .message)) }
    let record = snapshot.record
    run.output.say(
      printable(
        ("snapshot \(snapshot.id.short) of [\(record.paths.joined(separator: " "))]"
          + " at \(RepoTime.local(record.time)) by \(record.username)@\(record.hostname)"
          + " filtered by [\(directories.joined(separator: " "))]:").utf8))
  }

  private func printNode(_ run: RepoRun, _ path: [UInt8], _ node: NodeFields) {
    if run.output.isJSON { return run.output.emit(RecordText.node(node, path: path)) }
    guard long else { return run.output.result(printable(path)) }
    let facts = node.facts
    let size = humanReadable ? byteText(facts.size) : "\(facts.size)"
    var line = facts.mode.text(of: facts.type)
    line += " " + RepoPath.right("\(facts.userID)", 5) + " " + RepoPath.right("\(facts.groupID)", 5)
    line += " " + RepoPath.right(size, 6) + " " + RepoTime.local(facts.modified)
    line += " " + printable(path)
    if facts.type == .symbolicLink { line += " -> " + printable(node.linkTarget) }
    run.output.result(line)
  }
}

/// Absolute paths within a snapshot, as bytes.
enum RepoPath {
  /// Without double slashes, `.`, `..` and a slash at the end; empty for the root.
  static func cleaned(_ path: String) -> [UInt8] {
    var parts: [Substring.UTF8View.SubSequence] = []
    for part in Substring(path).utf8.split(separator: UInt8(ascii: "/")) {
      if part.elementsEqual(".".utf8) { continue }
      if part.elementsEqual("..".utf8) {
        _ = parts.popLast()
      } else {
        parts.append(part)
      }
    }
    return parts.flatMap { [UInt8(ascii: "/")] + $0 }
  }

  /// Whether `path` is `folder` or stands in it.
  static func contains(_ folder: [UInt8], _ path: [UInt8]) -> Bool {
    path.starts(with: folder)
      && (path.count == folder.count || path[folder.count] == UInt8(ascii: "/"))
  }

  /// Text at the right end of a field.
  static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
}
