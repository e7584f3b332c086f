import Glibc
import HTTPClient
import ObjectStorage
import Platform
import Remotes
import TestSupport
import Testing

@testable import ObjectMirror

/// Several destinations of one source: one read, and an outcome for each.
@Suite struct FanOutTests {
  @Test func allGetTheSameFromOneRead() throws {
    let bench = try FanOutBench(2)
    var sum = try bench.fillSmall(120)
    for (name, size) in [("large", 9 << 20), ("d1/larger", (5 << 20) + 77), ("mid", 700_000)] {
      sum += Int64(try bench.write(name, sizeBytes: size).count)
    }
    let target = bench.directory.path("target")
    let sides = try [bench.store(0), bench.store(1), bench.local(target, makes: true)]
    let outcome = try bench.run(to: sides)
    for end in outcome.destinations {
      #expect(end.isGood, "\(end)")
      #expect(end.figures.transferredCount == 123)
      #expect(end.figures.transferredBytes == sum)
    }
    #expect(outcome.sourceReadBytes == sum)
    #expect(try bench.difference(bench.source, bench.stored(0)) == "")
    #expect(try bench.difference(bench.source, bench.stored(1)) == "")
    #expect(try bench.difference(bench.source, target) == "")
    // Times have arrived as well: nothing is left to do.
    let again = try bench.run(to: sides)
    #expect(again.sourceReadBytes == 0)
    #expect(again.destinations.allSatisfy { $0.figures.transferredCount == 0 && $0.isGood })
    // Each deletes for itself what it has and the source does not.
    try runChecked("rm", ["-r", "\(bench.source)/d1"])
    try ByteFiles.write(Array("\(target)/extra".utf8), [1])
    let less = try bench.run(to: sides)
    let deleted = less.destinations.map(\.figures.deletedCount)
    #expect(deleted[0] == deleted[1] && deleted[2] == deleted[0] + 1 && deleted[0] > 10)
    #expect(try bench.difference(bench.source, target) == "")
  }

  /// Contents that are compared are read once for all who ask, and sent from the same read.
  @Test func comparingByContentReadsOnce() throws {
    let bench = try FanOutBench(2)
    let sum = try bench.fillSmall(60)
    bench.options.comparison.checksum = true
    let sides = try [bench.store(0), bench.store(1)]
    _ = try bench.run(to: sides)
    // The same sizes with other contents.
    var random = SeededGenerator(seed: 9)
    for number in 1..<60 {
      let path = Array("\(bench.source)/d\(number % 7)/f\(number)".utf8)
      let size = try ByteFiles.read(path).count
      try ByteFiles.write(path, random.bytes(size))
    }
    let outcome = try bench.run(to: sides)
    #expect(outcome.sourceReadBytes == sum)
    #expect(outcome.destinations.allSatisfy { $0.figures.transferredCount == 59 && $0.isGood })
    #expect(try bench.difference(bench.source, bench.stored(1)) == "")
  }

  @Test func oneThatIsDeadDoesNotStopTheOthers() throws {
    let bench = try FanOutBench(2)
    _ = try bench.fillSmall(40)
    let nobody = bench.servers[0].endpoint.through(port: 9)
    var strangerEnd = bench.servers[0].endpoint
    strangerEnd.secretKey = "wrong"
    let sides = try [
      bench.store(0), .store(FanOutBench.store(nobody, "data")), bench.store(1),
      .store(FanOutBench.store(strangerEnd, "other")),
    ]
    let outcome = try bench.run(to: sides)
    let ends = outcome.destinations
    #expect(ends[0].isGood && ends[2].isGood)
    #expect(ends[1].failure?.kind == .unreachable)
    #expect(ends[3].failure?.kind == .denied)
    #expect(!ends[1].mayBeRetried && !ends[3].mayBeRetried)
    #expect(try bench.difference(bench.source, bench.stored(0)) == "")
    #expect(try bench.difference(bench.source, bench.stored(1)) == "")
  }

  /// The others come to their end while one still waits for the answer to its first listing.
  @Test func oneThatStallsHoldsNobodyUp() throws {
    let bench = try FanOutBench(3)
    let sum = try bench.fillSmall(150) + Int64(bench.write("large", sizeBytes: 9 << 20).count)
    bench.proxies[1].setPlan(.always(.stall(.beforeResponse), on: [.list]))
    // So little memory that what waits for the stalled one has to go.
    bench.options.sharing.heldBytesMax = 64 << 10
    let watch = EndWatch()
    let sides = try (0..<3).map { try bench.store($0) }
    let source = try bench.local(bench.source)
    let options = bench.options
    let run = Thread("fan-out") {
      try MirrorRun(from: source, to: sides, options, observe: watch.note).run()
    }
    watch.wait(for: [0, 2])
    #expect(bench.proxies[1].stalledCount == 1)
    #expect(watch.endedDestinations == [0, 2])
    #expect(try bench.difference(bench.source, bench.stored(0)) == "")
    #expect(try bench.difference(bench.source, bench.stored(2)) == "")
    bench.proxies[1].setPlan(.none)
    bench.proxies[1].releaseStalled()
    let outcome = try run.join()
    #expect(outcome.isGood)
    #expect(try bench.difference(bench.source, bench.stored(1)) == "")
    // What had to go was read again, and nothing more often than that.
    #expect(outcome.sourceReadBytes > sum && outcome.sourceReadBytes <= 2 * sum)
  }

  /// A destination that stalls in the middle of a large file is let go of and reads on by itself.
  @Test func aReaderThatLagsGetsTheRightBytes() throws {
    let bench = try FanOutBench(2)
    let content = try bench.write("large", sizeBytes: 24 << 20)
    bench.proxies[1].setPlan(.always(.stall(.inRequest(afterBytes: 3 << 20)), on: [.putObject]))
    let watch = EndWatch()
    let sides = try (0..<2).map { try bench.store($0) }
    let source = try bench.local(bench.source)
    let options = bench.options
    let run = Thread("fan-out") {
      try MirrorRun(from: source, to: sides, options, observe: watch.note).run()
    }
    watch.wait(for: [0])
    #expect(bench.proxies[1].stalledCount == 1)
    bench.proxies[1].setPlan(.none)
    bench.proxies[1].releaseStalled()
    let outcome = try run.join()
    #expect(outcome.isGood)
    for number in 0..<2 {
      let stored = try ByteFiles.read(Array("\(bench.stored(number))/large".utf8))
      #expect(stored == content)
    }
    // It has read the rest again, but not what the window gave it.
    #expect(outcome.sourceReadBytes > Int64(content.count))
  }

  @Test func aFileThatChangesMeanwhileIsAFailureOfEach() throws {
    let bench = try FanOutBench(2)
    try bench.write("large", sizeBytes: 24 << 20)
    try bench.write("small", sizeBytes: 100)
    let sides = try (0..<2).map { try bench.store($0) }
    let plan = HTTPFaultPlan.always(.stall(.inRequest(afterBytes: 1 << 20)), on: [.putObject])
    for proxy in bench.proxies { proxy.setPlan(plan) }
    bench.options.transferCount = 2
    let source = try bench.local(bench.source)
    let options = bench.options
    let run = Thread("fan-out") { try MirrorRun(from: source, to: sides, options).run() }
    // The small one is spoiled just before its end, so both files stand still.
    while bench.proxies.contains(where: { $0.stalledCount < 2 }) {
      SystemClock().sleep(seconds: 0.01)
    }
    let path = Array("\(bench.source)/large".utf8)
    try ByteFiles.overwrite(path, [1, 2, 3], at: 20 << 20)
    try ByteFiles.setTime(path, seconds: 77, nanoseconds: 0)
    for proxy in bench.proxies {
      proxy.setPlan(.none)
      proxy.releaseStalled()
    }
    let outcome = try run.join()
    for end in outcome.destinations {
      #expect(end.figures.errorCount == 1 && end.figures.transferredCount == 1)
      #expect(end.mayBeRetried)
      #expect(end.figures.lastError?.contains("changed") == true, "\(end)")
    }
    // The server removes what it has of an object that was broken off when it is through with it,
    // and would remove one that was stored under the same name meanwhile.
    for proxy in bench.proxies { proxy.waitUntilIdle() }
    #expect(try bench.run(to: sides).isGood)
    #expect(try bench.difference(bench.source, bench.stored(0)) == "")
  }

  @Test func placesThatOverlapAreRefused() throws {
    let bench = try FanOutBench(1)
    _ = try bench.fillSmall(3)
    let (a, b) = (bench.directory.path("a"), bench.directory.path("a/b"))
    for sides in [
      try [bench.local(a, makes: true), bench.local(b, makes: true)],
      try [bench.store(0, "x"), bench.store(0, "x/y")],
      try [bench.store(0, "x"), bench.store(0, "x")],
    ] {
      #expect { try bench.run(to: sides) } throws: { error in
        if case MirrorError.overlap = error { true } else { false }
      }
    }
    #expect(throws: MirrorError.self) { try bench.run(to: []) }
    let good = try [bench.store(0, "x"), bench.store(0, "xy"), bench.local(b)]
    #expect(try bench.run(to: good).isGood)
  }
}
