/// A set of byte strings that is asked without allocating: one array of bytes, and a table of
/// hashes with open addressing.
struct PathSet: Sendable {
  private var bytes: [UInt8] = []
  /// End of each string in `bytes`.
  private var ends: [Int] = []
  /// Number of a string plus 1, or 0; the count is a power of two.
  private var slots: [UInt32] = [UInt32](repeating: 0, count: 16)

  var count: Int { ends.count }

  /// True when the string was not in the set.
  @discardableResult
  mutating func insert(_ string: UnsafeBufferPointer<UInt8>) -> Bool {
    if ends.count * 2 >= slots.count { grow() }
    let slot = find(string)
    guard slots[slot] == 0 else { return false }
    bytes.append(contentsOf: string)
    ends.append(bytes.count)
    slots[slot] = UInt32(ends.count)
    return true
  }

  func contains(_ string: UnsafeBufferPointer<UInt8>) -> Bool { slots[find(string)] != 0 }

  /// The slot of the string, or the empty one where it belongs.
  private func find(_ string: UnsafeBufferPointer<UInt8>) -> Int {
    var slot = Int(truncatingIfNeeded: PathSet.hash(string)) & (slots.count - 1)
    while slots[slot] != 0, !isEqual(Int(slots[slot]) - 1, string) {
      slot = (slot + 1) & (slots.count - 1)
    }
    return slot
  }

  private func isEqual(_ number: Int, _ string: UnsafeBufferPointer<UInt8>) -> Bool {
    let start = number == 0 ? 0 : ends[number - 1]
    guard ends[number] - start == string.count else { return false }
    for offset in 0..<string.count where bytes[start + offset] != string[offset] { return false }
    return true
  }

  private mutating func grow() {
    let old = slots
    slots = [UInt32](repeating: 0, count: old.count * 2)
    bytes.withUnsafeBufferPointer { bytes in
      for number in old where number != 0 {
        let start = number == 1 ? 0 : ends[Int(number) - 2]
        let string = UnsafeBufferPointer(rebasing: bytes[start..<ends[Int(number) - 1]])
        var slot = Int(truncatingIfNeeded: PathSet.hash(string)) & (slots.count - 1)
        while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = number
      }
    }
  }

  /// FNV-1a, mixed at the end. The lists are the user's own; nobody plants collisions.
  private static func hash(_ string: UnsafeBufferPointer<UInt8>) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in string { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return hash ^ (hash >> 32)
  }
}
