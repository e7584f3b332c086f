package import Platform

/// Section `restic` (VolSync reference 3.4).
package struct ResticSection: Sendable {
  /// Snapshots to keep; an absent rule keeps nothing by itself.
  package struct Retain: Sendable {
    package var hourly: Int64?
    package var daily: Int64?
    package var weekly: Int64?
    package var monthly: Int64?
    package var yearly: Int64?
    package var within: String?
    package var last: Int64?

    package init() {}
  }

  package var repository: Marked<String>?
  package var customCA: CustomCA?
  package var cacheCapacity: Quantity?
  package var pruneIntervalDays: Int64?
  package var retain: Retain?
  /// Another value than the last one asks for an unlock; nil and the empty text for none.
  package var unlock: String?
  package var excludesCaches = false
  package var previous: Int64?
  package var restoreAsOf: WallTime?
  package var enableFileDeletion = false
  package var cleanupCachePVC = false
  package var volume: VolumeOptions
  package var mover: MoverOptions

  init(_ fields: FieldReader, role: Role) {
    repository = fields.marked("repository")
    if repository == nil, !fields.has("repository") { fields.report("repository", "is required") }
    customCA = fields.object("customCA").map(CustomCA.init)
    cacheCapacity = fields.quantity("cacheCapacity")
    _ = fields.string("cacheStorageClassName")
    _ = fields.accessModes("cacheAccessModes")
    volume = VolumeOptions(fields, role: role)
    mover = MoverOptions(fields)
    switch role {
    case .source: decodeSource(fields)
    case .destination: decodeDestination(fields)
    }
    fields.finish()
  }

  private static let counts: ClosedRange<Int64> = 0...Int64(Int32.max)

  private mutating func decodeSource(_ fields: FieldReader) {
    pruneIntervalDays = fields.integer("pruneIntervalDays", in: ResticSection.counts)
    unlock = fields.string("unlock")
    retain = fields.object("retain").map(ResticSection.decodeRetain)
    if let exclude = fields.object("exclude") {
      excludesCaches = exclude.bool("caches") ?? false
      exclude.finish()
    }
  }

  private mutating func decodeDestination(_ fields: FieldReader) {
    previous = fields.integer("previous", in: ResticSection.counts)
    if let text = fields.string("restoreAsOf") {
      restoreAsOf = WallTime(rfc3339: text)
      if restoreAsOf == nil {
        fields.report(
          "restoreAsOf", "\"\(text)\" is not a time of RFC 3339, such as 2026-07-02T10:00:00Z")
      }
    }
    enableFileDeletion = fields.bool("enableFileDeletion") ?? false
    cleanupCachePVC = fields.bool("cleanupCachePVC") ?? false
  }

  private static func decodeRetain(_ fields: FieldReader) -> Retain {
    var retain = Retain()
    retain.hourly = fields.integer("hourly", in: counts)
    retain.daily = fields.integer("daily", in: counts)
    retain.weekly = fields.integer("weekly", in: counts)
    retain.monthly = fields.integer("monthly", in: counts)
    retain.yearly = fields.integer("yearly", in: counts)
    retain.within = fields.string("within")
    if let within = retain.within, !isDuration(within) {
      fields.report("within", "\"\(within)\" is not a duration such as 3d or 1y5m7d2h")
    }
    if let last = fields.string("last") {
      retain.last = Int64(last).flatMap { counts.contains($0) ? $0 : nil }
      if retain.last == nil { fields.report("last", "\"\(last)\" is not a number in quotes") }
    }
    fields.finish()
    return retain
  }

  /// restic's duration: numbers, each with one of y, m, d, h, in that order or another.
  private static func isDuration(_ text: String) -> Bool {
    var rest = text[...]
    while !rest.isEmpty {
      let digits = rest.prefix { $0.isASCII && $0.isNumber }
      rest = rest.dropFirst(digits.count)
      guard !digits.isEmpty, let unit = rest.popFirst(), "ymdh".contains(unit) else { return false }
    }
    return !text.isEmpty
  }
}
