/// A rate of bytes as rsync's `--bwlimit` takes it.
struct ByteRate: Equatable {
  /// Nil for no limit.
  let bytesPerSecond: Int?

  /// Reads a number, whole or with a fraction, and a unit: none or `K`, `M`, `G`, `T`, with or
  /// without
  /// `iB`, for powers of 1024; `KB`, `MB`, `GB`, `TB` for powers of 1000; `B` for bytes. A number
  /// alone counts KiB, and 0 is no limit. Nil when it is none of these, or less than 512 bytes.
  ///
  /// Source: rsync(1), `--bwlimit` and `--max-size`.
  init?(_ text: String) {
    let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    guard !digits.isEmpty, let number = Double(digits), number.isFinite else { return nil }
    guard let unit = ByteRate.unit(text.dropFirst(digits.count).lowercased()) else { return nil }
    let bytes = number * unit
    guard bytes != 0 else {
      bytesPerSecond = nil
      return
    }
    // 512 is rsync's smallest; the upper end keeps the engine's arithmetic in range.
    guard bytes >= 512, bytes < 1e15 else { return nil }
    bytesPerSecond = Int(bytes)
  }

  private static func unit(_ suffix: String) -> Double? {
    switch suffix {
    case "", "k", "kib": 1_024
    case "b": 1
    case "kb": 1_000
    case "m", "mib": 1_048_576
    case "mb": 1_000_000
    case "g", "gib": 1_073_741_824
    case "gb": 1_000_000_000
    case "t", "tib": 1_099_511_627_776
    case "tb": 1_000_000_000_000
    default: nil
    }
  }
}

/// Numbers for people.
enum Shown {
  /// `1234567` as `1,234,567`.
  static func count(_ value: Int64) -> String {
    var digits = Array(String(value.magnitude))
    var place = digits.count - 3
    while place > 0 {
      digits.insert(",", at: place)
      place -= 3
    }
    return (value < 0 ? "-" : "") + String(digits)
  }

  /// Bytes with a binary unit and three or four digits: `1.23 GiB`.
  static func bytes(_ value: Double) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    var (value, index) = (max(0, value), 0)
    while value >= 999.5, index < units.count - 1 {
      value /= 1_024
      index += 1
    }
    let places = index == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
    return "\(decimal(value, places: places)) \(units[index])"
  }

  /// `3725` as `1:02:05`, `65` as `1:05`.
  static func duration(seconds: Double) -> String {
    let total = Int64(min(max(0, seconds), 1e9).rounded())
    func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let (hours, minutes, rest) = (total / 3_600, total / 60 % 60, total % 60)
    return hours > 0 ? "\(hours):\(two(minutes)):\(two(rest))" : "\(minutes):\(two(rest))"
  }

  /// A number with a fixed count of decimal places.
  static func decimal(_ value: Double, places: Int) -> String {
    var scale: Int64 = 1
    for _ in 0..<places { scale *= 10 }
    let scaled = Int64((min(value, 1e14) * Double(scale)).rounded())
    guard places > 0 else { return String(scaled) }
    let fraction = String(scaled % scale)
    return "\(scaled / scale).\(String(repeating: "0", count: places - fraction.count))\(fraction)"
  }
}
