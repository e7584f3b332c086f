import ObjectMirror
import Platform
import TestSupport
import Testing

/// Whether a file is sent follows from sizes, times and contents in rclone's order.
@Suite struct TransferDecisionTests {
  private static let now = WallTime(seconds: 1000, nanoseconds: 500)
  private static let one = ContentMD5([UInt8](repeating: 1, count: 16))
  private static let two = ContentMD5([UInt8](repeating: 2, count: 16))

  private func facts(
    _ size: Int64? = 10, after nanoseconds: Int64? = 0, md5: ContentMD5? = nil, hasMD5: Bool = true
  ) -> FileFacts {
    let time = nanoseconds.map { span -> Known<WallTime> in
      let total = 1_000_000_000_500 + span
      return .value(
        WallTime(seconds: total / 1_000_000_000, nanoseconds: Int32(total % 1_000_000_000)))
    }
    let content: Known<ContentMD5> = hasMD5 ? md5.map { .value($0) } ?? .unasked : .absent
    return FileFacts(sizeBytes: size, modified: time ?? .unasked, md5: content)
  }

  private func decide(
    _ source: FileFacts, _ destination: FileFacts?,
    _ change: (inout ComparisonOptions) -> Void = { _ in }
  ) -> TransferDecision {
    var options = ComparisonOptions()
    change(&options)
    return needsTransfer(source: source, destination: destination, options: options)
  }

  @Test func whatIsMissingIsSent() {
    #expect(decide(facts(), nil) == .transfer(.missing))
    #expect(decide(facts(), nil) { $0.ignoresExisting = true } == .transfer(.missing))
    #expect(decide(facts(), nil) { $0.immutable = true } == .transfer(.missing))
  }

  @Test func sizeThenTimeThenContent() {
    #expect(decide(facts(10), facts(11)) == .transfer(.sizesDiffer))
    #expect(decide(facts(), facts()) == .skip(.timesAreEqual))
    // A difference of one nanosecond is one.
    #expect(decide(facts(), facts(after: 1)) == .ask([.destinationMD5]))
    let other = facts(after: 1, md5: TransferDecisionTests.one)
    #expect(decide(facts(), other) == .ask([.sourceMD5]))
    #expect(decide(facts(md5: TransferDecisionTests.one), other) == .setTime)
    #expect(decide(facts(md5: TransferDecisionTests.two), other) == .transfer(.contentsDiffer))
    #expect(decide(facts(hasMD5: false), other) == .transfer(.timesDiffer))
    #expect(decide(facts(after: nil), facts(after: nil)) == .ask([.sourceTime, .destinationTime]))
    #expect(decide(facts(), facts(after: nil)) == .ask([.destinationTime]))
    #expect(decide(facts(nil), facts(11)) == .skip(.timesAreEqual))
  }

  @Test func optionsInTheirOrder() {
    let (one, two) = (TransferDecisionTests.one, TransferDecisionTests.two)
    #expect(decide(facts(1), facts(2)) { $0.ignoresExisting = true } == .skip(.exists))
    #expect(
      decide(facts(), facts()) { $0.ignoresTimes = true } == .transfer(.unconditional))
    #expect(decide(facts(), facts(after: 9)) { $0.sizeOnly = true } == .skip(.sizesAreEqual))
    #expect(decide(facts(1), facts(2)) { $0.sizeOnly = true } == .transfer(.sizesDiffer))
    #expect(
      decide(facts(md5: one), facts(md5: two)) { $0.checksum = true } == .transfer(.contentsDiffer))
    #expect(
      decide(facts(md5: one), facts(after: 9, md5: one)) { $0.checksum = true }
        == .skip(.contentsAreEqual))
    #expect(
      decide(facts(md5: one), facts(hasMD5: false)) { $0.checksum = true } == .skip(.sizesAreEqual))
    #expect(decide(facts(), facts()) { $0.checksum = true } == .ask([.destinationMD5]))
    #expect(
      decide(facts(1), facts(2)) { $0.ignoresSize = true } == .skip(.timesAreEqual))
    #expect(
      decide(facts(md5: one), facts(after: 9, md5: one)) { $0.leavesTimes = true }
        == .skip(.contentsAreEqual))
  }

  @Test func windows() {
    let second: Int64 = 1_000_000_000
    #expect(
      decide(facts(), facts(after: second - 1)) { $0.modifyWindowNanoseconds = second }
        == .skip(.timesAreEqual))
    #expect(
      decide(facts(), facts(after: second)) { $0.modifyWindowNanoseconds = second }
        == .ask([.destinationMD5]))
    #expect(
      decide(facts(after: nil), facts(after: nil)) { $0.modifyWindowNanoseconds = nil }
        == .skip(.sizesAreEqual))
  }

  @Test func newerDestinationsAreLeft() {
    let (one, two) = (TransferDecisionTests.one, TransferDecisionTests.two)
    func update(
      _ source: FileFacts, _ destination: FileFacts,
      _ change: (inout ComparisonOptions) -> Void = { _ in }
    ) -> TransferDecision {
      decide(source, destination) {
        $0.updatesOlder = true
        change(&$0)
      }
    }
    #expect(update(facts(1), facts(2, after: 1)) == .skip(.destinationIsNewer))
    #expect(update(facts(1), facts(2)) == .transfer(.sizesDiffer))
    #expect(update(facts(), facts()) == .skip(.sizesAreEqual))
    #expect(
      update(facts(md5: one), facts(md5: two)) { $0.checksum = true } == .transfer(.contentsDiffer))
    #expect(update(facts(after: 1, md5: one), facts(md5: one)) == .setTime)
    #expect(update(facts(after: 1, md5: one), facts(md5: two)) == .transfer(.contentsDiffer))
    #expect(
      update(facts(after: 999_999_999), facts()) { $0.modifyWindowNanoseconds = nil }
        == .skip(.sizesAreEqual))
  }

  @Test func whatIsImmutableIsNotTouched() {
    let one = TransferDecisionTests.one
    #expect(decide(facts(1), facts(2)) { $0.immutable = true } == .refuse(.sizesDiffer))
    #expect(
      decide(facts(md5: one), facts(after: 1, md5: one)) { $0.immutable = true }
        == .refuse(.timesDiffer))
    #expect(decide(facts(), facts()) { $0.immutable = true } == .skip(.timesAreEqual))
  }

  @Test func timesFarApartDiffer() {
    let old = FileFacts(
      sizeBytes: 1, modified: .value(WallTime(seconds: .min, nanoseconds: 1)), md5: .absent)
    let new = FileFacts(
      sizeBytes: 1, modified: .value(WallTime(seconds: .max, nanoseconds: 1)), md5: .absent)
    #expect(decide(old, new) == .transfer(.timesDiffer))
    #expect(decide(old, new) { $0.updatesOlder = true } == .skip(.destinationIsNewer))
    #expect(decide(new, old) { $0.updatesOlder = true } == .transfer(.timesDiffer))
  }

  /// Random pairs with random options, against what rclone would do.
  @Test func decidesAsRclone() throws {
    let directory = try TemporaryDirectory()
    let source = try directory.makeDirectory("source")
    let destination = try directory.makeDirectory("destination")
    let judges = try RcloneJudge.all()
    var random = SeededGenerator(seed: 0xdec1de)
    var seen: [String: Int] = [:]
    for round in 0..<SampledCounts.count(sampled: 80, full: 1500) {
      let (size, other) = (random.pick([1, 2]), random.pick([1, 2]))
      let (content, otherContent) = (UInt8(random.below(2)), UInt8(random.below(2)))
      let spans = [0, 0, 1, -1, 2_000_000_000, -2_000_000_000]
      let span = Int64(random.pick(spans))
      try make(source + "/f", size, content, 0)
      try make(destination + "/f", other, otherContent, span)
      var options = ComparisonOptions()
      let arguments = randomOptions(&random, &options)
      let decision = needsTransfer(
        source: facts(Int64(size), after: 0, md5: md5(content)),
        destination: facts(Int64(other), after: span, md5: md5(otherContent)), options: options)
      let ours = name(of: decision)
      seen[ours, default: 0] += 1
      for judge in judges {
        let result = try judge.run(["copy", "--dry-run", source, destination] + arguments)
        let theirs = answer(result.errorText)
        #expect(
          ours == theirs,
          "round \(round) \(judge.version) \(arguments) \(size) \(other) \(span) \(decision): \(result.errorText)"
        )
      }
    }
    #expect(seen.count == 3 && seen.values.allSatisfy { $0 > 3 }, "\(seen)")
  }

  private func randomOptions(
    _ random: inout SeededGenerator, _ options: inout ComparisonOptions
  ) -> [String] {
    var arguments: [String] = []
    func choose(
      _ chance: Double, _ option: String, _ path: WritableKeyPath<ComparisonOptions, Bool>
    ) {
      guard random.chance(chance) else { return }
      arguments.append(option)
      options[keyPath: path] = true
    }
    choose(0.05, "--ignore-existing", \.ignoresExisting)
    choose(0.05, "--ignore-times", \.ignoresTimes)
    choose(0.3, "--update", \.updatesOlder)
    if random.chance(0.5) {
      choose(0.3, "--size-only", \.sizeOnly)
    } else {
      choose(0.4, "--checksum", \.checksum)
    }
    choose(0.2, "--no-update-modtime", \.leavesTimes)
    if random.chance(0.3) {
      arguments += ["--modify-window", "3s"]
      options.modifyWindowNanoseconds = 3_000_000_000
    }
    return arguments
  }

  private func make(_ path: String, _ size: Int, _ content: UInt8, _ span: Int64) throws {
    try ByteFiles.write(Array(path.utf8), [UInt8](repeating: content, count: size))
    let total = 1_000_000_000_500 + Int(span)
    try ByteFiles.setTime(
      Array(path.utf8), seconds: total / 1_000_000_000, nanoseconds: total % 1_000_000_000)
  }

  private func md5(_ content: UInt8) -> ContentMD5? {
    ContentMD5([UInt8](repeating: content, count: 16))
  }

  private func name(of decision: TransferDecision) -> String {
    switch decision {
    case .transfer: "copy"
    case .setTime: "time"
    case .skip: "nothing"
    default: "\(decision)"
    }
  }

  private func answer(_ log: String) -> String {
    if log.contains("Skipped copy") { return "copy" }
    return log.contains("Skipped update modification time") ? "time" : "nothing"
  }
}
