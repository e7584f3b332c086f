import Glibc
import Manifests
import Platform
import TestSupport
import Testing

@testable import StateStore

@Suite("Records of runs and events")
struct RecordFileTests {
  private func run(_ number: Int64, message: String? = nil) -> RunRecord {
    var run = RunRecord(
      mover: "restic", cause: "schedule", started: WallTime(seconds: 1_782_980_000 + number),
      ended: WallTime(seconds: 1_782_980_010 + number), outcome: .incomplete)
    run.attemptCount = Int(number)
    run.phases = [RunRecord.Phase(name: "mover", seconds: 1.5)]
    run.amounts.fileCount = 3
    run.amounts.readBytes = 1 << 40
    run.warningCount = 2
    run.message = message
    run.result = "0123abcd"
    run.bottleneck = "read"
    return run
  }

  @Test("A run comes back as it was")
  func roundTrip() throws {
    var record = run(4, message: "2 files could not be read")
    record.amounts.sentBytes = 5
    record.amounts.storedBytes = 6
    record.missedCount = 9
    #expect(RunRecord(record.document) == record)
    #expect(RunRecord(["started": .string("yesterday")]) == nil)
  }

  @Test("Files of records are bounded, and the newest stay")
  func rotation() throws {
    let fixture = try StateFixture()
    let directory = try fixture.filled()
    let message = String(repeating: "m", count: 1000)
    for number in 0..<700 {
      try directory.add(run(Int64(number), message: message), of: Samples.sourceKey)
    }
    let runs = try directory.runs(of: Samples.sourceKey)
    #expect(runs.last?.attemptCount == 699)
    #expect(runs.map(\.attemptCount) == Array((700 - runs.count)..<700))
    #expect(runs.count > 150)
    for name in ["data.runs.jsonl", "data.runs.jsonl.1"] {
      let text = try fixture.text("default/replicationsource/\(name)")
      #expect(text.utf8.count <= StateLimits.runsSizeBytesMax)
    }
    #expect(
      try directory.runs(of: Samples.sourceKey, countMax: 3).map(\.attemptCount) == [697, 698, 699])
  }

  @Test("A line that was cut short is passed over, and the next stands alone")
  func tornLine() throws {
    let fixture = try StateFixture()
    let directory = try fixture.filled()
    for number in 0..<3 { try directory.add(run(Int64(number)), of: Samples.sourceKey) }
    let name = "default/replicationsource/data.runs.jsonl"
    let whole = Array(try fixture.text(name).utf8)
    let lastLine = whole.split(separator: 0x0a).map(\.count).last ?? 0
    for cut in 1...lastLine {
      try fixture.write(name, String(decoding: whole.dropLast(cut), as: UTF8.self))
      try directory.add(run(7), of: Samples.sourceKey)
      let counts = try directory.runs(of: Samples.sourceKey).map(\.attemptCount)
      // Without its newline alone the line is whole.
      #expect(counts == (cut == 1 ? [0, 1, 2, 7] : [0, 1, 7]), "cut \(cut)")
    }
  }

  @Test("Whatever stands in a file of records, reading it gives what is one")
  func damage() throws {
    let fixture = try StateFixture()
    let directory = try fixture.filled()
    var generator = SeededGenerator(seed: 11)
    for _ in 0..<20 {
      var bytes = generator.bytes(generator.below(3000))
      bytes += [0x0a] + JSONValue.object(run(5).document).encoded() + [0x0a]
      let path = "\(fixture.path)/default/replicationsource"
      try DurableFile.replace("data.runs.jsonl", in: path, with: bytes, mode: 0o600)
      #expect(try directory.runs(of: Samples.sourceKey).map(\.attemptCount) == [5])
    }
  }

  @Test("The same event again is counted, also after a restart")
  func events() throws {
    let fixture = try StateFixture()
    func event(_ message: String) -> EventRecord {
      EventRecord(.warning, "TransferFailed", message, at: fixture.clock.wallTime())
    }
    do {
      let directory = try fixture.filled()
      for message in ["a", "b", "a"] {
        try directory.add(event(message), of: Samples.sourceKey)
        fixture.clock.advance(seconds: 60)
      }
    }
    let directory = try fixture.open()
    _ = try directory.load()
    try directory.add(event("b"), of: Samples.sourceKey)
    let events = try directory.events(of: Samples.sourceKey)
    #expect(events.map(\.message) == ["a", "b"])
    #expect(events.map(\.count) == [2, 2])
    #expect(events[1].firstTime < events[1].lastTime)
    for number in 0..<3000 { try directory.add(event("event \(number)"), of: Samples.sourceKey) }
    #expect(try directory.events(of: Samples.sourceKey).last?.message == "event 2999")
    let size = try fixture.text("default/replicationsource/data.events.jsonl").utf8.count
    #expect(size <= StateLimits.eventsSizeBytesMax)
  }

  @Test("A log is bounded and begins with a whole line")
  func log() throws {
    let fixture = try StateFixture()
    let directory = try fixture.filled()
    for number in 0..<20_000 {
      try directory.append(log: Array("line \(number)\n".utf8), of: Samples.sourceKey)
    }
    let text = try directory.log(of: Samples.sourceKey, sizeBytesMax: 100)
    #expect(text.starts(with: "line ".utf8))
    #expect(String(decoding: text, as: UTF8.self).hasSuffix("line 19999\n"))
    let all = try directory.log(of: Samples.sourceKey, sizeBytesMax: 1 << 30)
    #expect(all.count <= 2 * StateLimits.logSizeBytesMax)
  }

  @Test("A message is cut at the start of a character")
  func cut() {
    #expect("short".cut(toBytes: 10) == "short")
    #expect("ääääää".cut(toBytes: 8) == "ää…")
    #expect("ääääää".cut(toBytes: 8).utf8.count <= 8)
  }
}
