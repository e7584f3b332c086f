import TestSupport
import Testing

@testable import BackupRepository

@Suite struct PrunePlanTextTests {
  @Test(arguments: [
    (0, "0 B"), (1023, "1023 B"), (1024, "1.000 KiB"), (1088, "1.062 KiB"), (1090, "1.064 KiB"),
    (1_048_575, "1023.999 KiB"), (1_048_576, "1.000 MiB"), (62_006_493, "59.134 MiB"),
    (UInt64.max, "16777216.000 TiB"), (1 << 40, "1.000 TiB"),
  ])
  func sizesAreWrittenAsResticDoes(count: UInt64, text: String) {
    #expect(byteText(count) == text)
  }

  @Test func sharesAreWrittenAsResticDoes() {
    #expect(percentText(1, 3) == "33.33%")
    #expect(percentText(5, 5) == "100.00%")
    #expect(percentText(0, 0) == "0.00%")
    #expect(percentText(1, 1000) == "0.10%")
  }

  @Test func limitsAreRead() throws {
    #expect(try UnusedLimit(parsing: "5%") == .percent(5))
    #expect(try UnusedLimit(parsing: " 0.5% ") == .percent(0.5))
    #expect(try UnusedLimit(parsing: "unlimited") == .unlimited)
    #expect(try UnusedLimit(parsing: "20M") == .bytes(20 << 20))
    #expect(try UnusedLimit(parsing: "0") == .bytes(0))
    for text in ["", "100%", "-1%", "nan%", "%", "5 %x", "1.5M", "-1", "9999999999T", "M"] {
      #expect(throws: PrunePlanError.self, "\(text)") { try UnusedLimit(parsing: text) }
    }
    #expect(UnusedLimit.percent(5).byteCount(used: 9500) == 500)
    #expect(UnusedLimit.percent(99.999).byteCount(used: .max) == .max)
  }

  @Test func theSummaryIsThatOfRestic() {
    var statistics = PruneStatistics()
    statistics.blobs.used = 16
    statistics.bytes.used = 38_915
    statistics.blobs.unused = 74
    statistics.bytes.unused = 1_123_735
    statistics.blobs.repack = 69
    statistics.bytes.repack = 1_130_365
    statistics.blobs.repackRemove = 67
    statistics.bytes.repackRemove = 1_097_392
    statistics.blobs.remove = 7
    statistics.bytes.remove = 26_343
    #expect(
      statistics.lines(isVerbose: false) == [
        "", "to repack:            69 blobs / 1.078 MiB",
        "this removes:         67 blobs / 1.047 MiB",
        "to delete:             7 blobs / 25.726 KiB", "total prune:          74 blobs / 1.072 MiB",
        "remaining:            16 blobs / 38.003 KiB",
        "unused size after prune: 0 B (0.00% of remaining size)", "",
      ])
    #expect(statistics.lines(isVerbose: true).contains("unused size: 96.65% of total size"))
  }

  @Test func subsetsAreRead() throws {
    #expect(try ReadDataSubset(parsing: "2/5") == .part(2, of: 5))
    #expect(try ReadDataSubset(parsing: "256/256") == .part(256, of: 256))
    #expect(try ReadDataSubset(parsing: "2.5%") == .percent(2.5))
    #expect(try ReadDataSubset(parsing: "50G") == .bytes(50 << 30))
    for text in ["", "0/5", "6/5", "1/257", "1/", "1/2/3", "-1/5", "0%", "101%", "0", "x"] {
      #expect(throws: PrunePlanError.self, "\(text)") { try ReadDataSubset(parsing: text) }
    }
  }

  @Test func partsTogetherAreAllPacks() {
    var generator = SeededGenerator(seed: 1)
    let packs = (0..<1000).map { number in
      ListedPack(
        id: PackID(words: (generator.next(), 0, 0, UInt64(number))), sizeBytes: 1000)
    }
    for count in [1, 5, 256] {
      let parts = (1...count).map {
        ReadDataSubset.part($0, of: count).choose(among: packs, using: &generator)
      }
      #expect(parts.joined().sorted { $0.id < $1.id } == packs.sorted { $0.id < $1.id })
    }
    let share = ReadDataSubset.percent(12.5).choose(among: packs, using: &generator)
    #expect(share.count == 125 && Set(share.map(\.id)).count == 125)
    let other = ReadDataSubset.percent(12.5).choose(among: packs, using: &generator)
    #expect(share != other)
    #expect(ReadDataSubset.percent(0.01).choose(among: packs, using: &generator).count == 1)
    #expect(ReadDataSubset.percent(100).choose(among: packs, using: &generator) == packs)
    #expect(ReadDataSubset.percent(50).choose(among: [], using: &generator) == [])
    #expect(ReadDataSubset.bytes(10_500).choose(among: packs, using: &generator).count == 10)
    #expect(ReadDataSubset.bytes(1).choose(among: packs, using: &generator).count == 1)
    #expect(ReadDataSubset.bytes(.max).choose(among: packs, using: &generator) == packs)
  }
}
