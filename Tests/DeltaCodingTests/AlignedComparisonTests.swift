import Cryptography
import DeltaCoding
import Testing

/// Sums of pages find what differs at the same offset.
@Suite struct AlignedComparisonTests {
  private let key: XXH3Key

  init() throws { key = try XXH3Key([UInt8](repeating: 7, count: XXH3Key.keyLength)) }

  /// The sums of all pages, with four canary bytes behind them that must stay.
  private func sums(_ data: [UInt8]) -> [UInt8] {
    let size = Granularity.pageCount(data.count) * Granularity.pageSumLength
    var target = [UInt8](repeating: 0xee, count: size + 4)
    let count = data.withUnsafeBytes { data in
      target.withUnsafeMutableBytes { AlignedComparison.pageSums(of: data, key: key, into: $0) }
    }
    #expect(count == size)
    #expect(target.suffix(4) == [0xee, 0xee, 0xee, 0xee])
    return Array(target.prefix(size))
  }

  private func differing(_ a: [UInt8], _ b: [UInt8]) -> [Int] {
    let (left, right) = (sums(a), sums(b))
    return left.withUnsafeBytes { left in
      right.withUnsafeBytes { right in
        (0..<Granularity.pageCount(a.count)).filter {
          AlignedComparison.loadSum(left, page: $0) != AlignedComparison.loadSum(right, page: $0)
        }
      }
    }
  }

  @Test(arguments: [0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 300_000])
  func equalDataHasEqualSums(size: Int) {
    var random = Generator(seed: UInt64(size))
    let data = random.bytes(size)
    #expect(differing(data, data) == [])
  }

  @Test func everyChangedByteIsFoundInItsPage() {
    var random = Generator(seed: 4)
    let old = random.bytes(20 * 4096 + 100)
    for offset in [0, 1, 4095, 4096, 8191, 10 * 4096 + 7, 20 * 4096, old.count - 1] {
      var new = old
      new[offset] ^= 1
      #expect(differing(old, new) == [offset / 4096])
    }
  }

  @Test func pageSumsAreTheLowBytesOfTheKeyedHash() {
    var random = Generator(seed: 11)
    let data = random.bytes(5000)
    var expected: [UInt8] = []
    for range in [0..<4096, 4096..<5000] {
      let hash = data[range].withUnsafeBytes { key.hash64($0) }
      withUnsafeBytes(of: UInt32(truncatingIfNeeded: hash).littleEndian) {
        expected.append(contentsOf: $0)
      }
    }
    #expect(sums(data) == expected)
  }

  @Test func sumsDependOnTheKey() throws {
    let data = [UInt8](repeating: 1, count: 4096)
    let other = try XXH3Key([UInt8](repeating: 8, count: XXH3Key.keyLength))
    let sum = data.withUnsafeBytes { AlignedComparison.pageSum($0, key: other) }
    #expect(sums(data).withUnsafeBytes { AlignedComparison.loadSum($0, page: 0) } != sum)
  }

  @Test func aShortPageDiffersFromALongOne() {
    let zeros = [UInt8](repeating: 0, count: 4096)
    #expect(differing(Array(zeros.dropLast()), zeros) == [0])
  }
}
