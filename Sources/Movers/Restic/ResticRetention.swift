package import BackupRepository
package import Manifests
import Platform

/// The rules of `retain`, as far as they are given.
package struct ResticRetention: Sendable, Equatable {
  /// By restic's names of the rules: `hourly` to `yearly`, and `last`.
  package private(set) var counts: [String: Int64] = [:]
  package private(set) var within: String?

  private typealias Rule = (name: String, policy: WritableKeyPath<RetentionPolicy, KeepCount>)

  private static var rules: [Rule] {
    [
      ("hourly", \.hourly), ("daily", \.daily), ("weekly", \.weekly), ("monthly", \.monthly),
      ("yearly", \.yearly), ("last", \.last),
    ]
  }

  package init() {}

  /// The rules of a section.
  package init(_ retain: ResticSection.Retain) {
    counts["hourly"] = retain.hourly
    counts["daily"] = retain.daily
    counts["weekly"] = retain.weekly
    counts["monthly"] = retain.monthly
    counts["yearly"] = retain.yearly
    counts["last"] = retain.last
    within = retain.within
  }

  /// The policy of forget: without any rule the last snapshot alone stays, as VolSync has it; rules
  /// that are all zero keep everything, as restic has it.
  /// - Throws: `RetentionError.invalidDuration`.
  package func policy() throws(RetentionError) -> RetentionPolicy {
    var policy = RetentionPolicy()
    for (name, path) in ResticRetention.rules {
      guard let count = counts[name] else { continue }
      policy[keyPath: path] = .atMost(Int(clamping: max(0, count)))
    }
    if let within { policy.within = try CalendarDuration(parsing: within) }
    if counts.isEmpty, within == nil { policy.last = .atMost(1) }
    return policy
  }
}

extension ResticRetention {
  var document: JSONObject {
    var object = JSONObject()
    for (name, _) in ResticRetention.rules {
      if let count = counts[name] { object[name] = .integer(count) }
    }
    if let within { object["within"] = .string(within) }
    return object
  }

  init(_ object: JSONObject) throws(JSONError) {
    for (name, _) in ResticRetention.rules where object[name] != nil {
      counts[name] = try object.integer(name)
    }
    within = object["within"]?.stringValue
  }
}
