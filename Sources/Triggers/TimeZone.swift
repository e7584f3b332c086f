import Glibc
package import Platform

/// The offsets of a time zone from UTC, past and to come: of the system's database
/// (`/usr/share/zoneinfo`), or of a rule as POSIX writes it.
package struct TimeZone: Sendable, Equatable {
  /// A stretch of time with one offset.
  struct Period: Equatable {
    /// Seconds east of Greenwich.
    var offsetSeconds: Int32
    /// When the next one begins, in seconds since 1970 UTC; nil when it never ends.
    var end: Int64?
  }

  struct Transition: Equatable {
    var time: Int64
    var offsetSeconds: Int32
  }

  package let name: String
  private let transitions: [Transition]
  private let firstOffsetSeconds: Int32
  /// What holds after the last transition.
  private let rule: ZoneRule?

  package static let utc = TimeZone(
    name: "UTC", first: 0, transitions: [], rule: nil)

  /// `transitions` in order of time.
  init(name: String, first: Int32, transitions: [Transition], rule: ZoneRule?) {
    self.name = name
    firstOffsetSeconds = first
    self.transitions = transitions
    self.rule = rule
  }

  /// Seconds east of Greenwich at a time.
  package func offsetSeconds(at time: WallTime) -> Int32 { period(at: time.seconds).offsetSeconds }

  /// The period that a time in seconds since 1970 UTC falls into.
  func period(at time: Int64) -> Period {
    var (low, high) = (0, transitions.count)
    while low < high {
      let middle = (low + high) / 2
      if transitions[middle].time <= time { low = middle + 1 } else { high = middle }
    }
    if low < transitions.count {
      let offset = low == 0 ? firstOffsetSeconds : transitions[low - 1].offsetSeconds
      return Period(offsetSeconds: offset, end: transitions[low].time)
    }
    if let rule { return rule.period(at: time) }
    return Period(offsetSeconds: transitions.last?.offsetSeconds ?? firstOffsetSeconds, end: nil)
  }

  // MARK: Finding

  private static let databases = ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/etc/zoneinfo"]
  /// The largest of the database has 4 KiB.
  private static let fileSizeBytesMax = 1 << 20

  /// A zone of the system's database, such as `Europe/Berlin`.
  package static func named(_ name: String) throws(ScheduleError) -> TimeZone {
    if name == "UTC" { return .utc }
    let isPlain = name.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"),
        UInt8(ascii: "+"), UInt8(ascii: "/"):
        true
      default: false
      }
    }
    if isPlain, let first = name.utf8.first, first != UInt8(ascii: "/"), name.utf8.count <= 64 {
      for database in databases {
        let path = "\(database)/\(name)"
        // What is no file of a zone is the same as one that is not there.
        guard let bytes = try? SmallFile.read(path, sizeBytesMax: fileSizeBytesMax) else {
          continue
        }
        if let zone = ZoneFile.zone(bytes, name: name) { return zone }
      }
    }
    throw ScheduleError(
      "the time zone \"\(printable(name.utf8))\" is not known here; names are those of "
        + "\(databases[0]), such as Europe/Berlin or UTC")
  }

  /// The zone of this machine: `TZ` when it is set, else `/etc/localtime`; UTC when neither can be
  /// used, as the C library has it.
  package static func local() -> TimeZone { local(getenv("TZ").map { String(cString: $0) }) }

  static func local(_ given: String?) -> TimeZone {
    guard let given else {
      return file("/etc/localtime", name: "local") ?? .utc
    }
    let text = given.hasPrefix(":") ? String(given.dropFirst()) : given
    if text.hasPrefix("/") { return file(text, name: text) ?? .utc }
    // What is no name may be a rule.
    if let zone = try? named(text) { return zone }
    guard let rule = ZoneRule(text) else { return .utc }
    return TimeZone(name: text, first: 0, transitions: [], rule: rule)
  }

  private static func file(_ path: String, name: String) -> TimeZone? {
    // UTC is what the caller has for one that cannot be read.
    (try? SmallFile.read(path, sizeBytesMax: fileSizeBytesMax)).flatMap {
      ZoneFile.zone($0, name: name)
    }
  }
}
