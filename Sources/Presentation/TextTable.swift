/// A table as kubectl prints it: columns side by side, three blanks between them.
package struct TextTable: Sendable {
  package var header: [String]
  package var rows: [[String]] = []

  package init(_ header: [String]) { self.header = header }

  /// The lines; `width` are widths of columns that earlier tables had, for a table that goes on.
  package func lines(showsHeader: Bool = true, widths: inout [Int]) -> [String] {
    let all = (showsHeader ? [header] : []) + rows
    for row in all {
      for (index, cell) in row.enumerated() {
        if index == widths.count { widths.append(0) }
        widths[index] = max(widths[index], cell.count)
      }
    }
    return all.map { row in
      var line = ""
      for (index, cell) in row.enumerated() {
        line += TextTable.printable(cell)
        guard index + 1 < row.count else { break }
        line += String(repeating: " ", count: widths[index] - cell.count + 3)
      }
      while line.last == " " { line.removeLast() }
      return line
    }
  }

  package func lines(showsHeader: Bool = true) -> [String] {
    var widths: [Int] = []
    return lines(showsHeader: showsHeader, widths: &widths)
  }

  /// Values come from files: a control character would change the terminal, a line break the table.
  private static func printable(_ cell: String) -> String {
    String(
      cell.map { $0.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7f } ? " " : $0 })
  }
}
