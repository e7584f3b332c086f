import Glibc
import HTTPClient
import ObjectStorage
import Platform
import Remotes
import TestSupport
import Testing

@testable import ObjectMirror

/// Sources of other kinds: single files, and stores whose objects go into other stores.
@Suite struct FanOutSourceTests {
  @Test func aSingleFileGoesAlone() throws {
    let bench = try FanOutBench(1)
    let content = try bench.write("d/one", sizeBytes: 3000)
    try bench.write("d/one-more", sizeBytes: 30)
    try bench.write("d/two", sizeBytes: 40)
    bench.options.deletes = false
    let target = bench.directory.path("target")
    let file = try #require(try LocalSide(file: "\(bench.source)/d/one"))
    #expect(try LocalSide(file: "\(bench.source)/d") == nil)
    #expect(try LocalSide(file: "\(bench.source)/none") == nil)
    // Its neighbours at the destination stay what they are.
    try runChecked("mkdir", ["-p", target])
    try ByteFiles.write(Array("\(target)/two".utf8), [1])
    let sides = try [bench.store(0, "x"), bench.local(target)]
    let outcome = try bench.run(from: .local(file), to: sides)
    #expect(outcome.destinations.allSatisfy { $0.isGood && $0.figures.transferredCount == 1 })
    #expect(outcome.sourceListedCount == 1)
    #expect(try ByteFiles.read(Array("\(target)/one".utf8)) == content)
    #expect(try runChecked("ls", [target]).outputText == "one\ntwo\n")
    #expect(try runChecked("ls", [bench.stored(0, "x")]).outputText == "one\n")
    let again = try bench.run(from: .local(file), to: sides)
    #expect(again.destinations.allSatisfy { $0.isGood && $0.figures.transferredCount == 0 })

    // The same from a store, where a prefix is no object.
    _ = try bench.run(to: [try bench.store(0, "tree")])
    guard case .store(let prefix) = try bench.store(0, "tree/d"),
      case .store(let object) = try bench.store(0, "tree/d/one")
    else { throw TestFailure("a store is a store") }
    #expect(try prefix.asObject() == nil)
    let one = try #require(try object.asObject())
    let back = bench.directory.path("back")
    let taken = try bench.run(from: .store(one), to: [try bench.local(back, makes: true)])
    #expect(taken.destinations[0].isGood && taken.sourceListedCount == 1)
    #expect(try runChecked("ls", [back]).outputText == "one\n")
    #expect(try ByteFiles.read(Array("\(back)/one".utf8)) == content)
  }

  /// In memory, through a window and in parts; with their times, from one read.
  @Test func objectsGoFromOneStoreIntoOthers() throws {
    let bench = try FanOutBench(3)
    bench.uploadCutoffBytes = 12 << 20
    var sum = try bench.fillSmall(30)
    for (name, size) in [("page.html", 9 << 20), ("parts", 17 << 20), ("d2/mid", 1 << 20)] {
      sum += Int64(try bench.write(name, sizeBytes: size).count)
    }
    let first = try bench.store(0)
    _ = try bench.run(to: [first])
    let target = bench.directory.path("target")
    let sides = try [bench.store(1), bench.store(2), bench.local(target, makes: true)]
    let outcome = try bench.run(from: first, to: sides)
    for end in outcome.destinations {
      #expect(end.isGood && end.figures.transferredBytes == sum, "\(end)")
    }
    #expect(outcome.sourceReadBytes == sum)
    for number in 1...2 {
      #expect(try bench.difference(bench.source, bench.stored(number)) == "")
    }
    #expect(try bench.difference(bench.source, target) == "")
    guard case .store(let side) = sides[0] else { throw TestFailure("a store is a store") }
    let head = try side.client.headObject(FanOutBench.bucket, "data/page.html")
    #expect(head.attributes.contentType?.hasPrefix("text/html") == true)
    let parts = try side.client.headObject(FanOutBench.bucket, "data/parts")
    #expect(parts.attributes.metadata.contains { $0.name == "md5chksum" })
    // Times have gone along: nothing is left to do, neither here nor from the files.
    for from in [first, try bench.local(bench.source)] {
      let again = try bench.run(from: from, to: sides)
      #expect(again.sourceReadBytes == 0)
      #expect(again.destinations.allSatisfy { $0.figures.transferredCount == 0 && $0.isGood })
    }
    // One destination alone, from the store straight into the other.
    let alone = try bench.run(from: first, to: [try bench.store(1, "alone")])
    #expect(alone.destinations[0].isGood && alone.sourceReadBytes == sum)
    #expect(try bench.difference(bench.source, bench.stored(1, "alone")) == "")
  }

  /// A request that breaks in the middle goes on where it broke, and another destination that has
  /// to begin anew reads for itself.
  @Test func brokenRequestsAreTakenUp() throws {
    let bench = try FanOutBench(3)
    let content = try bench.write("large", sizeBytes: 12 << 20)
    let first = try bench.store(0)
    _ = try bench.run(to: [first])
    bench.proxies[0].setPlan(.once(.reset(.inResponse(afterBytes: 5 << 20)), on: .getObject))
    bench.proxies[1].setPlan(.once(.reset(.inRequest(afterBytes: 7 << 20)), on: .putObject))
    let outcome = try bench.run(from: first, to: [try bench.store(1), try bench.store(2)])
    #expect(outcome.isGood)
    #expect(bench.proxies[0].faultCount == 1 && bench.proxies[1].faultCount == 1)
    for number in 1...2 {
      let stored = try ByteFiles.read(Array("\(bench.stored(number))/large".utf8))
      #expect(stored == content)
    }
  }
}
