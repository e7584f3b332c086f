import ArgumentParser
import ObjectMirror
import Platform

/// `drover mirror check`.
struct MirrorCheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Compare two sides by size and MD5; change nothing.",
    discussion: "Ends with 1 when there are differences.")

  @Flag(help: "It is no difference when the destination has more.")
  var oneWay = false

  /// Always so.
  @Flag(name: .shortAndLong, help: .hidden)
  var checksum = false

  @OptionGroup(title: "Choice of files") var choice: MirrorFilterArguments
  @OptionGroup(title: "All commands") var arguments: MirrorArguments

  @Argument(help: ArgumentHelp("A directory, or REMOTE:BUCKET/PATH.", valueName: "source"))
  var source: String
  @Argument(help: ArgumentHelp("A directory, or REMOTE:BUCKET/PATH.", valueName: "destination"))
  var destination: String

  func run() throws {
    try MirrorRunner.end(arguments) { runner in
      var options = MirrorOptions()
      options.filter = try choice.read()
      options.depthMax = choice.depthMax
      options.usesServerTimes = arguments.useServerModtime
      options.comparison.sizeOnly = arguments.sizeOnly
      options.checkerCount = arguments.checkers
      let from = try runner.side(source)
      let to = try runner.side(destination)
      let output = runner.output
      let check = MirrorCheck(
        of: from, and: to, options, isOneWay: oneWay, isCancelled: runner.isInterrupted
      ) { MirrorCheckCommand.tell($0, output) }
      let figures = try check.compare()
      summarize(figures, output)
      return figures.differenceCount + figures.errorCount == 0 ? .done : .failed
    }
  }

  private static func tell(_ finding: CheckFinding, _ output: MirrorOutput) {
    let (kind, path, text): (String, [UInt8], String)
    switch finding {
    case .equal(let name): (kind, path, text) = ("equal", name, "OK")
    case .unverified(let name): (kind, path, text) = ("unverified", name, "no MD5 to compare")
    case .different(let name, .sizesDiffer): (kind, path, text) = ("differ", name, "sizes differ")
    case .different(let name, _): (kind, path, text) = ("differ", name, "md5 differ")
    case .missingAtDestination(let name):
      (kind, path, text) = ("missing_at_destination", name, "file not in the destination")
    case .missingAtSource(let name):
      (kind, path, text) = ("missing_at_source", name, "file not in the source")
    case .failed(let name, let error): (kind, path, text) = ("error", name, error.description)
    }
    let isGood = kind == "equal" || kind == "unverified"
    if output.isJSON {
      guard !isGood else { return }
      return output.emit([
        "message_type": .string(kind), "path": .string(String(decoding: path, as: UTF8.self)),
        "message": .string(text),
      ])
    }
    if isGood {
      output.info("\(printable(path)): \(text)")
    } else {
      output.error("\(printable(path)): \(text)")
    }
  }

  private func summarize(_ figures: CheckFigures, _ output: MirrorOutput) {
    guard !output.isJSON else {
      return output.emit([
        "message_type": .string("summary"), "matching": .integer(figures.equalCount),
        "unverified": .integer(figures.unverifiedCount),
        "differences": .integer(figures.differenceCount),
        "missingAtSource": .integer(figures.missingAtSourceCount),
        "missingAtDestination": .integer(figures.missingAtDestinationCount),
        "errors": .integer(figures.errorCount),
      ])
    }
    if figures.missingAtSourceCount > 0 {
      output.notice("\(figures.missingAtSourceCount) files missing at the source")
    }
    if figures.missingAtDestinationCount > 0 {
      output.notice("\(figures.missingAtDestinationCount) files missing at the destination")
    }
    output.notice("\(figures.differenceCount) differences found")
    if figures.errorCount > 0 { output.notice("\(figures.errorCount) errors while checking") }
    if figures.unverifiedCount > 0 {
      output.notice("\(figures.unverifiedCount) hashes could not be checked")
    }
    output.notice("\(figures.equalCount + figures.unverifiedCount) matching files")
  }
}
