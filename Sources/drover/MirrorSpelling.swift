/// What rclone's command line allows and ArgumentParser does not: options of back ends
/// (`--s3-chunk-size 16M`), `--flag=false`, options in front of the command, and variables of the
/// environment that stand for options (`RCLONE_TRANSFERS`).
enum MirrorSpelling {
  private static let flags: Set<String> = [
    "quiet", "json", "no-check-certificate", "fast-list", "links", "copy-links", "skip-links",
    "one-file-system", "use-server-modtime", "size-only", "ignore-case", "dry-run", "checksum",
    "update", "ignore-existing", "ignore-times", "immutable", "ignore-errors",
    "create-empty-src-dirs", "delete-excluded", "allow-empty-source", "no-update-modtime",
    "ignore-size", "one-way", "recursive", "no-modtime", "delete-after",
    "delete-before", "delete-during", "metadata",
    "suffix-keep-extension", "track-renames",
  ]
  private static let valued: Set<String> = [
    "config", "transfers", "checkers", "low-level-retries", "stats", "ca-cert", "user-agent",
    "include", "include-from", "exclude", "exclude-from", "filter", "filter-from", "files-from",
    "files-from-raw", "min-size", "max-size", "min-age", "max-age", "max-delete", "retries",
    "backup-dir", "suffix", "track-renames-strategy",
    "exclude-if-present", "max-depth", "max-delete-size",
    "state-dir", "bwlimit", "tpslimit", "tpslimit-burst",
  ]
  /// Options of one family of commands, which others do not take.
  private static let transferOnly: Set<String> = [
    "dry-run", "checksum", "update", "ignore-existing", "ignore-times", "immutable",
    "create-empty-src-dirs", "no-update-modtime", "ignore-size", "retries",
    "state-dir", "metadata", "backup-dir", "suffix", "suffix-keep-extension",
  ]
  private static let syncOnly: Set<String> = [
    "ignore-errors", "delete-excluded", "allow-empty-source", "max-delete", "delete-after",
    "delete-before", "delete-during", "max-delete-size", "track-renames",
    "track-renames-strategy",
  ]
  private static let transferCommands: Set<String> = ["sync", "copy"]
  private static let verbosityMax = 3

  /// The arguments behind `mirror`, as ArgumentParser reads them.
  static func spelledOut(
    _ arguments: [String], environment: [String: String]
  ) -> [String] {
    var rest = arguments[...]
    var front: [String] = []
    while let first = rest.first, first.hasPrefix("-"), first != "--" {
      front.append(rest.removeFirst())
      if takesNext(first), let value = rest.popFirst() { front.append(value) }
    }
    guard let command = rest.popFirst() else { return front }
    let given = front + rest
    let own = fromEnvironment(environment, command, given)
    return [command] + own + spelled(given[...])
  }

  private static func takesNext(_ argument: String) -> Bool {
    guard argument.hasPrefix("--") else { return argument == "-f" }
    let name = String(argument.dropFirst(2))
    return valued.contains(name) || isOfBackEnd(name)
  }

  private static func isOfBackEnd(_ name: String) -> Bool {
    !name.contains("=") && (name.hasPrefix("s3-") || name.hasPrefix("local-"))
  }

  private static func spelled(_ arguments: ArraySlice<String>) -> [String] {
    var result: [String] = []
    var rest = arguments
    while let argument = rest.popFirst() {
      guard argument != "--" else { return result + [argument] + rest }
      guard argument.hasPrefix("--") else {
        result.append(argument)
        if takesNext(argument), let value = rest.popFirst() { result.append(value) }
        continue
      }
      let parts = argument.dropFirst(2)
        .split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let name = parts[0]
      if name.hasPrefix("s3-") || name.hasPrefix("local-") {
        let value = parts.count > 1 ? parts[1] : rest.popFirst() ?? ""
        result += ["--backend-option", "\(name)=\(value)"]
      } else if parts.count > 1, let flag = flag(name, parts[1]) {
        result += flag
      } else {
        result.append(argument)
        if valued.contains(name), parts.count == 1, let value = rest.popFirst() {
          result.append(value)
        }
      }
    }
    return result
  }

  /// A flag with a value, without one; nil when it is no such flag.
  private static func flag(_ name: String, _ value: String) -> [String]? {
    if name == "verbose" {
      guard let count = Int(value), count >= 0 else { return nil }
      return Array(repeating: "--verbose", count: min(count, verbosityMax))
    }
    guard flags.contains(name) else { return nil }
    switch value.lowercased() {
    case "true", "1", "t": return ["--\(name)"]
    case "false", "0", "f": return []
    default: return nil
    }
  }

  /// Options from variables; those of the command line count more.
  private static func fromEnvironment(
    _ environment: [String: String], _ command: String, _ given: [String]
  ) -> [String] {
    let names = Set(
      given.filter { $0.hasPrefix("--") }.map { String($0.dropFirst(2).prefix { $0 != "=" }) })
    let shorts = [
      "metadata": "-M", "checksum": "-c", "update": "-u", "dry-run": "-n", "verbose": "-v",
    ]
    var result: [String] = []
    for name in (flags.union(valued).union(["verbose"])).sorted() where name != "config" {
      let variable = "RCLONE_" + String(name.map { $0 == "-" ? "_" : $0 }).uppercased()
      guard let value = environment[variable], !value.isEmpty, !names.contains(name),
        shorts[name].map({ !given.contains($0) }) ?? true
      else { continue }
      if transferOnly.contains(name), !transferCommands.contains(command) { continue }
      if syncOnly.contains(name), command != "sync" { continue }
      if ["one-way", "recursive", "no-modtime"].contains(name) { continue }
      if valued.contains(name) {
        result.append("--\(name)=\(value)")
      } else {
        result += flag(name, value) ?? []
      }
    }
    return result
  }
}
