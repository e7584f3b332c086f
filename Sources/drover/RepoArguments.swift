/// What restic's command line allows and ArgumentParser does not: options of the program before the
/// command, `--verbose=2`, `--flag=true`, and older names of commands.
enum RepoArguments {
  /// The options in front of a command that have a value.
  private static let valued: Set<String> = [
    "-r", "--repo", "--repository-file", "-p", "--password-file", "--password-command",
    "--key-hint", "--retry-lock", "--cache-dir", "--cacert", "--tls-client-cert", "--compression",
    "--pack-size", "--limit-upload", "--limit-download", "-o", "--option", "--http-user-agent",
    "--stuck-request-timeout",
  ]
  /// Counts above this say no more.
  private static let verbosityMax = 3

  /// The arguments behind `repo`, as ArgumentParser reads them.
  static func spelledOut(_ arguments: [String]) -> [String] {
    var start = 0
    while start < arguments.count, arguments[start].hasPrefix("-"), arguments[start] != "--" {
      start += valued.contains(arguments[start]) ? 2 : 1
    }
    guard start < arguments.count, arguments[start] != "--" else { return spelled(arguments[...]) }
    var command = [arguments[start]]
    if command == ["rebuild-index"] { command = ["repair", "index"] }
    var rest = arguments[(start + 1)...]
    if command == ["repair"], let what = rest.first, !what.hasPrefix("-") {
      command.append(what)
      rest = rest.dropFirst()
    }
    return command + spelled(arguments[..<start]) + spelled(rest)
  }

  private static func spelled(_ arguments: ArraySlice<String>) -> [String] {
    var result: [String] = []
    var isOption = true
    for argument in arguments {
      if argument == "--" { isOption = false }
      if isOption, argument.hasPrefix("--"), let equals = argument.firstIndex(of: "=") {
        let name = String(argument[..<equals])
        let value = argument[argument.index(after: equals)...]
        result += spelled(name, value) ?? [argument]
      } else {
        result.append(argument)
      }
    }
    return result
  }

  /// A flag with a value, without one; nil when it is no such flag.
  private static func spelled(_ name: String, _ value: Substring) -> [String]? {
    if name == "--verbose" {
      guard let count = Int(value), count >= 0 else { return nil }
      return Array(repeating: name, count: min(count, verbosityMax))
    }
    guard flags.contains(name) else { return nil }
    switch value {
    case "true", "1", "t", "T", "TRUE", "True": return [name]
    case "false", "0", "f", "F", "FALSE", "False": return []
    default: return nil
    }
  }

  /// The flags of all commands.
  private static let flags: Set<String> = [
    "--quiet", "--json", "--no-lock", "--no-cache", "--insecure-tls", "--cleanup-cache",
    "--insecure-no-password", "--no-extra-verify", "--copy-chunker-params", "--force", "--dry-run",
    "--exclude-caches", "--one-file-system", "--stdin", "--with-atime", "--ignore-inode",
    "--ignore-ctime", "--skip-if-unchanged", "--no-scan", "--sparse", "--verify", "--delete",
    "--compact", "--long", "--recursive", "--human-readable", "--prune", "--repack-small",
    "--repack-uncompressed", "--repack-cacheable-only", "--read-data", "--with-cache",
    "--remove-all", "--read-all-packs", "--unsafe-allow-remove-all",
  ]
}
