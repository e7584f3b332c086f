import Manifests
import Platform
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
