import Platform

/// What rsync prints as the client of a run: a line `@CHANGE SIZE BYTES NAME` for each entry, and
/// the statistics at the end.
struct ClientReport {
  private(set) var counts = TransferCounts()
  private(set) var statistics: [String: Int64] = [:]

  /// One entry that is there, whether it was changed or not.
  struct Item: Equatable {
    var change: String
    var name: [UInt8]

    var isLink: Bool { change.utf8.dropFirst().first == UInt8(ascii: "L") }
    var isDeletion: Bool { change.hasPrefix("*") }
    /// Whether anything was changed: an entry that is right as it is has blanks.
    var isChanged: Bool {
      isDeletion || !change.hasPrefix(".")
        || change.utf8.dropFirst(2).contains { $0 != 0x20 && $0 != UInt8(ascii: ".") }
    }
  }

  /// Takes note of a line; gives the entry that it tells of.
  mutating func add(line: [UInt8]) -> Item? {
    guard line.first == UInt8(ascii: "@") else {
      addStatistic(String(decoding: line, as: UTF8.self))
      return nil
    }
    // The change has 11 characters, blanks among them.
    let rest = line.dropFirst()
    let change = String(decoding: rest.prefix(11), as: UTF8.self)
    let fields = rest.dropFirst(11).split(
      separator: 0x20, maxSplits: 2, omittingEmptySubsequences: true)
    guard fields.count == 3, let size = Int64(String(decoding: fields[0], as: UTF8.self)),
      let literal = Int64(String(decoding: fields[1], as: UTF8.self))
    else { return nil }
    counts.add(change: change, sizeBytes: size, literalBytes: literal)
    var name = ClientReport.unescaped(fields[2])
    if name.last == UInt8(ascii: "/"), name.count > 1 { name.removeLast() }
    return Item(change: change, name: name)
  }

  /// The bytes of a name: rsync writes a control character, and a backslash that could be taken for
  /// the start of one, as `\#` and three octal digits.
  static func unescaped(_ text: ArraySlice<UInt8>) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = text
    while let first = rest.first {
      let digits = rest.dropFirst(2).prefix(3)
      if first == UInt8(ascii: "\\"), rest.dropFirst().first == UInt8(ascii: "#"),
        digits.count == 3, digits.allSatisfy({ (0x30...0x37).contains($0) })
      {
        bytes.append(UInt8(truncatingIfNeeded: digits.reduce(0) { $0 << 3 | Int($1 - 0x30) }))
        rest = rest.dropFirst(5)
      } else {
        bytes.append(first)
        rest = rest.dropFirst()
      }
    }
    return bytes
  }

  /// `Number of files: 10 (reg: 3, dir: 1)`, `Total file size: 26 bytes`.
  private mutating func addStatistic(_ text: String) {
    guard let colon = text.firstIndex(of: ":") else { return }
    let words = text[text.index(after: colon)...].split { " ,()".contains($0) }
    guard let first = words.first, let value = Int64(first) else { return }
    let name = String(text[..<colon])
    statistics[name] = value
    if let place = words.firstIndex(of: "reg:"), place + 1 < words.count {
      statistics["\(name) reg"] = Int64(words[place + 1])
    }
  }

  func fill(_ summary: inout SessionSummary) {
    counts.fill(&summary)
    summary.entryCount = statistics["Number of files"] ?? 0
    summary.fileCountTotal = statistics["Number of files reg"] ?? 0
    summary.sizeBytesTotal = statistics["Total file size"] ?? 0
    summary.literalBytes = statistics["Literal data"] ?? 0
    summary.matchedBytes = statistics["Matched data"] ?? 0
  }
}
