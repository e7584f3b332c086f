import ArgumentParser
import ObjectMirror
import Platform
import Remotes

/// The options that all commands of `drover mirror` take, with rclone's names.
struct MirrorArguments: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The configuration of rclone [$RCLONE_CONFIG].", valueName: "file"))
  var config: String?

  @Flag(name: .shortAndLong, help: "Print what is done with each file.")
  var verbose: Int

  @Flag(name: .shortAndLong, help: "Print failures only.")
  var quiet = false

  @Flag(help: "Print results as lines of JSON on standard output.")
  var json = false

  @Option(help: ArgumentHelp("Files under way at once.", valueName: "count"))
  var transfers = 4

  @Option(help: ArgumentHelp("Files that are compared at once.", valueName: "count"))
  var checkers = 8

  @Option(help: ArgumentHelp("Attempts of one request.", valueName: "count"))
  var lowLevelRetries = 10

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Time between two states of the progress, such as 20s.", valueName: "time"))
  var stats: String = "1m"

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Certificates of authorities to trust.", valueName: "file"))
  var caCert: [String] = []

  @Flag(help: "Trust every server, and so whoever stands in between.")
  var noCheckCertificate = false

  @Option(parsing: .unconditional, help: .hidden)
  var userAgent: String?

  /// Listings are always of this kind.
  @Flag(help: .hidden)
  var fastList = false

  @Flag(name: .shortAndLong, help: "Keep symbolic links as small files named .rclonelink.")
  var links = false

  @Flag(name: [.customShort("L"), .long], help: .hidden)
  var copyLinks = false

  @Flag(help: "Leave symbolic links out without a word.")
  var skipLinks = false

  @Flag(name: [.customShort("x"), .long], help: "Do not cross into other file systems.")
  var oneFileSystem = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Bytes a second of all transfers together: 10M, 10M:1M for sending and receiving, or a"
        + " timetable such as '08:00,512k 19:00,off'.", valueName: "rate"))
  var bwlimit: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Requests a second; 0 for no limit.", valueName: "count"))
  var tpslimit: Double = 0

  /// Requests are spread evenly.
  @Option(parsing: .unconditional, help: .hidden)
  var tpslimitBurst: Int = 1

  @Flag(help: "Take the time at which an object was stored for the file's.")
  var useServerModtime = false

  @Flag(help: "Compare sizes alone.")
  var sizeOnly = false

  /// `--s3-chunk-size 16M` and all other options of remotes.
  @Option(
    name: .customLong("backend-option"), parsing: .unconditionalSingleValue, help: .hidden)
  var backendOptions: [String] = []

  func validate() throws {
    for (name, count) in [("transfers", transfers), ("checkers", checkers)]
    where !(1...256).contains(count) {
      throw ValidationError("--\(name) is a number from 1 to 256")
    }
    guard lowLevelRetries > 0 else {
      throw ValidationError("--low-level-retries is a number from 1 on")
    }
    if let bwlimit, !bwlimit.isEmpty, BandwidthTimetable(bwlimit) == nil {
      throw ValidationError("--bwlimit: '\(bwlimit)' is neither a rate nor a timetable")
    }
    guard tpslimit >= 0 else { throw ValidationError("--tpslimit is a number from 0 on") }
    guard statsSeconds != nil else {
      throw ValidationError("--stats is a time, such as 20s, or 0 for none")
    }
  }

  /// 0 for none.
  var statsSeconds: Double? {
    switch AgeText(stats) {
    case .nanoseconds(let span)? where span >= 0: Double(span) / 1e9
    default: nil
    }
  }

  /// Options of remotes by their names without hyphens in front.
  var flags: [String: String] {
    var flags: [String: String] = [:]
    for option in backendOptions {
      let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      flags[String(parts[0])] = parts.count > 1 ? String(parts[1]) : "true"
    }
    let own = [
      ("links", links), ("copy-links", copyLinks), ("skip-links", skipLinks),
      ("one-file-system", oneFileSystem),
    ]
    for (name, isSet) in own where isSet { flags[name] = "true" }
    return flags
  }
}

/// rclone's options that choose files.
struct MirrorFilterArguments: ParsableArguments {
  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Only files that match.", valueName: "pattern"))
  var include: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Read include patterns from FILE.", valueName: "file"))
  var includeFrom: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("No files that match.", valueName: "pattern"))
  var exclude: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Read exclude patterns from FILE.", valueName: "file"))
  var excludeFrom: [String] = []

  @Option(
    name: [.customShort("f"), .long], parsing: .unconditionalSingleValue,
    help: ArgumentHelp("One rule: '+ PATTERN', '- PATTERN' or '!'.", valueName: "rule"))
  var filter: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Read rules from FILE.", valueName: "file"))
  var filterFrom: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Only the files that FILE lists.", valueName: "file"))
  var filesFrom: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("As --files-from, lines as they stand.", valueName: "file"))
  var filesFromRaw: [String] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Only files of this size and more.", valueName: "size"))
  var minSize: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Only files of this size and less.", valueName: "size"))
  var maxSize: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Only files at least this old, such as 1h or 7d.", valueName: "age"))
  var minAge: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Only files at most this old.", valueName: "age"))
  var maxAge: String?

  @Flag(help: "Take no account of upper and lower case.")
  var ignoreCase = false

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("No directories that hold a file of this name.", valueName: "name"))
  var excludeIfPresent: [String] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Only what is at most so many directories deep.", valueName: "count"))
  var maxDepth: Int = -1

  /// Nil without a limit.
  var depthMax: Int? { maxDepth > 0 ? maxDepth : nil }

  func validate() throws {
    for (name, text) in [("min-size", minSize), ("max-size", maxSize)] {
      if let text, SizeSuffix(text) == nil {
        throw ValidationError("--\(name): '\(text)' is no size such as 10M")
      }
    }
    for (name, text) in [("min-age", minAge), ("max-age", maxAge)] {
      if let text, AgeText(text) == nil {
        throw ValidationError("--\(name): '\(text)' is no age such as 7d")
      }
    }
  }

  /// Nil when all files take part.
  func read() throws(MirrorFilterError) -> MirrorFilter? {
    var options = MirrorFilterOptions()
    options.include = include
    options.includeFrom = includeFrom
    options.exclude = exclude
    options.excludeFrom = excludeFrom
    options.filter = filter
    options.filterFrom = filterFrom
    options.filesFrom = filesFrom
    options.filesFromRaw = filesFromRaw
    options.minSize = minSize.flatMap(SizeSuffix.init) ?? .off
    options.maxSize = maxSize.flatMap(SizeSuffix.init) ?? .off
    options.minAge = minAge.flatMap(AgeText.init) ?? .off
    options.maxAge = maxAge.flatMap(AgeText.init) ?? .off
    options.ignoresCase = ignoreCase
    options.excludeIfPresent = excludeIfPresent
    let filter = try MirrorFilter(options, now: .now())
    return filter.isActive ? filter : nil
  }
}
