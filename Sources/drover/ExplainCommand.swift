import ArgumentParser
import Manifests
import Platform
import Presentation

/// `drover explain`: kinds and fields in words, and what Drover does with each.
struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Explain a kind or a field of the YAML, and what Drover does with it.",
    discussion: """
      Without a word it lists the kinds. Each field is honoured; improved (how it differs from \
      VolSync); without effect on a host; not served yet; or refused.

      Examples:
        drover explain
        drover explain replicationsource
        drover explain rs.spec.restic.retain
        drover explain rd --recursive
        drover explain restore.spec --api-version velero.io/v1
      """)

  @Flag(help: "List all fields below, a line each.")
  var recursive = false

  @Option(
    help: ArgumentHelp(
      "The group and version, where a kind is of several groups.", valueName: "version"))
  var apiVersion: String?

  @Argument(
    help: ArgumentHelp(
      "A kind, or KIND.field.field; plural and short names too.", valueName: "kind"))
  var path: String?

  func run() throws {
    let explainer = Explainer()
    if let path {
      let text = try explainer.text(of: path, apiVersion: apiVersion, isRecursive: recursive)
      Console.standard.printText(text)
    } else {
      let rows = explainer.kindList()
      var table = TextTable(rows[0])
      table.rows = Array(rows.dropFirst())
      for line in table.lines() { Console.standard.print(line) }
    }
    Console.standard.flush()
  }
}

extension Console {
  /// Prints a text that may end with a line break.
  func printText(_ text: String) {
    guard !text.isEmpty else { return }
    print(text.hasSuffix("\n") ? String(text.dropLast()) : text)
  }
}
