/// Patterns from a file of `--exclude-file`: one a line, as restic reads it.
///
/// White space around a line is dropped; empty lines and those that begin with `#` are skipped.
/// `$NAME` and `${NAME}` stand for variables of the environment (nothing when they are not set),
/// `$$` for a dollar sign.
/// Source: the restic repository format, "backup rules"; Go's os.Expand.
package enum PatternFile {
  /// The patterns of a file's contents, in order; text that is not UTF-8 gets U+FFFD.
  package static func patterns(
    in contents: [UInt8], variable: (String) -> String?
  ) -> [String] {
    let mark: [UInt8] = [0xef, 0xbb, 0xbf]
    let body = contents.starts(with: mark) ? contents.dropFirst(3) : contents[...]
    return body.split(separator: UInt8(ascii: "\n")).compactMap { line in
      let text = trimmed(line)
      guard let first = text.first, first != UInt8(ascii: "#") else { return nil }
      return expanded(String(decoding: text, as: UTF8.self), variable)
    }
  }

  private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0d) }
    let start = line.drop(while: isSpace)
    guard let last = start.lastIndex(where: { !isSpace($0) }) else { return [] }
    return start[...last]
  }

  private static func expanded(_ line: String, _ variable: (String) -> String?) -> String {
    var result = ""
    var rest = line.unicodeScalars[...]
    while let dollar = rest.firstIndex(of: "$") {
      result.unicodeScalars.append(contentsOf: rest[..<dollar])
      rest = rest[rest.index(after: dollar)...]
      guard let first = rest.first else {
        result += "$"
        break
      }
      if first == "$" {
        result += "$"
        rest = rest.dropFirst()
      } else if first == "{" {
        guard let end = rest.firstIndex(of: "}") else { continue }
        let name = String(String.UnicodeScalarView(rest[rest.index(after: rest.startIndex)..<end]))
        result += name == "$" ? "$" : variable(name) ?? ""
        rest = rest[rest.index(after: end)...]
      } else {
        let name = rest.prefix(while: isNamePart)
        if name.isEmpty { result += "$" }
        result += name.isEmpty ? "" : variable(String(String.UnicodeScalarView(name))) ?? ""
        rest = rest[name.endIndex...]
      }
    }
    result.unicodeScalars.append(contentsOf: rest)
    return result
  }

  private static func isNamePart(_ scalar: Unicode.Scalar) -> Bool {
    scalar.isASCII && (scalar.properties.isAlphabetic || scalar == "_" || ("0"..."9" ~= scalar))
  }
}
