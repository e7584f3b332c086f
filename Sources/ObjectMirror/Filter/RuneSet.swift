/// A set of characters of Unicode, as ranges in their order.
///
/// A byte that is not part of UTF-8 counts as U+FFFD, as for rclone.
struct RuneSet: Sendable, Equatable {
  static let runeMax: UInt32 = 0x10ffff

  /// Sorted, neither overlapping nor touching.
  private(set) var ranges: [ClosedRange<UInt32>] = []

  init() {}

  init(_ ranges: [ClosedRange<UInt32>]) {
    for range in ranges { self.ranges.append(range) }
    normalize()
  }

  init(_ rune: UInt32) { ranges = [rune...rune] }

  mutating func insert(_ range: ClosedRange<UInt32>) {
    ranges.append(range)
    normalize()
  }

  mutating func formUnion(_ other: RuneSet) {
    ranges += other.ranges
    normalize()
  }

  private mutating func normalize() {
    ranges.sort { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }
    var result: [ClosedRange<UInt32>] = []
    for range in ranges {
      if let last = result.last, range.lowerBound <= last.upperBound + 1 {
        result[result.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        result.append(range)
      }
    }
    ranges = result
  }

  /// Everything that is not in the set.
  var inverted: RuneSet {
    var result = RuneSet()
    var next: UInt32 = 0
    for range in ranges {
      if range.lowerBound > next { result.ranges.append(next...(range.lowerBound - 1)) }
      next = range.upperBound + 1
    }
    if next <= RuneSet.runeMax { result.ranges.append(next...RuneSet.runeMax) }
    return result
  }

  /// With the other cases of all that is in it.
  var folded: RuneSet {
    var result = self
    for range in ranges { CaseFolding.shared.addPartners(of: range, to: &result) }
    return result
  }

  func contains(_ rune: UInt32) -> Bool {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound < rune { low = middle + 1 } else { high = middle }
    }
    return low < ranges.count && ranges[low].lowerBound <= rune
  }
}

/// Which characters are the same but for their case, by simple folding: one for one.
///
/// The groups are found once for the process, by asking every character of Unicode that has a
/// case.
struct CaseFolding: Sendable {
  static let shared = CaseFolding()

  /// Every character with partners, in order.
  private let runes: [UInt32]
  /// The whole group of each, itself included.
  private let groups: [UInt32: [UInt32]]

  /// Turkish dotless i has a capital of its own accord only in Turkish.
  private static let dotless: UInt32 = 0x131

  private init() {
    var byFold: [UInt32: [UInt32]] = [:]
    for value in 0x41...UInt32(0x1e943) {
      guard let scalar = Unicode.Scalar(value), scalar.properties.isCased, value != Self.dotless
      else { continue }
      byFold[CaseFolding.fold(scalar), default: []].append(value)
    }
    // Combining ypogegrammeni has no case of its own, and an iota as its capital.
    byFold[0x3b9, default: []].append(0x345)
    var groups: [UInt32: [UInt32]] = [:]
    for group in byFold.values where group.count > 1 {
      for rune in group { groups[rune] = group }
    }
    self.groups = groups
    runes = groups.keys.sorted()
  }

  private static func fold(_ scalar: Unicode.Scalar) -> UInt32 {
    let upper = single(scalar.properties.uppercaseMapping) ?? scalar
    return (single(upper.properties.lowercaseMapping) ?? upper).value
  }

  private static func single(_ text: String) -> Unicode.Scalar? {
    text.unicodeScalars.count == 1 ? text.unicodeScalars.first : nil
  }

  func addPartners(of range: ClosedRange<UInt32>, to set: inout RuneSet) {
    var (low, high) = (0, runes.count)
    while low < high {
      let middle = (low + high) / 2
      if runes[middle] < range.lowerBound { low = middle + 1 } else { high = middle }
    }
    var partners: [ClosedRange<UInt32>] = []
    while low < runes.count, runes[low] <= range.upperBound {
      for partner in groups[runes[low]] ?? [] where !range.contains(partner) {
        partners.append(partner...partner)
      }
      low += 1
    }
    if !partners.isEmpty { set.formUnion(RuneSet(partners)) }
  }
}
