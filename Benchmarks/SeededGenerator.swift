/// SplitMix64: the same seed gives the same data and the same changes on every machine.
///
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
struct SeededGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }

  /// A number from 0 up to but not including `bound`; `bound` is at least 1.
  mutating func next(below bound: Int) -> Int {
    Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  mutating func fill(_ buffer: UnsafeMutableRawBufferPointer) {
    var offset = 0
    while offset + 8 <= buffer.count {
      buffer.storeBytes(of: next(), toByteOffset: offset, as: UInt64.self)
      offset += 8
    }
    var rest = next()
    while offset < buffer.count {
      buffer[offset] = UInt8(truncatingIfNeeded: rest)
      rest >>= 8
      offset += 1
    }
  }

  mutating func bytes(_ count: Int) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: count)
    result.withUnsafeMutableBytes { fill($0) }
    return result
  }

  /// `count` different numbers below `bound`, in the order drawn (the first steps of a Fisher-Yates
  /// shuffle).
  mutating func sample(_ count: Int, below bound: Int) -> [Int] {
    var numbers = Array(0..<bound)
    let taken = min(count, bound)
    for index in 0..<taken {
      numbers.swapAt(index, index + next(below: bound - index))
    }
    return Array(numbers[..<taken])
  }
}
