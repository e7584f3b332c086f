package import Platform

/// A point in time as a repository keeps it: nanoseconds, and the zone in which it is written.
///
/// Text: RFC 3339 with the shortest fraction, `2024-01-15T10:00:00.5+01:00`, zone `Z` for UTC. Two
/// times of one instant in different zones are different texts and thus different trees, so the
/// zone is kept. Years stand with four digits; a time outside of 0…9999 is moved into the nearest
/// such year when it is written, as restic does.
/// Source: the restic repository format, "Go JSON rules"; RFC 3339, section 5.6.
package struct GoTime: Hashable, Sendable {
  /// Seconds since 1970-01-01T00:00:00Z, negative before.
  package var seconds: Int64
  /// 0…999,999,999, forward from ``seconds``.
  package var nanoseconds: UInt32
  /// Seconds east of Greenwich.
  package var zoneOffsetSeconds: Int32

  /// `nanoseconds` is taken modulo one second.
  package init(seconds: Int64, nanoseconds: UInt32 = 0, zoneOffsetSeconds: Int32 = 0) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds % 1_000_000_000
    self.zoneOffsetSeconds = zoneOffsetSeconds
  }

  /// What Go calls the zero time: a node without a time has it.
  package static let zero = GoTime(seconds: -62_135_596_800)

  /// Whether both are the same instant, in whatever zone.
  package func isSameInstant(as other: GoTime) -> Bool {
    seconds == other.seconds && nanoseconds == other.nanoseconds
  }

  /// Whether this instant is the earlier one.
  package func isBefore(_ other: GoTime) -> Bool {
    (seconds, nanoseconds) < (other.seconds, other.nanoseconds)
  }

  /// The calendar in the stored zone, as rules of retention need it.
  package var civil: CalendarTime {
    CalendarTime(secondsSinceEpoch: GoTime.clamped(seconds) + Int64(zoneOffsetSeconds))
  }

  /// The text of RFC 3339.
  package var text: String {
    var json = GoJSON()
    append(to: &json)
    return String(decoding: json.bytes, as: UTF8.self)
  }

  /// Appends the text without quotation marks.
  func append(to json: inout GoJSON) {
    var civil = civil
    if civil.year < 0 || civil.year > 9999 { civil.move(toYear: civil.year < 0 ? 0 : 9999) }
    json.digits(civil.year, width: 4)
    json.raw("-")
    json.digits(Int64(civil.month), width: 2)
    json.raw("-")
    json.digits(Int64(civil.day), width: 2)
    json.raw("T")
    json.digits(Int64(civil.hour), width: 2)
    json.raw(":")
    json.digits(Int64(civil.minute), width: 2)
    json.raw(":")
    json.digits(Int64(civil.second), width: 2)
    appendFraction(to: &json)
    appendZone(to: &json)
  }

  private func appendFraction(to json: inout GoJSON) {
    guard nanoseconds > 0 else { return }
    var value = nanoseconds
    var width = 9
    while value.isMultiple(of: 10) {
      value /= 10
      width -= 1
    }
    json.raw(".")
    json.digits(Int64(value), width: width)
  }

  private func appendZone(to json: inout GoJSON) {
    if zoneOffsetSeconds == 0 {
      json.raw("Z")
      return
    }
    // Whole minutes, towards zero: seconds of old local times have no place in the text.
    let minutes = zoneOffsetSeconds / 60
    json.raw(minutes < 0 ? "-" : "+")
    json.digits(Int64(minutes / 60), width: 2)
    json.raw(":")
    json.digits(Int64(minutes % 60), width: 2)
  }

  /// Times whose calendar can be reckoned without overflow: a file system may hold any 64 bits.
  private static func clamped(_ seconds: Int64) -> Int64 {
    // 200,000 years around the epoch, far outside of what the text can hold.
    min(max(seconds, -6_311_390_400_000), 6_311_390_400_000)
  }
}

extension GoTime {
  /// Reads the text of RFC 3339; nil when it is none. Digits of a fraction behind the ninth are
  /// dropped.
  package init?(text: UnsafeRawBufferPointer) {
    guard let time = TimestampText(text) else { return nil }
    self.init(
      seconds: time.seconds, nanoseconds: time.nanoseconds,
      zoneOffsetSeconds: time.zoneOffsetSeconds)
  }

  /// Reads a text of RFC 3339.
  package init?(text: String) {
    var text = text
    guard let time = text.withUTF8({ GoTime(text: UnsafeRawBufferPointer($0)) }) else {
      return nil
    }
    self = time
  }
}
