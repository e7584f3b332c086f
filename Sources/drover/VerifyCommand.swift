import ArgumentParser
import FileTree
import Platform
import TreeComparison

/// `drover verify`: whether two trees are equal, and what differs.
struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Compare two volumes: content and all attributes.",
    discussion: """
      Ends with 0 when they are equal and with 4 when they differ. Differences are printed in \
      rsync's itemized form, as a copy from A to B would make them.

      Examples:
        drover verify /srv/data /srv/copy
        drover verify --quick --exclude /cache/ /srv/data /srv/copy
      """)

  @Flag(help: "Compare sizes and times instead of content.")
  var quick = false

  @OptionGroup(title: "Choice of entries") var filters: FilterArguments

  @Flag(help: "Print one JSON object per line.")
  var json = false

  @Flag(name: [.customShort("q"), .long], help: "Print nothing; the exit code tells.")
  var quiet = false

  @Argument(help: ArgumentHelp("A directory, block device or raw image.", valueName: "a"))
  var first: String

  @Argument(help: ArgumentHelp("What it should be equal to.", valueName: "b"))
  var second: String

  func run() throws {
    var options = VerificationOptions()
    options.filter = try filters.rules()
    options.oneFileSystem = filters.oneFileSystem
    options.comparesContent = !quick
    let outcome = try TreeVerification.compare(
      first, second, options: options, onProblem: tell, onDifference: tell)
    tell(outcome)
    Console.standard.flush()
    if let kind = outcome.failureKind { throw ExitCode(ExitStatus(kind).rawValue) }
  }

  private func tell(_ problem: VerificationProblem) {
    if json {
      printJSON(["event": .string("warning"), "message": .string(problem.text)])
    } else {
      Console.standard.complain("drover: warning: \(problem.text)")
    }
  }

  private func tell(_ difference: TreeDifference) {
    // Nobody reads any further: as if everything had been printed.
    if Console.standard.hasLostReader { Drover.exit() }
    guard !quiet else { return }
    if json {
      printJSON([
        "event": .string("difference"), "change": .string(difference.change),
        "path": .string(printable(difference.path)),
        "reasons": .string(difference.text),
      ])
    } else {
      Console.standard.print(difference.text)
    }
  }

  private func tell(_ outcome: VerificationOutcome) {
    guard !quiet else { return }
    if json {
      printJSON([
        "event": .string("summary"), "equal": .bool(outcome.isEqual),
        "problems": .integer(outcome.problemCount),
        "differences": .integer(outcome.differenceCount),
        "entries": .integer(outcome.entryCount), "bytes": .integer(outcome.sizeBytes),
      ])
    } else if outcome.isEqual {
      Console.standard.print(
        "equal: \(Shown.count(outcome.entryCount)) entries,"
          + " \(Shown.count(outcome.sizeBytes)) bytes")
      if let digest = outcome.a.fullDigest ?? outcome.a.quickDigest {
        Console.standard.print("tree digest: \(hex(digest))")
      }
    } else if outcome.differenceCount == 0 {
      Console.standard.print(
        "no difference, but \(Shown.count(outcome.problemCount)) entries could not be compared")
    } else {
      Console.standard.print(
        "different: \(Shown.count(outcome.differenceCount)) of"
          + " \(Shown.count(outcome.entryCount)) entries")
    }
  }

  private func printJSON(_ object: JSONObject) {
    Console.standard.print(String(decoding: JSONValue.object(object).encoded(), as: UTF8.self))
  }
}
