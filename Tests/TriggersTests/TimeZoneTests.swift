import Platform
import TestSupport
import Testing

@testable import Triggers

/// Zones of the database and rules of POSIX.
@Suite struct TimeZoneTests {
  private func offset(_ zone: TimeZone, _ time: String) throws -> Int32 {
    zone.offsetSeconds(at: try #require(WallTime(rfc3339: time)))
  }

  @Test func knowsPastAndFuture() throws {
    let berlin = try TimeZone.named("Europe/Berlin")
    #expect(try offset(berlin, "2026-01-01T00:00:00Z") == 3600)
    #expect(try offset(berlin, "2026-07-01T00:00:00Z") == 7200)
    #expect(try offset(berlin, "2026-03-29T00:59:59Z") == 3600)
    #expect(try offset(berlin, "2026-03-29T01:00:00Z") == 7200)
    // Beyond what the file lists: by its rule.
    #expect(try offset(berlin, "2199-07-01T00:00:00Z") == 7200)
    #expect(try offset(berlin, "2199-12-01T00:00:00Z") == 3600)
    // Double summer time.
    #expect(try offset(berlin, "1945-06-01T00:00:00Z") == 10_800)
    #expect(try offset(berlin, "1850-06-01T00:00:00Z") == 3208)
  }

  @Test(arguments: [
    ("CET-1CEST,M3.5.0,M10.5.0/3", "2026-07-01T00:00:00Z", 7200),
    ("CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25T01:00:00Z", 3600),
    ("EST5EDT", "2026-03-08T06:59:59Z", -18_000), ("EST5EDT", "2026-03-08T07:00:00Z", -14_400),
    ("<+0330>-3:30", "2026-07-01T00:00:00Z", 12_600),
    ("AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-01-01T00:00:00Z", 39_600),
    ("AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-07-01T00:00:00Z", 36_000),
    ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T00:59:59Z", -7200),
    ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00Z", -3600),
    ("XXX3EDT4,0/0,J365/23", "2026-07-01T00:00:00Z", -14_400),
    ("AAA0BBB,J60/0,J61/0", "2024-03-01T12:00:00Z", 3600),
    ("AAA0BBB,59/0,60/0", "2024-02-29T12:00:00Z", 3600),
  ])
  func rulesOfPOSIX(text: String, time: String, offset expected: Int32) throws {
    let rule = try #require(ZoneRule(text))
    let seconds = try #require(WallTime(rfc3339: time)).seconds
    #expect(rule.period(at: seconds).offsetSeconds == expected)
  }

  @Test(arguments: [
    "", "A", "UTC", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0", "CET-200", "<>1", "<+1",
    "CET-1CEST,J0,J1", "CET-1CEST,366,1", "CET-1CEST,M3.5.0,M10.5.0/3 ", "CET-1:60",
  ])
  func otherRulesAreRefused(text: String) {
    #expect(ZoneRule(text) == nil)
  }

  @Test(arguments: [
    "Mars/Phobos", "", "../../etc/passwd", "/etc/localtime", "Europe", "Europe/Berlin ",
    "tzdata.zi",
    "Europe/../Europe/Berlin\u{0}", String(repeating: "A", count: 10_000),
  ])
  func unknownNamesAreTold(name: String) throws {
    let error = try #require(throws: ScheduleError.self) { try TimeZone.named(name) }
    #expect(error.reason.contains("is not known here"))
  }

  @Test func theMachinesOwnZone() throws {
    let summer = "2026-07-01T00:00:00Z"
    #expect(try offset(.local("Europe/Berlin"), summer) == 7200)
    #expect(try offset(.local(":Asia/Tokyo"), summer) == 32_400)
    #expect(
      try offset(.local("/usr/share/zoneinfo/Asia/Tokyo"), summer) == 32_400)
    #expect(try offset(.local("XYZ-4"), summer) == 14_400)
    #expect(try offset(.local(""), summer) == 0)
    #expect(try offset(.local("no such zone"), summer) == 0)
  }

  /// A file of the database that was cut short or spoiled is refused or read, never a trap.
  @Test func spoiledFiles() throws {
    let bytes = try SmallFile.read("/usr/share/zoneinfo/Europe/Berlin", sizeBytesMax: 1 << 20)
    #expect(ZoneFile.zone(bytes, name: "whole") != nil)
    var random = SeededGenerator(seed: 11)
    for count in 0..<bytes.count {
      _ = ZoneFile.zone(Array(bytes[..<count]), name: "short")
      var spoiled = bytes
      for _ in 0..<(1 + random.below(4)) { spoiled[random.below(60)] = UInt8(random.below(256)) }
      spoiled[random.below(bytes.count)] ^= UInt8(1 + random.below(255))
      if let zone = ZoneFile.zone(spoiled, name: "spoiled") {
        _ = zone.period(at: 1_800_000_000)
        _ = zone.period(at: .max / 4)
      }
    }
  }
}
