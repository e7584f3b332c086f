import BackupRepository
import Platform

/// A table as restic prints it: a line of names, rows whose cells may have several lines, a line
/// with the count.
struct RepoTable {
  private struct Column {
    var name: String
    var cells: [[String]] = []
    var width: Int

    mutating func add(_ lines: [String]) {
      cells.append(lines)
      width = max(width, lines.map(\.count).max() ?? 0)
    }
  }

  private var columns: [Column] = []
  private var rowCount = 0

  /// Adds a column of at least so many letters, with one list of lines for each row.
  mutating func add(_ name: String, atLeast width: Int = 0, _ cells: [[String]]) {
    var column = Column(name: name, width: max(width, name.count))
    for cell in cells { column.add(cell) }
    columns.append(column)
    rowCount = cells.count
  }

  /// The lines of the table, and `footer` below it.
  func lines(footer: String) -> [String] {
    let width = columns.reduce(0) { $0 + $1.width } + 2 * max(0, columns.count - 1)
    let rule = String(repeating: "-", count: width)
    var lines = [line(columns.map(\.name)), rule]
    for row in 0..<rowCount {
      let height = columns.map { $0.cells[row].count }.max() ?? 0
      for part in 0..<max(1, height) {
        lines.append(
          line(columns.map { part < $0.cells[row].count ? $0.cells[row][part] : "" }))
      }
    }
    return lines + [rule, footer]
  }

  private func line(_ cells: [String]) -> String {
    var text = ""
    for (cell, column) in zip(cells, columns) {
      text += cell + String(repeating: " ", count: column.width - cell.count + 2)
    }
    while text.last == " " { text.removeLast() }
    return text
  }
}

/// Snapshots for people, as restic lists them.
enum RepoSnapshotList {
  /// The lines of a table, oldest first; `reasons` as forget gives them.
  static func lines(
    _ snapshots: [StoredSnapshot], compact: Bool, reasons: [SnapshotID: [String]]? = nil
  ) -> [String] {
    var table = RepoTable()
    table.add("ID", snapshots.map { [$0.id.short] })
    table.add("Time", snapshots.map { [RepoTime.local($0.record.time)] })
    let width = compact ? 0 : 10
    table.add("Host", atLeast: width, snapshots.map { [shown($0.record.hostname)] })
    table.add(
      "Tags", atLeast: max(width, 6),
      snapshots.map { snapshot in
        let tags = snapshot.record.tags.map(shown)
        return compact ? tags : [tags.joined(separator: ",")]
      })
    if !compact {
      if let reasons { table.add("Reasons", snapshots.map { reasons[$0.id] ?? [] }) }
      table.add("Paths", snapshots.map { $0.record.paths.map(shown) })
      if snapshots.contains(where: { $0.record.summary != nil }) {
        table.add(
          "Size",
          snapshots.map { [$0.record.summary.map { byteText($0.totalBytesProcessed) } ?? ""] })
      }
    }
    return table.lines(footer: "\(snapshots.count) snapshots")
  }

  /// Text of a repository, fit for a terminal.
  private static func shown(_ text: String) -> String { printable(text.utf8) }
}
