import Platform
import TestSupport
import Testing

@testable import BackupRepository

@Suite struct PrunePlanTests {
  @Test func packsGoByWhatIsUsedInThem() throws {
    var index = SmallIndex()
    let whole = index.addPack([1, 2])
    let partly = index.addPack([3, 4])
    let unused = index.addPack([5, 6])
    let stray = ListedPack(id: SmallIndex.id(99), sizeBytes: 500)
    let plan = try index.plan(index.used([1, 2, 3]), listed: index.listed + [stray])
    #expect(plan.actions == [.keep, .repack, .remove])
    #expect(plan.removeFirst == [stray.id])
    #expect(plan.repack == [partly])
    #expect(plan.remove == [unused])
    #expect(index.written(plan) == [3])
    #expect(!plan.repack.contains(whole))
    let statistics = plan.statistics
    #expect(statistics.blobs.used == 3)
    #expect(statistics.bytes.unreferenced == 500)
    #expect(statistics.unusedBytesAfter == 0)
    #expect(statistics.remainingBytes == 3000)
    #expect(statistics.prunedBytes == 3500)
    #expect(statistics.packs.keep == 1 && statistics.packs.partlyUsed == 1)
  }

  @Test func nothingToDoIsAnEmptyPlan() throws {
    var index = SmallIndex()
    index.addPack([1, 2])
    let plan = try index.plan(index.used([1, 2]))
    #expect(plan.isEmpty && plan.keptEntries == nil)
    let nothing = try SmallIndex().plan(EntryBitmap(entryCount: 0))
    #expect(nothing.isEmpty)
  }

  /// 40 packs, in each of which as many of 100 blobs are unused as its number says.
  private func graded() -> (SmallIndex, EntryBitmap) {
    var index = SmallIndex()
    var used: [UInt64] = []
    for pack in 0..<UInt64(40) {
      index.addPack((0..<100).map { pack * 100 + $0 })
      used += (pack..<100).map { pack * 100 + $0 }
    }
    return (index, index.used(used))
  }

  @Test func whatWinsMostIsRepackedUntilLittleIsLeft() throws {
    let (index, used) = graded()
    var options = SmallIndex.exact
    options.maxUnused = .percent(5)
    let plan = try index.plan(used, options: options)
    let numbers = plan.repack.map { Int($0.words.3) }
    #expect(numbers == Array((40 - numbers.count..<40).reversed()))
    let statistics = plan.statistics
    #expect(statistics.unusedBytesAfter * 100 <= statistics.remainingBytes * 5)
    let last = UInt64(40 - numbers.count) * 1000
    let before = statistics.unusedBytesAfter + last
    #expect(before * 100 > (statistics.remainingBytes + last) * 5, "one pack less would not do")
    options.maxUnused = .unlimited
    #expect(try index.plan(used, options: options).repack.isEmpty)
    options.maxUnused = .bytes(0)
    #expect(try index.plan(used, options: options).repack.count == 39)
  }

  @Test func theAmountToRepackIsLimited() throws {
    let (index, used) = graded()
    var options = SmallIndex.exact
    options.maxRepackBytes = 250_000
    let plan = try index.plan(used, options: options)
    #expect(plan.repack.map { Int($0.words.3) } == [39, 38])
    options.maxRepackBytes = 0
    #expect(try index.plan(used, options: options).repack.isEmpty)
  }

  @Test func treesComeFirstAndMixedPacksAlways() throws {
    var index = SmallIndex()
    index.addPack([1, 2], .data)
    index.addPack([3, 4], .tree)
    index.addPack([.init(type: .data, name: 5), .init(type: .tree, name: 6)], length: 10)
    let used = index.used([1, 5])
    used.insert(2)
    for copies in index.blobs where copies.key.type == .tree && copies.key.name != 4 {
      used.insert(copies.value[0].entry)
    }
    var options = SmallIndex.exact
    options.maxUnused = .unlimited
    let plan = try index.plan(used, options: options)
    #expect(plan.repack == [index.packs[1], index.packs[2]])
    options.maxUnused = .bytes(0)
    #expect(try index.plan(used, options: options).repack.last == index.packs[0])
    options.repacksCacheableOnly = true
    #expect(try index.plan(used, options: options).repack.count == 2)
  }

  @Test func treesGetCompressedAndDataOnDemand() throws {
    var index = SmallIndex()
    index.addPack([1], .data, compressed: false)
    index.addPack([2], .tree, compressed: false)
    let used = index.used([1])
    used.insert(1)
    var options = SmallIndex.exact
    let plan = try index.plan(used, options: options)
    #expect(plan.repack == [index.packs[1]])
    #expect(plan.statistics.bytes.uncompressed == index.sizes[0])
    options.repacksUncompressed = true
    #expect(try index.plan(used, options: options).repack.count == 2)
    options.repositoryVersion = 1
    #expect(throws: PrunePlanError.self) { try index.plan(used, options: options) }
    options.repacksUncompressed = false
    let old = try index.plan(used, options: options)
    #expect(old.isEmpty && old.statistics.bytes.uncompressed == 0)
  }

  @Test(arguments: [(9, 0), (10, 10)])
  func smallPacksAreJoinedWhenTheyAreMany(count: UInt64, repacked: Int) throws {
    var index = SmallIndex()
    for pack in 0..<count { index.addPack([pack]) }
    for pack in 0..<count { index.addPack([100 + pack], length: 5 << 20) }
    let used = index.used((0..<count).flatMap { [$0, 100 + $0] })
    var options = SmallIndex.exact
    options.smallPacks = .standard
    #expect(try index.plan(used, options: options).repack.count == repacked)
    options.smallPacks = .belowTarget
    let all = try index.plan(used, options: options)
    #expect(all.repack.count == Int(count) * 2, "18 or 20, below 80 % of 16 MiB")
    options.smallPacks = .smallerThan(17 << 20)
    #expect(throws: PrunePlanError.self) { try index.plan(used, options: options) }
  }

  // MARK: Duplicates

  @Test func ofCopiesTheOneBesideUsedBlobsCounts() throws {
    var index = SmallIndex()
    index.addPack([1, 7])
    index.addPack([1, 2])
    index.addPack([1])
    let plan = try index.plan(index.used([1, 2]))
    #expect(plan.actions == [.remove, .keep, .remove])
    #expect(plan.statistics.blobs.used == 2)
    #expect(plan.statistics.blobs.duplicate == 2)
    #expect(plan.statistics.unusedBytesAfter == 0)
  }

  @Test func aPackOfCopiesOnlyIsTheNextBest() throws {
    var index = SmallIndex()
    index.addPack([1, 7])
    index.addPack([1])
    index.addPack([1, 8])
    #expect(try index.plan(index.used([1])).actions == [.remove, .keep, .remove])
  }

  @Test func otherwiseTheLastCopyIsWrittenAnew() throws {
    var index = SmallIndex()
    index.addPack([1, 7])
    index.addPack([1, 8])
    let plan = try index.plan(index.used([1]))
    #expect(plan.actions == [.remove, .repack])
    #expect(index.written(plan) == [1])
  }

  @Test func aCopyInAPackThatStaysIsNotWrittenAgain() throws {
    var index = SmallIndex()
    index.addPack([1, 2, 9])
    index.addPack([1, 3, 4, 5, 6, 7, 8])
    var options = SmallIndex.exact
    options.maxUnused = .bytes(1001)
    let plan = try index.plan(index.used([1, 2, 3, 4, 5, 6, 7, 8]), options: options)
    #expect(plan.actions == [.repack, .keep])
    #expect(index.written(plan) == [2])
  }

  @Test func aCopyThatIsThereReplacesAMissingOne() throws {
    var index = SmallIndex()
    index.addPack([1, 2])
    index.addPack([1, 7])
    index.addPack([2, 8])
    let listed = Array(index.listed.dropFirst())
    let plan = try index.plan(index.used([1, 2]), listed: listed)
    #expect(plan.actions == [.forget, .repack, .repack])
    #expect(plan.forget == [index.packs[0]])
    #expect(index.written(plan) == [1, 2])
  }

  @Test func aPackThatTwoIndexFilesListCountsOnce() throws {
    var index = SmallIndex()
    index.addPack([1])
    let blob = SmallIndex.Blob(type: .data, name: 1)
    var again = try #require(index.blobs[blob]?.first)
    again.entry = 1
    index.entryCount = 2
    index.blobs[blob]?.append(again)
    let plan = try index.plan(index.used([1]))
    #expect(plan.isEmpty && plan.statistics.blobs.used == 1)
  }

  // MARK: Refusals

  @Test func damageStopsThePlan() throws {
    var index = SmallIndex()
    index.addPack([1, 2])
    index.addPack([3])
    let used = index.used([1, 2])
    func kind(_ listed: [ListedPack]) -> PrunePlanError? {
      #expect(throws: PrunePlanError.self) { try index.plan(used, listed: listed) }
    }
    guard case .packsMissing(1, [index.packs[0]])? = kind([index.listed[1]]) else {
      Issue.record("a needed pack is missing")
      return
    }
    let short = ListedPack(id: index.packs[0], sizeBytes: 17)
    guard case .packSizes(1, index.packs[0], index.sizes[0], 17)? = kind([short]) else {
      Issue.record("a needed pack is too short")
      return
    }
    let unneeded = [index.listed[0], ListedPack(id: index.packs[1], sizeBytes: 17)]
    #expect(try index.plan(used, listed: unneeded).actions == [.keep, .remove])
    let missing = BlobHandle(.tree, BlobID(words: (1, 0, 0, 0)))
    #expect(throws: PrunePlanError.self) {
      try PrunePlan(
        index, used: used, missing: [missing], listed: index.listed, now: SmallIndex.now)
    }
    index.failsAfter = 1
    let error = #expect(throws: PrunePlanError.self) { try index.plan(index.used([1, 2])) }
    #expect(error?.kind == .corrupt)
  }

  // MARK: Marks of another tool

  @Test func markedPacksAreLeftUntilTheirDelayIsOver() throws {
    var index = SmallIndex()
    index.addPack([1])
    func mark(_ number: UInt64, hoursAgo: Int64?) -> PruneMark {
      let time = hoursAgo.map { CivilTime(seconds: SmallIndex.now.seconds - $0 * 3600) }
      return PruneMark(id: SmallIndex.id(number), time: time)
    }
    let marks = [
      mark(10, hoursAgo: 1), mark(11, hoursAgo: 22), mark(12, hoursAgo: 23),
      mark(13, hoursAgo: nil),
      mark(14, hoursAgo: -1), mark(15, hoursAgo: 100), mark(16, hoursAgo: 100),
      mark(16, hoursAgo: 2),
    ]
    let strays = (10..<17).filter { $0 != 15 }.map {
      ListedPack(id: SmallIndex.id($0), sizeBytes: 100)
    }
    let plan = try index.plan(index.used([1]), listed: index.listed + strays, marks: marks)
    #expect(plan.removeFirst.isEmpty)
    #expect(plan.remove == [SmallIndex.id(12)])
    #expect(plan.expiredMarks == [12, 15].map { SmallIndex.id($0) })
    #expect(plan.leftMarked == [10, 11, 13, 14, 16].map { SmallIndex.id($0) })
    #expect(plan.changesIndex)
    #expect(plan.statistics.bytes.unreferenced == 100)
  }

  @Test func aMarkedPackOfTheIndexCountsByTheIndex() throws {
    var index = SmallIndex()
    index.addPack([1])
    index.addPack([2])
    index.addPack([3])
    let marks = index.packs.enumerated().map { number, id in
      let hours: Int64 = number == 2 ? 30 : 1
      return PruneMark(id: id, time: CivilTime(seconds: SmallIndex.now.seconds - hours * 3600))
    }
    let plan = try index.plan(index.used([1]), marks: marks)
    #expect(plan.actions == [.keep, .leaveMarked, .remove])
    #expect(plan.remove == [index.packs[2]])
    #expect(plan.statistics.packs.marked == 1)
  }

  // MARK: Properties

  @Test func noUsedBlobIsEverLost() throws {
    for seed in 0..<SampledCounts.count(sampled: 200, full: 5000) {
      var generator = SeededGenerator(seed: UInt64(seed))
      func number(_ bound: UInt64) -> UInt64 { generator.next(upperBound: bound) }
      var index = SmallIndex()
      for _ in 0..<number(12) {
        let names = (0..<1 + number(5)).map { _ in number(20) }
        let unique = Array(Set(names)).sorted()
        index.addPack(unique, number(4) == 0 ? .tree : .data, compressed: number(3) > 0)
      }
      let used = EntryBitmap(entryCount: index.entryCount)
      var usedBlobs: [[PruneCopy]] = []
      for blob in index.blobs.sorted(by: { $0.value[0].entry < $1.value[0].entry })
      where number(2) == 0 {
        used.insert(blob.value[0].entry)
        usedBlobs.append(blob.value)
      }
      var options = SmallIndex.exact
      options.maxUnused = [.bytes(0), .bytes(2000), .percent(5), .unlimited][Int(number(4))]
      options.maxRepackBytes = number(2) == 0 ? nil : number(20_000)
      options.repacksUncompressed = number(2) == 0
      options.repacksCacheableOnly = number(4) == 0
      let plan = try index.plan(used, options: options)
      for copies in usedBlobs {
        let saved = copies.filter { copy in
          plan.actions[copy.pack] == .keep || plan.keptEntries?.contains(copy.entry) ?? false
        }
        #expect(!saved.isEmpty, "seed \(seed)")
      }
      // A spare copy of a used blob counts as unused when the chosen copy lies in a repacked pack.
      let left = index.blobs.values.flatMap { copies in
        copies.filter {
          plan.actions[$0.pack] == .keep && (copies.count > 1 || !used.contains($0.entry))
        }
      }
      #expect(plan.statistics.unusedBytesAfter <= UInt64(left.count) * 1000, "seed \(seed)")
      for action in plan.actions.indices where plan.actions[action] == .remove {
        #expect(usedBlobs.allSatisfy { $0.count > 1 || $0[0].pack != action }, "seed \(seed)")
      }
    }
  }
}
