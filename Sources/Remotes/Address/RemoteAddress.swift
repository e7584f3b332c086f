/// A remote as it is typed: `name:path`, `name,option=value:path`, `:type,option=value:path`, or a
/// local path.
///
/// Without a colon, or with a slash or backslash before the first one, the text is a local path.
package struct RemoteAddress: Sendable, Hashable {
  /// What stands before the path.
  package enum Head: Sendable, Hashable {
    case localPath
    /// A section of the configuration, or a name in the environment.
    case named(String)
    /// `:type`, a remote without configuration.
    case ofType(String)
  }

  package let head: Head
  /// The options between head and colon, in their order; one without a value is `true`. A later
  /// one of the same name counts.
  package let options: [String: String]
  /// What follows the colon; the whole text of a local path.
  package let path: String
  /// Everything before the path's colon, as it was typed; empty for a local path.
  package let prefix: String

  /// - Throws: `.syntax`.
  package init(_ text: String) throws(RemoteError) {
    guard !text.isEmpty else { throw .syntax(remote: text, problem: "it is empty") }
    var parser = AddressParser(text)
    guard try parser.parse() else {
      (head, options, path, prefix) = (.localPath, [:], text, "")
      return
    }
    let name = parser.name
    head = name.hasPrefix(":") ? .ofType(String(name.dropFirst())) : .named(name)
    options = parser.options
    prefix = parser.text(0..<parser.position)
    path = parser.text(parser.position + 1..<parser.count)
  }

  /// Whether a text can be the name of a remote: letters and digits of any script, `_`, `-`, `.`,
  /// `+`, `@`, and blanks inside; no hyphen first.
  package static func isName(_ text: String) -> Bool {
    guard let first = text.unicodeScalars.first, let last = text.unicodeScalars.last,
      first != "-", first != " ", last != " "
    else { return false }
    return text.unicodeScalars.allSatisfy { "_-.+@ ".unicodeScalars.contains($0) || isWord($0) }
  }

  private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
      .decimalNumber, .letterNumber, .otherNumber:
      true
    default: false
    }
  }

  /// This remote, or local path, with a path of its own behind it, cleaned and never above it; what
  /// an alias makes of its target.
  static func join(_ remote: String, _ path: String) -> String {
    guard !path.isEmpty else { return remote }
    let inner = PathText.clean(path, below: "/").dropFirst()
    let tail = path.hasPrefix("/") ? "/" + inner : String(inner)
    if remote.hasPrefix("//") { return "/" + PathText.join(remote, tail) }
    // One that is no remote counts as a path; it is complained about when it is used.
    guard let address = try? RemoteAddress(remote), address.head != .localPath else {
      return PathText.join(remote, tail)
    }
    let joined = PathText.join(address.path, tail)
    return address.prefix + ":" + (joined == "." ? "" : joined)
  }
}

/// Paths as text, with slashes.
enum PathText {
  /// Both with a slash between them, cleaned; one that is empty does not count.
  static func join(_ first: String, _ second: String) -> String {
    let parts = [first, second].filter { !$0.isEmpty }
    return parts.isEmpty ? "" : clean(parts.joined(separator: "/"))
  }

  /// Without empty elements, without `.`, and with `..` taken back where that is possible; `.` when
  /// nothing is left.
  static func clean(_ path: String) -> String {
    let isAbsolute = path.utf8.first == UInt8(ascii: "/")
    var elements: [Substring] = []
    for element in path.split(separator: "/") where element != "." {
      if element != ".." {
        elements.append(element)
      } else if let last = elements.last, last != ".." {
        elements.removeLast()
      } else if !isAbsolute {
        elements.append(element)
      }
    }
    let joined = elements.joined(separator: "/")
    return isAbsolute ? "/" + joined : joined.isEmpty ? "." : joined
  }

  static func clean(_ path: String, below root: String) -> String {
    clean(root + "/" + path)
  }
}
