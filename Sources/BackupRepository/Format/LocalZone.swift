import Glibc
package import Platform

/// The zone of this machine, in which new times are written.
///
/// Remembers the last quarter of an hour and its offset: the times of one directory often lie
/// close together, and the C library takes a lock for each look-up. Confined to one thread.
package struct LocalZone {
  private var lastQuarter = Int64.min
  private var lastOffset: Int32 = 0

  /// Takes the zone of the process (`TZ`, or the machine's own).
  package init() { tzset() }

  /// The time as this machine writes it.
  package mutating func time(seconds: Int64, nanoseconds: UInt32) -> GoTime {
    GoTime(
      seconds: seconds, nanoseconds: nanoseconds,
      zoneOffsetSeconds: offsetSeconds(at: seconds))
  }

  /// Seconds east of Greenwich at an instant.
  package mutating func offsetSeconds(at seconds: Int64) -> Int32 {
    // Zones of our times change their offset at whole quarters of an hour.
    let quarter = seconds / 900 - (seconds % 900 < 0 ? 1 : 0)
    if quarter == lastQuarter { return lastOffset }
    var parts = tm()
    var time = time_t(seconds)
    // Years beyond an Int32 have no local time; they are clamped when they are written.
    guard localtime_r(&time, &parts) != nil else { return 0 }
    lastOffset = Int32(truncatingIfNeeded: parts.tm_gmtoff)
    lastQuarter = quarter
    return lastOffset
  }
}

extension GoTime {
  /// The time of a clock, as this machine writes it.
  package static func now(_ clock: any Clock = SystemClock()) -> GoTime {
    let now = clock.wallTime()
    var zone = LocalZone()
    return zone.time(seconds: now.seconds, nanoseconds: UInt32(clamping: now.nanoseconds))
  }
}
