import Platform

/// The bounds that the medians are compared with, from `Benchmarks/Thresholds/replicate.json`.
struct Thresholds {
  /// Drover ÷ rsync, each at most this.
  struct Ratios {
    var wall: Double?
    var cpu: Double?
    var wire: Double?
    /// Drover's bytes on the wire ÷ bytes that were rewritten.
    var wirePerChangedByte: Double?
  }

  var peakMiBMax: Double
  var scenarios: [String: Ratios]

  init(readingFrom path: String) throws {
    let bytes = try SmallFile.read(path, sizeBytesMax: 1 << 20)
    let document = try JSONValue(parsing: bytes)
    guard let root = document.objectValue, let peak = root["peak_mib_max"]?.doubleValue,
      let members = root["scenarios"]?.objectValue?.members
    else {
      throw BenchmarkError("\(path): peak_mib_max and scenarios are needed", kind: .usage)
    }
    peakMiBMax = peak
    scenarios = [:]
    for member in members {
      guard Scenario.all.contains(where: { $0.name == member.name }),
        let ratios = member.value.objectValue
      else { throw BenchmarkError("\(path): no scenario \(member.name)", kind: .usage) }
      scenarios[member.name] = Ratios(
        wall: ratios["wall"]?.doubleValue, cpu: ratios["cpu"]?.doubleValue,
        wire: ratios["wire"]?.doubleValue,
        wirePerChangedByte: ratios["wire_per_changed_byte"]?.doubleValue)
    }
  }
}
