/// SplitMix64: a small generator whose numbers depend on the seed alone, on every machine.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  package mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }

  package mutating func chance(_ part: Double) -> Bool {
    Double.random(in: 0..<1, using: &self) < part
  }

  /// An element of a collection that is not empty.
  package mutating func pick<C: RandomAccessCollection>(_ elements: C) -> C.Element {
    elements[elements.index(elements.startIndex, offsetBy: below(elements.count))]
  }

  /// Bytes that do not compress, filled eight at a time.
  package mutating func bytes(_ count: Int) -> [UInt8] {
    // All empty arrays share one storage, which the initializer below would write to.
    if count == 0 { return [] }
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      let raw = UnsafeMutableRawBufferPointer(buffer)
      var offset = 0
      while offset + 8 <= count {
        raw.storeBytes(of: next(), toByteOffset: offset, as: UInt64.self)
        offset += 8
      }
      var rest = next()
      while offset < count {
        raw[offset] = UInt8(truncatingIfNeeded: rest)
        rest >>= 8
        offset += 1
      }
      initialized = count
    }
  }

  /// A generator of its own for a part of the work, so that parts do not shift each other.
  package mutating func fork() -> SeededGenerator { SeededGenerator(seed: next()) }
}
