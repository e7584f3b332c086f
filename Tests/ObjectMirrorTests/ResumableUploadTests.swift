import Glibc
import HTTPClient
import ObjectStorage
import Platform
import Remotes
import TestSupport
import Testing

@testable import ObjectMirror

/// Uploads in parts within a process, against a strict store behind a relay.
@Suite(.serialized) struct ResumableUploadTests {
  /// The parts that went through are not sent again by the next attempt, with the same journal or
  /// with that of another process.
  @Test(arguments: [false, true])
  func aFailedUploadKeepsItsParts(_ isOtherProcess: Bool) throws {
    let bench = try PartsBench(seed: 1)
    bench.proxy.setPlan(
      HTTPFaultPlan { $0.target.contains("partNumber=4&") ? .internalError : .none })
    let failed = try bench.sync()
    #expect(failed.errorCount == 1 && failed.transferredCount == 0)
    #expect(try bench.pendingCount() == 1)
    let before = bench.confirmedParts
    #expect(before.count >= 3)
    bench.proxy.setPlan(.none)
    if isOtherProcess { try bench.startAnew() }
    let done = try bench.sync()
    #expect(done.errorCount == 0 && done.transferredCount == 1)
    #expect(bench.confirmedParts == Array(1...5))
    #expect(bench.proxy.count(of: .createUpload) == 1)
    try bench.expectDone()
  }

  /// A store that does not list parts gets all of them again, and keeps none.
  @Test func withoutAListingOfPartsAllBeginsAnew() throws {
    let bench = try PartsBench(seed: 2)
    let noListing = HTTPFault.answer(CannedAnswer(status: 501, code: "NotImplemented"))
    bench.proxy.setPlan(
      HTTPFaultPlan { request in
        if [.listParts, .listUploads].contains(request.kind) { return noListing }
        return request.target.contains("partNumber=5&") ? .internalError : .none
      })
    #expect(try bench.sync().errorCount == 1)
    bench.proxy.setPlan(.always(noListing, on: [.listParts, .listUploads]))
    #expect(try bench.sync().errorCount == 0)
    #expect(bench.proxy.count(of: .createUpload) == 2)
    #expect(bench.proxy.count(of: .abortUpload) == 1)
    try bench.expectDone()
  }

  /// What the store holds in a part's place counts only when it is that part.
  @Test func aPartWithOtherBytesIsSentAgain() throws {
    let bench = try PartsBench(seed: 3)
    bench.proxy.setPlan(
      HTTPFaultPlan { $0.target.contains("partNumber=4&") ? .internalError : .none })
    #expect(try bench.sync().errorCount == 1)
    let store = try bench.store()
    let id = try #require(try store.pendingUploads("data/large")?.first?.id)
    let other = SeededGenerator.sample(5 << 20)
    _ = try store.client.uploadPart(
      store.bucket, "data/large", upload: id, number: 2, S3Body(other))
    bench.proxy.setPlan(.none)
    #expect(try bench.sync().errorCount == 0)
    #expect(bench.confirmedParts == [1, 2, 2, 3, 4, 5])
    try bench.expectDone()
  }

  /// A file that changes on its way is an error, and nothing of it stays with the store.
  @Test func aFileThatChangesIsGivenUp() throws {
    let bench = try PartsBench(seed: 4)
    let path = bench.path
    bench.proxy.setPlan(
      HTTPFaultPlan { request in
        if request.kind == .uploadPart, request.numberOfKind == 3 {
          var random = SeededGenerator(seed: 5)
          // A failure shows as an upload that is done.
          try? ByteFiles.write(Array(path.utf8), random.bytes(24 << 20))
        }
        return .none
      })
    let figures = try bench.sync()
    #expect(figures.errorCount == 1 && figures.transferredCount == 0)
    #expect(bench.proxy.count(of: .completeUpload) == 0)
    #expect(try bench.pendingCount() == 0)
    bench.proxy.setPlan(.none)
    #expect(try bench.sync().transferredCount == 1)
    try bench.expectDone()
  }

  /// What another attempt does not cure leaves nothing behind.
  @Test func aRefusedUploadIsGivenUp() throws {
    let bench = try PartsBench(seed: 6)
    bench.proxy.setPlan(
      .always(.answer(CannedAnswer(status: 403, code: "AccessDenied")), on: [.completeUpload]))
    #expect(try bench.sync().errorCount == 1)
    #expect(try bench.pendingCount() == 0)
    #expect(try bench.noteCount() == 0)
  }

  /// An upload that the store has forgotten is begun anew at once.
  @Test func aForgottenUploadBeginsAnew() throws {
    let bench = try PartsBench(seed: 7)
    bench.proxy.setPlan(
      HTTPFaultPlan { $0.target.contains("partNumber=4&") ? .internalError : .none })
    #expect(try bench.sync().errorCount == 1)
    let store = try bench.store()
    let id = try #require(try store.pendingUploads("data/large")?.first?.id)
    try store.client.abortUpload(store.bucket, "data/large", upload: id)
    bench.proxy.setPlan(.none)
    #expect(try bench.sync().errorCount == 0)
    #expect(bench.proxy.count(of: .createUpload) == 2)
    try bench.expectDone()
  }

  /// Two at once: one has the note, and neither disturbs the other.
  @Test func aNoteInUseIsLeftAlone() throws {
    let bench = try PartsBench(seed: 8)
    let other = try UploadJournal(directory: bench.state)
    let slot = try other.claim(try bench.store(through: bench.proxy.port).uploadPlace("data/large"))
    #expect(try bench.sync().errorCount == 0)
    #expect(bench.told.all.contains { $0.contains("another process") })
    withExtendedLifetime(slot) {}
    #expect(try bench.pendingCount() == 0)
  }

  /// Uploads of others, of this key and of others, are no business of ours.
  @Test func foreignUploadsStay() throws {
    let bench = try PartsBench(seed: 9)
    let store = try bench.store()
    let foreign = [
      try store.client.createUpload(store.bucket, "data/large"),
      try store.client.createUpload(store.bucket, "data/large.2"),
    ]
    bench.proxy.setPlan(.once(.reset(.beforeResponse), on: .createUpload))
    #expect(try bench.sync().errorCount == 0)
    #expect(bench.proxy.count(of: .createUpload) == 2)
    #expect(try bench.pendingCount() == 2)
    for (id, key) in zip(foreign, ["data/large", "data/large.2"]) {
      #expect(try store.pendingUploads(key)?.map(\.id) == [id])
      try store.client.abortUpload(store.bucket, key, upload: id)
    }
    try bench.expectDone()
  }
}

/// One file of five parts.
private final class PartsBench {
  let directory: TemporaryDirectory
  let proxy: FaultProxy
  let path: String
  let told = Told()
  private let server: SwiftServer
  private let bucket: String
  private let source: String
  private var journal: UploadJournal

  init(seed: UInt64) throws {
    directory = try TemporaryDirectory()
    server = try SwiftServer.shared
    bucket = try server.makeFreshBucket()
    proxy = try FaultProxy(targetPort: server.endpoint.port)
    source = try directory.makeDirectory("source")
    path = "\(source)/large"
    var random = SeededGenerator(seed: seed)
    try ByteFiles.write(Array(path.utf8), random.bytes(24 << 20))
    let told = told
    journal = try UploadJournal(directory: directory.path("state")) { told.add($0) }
  }

  var state: String { directory.path("state") }

  /// As another process would.
  func startAnew() throws { journal = try UploadJournal(directory: state) }

  /// Straight, or by way of the relay.
  func store(through port: UInt16? = nil) throws -> StoreSide {
    var options = S3RemoteOptions()
    options.endpoint = server.endpoint.through(port: port ?? server.endpoint.port).url
    options.region = server.endpoint.region
    options.credentials = .keys(
      id: server.endpoint.accessKey, secret: SecretText(server.endpoint.secretKey),
      sessionToken: nil)
    options.transfer.uploadCutoffBytes = 5 << 20
    options.transfer.partSizeBytes = 5 << 20
    options.transfer.partsInFlight = 2
    var settings = StoreSideSettings()
    settings.http.proxy = .none
    settings.attemptsMax = 2
    return try StoreSide(options, BucketPath(bucket: bucket, path: "data"), settings)
  }

  func sync() throws -> MirrorFigures {
    var options = MirrorOptions()
    options.deletes = true
    options.uploads = journal
    let run = MirrorRun(
      from: .local(try LocalSide(path: source)), to: [.store(try store(through: proxy.port))],
      options)
    return try run.run().only()
  }

  /// The numbers of the parts that the store has confirmed, those sent twice twice.
  var confirmedParts: [Int] {
    proxy.requests.filter { $0.kind == .uploadPart && $0.status == 200 }.compactMap { request in
      request.target.split(separator: "partNumber=").last
        .flatMap { Int($0.prefix { $0.isNumber }) }
    }.sorted()
  }

  func pendingCount() throws -> Int {
    var count = 0
    let side = try store()
    try side.client.listUploads(bucket) { _ in count += 1 }
    return count
  }

  func noteCount() throws -> Int { try ByteFiles.names(in: Array(state.utf8)).count }

  func expectDone() throws {
    #expect(try pendingCount() == 0)
    #expect(try noteCount() == 0)
    let side = try store()
    let target = directory.path("target")
    let back = MirrorRun(
      from: .store(side), to: [.local(try LocalSide(path: target, makes: true))], MirrorOptions())
    #expect(try back.run().only().errorCount == 0)
    #expect(
      try ByteFiles.read(Array("\(target)/large".utf8)) == ByteFiles.read(Array(path.utf8)))
  }
}
