/// Numbers and blocks as rclone prints them.
package enum MirrorText {
  /// `0`, `1.500Ki`: three places at most.
  package static func size(_ bytes: Int64) -> String {
    let (value, unit) = scaled(bytes)
    return value + unit
  }

  /// `0 B`, `1.500 KiB`.
  package static func bytes(_ bytes: Int64) -> String {
    let (value, unit) = scaled(bytes)
    return unit.isEmpty ? "\(value) B" : "\(value) \(unit)B"
  }

  private static func scaled(_ bytes: Int64) -> (value: String, unit: String) {
    var (value, unit) = (Double(bytes), "")
    for next in ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"] where value >= 1024 {
      (value, unit) = (value / 1024, next)
    }
    if unit.isEmpty { return (String(bytes), "") }
    let places = value == value.rounded() ? 0 : 3
    return (decimal(value, places: places), unit)
  }

  private static func percent(_ part: Int64, _ whole: Int64) -> String {
    whole > 0 ? "\(Int64(Double(part) / Double(whole) * 100))%" : "-"
  }

  /// The block of figures that scripts look for.
  package static func block(_ figures: MirrorFigures, seconds: Double) -> String {
    let rate = seconds > 0 ? Int64(Double(figures.transferredBytes) / seconds) : 0
    let rest = figures.transferTotalBytes - figures.transferredBytes
    let left = rest <= 0 ? (figures.transferredBytes > 0 ? "0s" : "-") : eta(rest, rate)
    func right(_ text: String) -> String {
      String(repeating: " ", count: max(0, 10 - text.count)) + text
    }
    var lines = [
      "Transferred:   \t\(right(bytes(figures.transferredBytes)))"
        + " / \(bytes(figures.transferTotalBytes)),"
        + " \(percent(figures.transferredBytes, figures.transferTotalBytes)),"
        + " \(bytes(rate))/s, ETA \(left)"
    ]
    if figures.errorCount > 0 {
      let more = figures.mayBeRetried ? " (retrying may help)" : ""
      lines.append("Errors:        \(right(String(figures.errorCount)))\(more)")
    }
    if figures.checkTotal > 0 {
      lines.append(
        "Checks:        \(right(String(figures.checkedCount))) / \(figures.checkTotal),"
          + " \(percent(figures.checkedCount, figures.checkTotal)),"
          + " Listed \(figures.listedCount)")
    }
    if figures.deletedCount + figures.directoriesRemovedCount > 0 {
      lines.append(
        "Deleted:       \(right(String(figures.deletedCount))) (files),"
          + " \(figures.directoriesRemovedCount) (dirs)")
    }
    if figures.renamedCount > 0 {
      lines.append("Renamed:       \(right(String(figures.renamedCount)))")
    }
    if figures.transferTotal > 0 {
      lines.append(
        "Transferred:   \(right(String(figures.transferredCount))) / \(figures.transferTotal),"
          + " \(percent(figures.transferredCount, figures.transferTotal))")
    }
    if figures.serverCopyCount > 0 {
      lines.append(
        "Server Side Copies:\(right(String(figures.serverCopyCount)))"
          + " @ \(bytes(figures.serverCopyBytes))")
    }
    lines.append("Elapsed time:  \(right(duration(seconds)))")
    return lines.joined(separator: "\n")
  }

  private static func eta(_ bytes: Int64, _ rate: Int64) -> String {
    rate > 0 ? duration((Double(bytes) / Double(rate)).rounded()) : "-"
  }

  /// `1m2.5s`.
  package static func duration(_ seconds: Double) -> String {
    let minutes = Int64(seconds / 60)
    let rest = "\(decimal(seconds - Double(minutes * 60), places: 1))s"
    let (hours, left) = (minutes / 60, minutes % 60)
    if hours > 0 { return "\(hours)h\(left)m\(rest)" }
    return minutes > 0 ? "\(minutes)m\(rest)" : rest
  }

  private static func decimal(_ value: Double, places: Int) -> String {
    var scale: Int64 = 1
    for _ in 0..<places { scale *= 10 }
    let scaled = Int64((min(value, 1e14) * Double(scale)).rounded())
    guard places > 0 else { return String(scaled) }
    let digits = String(scaled % scale)
    return "\(scaled / scale)." + String(repeating: "0", count: places - digits.utf8.count) + digits
  }
}
