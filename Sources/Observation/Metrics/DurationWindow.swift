import Platform

/// Durations of runs: their sum and count, and quantiles over those of the last day.
struct DurationWindow: Sendable {
  /// VolSync's `MaxAge`.
  static let windowSeconds: Int64 = 86_400
  /// A run every two minutes for a day; of more, the newest count.
  static let countMax = 720
  /// VolSync's objectives.
  static let quantiles = [0.5, 0.9, 0.99]

  private(set) var count: Int64 = 0
  private(set) var sumSeconds = 0.0
  private var recent: [(ended: WallTime, seconds: Double)] = []

  init() {}

  mutating func add(_ seconds: Double, ended: WallTime) {
    count += 1
    sumSeconds += seconds
    if recent.count >= DurationWindow.countMax {
      recent.removeFirst(recent.count - DurationWindow.countMax + 1)
    }
    recent.append((ended, seconds))
  }

  /// The values of ``quantiles`` by nearest rank; not a number when nothing ended within the
  /// window.
  func quantileSeconds(at now: WallTime) -> [Double] {
    let first = now.seconds - DurationWindow.windowSeconds
    let values = recent.filter { $0.ended.seconds >= first }.map(\.seconds).sorted()
    return DurationWindow.quantiles.map { quantile in
      guard !values.isEmpty else { return .nan }
      let rank = Int((quantile * Double(values.count)).rounded(.up))
      return values[max(0, min(values.count, rank) - 1)]
    }
  }
}
