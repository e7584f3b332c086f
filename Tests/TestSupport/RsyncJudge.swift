import Platform

/// Asks real rsync whether two trees are equal in content and in every attribute.
package enum RsyncJudge {
  /// What `rsync -aAXHSn --delete --itemize-changes --checksum` would change to make `destination`
  /// like `source`; empty when they are equal. Runs as root, so that all attributes are seen.
  ///
  /// - Throws: when rsync is older than 3.5.0 or does not come to its end.
  package static func differences(source: String, destination: String) throws -> String {
    try differences(source: source, destination: destination, options: [])
  }

  /// The same with further options, for instance the filter rules of the run that is judged.
  package static func differences(
    source: String, destination: String, options: [String]
  ) throws -> String {
    try requireVersion()
    let arguments =
      ["-aAXHSn", "--delete", "--itemize-changes", "--checksum"] + options
      + ["\(source)/", "\(destination)/"]
    let result = try runProcess("rsync", arguments, environment: ["LC_ALL": "C"])
    guard result.status == 0 else {
      throw TestFailure("rsync, the judge, ended with \(result.status): \(result.errorText)")
    }
    return printable(of: result.output) + result.errorText
  }

  /// Copies a tree with all attributes by rsync itself, which reads every file: by itself it takes
  /// files of one size for equal that were written within the same second.
  package static func copy(source: String, destination: String) throws {
    try requireVersion()
    try runChecked(
      "rsync", ["-aAXHS", "--ignore-times", "--delete", "\(source)/", "\(destination)/"])
  }

  private static func printable(of output: [UInt8]) -> String {
    output.split(separator: 0x0a).map { Platform.printable($0) + "\n" }.joined()
  }

  private static func requireVersion() throws {
    let text = try runChecked("rsync", ["--version"]).outputText
    let words = text.split(whereSeparator: \.isWhitespace)
    guard let index = words.firstIndex(of: "version"), index + 1 < words.count else {
      throw TestFailure("rsync --version says nothing of use: \(text)")
    }
    let numbers = words[index + 1].split(separator: ".").compactMap {
      Int($0.prefix(while: \.isNumber))
    }
    guard !numbers.lexicographicallyPrecedes([3, 5, 0]) else {
      throw TestFailure("the judge has to be rsync 3.5.0 or later, not \(words[index + 1])")
    }
  }
}
