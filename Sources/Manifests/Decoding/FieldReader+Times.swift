import Platform
import Triggers

extension FieldReader {
  /// A duration as Go writes it, `720h0m0s`, in nanoseconds, not negative.
  func duration(_ name: String) -> Int64? {
    guard let node = value(name) else { return nil }
    let example = "write for instance 30s, 5m or 720h0m0s"
    guard let text = node.scalarText else {
      report(name, "must be a duration, not \(node.kindName): \(example)")
      return nil
    }
    guard let nanoseconds = goDurationNanoseconds(text) else {
      let unit = text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? " (the unit is missing)" : ""
      let days = text.hasSuffix("d") ? Int32(text.dropLast()).map { Int64($0) * 24 } : nil
      report(
        name, "\"\(text)\" is not a duration\(unit): \(example)",
        suggestion: days.map { "\($0)h" })
      return nil
    }
    guard nanoseconds >= 0 else {
      report(name, "\"\(text)\" is negative: \(example)")
      return nil
    }
    return nanoseconds
  }

  /// A schedule of five fields; what is wrong with it is told with the text.
  func schedule(_ name: String) -> CronSchedule? {
    guard let text = string(name), !text.isEmpty else { return nil }
    do {
      let schedule = try CronSchedule(text)
      // Whether the zone is known is told before the first run, too.
      if let zone = schedule.zoneName { _ = try TimeZone.named(zone) }
      return schedule
    } catch {
      report(name, "\"\(text)\" \(error.reason)")
      return nil
    }
  }

  func requiredSchedule(_ name: String) -> CronSchedule? {
    if let text = requiredString(name), text.isEmpty { return nil }
    return has(name) ? schedule(name) : nil
  }
}

extension YAMLNode {
  /// A number or a text as it was written.
  var scalarText: String? {
    switch resolvedScalar {
    case .integer?, .double?, .string?: keyText
    default: nil
    }
  }
}
