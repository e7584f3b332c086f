package import Platform

/// A token bucket: holds a writer back to a rate, with bursts of a tenth of a second.
package struct Pacer: Sendable {
  private let bytesPerSecond: Double
  private let clock: any Clock
  private var allowance: Double
  private var last: MonotonicTime

  package init(bytesPerSecond: Int, clock: any Clock = SystemClock()) {
    precondition(bytesPerSecond > 0)
    self.bytesPerSecond = Double(bytesPerSecond)
    self.clock = clock
    self.allowance = Double(bytesPerSecond) / 10
    self.last = clock.monotonicTime()
  }

  /// Blocks until `count` more bytes fit the rate.
  package mutating func pace(_ count: Int) {
    let now = clock.monotonicTime()
    allowance = min(
      bytesPerSecond / 10, allowance + now.seconds(since: last) * bytesPerSecond)
    last = now
    allowance -= Double(count)
    if allowance < 0 { clock.sleep(seconds: -allowance / bytesPerSecond) }
  }
}
