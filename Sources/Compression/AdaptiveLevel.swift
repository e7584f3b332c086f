/// Chooses the level that moves the most data, from what a session sees of itself.
///
/// A pure value: facts go in through ``record(_:)``, ``level`` comes out. It keeps a small model,
/// namely the rate of the link, and how fast and how well the present data compresses, and takes
/// the cheapest step whose predicted rate
///
///     min(link · ratio(step), compressor(step) · cores, source)
///
/// is within 5 % of the best. On a link that never blocks the writer that is no compression at all.
/// It moves up at once for a gain above 10 %; for a smaller one from level to level, and down, only
/// when three decisions in a row agree.
package struct AdaptiveLevel: Sendable {
  /// What happened since the last record, summed over all threads of the session.
  package struct Observation: Sendable {
    /// Bytes of payload before compression.
    package var bytesIn = 0
    /// Bytes given to the link.
    package var bytesOut = 0
    /// Wall time that the observation covers.
    package var seconds = 0.0
    /// Time inside the compressor; with several workers this may exceed ``seconds``.
    package var compressSeconds = 0.0
    /// Time the writer was blocked on the socket, or held back by a bandwidth limit.
    package var blockedSeconds = 0.0
    /// Time the writer waited for something to send.
    package var waitedSeconds = 0.0

    package init(
      bytesIn: Int = 0, bytesOut: Int = 0, seconds: Double = 0, compressSeconds: Double = 0,
      blockedSeconds: Double = 0, waitedSeconds: Double = 0
    ) {
      self.bytesIn = bytesIn
      self.bytesOut = bytesOut
      self.seconds = seconds
      self.compressSeconds = compressSeconds
      self.blockedSeconds = blockedSeconds
      self.waitedSeconds = waitedSeconds
    }
  }

  /// A level with what is expected of it: bytes a second of one core, and the ratio, for programs
  /// and documentation in frames of 256 KiB. Only the relations matter, the scale is measured.
  private struct Step {
    let level: Int
    let speed: Double
    let ratio: Double
  }

  /// Measured with zstd 1.5.4. Beyond 9 the cost rises tenfold for a few per cent.
  private static let steps = [
    Step(level: -1, speed: 640e6, ratio: 1.77),
    Step(level: 1, speed: 465e6, ratio: 1.89),
    Step(level: 3, speed: 273e6, ratio: 1.99),
    Step(level: 6, speed: 135e6, ratio: 2.02),
    Step(level: 9, speed: 80e6, ratio: 2.07),
    Step(level: 15, speed: 13e6, ratio: 2.17),
  ]

  /// Shorter stretches are summed up first: socket buffers make them look too good or too bad.
  private static let decisionSeconds = 0.5
  private static let patience = 3
  private static let tolerance = 0.95
  private static let gainAtOnce = 1.1
  private static let lossDownMax = 0.92
  private static let shortestRest = 40
  private static let longestRest = 640

  private let cores: Double
  private var current: Int?
  private var pending = Observation()
  private var agreeing = 0
  private var moved = false
  /// Decisions to sit out after compression has disappointed, and how many the next time.
  private var rest = 0
  private var nextRest = AdaptiveLevel.shortestRest

  private var linkRate = Double.infinity
  private var plainRate = 0.0
  private var sourceRate = Double.infinity
  private var speedScale = 1.0
  private var gainScale = 1.0

  /// Starts without compression. One of `cores` is left to reading, encryption and the system.
  package init(cores: Int) {
    self.cores = max(0.5, Double(cores) - 1)
  }

  /// The level for the next data; nil means not to compress.
  package var level: Int? {
    current.map { AdaptiveLevel.steps[$0].level }
  }

  /// Takes facts; decides again once half a second of them has come together.
  package mutating func record(_ observation: Observation) {
    pending.bytesIn += observation.bytesIn
    pending.bytesOut += observation.bytesOut
    pending.seconds += observation.seconds
    pending.compressSeconds += observation.compressSeconds
    pending.blockedSeconds += observation.blockedSeconds
    pending.waitedSeconds += observation.waitedSeconds
    guard pending.seconds >= AdaptiveLevel.decisionSeconds, pending.bytesIn > 0 else { return }
    learn(pending)
    pending = Observation()
    decide()
  }

  private mutating func learn(_ seen: Observation) {
    learnLink(seen)
    learnData(seen)
    let utilisation = seen.compressSeconds / (seen.seconds * cores)
    let starved = seen.waitedSeconds > seen.seconds / 2 && utilisation < 0.5
    sourceRate = starved ? Double(seen.bytesIn) / seen.seconds : .infinity
  }

  private mutating func learnLink(_ seen: Observation) {
    let busy = max(seen.seconds - seen.waitedSeconds, seen.seconds / 100)
    let wire = Double(seen.bytesOut) / busy
    plainRate *= 0.998
    guard seen.blockedSeconds >= seen.seconds / 4 else {
      // The link took all of it, so it is at least that fast; one per cent more each time finds out
      // whether it has become faster.
      if linkRate.isFinite { linkRate = max(linkRate * 1.01, Double(seen.bytesOut) / seen.seconds) }
      return
    }
    linkRate = linkRate.isFinite && !moved ? (linkRate + wire) / 2 : wire
    moved = false
    // When it is the receiver that holds the writer back, compression only seems to slow the link
    // down; the rate seen without it tells.
    if current == nil { plainRate = wire }
  }

  private mutating func learnData(_ seen: Observation) {
    guard let current else {
      // Without compression nothing is learned about the data; what was learned loses weight.
      speedScale += (1 - speedScale) * 0.005
      gainScale += (1 - gainScale) * 0.005
      return
    }
    let step = AdaptiveLevel.steps[current]
    if seen.compressSeconds > 0.001 {
      speedScale = Double(seen.bytesIn) / seen.compressSeconds / step.speed
    }
    let ratio = Double(seen.bytesIn) / Double(max(1, seen.bytesOut))
    gainScale = min(max((ratio - 1) / (step.ratio - 1), 0), 100)
  }

  /// The rate of payload expected with a step, or without compression.
  private func rate(_ step: Int?) -> Double {
    guard let step else { return min(max(linkRate, plainRate), sourceRate) }
    let expected = AdaptiveLevel.steps[step]
    let ratio = 1 + (expected.ratio - 1) * gainScale
    return min(linkRate * ratio, expected.speed * speedScale * cores, sourceRate)
  }

  private mutating func decide() {
    guard rest == 0 else {
      rest -= 1
      return
    }
    let choices: [Int?] = [nil] + AdaptiveLevel.steps.indices.map { $0 }
    let best = choices.map { rate($0) }.max() ?? 0
    guard let target = choices.first(where: { rate($0) >= best * AdaptiveLevel.tolerance }),
      target != current
    else {
      agreeing = 0
      return
    }
    let gain = rate(target) / rate(current)
    let isUp = current.map { $0 < target ?? -1 } ?? false
    let isDown = (target ?? -1) < (current ?? -1)
    if gain > AdaptiveLevel.gainAtOnce {
      move(to: target)
    } else if isUp && gain > 1 || isDown && gain > AdaptiveLevel.lossDownMax {
      // A gain that is small lasts as long as the session: without it, where the level comes to
      // rest would hang on the first half second.
      agreeing += 1
      if agreeing >= AdaptiveLevel.patience { move(to: target) }
    } else {
      agreeing = 0
    }
  }

  private mutating func move(to step: Int?) {
    current = step
    agreeing = 0
    moved = true
    // The link seemed fast enough without compression and slow with it: the receiver is the brake.
    guard step == nil, plainRate > linkRate * 1.2 else { return }
    rest = nextRest
    nextRest = min(nextRest * 2, AdaptiveLevel.longestRest)
  }
}
