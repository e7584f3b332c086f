import Manifests
import Testing

@Suite struct ScalarSyntaxTests {
  @Test(arguments: [
    ("0", 0), ("1500", 1500), ("2Gi", 2 << 30), ("1.5Ki", 1536), ("1k", 1000), ("100m", 1),
    ("1e3", 1000), ("1E3", 1000), ("1E", 1_000_000_000_000_000_000), (".5Ki", 512), ("+1", 1),
  ])
  func readsQuantities(text: String, bytes: UInt64) {
    #expect(Quantity(text)?.bytes == bytes)
  }

  @Test(arguments: [
    "", "Gi", "-1", "1gi", "1 Gi", "1.2.3", "0x10", "1e99", "99999999999E", "9Ei9", "١Gi",
    String(repeating: "9", count: 50),
  ])
  func refusesOtherQuantities(text: String) {
    #expect(Quantity(text) == nil)
  }

  @Test(arguments: [
    "* * * * *", "*/3 * * * *", "0 0 * * MON", "0 0 1 jan-mar ?", "1-5,7,9-11/2 0 * * 0-6",
    "@daily",
    "@hourly", "CRON_TZ=Europe/Berlin 0 3 * * *", "TZ=UTC @daily", "5/15 * * * *",
    "3,9,15,21,27,33,39,45,51,57 * * * *",
  ])
  func acceptsSchedules(text: String) {
    #expect(CronSyntax.problem(in: text) == nil)
  }

  @Test(arguments: [
    ("", "is empty"), ("12345", "1 fields"), ("@daily junk", "words after"), ("@dayly", "@daily"),
    ("60 * * * *", "minute"), ("* 24 * * *", "hour"), ("* * 0 * *", "day of month"),
    ("* * * 13 *", "month"), ("* * * * 7", "day of week"), ("*/0 * * * *", "step"),
    ("5-1 * * * *", "ends before"), (", * * * *", "range"), ("* * * * * *", "six fields"),
    ("1-2-3 * * * *", "range"), ("@every 1h", "not a VolSync schedule"),
    ("3,9 * * * * *", "write for instance \"3,9 * * * *\""),
  ])
  func refusesSchedules(text: String, expected: String) throws {
    let problem = try #require(CronSyntax.problem(in: text))
    #expect(problem.contains(expected))
  }

  @Test(arguments: [
    ("copyMetod", "copyMethod"), ("sourcePvc", "sourcePVC"), ("keysecret", "keySecret"),
    ("adress", "address"), ("prot", "port"),
  ])
  func suggestsTheNearName(word: String, expected: String) {
    let names = ["copyMethod", "sourcePVC", "keySecret", "address", "port", "capacity"]
    #expect(nearest(to: word, in: names) == expected)
  }

  @Test func suggestsNothingForAStranger() {
    #expect(nearest(to: "banana", in: ["copyMethod", "port"]) == nil)
  }

  @Test(arguments: [
    ("127.0.0.1:8000", "127.0.0.1", 8000), ("[::]:0", "::", 0), ("host:65535", "host", 65535),
  ])
  func readsAddresses(text: String, host: String, port: UInt16) {
    #expect(HostPort(text) == HostPort(host: host, port: port))
    #expect(HostPort(text)?.description == text)
  }

  @Test(arguments: [
    "", ":80", "host", "::1:80", "host:", "host:65536", "host:-1", "[::1:80", "a b:1",
  ])
  func refusesOtherAddresses(text: String) {
    #expect(HostPort(text) == nil)
  }
}
