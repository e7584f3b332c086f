import HTTPClient
import Platform
import TestSupport
import Testing

@testable import ObjectStorage

/// A listing that is read by ranges at once gives what one in a row gives.
@Suite struct S3RangeListingTests {
  private let listing = GeneratedListing(bucket: "bucket", count: 12_345)

  private func serve(
    _ change: @escaping @Sendable (ScriptedServer.Request) -> ScriptedServer.Answer? = { _ in nil }
  ) throws -> ScriptedServer {
    try ScriptedServer { [listing] request in
      change(request) ?? listing.answer(to: request) ?? .error(status: 404, code: "NoSuchKey")
    }
  }

  private func client(_ server: ScriptedServer) throws -> S3Client {
    try makeClient(
      "http://127.0.0.1:\(server.port)",
      testKeys)
  }

  private func keys(
    _ server: ScriptedServer, prefix: String = "", _ marks: [String], concurrency: Int = 4
  ) throws -> [String] {
    var keys: [String] = []
    try client(server).list(
      "bucket", prefix: prefix, marks: marks, concurrency: concurrency
    ) { (entry) throws(S3Error) in keys.append(String(decoding: entry.key, as: UTF8.self)) }
    return keys
  }

  private var all: [String] { (0..<listing.count).map { listing.key(at: $0) } }

  @Test func rangesThatFitPagesCostOneRequestEach() throws {
    let server = try serve()
    let marks = stride(from: 959, to: listing.count, by: 960).map { listing.key(at: $0) }
    #expect(try keys(server, marks) == all)
    #expect(server.requestCount == marks.count + 1)
  }

  /// Marks may be anything: of another prefix, unsorted, twice, of objects that are gone, few,
  /// many.
  @Test func marksAreHints() throws {
    let server = try serve()
    let marks = [
      "", "a", "d0000/f0000001", "d0000/f0000001", "d0000/f0000000", "d0003/f0003", "d0003/f0003x",
      "d0001/f0001000", "d0011/f0011999", "z", "\u{e9}",
    ]
    #expect(try keys(server, marks) == all)
    #expect(try keys(server, prefix: "d0003/", marks) == Array(all[3000..<4000]))
    #expect(try keys(server, marks, concurrency: 1) == all)
    #expect(try keys(server, all.suffix(40)) == all)
    var random = SeededGenerator(seed: 8)
    for round in 0..<SampledCounts.count(sampled: 6, full: 100) {
      let some = (0..<(1 + Int(random.next() % 30))).map { _ in
        listing.key(at: Int(random.next() % UInt64(listing.count)))
      }.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
      let concurrency = 2 + Int(random.next() % 6)
      #expect(try keys(server, some, concurrency: concurrency) == all, "\(round)")
    }
  }

  @Test func rangesOfKeys() {
    #expect(S3KeyRange.between([], prefix: "") == [S3KeyRange(after: nil, through: nil)])
    #expect(
      S3KeyRange.between(["p/b", "q", "p/a", "p/c"], prefix: "p/") == [
        S3KeyRange(after: nil, through: Array("p/b".utf8)),
        S3KeyRange(after: "p/b", through: Array("p/c".utf8)),
        S3KeyRange(after: "p/c", through: nil),
      ])
  }

  /// The failure of one range ends the whole, wherever it is, with its objects and those behind it
  /// not visited.
  @Test(arguments: [0, 5000, 12_000]) func aRangeThatFailsEndsAll(at number: Int) throws {
    let place = listing.key(at: number)
    let server = try serve { request in
      guard
        number == 0
          ? !request.target.contains("start-after") : request.target.contains(place.suffix(8))
      else { return nil }
      return .error(status: 403, code: "AccessDenied")
    }
    let marks = stride(from: 1000, to: listing.count, by: 1000).map { listing.key(at: $0) }
    var count = 0
    let error = s3Failure {
      try client(server).list("bucket", marks: marks, concurrency: 3) { (_) throws(S3Error) in
        count += 1
      }
    }
    #expect(error?.failure?.code == "AccessDenied")
    #expect(count == (number == 0 ? 0 : number + 1))
  }

  /// Whoever has enough ends the listing, and its threads with it; no more than a few ranges have
  /// been read ahead.
  @Test func theVisitorMayEndIt() throws {
    let server = try serve()
    let marks = stride(from: 100, to: listing.count, by: 100).map { listing.key(at: $0) }
    var count = 0
    let error = s3Failure {
      try client(server).list("bucket", marks: marks, concurrency: 2) { (_) throws(S3Error) in
        count += 1
        if count == 250 { throw .cancelled }
      }
    }
    guard case .cancelled = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(server.requestCount <= 3 + 2 * 2 + 2)
  }

  /// A range that has grown by many pages does not gather them all before its turn.
  @Test func aRangeThatHasGrownIsReadAsItIsVisited() throws {
    let server = try serve()
    var (count, requestsBefore) = (0, 0)
    try client(server).list(
      "bucket", marks: [listing.key(at: 100)], concurrency: 2
    ) { (_) throws(S3Error) in
      count += 1
      // The second range has what may wait, and one page that is on its way.
      if count == 1 { SystemClock().sleep(seconds: 0.5) }
      if count == 100 { requestsBefore = server.requestCount }
    }
    #expect(count == listing.count)
    #expect(requestsBefore <= 1 + 2 + 1)
  }
}
