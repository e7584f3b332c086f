import ArgumentParser
import BackupRepository
import Glibc
import Platform

/// Times for people, in the zone of this machine.
enum RepoTime {
  /// `2026-01-02 15:04:05`.
  static func local(_ time: GoTime) -> String {
    var zone = LocalZone()
    let local = zone.time(seconds: time.seconds, nanoseconds: time.nanoseconds).civil
    func pad(_ value: Int, _ width: Int = 2) -> String {
      let text = String(value)
      return String(repeating: "0", count: max(0, width - text.count)) + text
    }
    return "\(pad(Int(local.year), 4))-\(pad(local.month))-\(pad(local.day)) \(pad(local.hour))"
      + ":\(pad(local.minute)):\(pad(local.second))"
  }

  /// Reads `2012-11-01 22:08:41` in the zone of this machine, or RFC 3339.
  static func parse(_ text: String) throws -> GoTime {
    if let time = GoTime(text: text) { return time }
    let bytes = Array(text.utf8)
    // Written in Greenwich's zone, it has to be a date of the calendar.
    guard bytes.count == 19, bytes[10] == UInt8(ascii: " "),
      let stated = GoTime(text: text.replacing(" ", with: "T") + "Z")
    else {
      throw ValidationError("'\(text)' is not a time: 2012-11-01 22:08:41, or as RFC 3339 has it")
    }
    let civil = stated.civil
    var parts = tm()
    parts.tm_year = Int32(civil.year - 1900)
    parts.tm_mon = Int32(civil.month - 1)
    parts.tm_mday = Int32(civil.day)
    parts.tm_hour = Int32(civil.hour)
    parts.tm_min = Int32(civil.minute)
    parts.tm_sec = Int32(civil.second)
    parts.tm_isdst = -1
    var zone = LocalZone()
    return zone.time(seconds: Int64(mktime(&parts)), nanoseconds: 0)
  }
}
