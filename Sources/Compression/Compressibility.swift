/// A quick look at whether compression is worth trying.
package enum Compressibility {
  /// Bytes looked at, in 16 stretches spread over the buffer.
  static let sampleLength = 4096
  private static let stretches = 16

  /// Below this the estimate's own noise is larger than what it should see (it is 2 % at 1024).
  private static let shortest = 1024

  /// Whether the bytes are distributed as evenly as random ones, as in compressed, encrypted and
  /// media data.
  ///
  /// Takes about two microseconds. The measure is how often two sampled bytes agree; for even ones
  /// that is 1 in 256, and 10 % above is the limit (an entropy of 7.86 bits). Repetitions of random
  /// data at a distance are not seen: a wrong "yes" costs a chance, a wrong "no" a fast pass of the
  /// compressor. Always false below 1 KiB.
  package static func looksIncompressible(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let count = min(bytes.count, sampleLength)
    guard count >= shortest, let base = bytes.baseAddress else { return false }
    return unsafe withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 256) { histogram in
      guard let counts = histogram.baseAddress else { return false }
      unsafe counts.initialize(repeating: 0, count: 256)
      let length = count / stretches
      let stride = bytes.count / stretches
      for stretch in 0..<stretches {
        let start = unsafe base + stretch &* stride
        for offset in 0..<length {
          unsafe counts[Int(start.load(fromByteOffset: offset, as: UInt8.self))] &+= 1
        }
      }
      var pairs: UInt64 = 0
      for value in 0..<256 {
        let seen = unsafe UInt64(counts[value])
        pairs += seen * (seen &- min(seen, 1))
      }
      let all = UInt64(length * stretches)
      return pairs * 256 * 10 <= all * (all - 1) * 11
    }
  }
}
