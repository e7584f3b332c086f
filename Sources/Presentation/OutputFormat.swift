package import Platform

/// What is wrong with the words of a command line.
package struct OutputError: DroverError, Equatable {
  package let message: String
  package let hint: String?

  package init(_ message: String, hint: String? = nil) {
    self.message = message
    self.hint = hint
  }

  package var kind: FailureKind { .usage }
}

/// One column of `-o custom-columns`.
package struct CustomColumn: Sendable, Equatable {
  package var name: String
  package var path: JSONPath
}

/// The `-o` of kubectl.
package enum OutputFormat: Sendable, Equatable {
  case table
  case wide
  case yaml
  case json
  case name
  case jsonPath(JSONPath)
  case customColumns([CustomColumn])

  package static let customColumnCountMax = 64

  package init(_ text: String) throws(OutputError) {
    let word = text.prefix { $0 != "=" }
    let value = text.dropFirst(word.count + 1)
    switch (word, text.contains("=")) {
    case ("wide", false): self = .wide
    case ("yaml", false): self = .yaml
    case ("json", false): self = .json
    case ("name", false): self = .name
    case ("jsonpath", true): self = .jsonPath(try OutputFormat.template(String(value)))
    case ("custom-columns", true): self = .customColumns(try OutputFormat.columns(value))
    case ("jsonpath", false), ("custom-columns", false):
      throw OutputError("-o \(word) needs a value: -o \(word)=\(OutputFormat.example(of: word))")
    default:
      let words = ["wide", "yaml", "json", "name", "jsonpath=…", "custom-columns=…"]
      let meant = nearest(to: String(word), in: words.map { String($0.prefix { $0 != "=" }) })
      throw OutputError(
        "-o \(text) is not an output format: it is one of \(words.joined(separator: ", "))",
        hint: meant.map { "did you mean -o \($0)?" })
    }
  }

  private static func example(of word: Substring) -> String {
    word == "jsonpath"
      ? "'{.status.lastSyncTime}'" : "NAME:.metadata.name,LAST:.status.lastSyncTime"
  }

  private static func template(_ text: String) throws(OutputError) -> JSONPath {
    do throws(JSONPathError) {
      // A path without braces is never meant as text.
      return text.contains("{") ? try JSONPath(text) : try JSONPath(relaxed: text)
    } catch {
      throw OutputError(error.message, hint: "for instance -o jsonpath='{.status.lastSyncTime}'")
    }
  }

  private static func columns(_ text: Substring) throws(OutputError) -> [CustomColumn] {
    var columns: [CustomColumn] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let colon = part.firstIndex(of: ":"), colon > part.startIndex else {
        throw OutputError(
          "\"\(part)\" is not NAME:.path",
          hint: "-o custom-columns=\(example(of: "custom-columns"))")
      }
      guard columns.count < customColumnCountMax else {
        throw OutputError("more than \(customColumnCountMax) columns")
      }
      do throws(JSONPathError) {
        let path = try JSONPath(relaxed: String(part[part.index(after: colon)...]))
        columns.append(CustomColumn(name: String(part[..<colon]), path: path))
      } catch {
        throw OutputError("column \(part[..<colon]): \(error.message)")
      }
    }
    return columns
  }
}
