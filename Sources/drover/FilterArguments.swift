import ArgumentParser
import FileTree
import Synchronization

/// One filter option and its place among all of them.
///
/// ArgumentParser keeps the order of one option's values only; between include and exclude it
/// matters too. It converts values in the order of the command line, so each takes the next number
/// when it is converted.
struct NumberedFilter: Sendable {
  private static let count = Atomic<UInt64>(0)

  let number: UInt64
  let option: FilterOption

  init(_ option: FilterOption) {
    number = NumberedFilter.count.add(1, ordering: .relaxed).newValue
    self.option = option
  }
}

/// rsync's options that choose entries.
struct FilterArguments: ParsableArguments {
  @Option(
    name: .long, parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Leave out what matches rsync's PATTERN.", valueName: "pattern"),
    transform: { NumberedFilter(.exclude($0)) })
  var exclude: [NumberedFilter] = []

  @Option(
    name: .long, parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Keep what matches, before later rules.", valueName: "pattern"),
    transform: { NumberedFilter(.include($0)) })
  var include: [NumberedFilter] = []

  @Option(
    name: .long, parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Read exclude patterns from FILE.", valueName: "file"),
    transform: { NumberedFilter(.excludeFrom($0)) })
  var excludeFrom: [NumberedFilter] = []

  @Option(
    name: .long, parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Read include patterns from FILE.", valueName: "file"),
    transform: { NumberedFilter(.includeFrom($0)) })
  var includeFrom: [NumberedFilter] = []

  @Option(
    name: [.customShort("f"), .long], parsing: .unconditionalSingleValue,
    help: ArgumentHelp("One rule: '- PATTERN' or '+ PATTERN'.", valueName: "rule"),
    transform: { try NumberedFilter(FilterArguments.rule($0)) })
  var filter: [NumberedFilter] = []

  @Flag(name: [.customShort("x"), .long], help: "Do not cross into other file systems.")
  var oneFileSystem = false

  /// The rules in the order of the command line.
  func rules() throws(FilterError) -> FilterRules {
    let all = exclude + include + excludeFrom + includeFrom + filter
    return try FilterRules(commandLine: all.sorted { $0.number < $1.number }.map(\.option))
  }

  private static func rule(_ text: String) throws -> FilterOption {
    for (prefix, make) in [
      ("- ", FilterOption.exclude), ("exclude ", FilterOption.exclude),
      ("+ ", FilterOption.include), ("include ", FilterOption.include),
    ] where text.hasPrefix(prefix) {
      return make(String(text.dropFirst(prefix.count)))
    }
    if text == "!" || text == "clear" { return .exclude("!") }
    throw ValidationError(
      "'\(text)' is not a rule: write '- PATTERN', '+ PATTERN' or '!'; other filter rules of rsync"
        + " are not served")
  }
}
