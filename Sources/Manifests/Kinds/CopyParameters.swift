import Platform

/// How far the files of a copy are of one moment.
package enum CopyConsistency: String, Sendable, CaseIterable {
  /// All of one moment, as after a power cut: what was synchronized before it is whole.
  case atomic
  /// Each file of one moment; two files may be of different ones.
  case perFile = "per file"
  /// A file that is written meanwhile may be torn.
  case none = "not atomic"
}

/// What the parameters of a VolumeSnapshotClass of the driver `drover/directory` say: how copies
/// and images are made.
package struct CopyParameters: Sendable, Equatable {
  package enum Method: String, Sendable, CaseIterable {
    /// A snapshot of the subvolume that the volume is.
    case btrfs
    /// A tree of files that share their extents with the volume's.
    case reflink
    /// A plain copy.
    case copy
    /// What commands of the user make and remove.
    case command
  }

  package static let driver = "drover/directory"

  /// Nil for the best that the file system offers.
  package var method: Method?
  /// Where copies stand; nil for a directory beside the volume.
  package var root: String?
  /// The commands of the method `command`.
  package var create: String?
  package var delete: String?
  /// What the user knows of a copy that the command makes.
  package var consistency: CopyConsistency?

  package init() {}

  private static let names = ["method", "root", "create", "delete", "consistency"]

  /// Reads the parameters and reports what is wrong with them.
  init(_ parameters: [String: Marked<String>], _ fields: FieldReader) {
    func report(_ name: String, _ text: String, suggestion: String? = nil) {
      let mark = parameters[name]?.mark ?? fields.mark(of: "parameters")
      fields.report(mark, fields.pathOf("parameters.\(name)"), text, suggestion: suggestion)
    }
    func choice<Choice: RawRepresentable & CaseIterable>(_ name: String) -> Choice?
    where Choice.RawValue == String {
      guard let text = parameters[name]?.value else { return nil }
      if let choice = Choice(rawValue: text) { return choice }
      let words = Choice.allCases.map(\.rawValue)
      report(
        name, "\"\(text)\" is not one of \(words.joined(separator: ", "))",
        suggestion: nearest(to: text, in: words))
      return nil
    }
    for name in parameters.keys.sorted() where !CopyParameters.names.contains(name) {
      report(
        name, "unknown parameter", suggestion: nearest(to: name, in: CopyParameters.names))
    }
    method = choice("method")
    consistency = choice("consistency")
    root = parameters["root"]?.value
    if let problem = root.flatMap(problemInPath) { report("root", problem) }
    create = parameters["create"]?.value
    delete = parameters["delete"]?.value
    for (name, command) in [("create", create), ("delete", delete)] {
      if method == .command, command?.isEmpty ?? true {
        report(name, "is required with the method command: the command that does it")
      } else if method != .command, command != nil, parameters["method"] == nil || method != nil {
        report(name, "is for the method command only")
      }
    }
    if method != nil, method != .command, consistency != nil {
      report("consistency", "is for the method command only: others are known")
    }
  }
}

/// What is wrong with a path of a parameter; nil when nothing is.
func problemInPath(_ path: String) -> String? {
  if !path.hasPrefix("/") { return "\"\(path)\" is not an absolute path" }
  if path.split(separator: "/").contains("..") { return "\"\(path)\" must not contain \"..\"" }
  return nil
}
