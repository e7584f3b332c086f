import Platform

/// How far some work is.
struct ProgressFigures: Sendable, Equatable {
  var fileCountDone: Int64 = 0
  var fileCountTotal: Int64 = 0
  var sizeBytesDone: Int64 = 0
  var sizeBytesTotal: Int64 = 0
  /// Whether the totals grow no more.
  var totalsAreFinal = false
}

/// The line that shows on a terminal how far some work is.
struct ProgressLine {
  /// Weight of the past second's rate against the average so far.
  private static let smoothing = 0.3
  private static let drawIntervalSeconds = 0.1
  private static let sampleIntervalSeconds = 1.0

  private let began: MonotonicTime
  private var drawn: MonotonicTime?
  private var sampled: MonotonicTime
  private var sampledBytes: Int64 = 0
  private var bytesPerSecond: Double?

  init(now: MonotonicTime) {
    began = now
    sampled = now
  }

  /// The line to draw in `columnCount` columns, or nil when the last one is too young.
  mutating func draw(
    _ progress: ProgressFigures, now: MonotonicTime, columnCount: Int
  ) -> String? {
    if let drawn, now.seconds(since: drawn) < ProgressLine.drawIntervalSeconds { return nil }
    drawn = now
    sample(progress.sizeBytesDone, now)
    return fitting(parts(progress, now), columnCount: columnCount)
  }

  private mutating func sample(_ bytes: Int64, _ now: MonotonicTime) {
    let seconds = now.seconds(since: sampled)
    guard seconds >= ProgressLine.sampleIntervalSeconds else { return }
    let rate = Double(bytes - sampledBytes) / seconds
    let weight = ProgressLine.smoothing
    bytesPerSecond = bytesPerSecond.map { $0 * (1 - weight) + rate * weight } ?? rate
    sampled = now
    sampledBytes = bytes
  }

  /// The parts of the line, the most important first.
  private func parts(_ progress: ProgressFigures, _ now: MonotonicTime) -> [String] {
    let seconds = max(now.seconds(since: began), 0.001)
    let rate = bytesPerSecond ?? Double(progress.sizeBytesDone) / seconds
    let more = progress.totalsAreFinal ? "" : "+"
    var parts = [
      "\(Shown.count(progress.fileCountDone))/\(Shown.count(progress.fileCountTotal))\(more) files",
      "\(Shown.bytes(Double(progress.sizeBytesDone)))"
        + " of \(Shown.bytes(Double(progress.sizeBytesTotal)))\(more)",
      "\(Shown.bytes(rate))/s",
    ]
    let rest = Double(progress.sizeBytesTotal - progress.sizeBytesDone)
    if progress.totalsAreFinal, rate > 0, rest > 0 {
      parts.append("\(Shown.duration(seconds: rest / rate)) left")
    } else {
      parts.append(Shown.duration(seconds: seconds))
    }
    return parts
  }

  /// As many parts as fit into the line; the last column stays free, or some terminals would wrap.
  private func fitting(_ parts: [String], columnCount: Int) -> String {
    var line = ""
    for part in parts {
      let longer = line.isEmpty ? part : "\(line)  \(part)"
      if longer.count >= columnCount { break }
      line = longer
    }
    return line
  }
}
