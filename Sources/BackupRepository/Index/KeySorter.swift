/// Sorts positions by a key of 64 bits, with one pass of counting: keys are uniform, being parts of
/// SHA-256. Buffers are kept. One thread.
final class KeySorter {
  struct Key {
    var prefix: UInt64
    var position: UInt32
  }

  /// Buckets that insertion sorts; longer ones, which uniform keys do not make, go to the library.
  private static let insertionCountMax = 48
  /// Keys a bucket holds on average.
  private static let bucketCountBits = 3
  private static let bucketBitsMax = 16

  private var keys: [Key] = []
  private var sorted: [Key] = []
  private var starts: [Int] = []

  /// The positions 0..<count in order of `prefix`, then of `isOrdered`; hold until the next call.
  func sort(
    count: Int, prefix: (Int) -> UInt64, isOrdered: (Int, Int) -> Bool
  ) -> [Key] {
    precondition(count <= Int(UInt32.max), "positions have 32 bits")
    var low = UInt64.max
    var high: UInt64 = 0
    keys.removeAll(keepingCapacity: true)
    keys.reserveCapacity(count)
    for position in 0..<count {
      let value = prefix(position)
      low = min(low, value)
      high = max(high, value)
      keys.append(Key(prefix: value, position: UInt32(truncatingIfNeeded: position)))
    }
    guard count > 1 else { return keys }
    let spread = UInt64.bitWidth - (high - low).leadingZeroBitCount
    let wanted = UInt64.bitWidth - UInt64(count).leadingZeroBitCount - KeySorter.bucketCountBits
    let bits = max(0, min(wanted, KeySorter.bucketBitsMax, spread))
    scatter(low: low, shift: UInt64(spread - bits), bits: bits)
    finishBuckets { a, b in
      a.prefix != b.prefix
        ? a.prefix < b.prefix : isOrdered(Int(a.position), Int(b.position))
    }
    return sorted
  }

  private func scatter(low: UInt64, shift: UInt64, bits: Int) {
    let bucketCount = (1 << bits) + 1
    starts = [Int](repeating: 0, count: bucketCount + 1)
    sorted = keys
    starts.withUnsafeMutableBufferPointer { starts in
      sorted.withUnsafeMutableBufferPointer { sorted in
        for key in keys { starts[Int((key.prefix - low) >> shift) + 1] += 1 }
        for bucket in 1...bucketCount { starts[bucket] += starts[bucket - 1] }
        for key in keys {
          let bucket = Int((key.prefix - low) >> shift)
          sorted[starts[bucket]] = key
          starts[bucket] += 1
        }
      }
    }
  }

  /// Orders each bucket; `starts` now holds their ends.
  private func finishBuckets(_ isBefore: (Key, Key) -> Bool) {
    sorted.withUnsafeMutableBufferPointer { sorted in
      var start = 0
      for end in starts where end > start {
        if end - start > KeySorter.insertionCountMax {
          sorted[start..<end].sort(by: isBefore)
        } else {
          insertionSort(UnsafeMutableBufferPointer(rebasing: sorted[start..<end]), isBefore)
        }
        start = end
      }
    }
  }

  private func insertionSort(
    _ keys: UnsafeMutableBufferPointer<Key>, _ isBefore: (Key, Key) -> Bool
  ) {
    for index in 1..<keys.count {
      let key = keys[index]
      var place = index
      while place > 0, isBefore(key, keys[place - 1]) {
        keys[place] = keys[place - 1]
        place -= 1
      }
      keys[place] = key
    }
  }
}
