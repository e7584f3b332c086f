import Compression
import Testing

/// A link, data and cores that behave as told; the chooser sees only what a session would.
struct Scene: Sendable, CustomTestStringConvertible {
  var name: String
  var link: Double
  var source = 2e9
  var cores: Int
  /// Speed and ratio, relative to what the chooser expects.
  var speed = 1.0
  var gain = 1.0
  /// Payload that the receiver can take, whatever the link does.
  var receiver = Double.infinity
  var expected: Set<Int?>

  var testDescription: String { name }

  static let table: [Int?: (speed: Double, ratio: Double)] = [
    -1: (640e6, 1.77), 1: (465e6, 1.89), 3: (273e6, 1.99), 6: (135e6, 2.02), 9: (80e6, 2.07),
    15: (13e6, 2.17),
  ]

  func observe(_ level: Int?, seconds: Double) -> AdaptiveLevel.Observation {
    var compressor = Double.infinity
    var ratio = 1.0
    if let known = Scene.table[level] {
      compressor = known.speed * speed
      ratio = 1 + (known.ratio - 1) * gain
    }
    let usable = max(0.5, Double(cores) - 1)
    let drain = min(link * ratio, receiver)
    let rate = min(compressor * usable, source, drain)
    let blocked = rate < drain ? 0 : 0.9 * seconds
    return AdaptiveLevel.Observation(
      bytesIn: Int(rate * seconds), bytesOut: Int(rate * seconds / ratio), seconds: seconds,
      compressSeconds: compressor.isFinite ? rate * seconds / compressor : 0,
      blockedSeconds: blocked,
      waitedSeconds: rate < drain ? seconds * (1 - rate / drain) : 0)
  }
}

@Suite struct AdaptiveLevelTests {
  @Test(arguments: [
    Scene(name: "unshaped link", link: 5e9, cores: 2, expected: [nil]),
    Scene(name: "unshaped link, many cores", link: 5e9, cores: 16, expected: [nil]),
    Scene(name: "10 Gbit/s, two cores", link: 1.25e9, cores: 2, expected: [nil]),
    Scene(name: "1 Gbit/s, two cores", link: 125e6, cores: 2, expected: [1, 3]),
    Scene(name: "200 Mbit/s, two cores", link: 25e6, cores: 2, expected: [3, 6, 9]),
    Scene(name: "200 Mbit/s, slow cores", link: 25e6, cores: 2, speed: 0.25, expected: [3]),
    Scene(
      name: "200 Mbit/s, very well compressible", link: 25e6, cores: 4, gain: 4,
      expected: [3, 6]),
    Scene(name: "10 Mbit/s", link: 1.25e6, cores: 2, expected: [3, 6, 9, 15]),
    Scene(name: "200 Mbit/s, incompressible", link: 25e6, cores: 2, gain: 0, expected: [nil]),
    Scene(name: "slow disk", link: 125e6, source: 50e6, cores: 2, expected: [nil]),
    Scene(
      name: "slow receiver behind a fast link", link: 5e9, cores: 8, receiver: 100e6,
      expected: [nil]),
  ])
  func settles(_ scene: Scene) {
    var chooser = AdaptiveLevel(cores: scene.cores)
    for _ in 0..<100 { chooser.record(scene.observe(chooser.level, seconds: 0.25)) }
    var levels: [Int?] = []
    for _ in 0..<200 {
      levels.append(chooser.level)
      chooser.record(scene.observe(chooser.level, seconds: 0.25))
    }
    let fitting = levels.filter { scene.expected.contains($0) }.count
    #expect(fitting >= 170, "\(levels)")
    let changes = zip(levels, levels.dropFirst()).filter { $0 != $1 }.count
    #expect(changes <= 8, "\(changes) changes: \(levels)")
  }

  /// Where it comes to rest does not hang on what the first seconds were like.
  @Test(arguments: [25e6, 40e6, 60e6, 80e6, 120e6])
  func aSmallGainIsTakenInTheEnd(firstLink: Double) {
    var scene = Scene(name: "", link: firstLink, cores: 2, gain: 4, expected: [])
    var chooser = AdaptiveLevel(cores: 2)
    for _ in 0..<4 { chooser.record(scene.observe(chooser.level, seconds: 0.5)) }
    scene.link = 25e6
    for _ in 0..<12 { chooser.record(scene.observe(chooser.level, seconds: 0.5)) }
    #expect([3, 6].contains(chooser.level), "\(String(describing: chooser.level))")
  }

  @Test func startsWithoutCompression() {
    #expect(AdaptiveLevel(cores: 4).level == nil)
  }

  @Test func reachesAUsefulLevelWithinTwoSeconds() {
    let scene = Scene(name: "200 Mbit/s", link: 25e6, cores: 2, expected: [])
    var chooser = AdaptiveLevel(cores: 2)
    for _ in 0..<20 { chooser.record(scene.observe(chooser.level, seconds: 0.1)) }
    #expect((chooser.level ?? -100) >= 3)
  }

  @Test func followsALinkThatBecomesFast() {
    var scene = Scene(name: "", link: 25e6, cores: 2, expected: [])
    var chooser = AdaptiveLevel(cores: 2)
    for _ in 0..<20 { chooser.record(scene.observe(chooser.level, seconds: 0.5)) }
    #expect(chooser.level != nil)
    scene.link = 5e9
    for _ in 0..<400 { chooser.record(scene.observe(chooser.level, seconds: 0.5)) }
    #expect(chooser.level == nil)
  }

  @Test func silenceChangesNothing() {
    var chooser = AdaptiveLevel(cores: 2)
    for _ in 0..<100 {
      chooser.record(AdaptiveLevel.Observation(seconds: 1, waitedSeconds: 1))
      chooser.record(AdaptiveLevel.Observation())
    }
    #expect(chooser.level == nil)
  }
}
