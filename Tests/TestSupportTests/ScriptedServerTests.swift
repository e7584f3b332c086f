import Platform
import TestSupport
import Testing

/// A server whose answers a closure gives, and the listings it can make up.
@Suite struct ScriptedServerTests {
  @Test func requestsArriveAsTheyWereSent() throws {
    let server = try ScriptedServer { request in
      #expect(request.path == "/bucket/a b+c/\u{e9}")
      #expect(request.query("x") == "1&2")
      #expect(request.query("flag")?.isEmpty == true)
      #expect(request.query("none") == nil)
      return .text("\(request.bodySizeBytes)", status: 201)
    }
    let client = try RawHTTPClient(port: server.port)
    for number in 0..<3 {
      client.sendHead(
        "PUT /bucket/a%20b+c/%C3%A9?x=1%262&flag HTTP/1.1",
        ["Content-Length: \(number)", "X-Name: value"])
      client.send([UInt8](repeating: 65, count: number))
      let answer = client.receive(method: "PUT")
      #expect(answer.status == 201)
      #expect(answer.text == "\(number)")
    }
    #expect(server.requests.map(\.number) == [0, 1, 2])
    #expect(server.requests.map(\.bodySizeBytes) == [0, 1, 2])
    #expect(server.requests[2].body == [65, 65])
    #expect(server.requests[2]["x-name"] == "value")
    #expect(server.connectionCount == 1)
  }

  @Test func bodiesOfEveryKindAreWhole() throws {
    let server = try ScriptedServer { request in
      switch request.path {
      case "/generated":
        ScriptedServer.Answer(
          body: .generated(sizeBytes: 1_000_001) {
            [UInt8](repeating: UInt8($0 % 251), count: 4099)
          })
      case "/chunks":
        ScriptedServer.Answer(body: .chunks { $0 < 5 ? [UInt8](repeating: 66, count: $0) : nil })
      case "/error": .error(status: 404, code: "NoSuchKey")
      default: .raw(Array("no HTTP at all".utf8))
      }
    }
    let client = try RawHTTPClient(port: server.port)
    let generated = client.get("/generated")
    #expect(generated.body.count == 1_000_001)
    #expect(generated.body[4099] == UInt8(4099 % 251))
    #expect(client.get("/generated", method: "HEAD").head?["content-length"] == "1000001")
    #expect(client.get("/chunks").text == "BBBBBBBBBB")
    let error = client.get("/error")
    #expect(error.status == 404)
    #expect(error.text.contains("<Code>NoSuchKey</Code>"))
    #expect(client.get("/raw").head == nil)
  }

  @Test func connectionsEndWhenAsked() throws {
    let server = try ScriptedServer { _ in
      var answer = ScriptedServer.Answer.text("a")
      answer.closes = true
      answer.delaySeconds = 0.1
      return answer
    }
    let client = try RawHTTPClient(port: server.port)
    let start = MonotonicTime.now()
    #expect(client.get("/").head?["connection"] == "close")
    #expect(MonotonicTime.now().seconds(since: start) >= 0.1)
    #expect(client.receive().ending == .cutShort)
  }

  @Test func aMillionKeysAreListedPageByPage() throws {
    let count = SampledCounts.count(sampled: 100_000, full: 1_000_000)
    let server = try serve(GeneratedListing(bucket: "many", count: count))
    let client = try RawHTTPClient(port: server.port)
    var (token, keys, pages, last) = ("", 0, 0, "")
    repeat {
      let text = client.get("/many?list-type=2\(token)").text
      let found = values("Key", in: text)
      let first = try #require(found.first)
      #expect(last.utf8.lexicographicallyPrecedes(first.utf8))
      last = found[found.count - 1]
      keys += found.count
      pages += 1
      token =
        values("NextContinuationToken", in: text).first.map { "&continuation-token=\($0)" } ?? ""
    } while !token.isEmpty
    #expect(keys == count)
    #expect(pages == count / 1000)
    #expect(
      last == "d\(count == 100_000 ? "0099" : "0999")/f\(count == 100_000 ? "0099999" : "0999999")")
    #expect(server.requestCount == pages)
  }

  @Test(arguments: RcloneClient.Version.allCases, [1, 2])
  func realClientsReadGeneratedListings(version: RcloneClient.Version, listing: Int) throws {
    let folders = GeneratedListing(bucket: "many", count: 12_345)
    // Ascending in bytes, with all that needs an escape.
    let odd = ["a b", "a&b/c", "a&b/d+e", "a'b", "b%41", "b<c>\"", "b/", "\u{e9}"].sorted {
      $0.utf8.lexicographicallyPrecedes($1.utf8)
    }
    let names = GeneratedListing(bucket: "odd", count: odd.count) { odd[$0] }
    let server = try ScriptedServer { request in
      folders.answer(to: request) ?? names.answer(to: request)
        ?? .error(status: 404, code: "NoSuchKey")
    }
    let endpoint = ServerEndpoint(
      port: server.port, accessKey: "a", secretKey: "b", region: "us-east-1")
    let client = try RcloneClient(version, endpoint, settings: ["list_version = \(listing)"])
    func list(_ arguments: [String]) throws -> [String] {
      try client.runChecked(["lsf"] + arguments).outputText.split(separator: "\n").map(String.init)
    }
    let all = try list(["-R", "--files-only", "--fast-list", "s3:many"])
    #expect(Set(all) == Set((0..<12_345).map { folders.key(at: $0) }))
    #expect(try list(["s3:many"]) == (0...12).map { "d00\($0 < 10 ? "0" : "")\($0)/" })
    #expect(try list(["s3:many/d0012"]).count == 345)
    #expect(try list(["-R", "--files-only", "s3:many/d0003"]).count == 1000)
    let found = try list(["-R", "--files-only", "s3:odd"])
    #expect(Set(found) == Set(odd))
  }

  @Test(
    arguments: [
      (
        "list-type=2&start-after=d0000/f0000002&max-keys=2", ["d0000/f0000003", "d0000/f0000004"],
        []
      ),
      ("marker=d0000/f0000002&max-keys=1", ["d0000/f0000003"], []),
      ("list-type=2&prefix=d0001/f00010&max-keys=1", ["d0001/f0001000"], []),
      ("list-type=2&prefix=d0001&start-after=d0000/f0000999&max-keys=1", ["d0001/f0001000"], []),
      ("list-type=2&delimiter=/", [], ["d0000/", "d0001/"]),
      ("delimiter=/&marker=d0000/", [], ["d0001/"]),
      ("delimiter=/&max-keys=1", [], ["d0000/"]),
      ("list-type=2&prefix=nothing", [], []),
      ("list-type=2&prefix=d0001/f0001499", ["d0001/f0001499"], []),
      ("list-type=2&start-after=d0001/f0001499", [], []),
    ] as [(String, [String], [String])])
  func pagesHoldWhatWasAskedFor(query: String, keys: [String], folders: [String]) throws {
    let server = try serve(GeneratedListing(bucket: "many", count: 1500))
    let text = try RawHTTPClient(port: server.port).get("/many?\(query)").text
    #expect(values("Key", in: text) == keys)
    let tail = text.components(after: "<CommonPrefixes>")
    #expect(tail.flatMap { values("Prefix", in: String($0)) } == folders)
  }

  @Test func unknownTokensAndBucketsAreRefused() throws {
    let server = try serve(GeneratedListing(bucket: "many", count: 10))
    let client = try RawHTTPClient(port: server.port)
    #expect(client.get("/many?list-type=2&continuation-token=x").status == 400)
    #expect(client.get("/many?list-type=2&continuation-token=at-11").status == 400)
    #expect(client.get("/other?list-type=2").status == 404)
    #expect(client.get("/many/key").status == 404)
  }

  private func serve(_ listing: GeneratedListing) throws -> ScriptedServer {
    try ScriptedServer { listing.answer(to: $0) ?? .error(status: 404, code: "NoSuchKey") }
  }
}

/// The texts of all elements of that name.
private func values(_ name: String, in text: String) -> [String] {
  text.components(after: "<\(name)>").map { String($0.prefix { $0 != "<" }) }
}

extension String {
  /// What follows each `separator`, up to the next.
  fileprivate func components(after separator: String) -> [Substring] {
    split(separator: separator, omittingEmptySubsequences: false).dropFirst().map { $0 }
  }
}
