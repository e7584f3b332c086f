import FileTree

/// The command lines by which the installed rsync fills a stock destination: both passes of
/// VolSync's source and its two control files.
///
/// What VolSync's source gets wrong is right here: the list of the root's entries is separated by
/// NUL, so names may have any byte; `--force` lets a file take the place of a directory, which is
/// never removed otherwise, because deletions come in the second pass; and links are found in a
/// report of all entries (`-ii`) with unambiguous names, those of an earlier try as well.
///
/// Source: volsync.md 7.3; rsync(1).
struct ClientArguments {
  var options: SendOptions
  /// A file with the entries of the root, each with a slash before it, ended by NUL.
  var listFile: String
  /// A file with the filter rules, ended by NUL.
  var ruleFile: String

  /// What rsync prints for each entry: see ``ClientReport``.
  private static let report = ["-ii", "-8", "--no-h", "--out-format=@%i %l %b %n"]

  static func url(_ module: String, _ name: String = "") -> String {
    // The host is not looked up: the way goes through the gate.
    "rsync://stock/\(module)/\(name)"
  }

  /// Everything that is in the source.
  var transfer: [String] {
    var words = ["rsync", "-aAHS", "-r", "--force", "--info=stats2,nonreg0"]
    words += ClientArguments.report + choices
    if options.checksum { words.append("--checksum") }
    if options.wholeFile { words.append("--whole-file") }
    if options.inPlace { words += ["--inplace", "--no-S"] }
    switch options.compression {
    case .none: break
    case .adaptive: words.append("--compress")
    case .level(let level): words += ["--compress", "--compress-level=\(level)"]
    }
    words += ["--from0", "--files-from=\(listFile)"]
    return words + places
  }

  /// Deletions alone, or a count of them. rsync's own limit of deletions is not used: how it ends
  /// then depends on the other side.
  func deletion(isCounted: Bool = false) -> [String] {
    var words = ["rsync", "-r", "--ignore-existing", "--ignore-non-existing", "--delete"]
    words += ["--info=stats2,nonreg0"] + ClientArguments.report + choices + ["--from0"]
    if isCounted { words.append("--dry-run") }
    return words + places
  }

  /// The names at the top of the destination.
  static let listing = ["rsync", "--list-only", "--no-h", url(DaemonSettings.dataModule)]

  static func upload(_ file: String, as name: String) -> [String] {
    ["rsync", file, url(DaemonSettings.controlModule, name)]
  }

  private var choices: [String] {
    var words = ["--filter=merge \(ruleFile)"]
    if options.oneFileSystem { words.append("--one-file-system") }
    if options.dryRun { words.append("--dry-run") }
    if let rate = options.bandwidthLimitBytesPerSecond {
      words.append("--bwlimit=\(max(1, rate / 1024))")
    }
    return words
  }

  private var places: [String] {
    ["\(options.root)/", ClientArguments.url(DaemonSettings.dataModule)]
  }

  /// The rules of a run, and that Drover's own unfinished files stay where they are.
  static func ruleFile(_ filter: FilterRules) -> [UInt8] {
    var bytes: [UInt8] = []
    for rule in filter.rules {
      bytes += Array((rule.action == .include ? "+ " : "- ").utf8) + rule.pattern + [0]
    }
    for prefix in [TemporaryName.prefix, TemporaryName.undoPrefix] {
      bytes += Array("- \(prefix)*".utf8) + [0]
    }
    return bytes
  }

  /// The list of entries by their names.
  static func listFile(_ names: [[UInt8]]) -> [UInt8] {
    names.flatMap { [UInt8(ascii: "/")] + $0 + [0] }
  }
}
