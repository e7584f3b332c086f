/// Reads one line after the other; keeps the section and the number of the line.
struct LineReader {
  enum Item {
    case section([UInt8])
    case pair(key: [UInt8], value: [UInt8])
  }

  private let path: String
  /// Of the line read last, from 1.
  private(set) var number = 0
  private(set) var section = ConfigFile.defaultSection
  /// Number of the next key that is written as a hyphen.
  private var hyphenCount = 1

  init(path: String) { self.path = path }

  /// What a line says; nil for an empty one and for a comment.
  mutating func read(_ raw: ArraySlice<UInt8>) throws(RemoteError) -> Item? {
    number += 1
    let line = ByteText.trimmed(raw)
    guard let first = line.first, let last = line.last else { return nil }
    if first == UInt8(ascii: "#") || first == UInt8(ascii: ";") { return nil }
    if first == UInt8(ascii: "["), last == UInt8(ascii: "]") {
      let name = line.count < 2 ? [] : Array(ByteText.trimmed(line.dropFirst().dropLast()))
      section = name
      hyphenCount = 1
      return .section(name)
    }
    guard !section.isEmpty else { throw problem("the section above it has no name") }
    let (key, rest) = try splitKey(line)
    return .pair(key: numbered(key), value: try value(ByteText.trimmed(rest)))
  }

  private func problem(_ text: String) -> RemoteError {
    .badLine(file: path, line: number, problem: text)
  }

  /// A key `-` is named by its place in the section: `#1`, `#2`, ….
  private mutating func numbered(_ key: [UInt8]) -> [UInt8] {
    guard key == [UInt8(ascii: "-")] else { return key }
    defer { hyphenCount += 1 }
    return Array("#\(hyphenCount)".utf8)
  }

  private static let tripleQuote = [UInt8](repeating: UInt8(ascii: "\""), count: 3)

  /// The key and what follows its delimiter. A key in quotes keeps delimiters and blanks.
  private func splitKey(
    _ line: ArraySlice<UInt8>
  ) throws(RemoteError) -> ([UInt8], ArraySlice<UInt8>) {
    let quote = keyQuote(of: line)
    guard !quote.isEmpty else {
      guard let index = delimiter(in: line) else { throw problem("neither = nor : in it") }
      guard index > line.startIndex else { throw problem("no key before the delimiter") }
      return (Array(ByteText.trimmed(line[..<index])), line[(index + 1)...])
    }
    let start = line.startIndex + quote.count
    guard let end = ByteText.index(of: quote, in: line[start...]) else {
      throw problem("the quote of the key is not closed")
    }
    guard let index = delimiter(in: line[end...]) else { throw problem("neither = nor : in it") }
    return (Array(line[start..<end]), line[(index + 1)...])
  }

  private func keyQuote(of line: ArraySlice<UInt8>) -> [UInt8] {
    switch line.first {
    case UInt8(ascii: "\""):
      line.count >= 6 && line.starts(with: LineReader.tripleQuote)
        ? LineReader.tripleQuote : [UInt8(ascii: "\"")]
    case UInt8(ascii: "`"): [UInt8(ascii: "`")]
    default: []
    }
  }

  private func delimiter(in line: ArraySlice<UInt8>) -> Int? {
    line.firstIndex { $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: ":") }
  }

  /// A value loses backticks and triple quotes; single and double quotes are part of it.
  private func value(_ text: ArraySlice<UInt8>) throws(RemoteError) -> [UInt8] {
    let quote: [UInt8]
    if text.count >= 2, text.first == UInt8(ascii: "`") {
      quote = [UInt8(ascii: "`")]
    } else if text.count >= 6, text.starts(with: LineReader.tripleQuote) {
      quote = LineReader.tripleQuote
    } else {
      return Array(text)
    }
    let inner = text.dropFirst(quote.count)
    guard let end = ByteText.lastIndex(of: quote, in: inner) else {
      throw problem("the quote of the value is not closed")
    }
    return Array(inner[..<end])
  }
}
