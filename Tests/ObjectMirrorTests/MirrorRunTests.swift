import Glibc
import HTTPClient
import ObjectStorage
import Platform
import Remotes
import Synchronization
import TestSupport
import Testing

@testable import ObjectMirror

/// Whole runs between directories and a bucket.
@Suite struct MirrorRunTests {
  private static let names: [[UInt8]] =
    ["a", "a-b", "empty", "d/x.txt", "d/e/f.html", "d/e/g", "d0", "ü/ö.json", "x y+z%20&=?#", "~"]
    .map { Array($0.utf8) } + [[0x64, 0x2f, 0xff, 0xfe], [0x6e, 0x0a, 0x01]]

  private func fill(_ root: String, seed: UInt64 = 1) throws {
    var random = SeededGenerator(seed: seed)
    for name in MirrorRunTests.names {
      let path = ByteFiles.join(Array(root.utf8), name)
      try runChecked("mkdir", ["-p", "\(root)/d/e", "\(root)/ü"])
      let size = name == Array("empty".utf8) ? 0 : random.below(20_000)
      try ByteFiles.write(path, random.bytes(size))
      try ByteFiles.setTime(
        path, seconds: random.below(2_000_000_000),
        nanoseconds: random.below(1_000_000_000))
    }
  }

  @Test func aTreeGoesIntoABucketAndComesBack() throws {
    let bench = try MirrorBench()
    let source = try bench.directory.makeDirectory("source")
    try fill(source)
    let first = try bench.sync(.local(source), .store("data"))
    #expect(first.transferredCount == Int64(MirrorRunTests.names.count))
    #expect(first.errorCount == 0)
    let target = bench.directory.path("target")
    let back = try bench.sync(.store("data"), .local(target))
    #expect(back.transferredCount == first.transferredCount)
    #expect(back.transferredBytes == first.transferredBytes)
    for name in MirrorRunTests.names {
      let (one, other) = (
        ByteFiles.join(Array(source.utf8), name), ByteFiles.join(Array(target.utf8), name)
      )
      #expect(try ByteFiles.read(one) == ByteFiles.read(other))
      let (first, second) = (try ByteFiles.status(one), try ByteFiles.status(other))
      #expect(first.st_mtim.tv_sec == second.st_mtim.tv_sec)
      #expect(first.st_mtim.tv_nsec == second.st_mtim.tv_nsec)
    }
    // Nothing is left to do in either direction.
    let ways: [(MirrorBench.Place, MirrorBench.Place)] = [
      (.local(source), .store("data")), (.store("data"), .local(target)),
      (.local(source), .local(target)),
    ]
    for (from, to) in ways {
      let again = try bench.sync(from, to)
      #expect(again.transferredCount == 0 && again.deletedCount == 0 && again.timeSetCount == 0)
      #expect(again.checkedCount == first.transferredCount)
    }
  }

  /// With `--checksum` a run without changes costs the listing alone.
  @Test func anUnchangedRunWithChecksumAsksForNoObject() throws {
    let bench = try MirrorBench()
    let source = try bench.directory.makeDirectory("source")
    try fill(source)
    // One file goes in parts.
    try ByteFiles.write(Array("\(source)/large".utf8), SeededGenerator.sample(12 << 20))
    bench.uploadCutoffBytes = 8 << 20
    _ = try bench.sync(.local(source), .store("data"))
    let before = bench.requestCount
    let again = try bench.sync(.local(source), .store("data")) { $0.comparison.checksum = true }
    #expect(again.transferredCount == 0 && again.errorCount == 0)
    #expect(bench.requestCount - before == 1)
  }

  @Test func whatChangedIsSentAndWhatIsGoneIsDeleted() throws {
    let bench = try MirrorBench()
    let source = try bench.directory.makeDirectory("source")
    try fill(source)
    _ = try bench.sync(.local(source), .store("data"))
    try ByteFiles.write(Array("\(source)/a".utf8), Array("new".utf8))
    removeTree("\(source)/d")
    try ByteFiles.setTime(Array("\(source)/a-b".utf8), seconds: 5, nanoseconds: 500_000_000)
    let planned = try bench.sync(.local(source), .store("data")) { $0.isDryRun = true }
    let done = try bench.sync(.local(source), .store("data"))
    #expect(done.transferredCount == 1 && done.timeSetCount == 1 && done.deletedCount == 4)
    #expect(
      planned.transferredCount == 1 && planned.timeSetCount == 1 && planned.deletedCount == 4)
    let target = bench.directory.path("target")
    _ = try bench.sync(.store("data"), .local(target))
    #expect(try ByteFiles.read(Array("\(target)/a".utf8)) == Array("new".utf8))
    #expect(access("\(target)/d", F_OK) != 0)
    #expect(try ByteFiles.status(Array("\(target)/a-b".utf8)).st_mtim.tv_nsec == 500_000_000)
    // The same between two directories, with what is gone below a directory that is gone.
    try fill(target, seed: 2)
    let local = try bench.sync(.local(source), .local(target))
    #expect(local.deletedCount == 4 && local.directoriesRemovedCount == 2)
    #expect(access("\(target)/d", F_OK) != 0)
  }

  @Test func guardsKeepWhatIsThere() throws {
    let bench = try MirrorBench()
    let (source, empty) = (
      try bench.directory.makeDirectory("source"), try bench.directory.makeDirectory("empty")
    )
    try fill(source)
    let count = Int64(MirrorRunTests.names.count)
    _ = try bench.sync(.local(source), .store("data"))
    #expect(throws: MirrorError.self) { try bench.sync(.local(empty), .store("data")) }
    try ByteFiles.write(Array("\(empty)/one".utf8), [])
    #expect(throws: MirrorError.self) {
      try bench.sync(.local(empty), .store("data")) { $0.deletionCountMax = count - 1 }
    }
    #expect(try bench.sync(.local(source), .store("data")).deletedCount == 1)
    #expect(throws: MirrorError.self) { try bench.sync(.store("none"), .local(source)) }
    #expect(throws: MirrorError.self) { try bench.sync(.local(source), .local("\(source)/d")) }
    // What cannot be read is no reason to delete it at the destination.
    removeTree("\(source)/a")
    try runChecked("ln", ["-s", "/nowhere", "\(source)/d/link"])
    let target = bench.directory.path("target")
    _ = try bench.sync(.store("data"), .local(target))
    try runChecked("rm", ["-r", "\(target)/d0"])
    try runChecked("mkdir", ["\(target)/d0"])
    let failing = try bench.sync(.store("data"), .local(target))
    #expect(failing.errorCount == 1 && failing.deletedCount == 0)
    let immutable = try bench.sync(.local(empty), .store("data")) {
      $0.comparison.immutable = true
      $0.deletes = false
    }
    #expect(immutable.transferredCount == 1 && immutable.errorCount == 0)
    try ByteFiles.write(Array("\(empty)/one".utf8), [1])
    let refused = try bench.sync(.local(empty), .store("data")) {
      $0.comparison.immutable = true
      $0.deletes = false
    }
    #expect(refused.transferredCount == 0 && refused.errorCount == 1)
  }

  /// A link that stands in the destination is never followed, and a key never leads out of it.
  @Test func nothingIsWrittenOutsideTheRoot() throws {
    let bench = try MirrorBench()
    let (source, outside, target) = (
      try bench.directory.makeDirectory("source"), try bench.directory.makeDirectory("outside"),
      try bench.directory.makeDirectory("target")
    )
    try fill(source)
    _ = try bench.sync(.local(source), .store("data"))
    try runChecked("ln", ["-s", outside, "\(target)/d"])
    try runChecked("ln", ["-s", "\(outside)/file", "\(target)/a"])
    try ByteFiles.write(Array("\(outside)/kept".utf8), [1])
    let figures = try bench.sync(.store("data"), .local(target))
    #expect(figures.errorCount == 4)
    #expect(try runChecked("ls", [outside]).outputText == "kept\n")
    // The link in a file's place is replaced, not followed.
    #expect(try ByteFiles.kind(Array("\(target)/a".utf8)) == S_IFREG)
  }

  /// What a run that was killed has left behind is no file, and goes with the next run.
  @Test func leftoversAreRemoved() throws {
    let bench = try MirrorBench()
    let (source, target) = (
      try bench.directory.makeDirectory("source"), try bench.directory.makeDirectory("target")
    )
    try fill(source)
    let name = ".~drover~0123456789abcdef"
    try ByteFiles.write(Array("\(source)/\(name)".utf8), [1])
    try ByteFiles.write(Array("\(target)/\(name)".utf8), [1])
    let figures = try bench.sync(.local(source), .local(target))
    #expect(figures.transferredCount == Int64(MirrorRunTests.names.count))
    #expect(figures.deletedCount == 1)
    #expect(access("\(target)/\(name)", F_OK) != 0)
    #expect(access("\(source)/\(name)", F_OK) == 0)
    // A copy removes it as well, whatever the filter says; not what may be needed, and not what
    // somebody is writing.
    let others = [".~drover~00000000000000aa", ".~drover-undo~0123456789abcdef"]
    for other in others + [name] { try ByteFiles.write(Array("\(target)/\(other)".utf8), [1]) }
    let raw = open("\(target)/\(others[0])", O_RDONLY | O_CLOEXEC)
    #expect(flock(raw, LOCK_EX) == 0)
    var choice = MirrorFilterOptions()
    choice.include = ["/a"]
    let filter = try MirrorFilter(choice, now: .now())
    func copy() throws -> MirrorFigures {
      try bench.sync(.local(source), .local(target)) {
        $0.deletes = false
        $0.filter = filter
      }
    }
    #expect(try copy().deletedCount == 1)
    #expect(access("\(target)/\(name)", F_OK) != 0)
    #expect(access("\(target)/\(others[0])", F_OK) == 0)
    close(raw)
    #expect(try copy().deletedCount == 1)
    #expect(access("\(target)/\(others[0])", F_OK) != 0)
    #expect(access("\(target)/\(others[1])", F_OK) == 0)
  }

  @Test func linksTravelAsSmallFiles() throws {
    let bench = try MirrorBench()
    let source = try bench.directory.makeDirectory("source")
    try runChecked("ln", ["-s", "../some/where", "\(source)/link"])
    try ByteFiles.write(Array("\(source)/file".utf8), [1])
    bench.storesLinks = true
    #expect(try bench.sync(.local(source), .store("data")).transferredCount == 2)
    let target = bench.directory.path("target")
    #expect(try bench.sync(.store("data"), .local(target)).transferredCount == 2)
    #expect(try runChecked("readlink", ["\(target)/link"]).outputText == "../some/where\n")
    #expect(try bench.sync(.local(source), .local(target)).transferredCount == 0)
  }
}

/// A bucket in a server, and runs into and out of it.
final class MirrorBench {
  enum Place {
    case local(String)
    case store(String)
  }

  let directory: TemporaryDirectory
  private let server: RcloneServer
  private let requests = RequestCount()
  var uploadCutoffBytes: Int64 = 200 << 20
  var storesLinks = false

  private final class RequestCount: Sendable {
    let value = Atomic<Int>(0)
  }

  init() throws {
    directory = try TemporaryDirectory()
    server = try RcloneServer()
    try server.makeBucket("bucket-1")
  }

  /// Requests so far; each asks once whether it is cancelled.
  var requestCount: Int { requests.value.load(ordering: .relaxed) }

  private func side(_ place: Place, makes: Bool) throws -> MirrorSide {
    switch place {
    case .local(let path):
      var options = LocalRemoteOptions()
      options.storesLinks = storesLinks
      return .local(try LocalSide(path: path, options: options, makes: makes))
    case .store(let prefix):
      var options = S3RemoteOptions()
      options.endpoint = server.endpoint.url
      options.region = server.endpoint.region
      options.credentials = .keys(
        id: server.endpoint.accessKey, secret: SecretText(server.endpoint.secretKey),
        sessionToken: nil)
      options.transfer.uploadCutoffBytes = uploadCutoffBytes
      var settings = StoreSideSettings()
      settings.http.proxy = .none
      settings.attemptsMax = 2
      let requests = requests
      settings.isCancelled = {
        _ = requests.value.add(1, ordering: .relaxed)
        return false
      }
      return .store(
        try StoreSide(options, BucketPath(bucket: "bucket-1", path: prefix), settings))
    }
  }

  @discardableResult
  func sync(
    _ from: Place, _ to: Place, _ change: (inout MirrorOptions) -> Void = { _ in }
  ) throws -> MirrorFigures {
    var options = MirrorOptions()
    options.deletes = true
    change(&options)
    let run = MirrorRun(
      from: try side(from, makes: false), to: [try side(to, makes: true)], options)
    return try run.run().only()
  }
}

extension SeededGenerator {
  static func sample(_ count: Int) -> [UInt8] {
    var random = SeededGenerator(seed: 77)
    return random.bytes(count)
  }
}
