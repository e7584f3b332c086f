import Glibc
import Platform
import TestSupport
import Testing

@testable import ObjectMirror

/// What a run found alike, the next one reads; what is damaged or foreign is not known.
@Suite struct PairStateTests {
  private let directory: TemporaryDirectory
  private let identity = [UInt8](repeating: 7, count: 32)

  init() throws { directory = try TemporaryDirectory() }

  private var path: String { "\(directory.path)/state" }

  private func record(_ number: Int, key: [UInt8]? = nil) -> PairRecord {
    let time = WallTime(seconds: -5 + Int64(number), nanoseconds: 999_999_999)
    let text = String(number)
    let key = key ?? Array("dir/\(String(repeating: "0", count: 7 - text.count))\(text)".utf8)
    return PairRecord(
      key: key,
      file: FileIdentity(
        device: 3, inode: .max - UInt64(number), sizeBytes: Int64(number), modified: time,
        changed: time),
      object: ObjectIdentity(
        etag: "etag-\(number)", sizeBytes: Int64(number), storedSeconds: -1...Int64(number)),
      likeness: number.isMultiple(of: 2) ? [.times, .contents] : .contents)
  }

  private func write(_ records: [PairRecord]) throws {
    let writer = PairStateWriter(path: path, identity: identity)
    for record in records { writer.settle(writer.place(), record) }
    try writer.finish()
  }

  @Test func recordsComeBackAlongAListing() throws {
    let records = (0..<5000).map { record($0) }
    try write(records.filter { !$0.file.sizeBytes.isMultiple(of: 5) })
    let reader = try #require(PairStateReader.open(path: path, identity: identity))
    // A listing has keys that the file has not, and lacks some that it has.
    for record in records where !record.file.sizeBytes.isMultiple(of: 7) {
      let expected = record.file.sizeBytes.isMultiple(of: 5) ? nil : record
      #expect(reader.record(of: record.key) == expected)
    }
    #expect(reader.record(of: Array("e".utf8)) == nil)
  }

  @Test func marksStandApart() throws {
    let records = (0..<5000).map { record($0) }
    try write(records)
    let reader = try #require(PairStateReader.open(path: path, identity: identity))
    #expect(reader.record(of: records[3].key) == records[3])
    #expect(reader.marks(spacing: 960) == [959, 1919, 2879, 3839, 4799].map { records[$0].key })
    #expect(reader.marks(spacing: 6000) == [])
  }

  /// Any thread settles, in any order; the file is in the order of the places.
  @Test func placesAreSettledInAnyOrder() throws {
    let records = (0..<20_000).map { record($0) }
    let writer = PairStateWriter(path: path, identity: identity)
    let places = records.map { _ in writer.place() }
    let threads = (0..<4).map { number in
      Thread("settle-\(number)") {
        for index in stride(from: number, to: records.count, by: 4).reversed() {
          writer.settle(places[index], index.isMultiple(of: 3) ? nil : records[index])
        }
      }
    }
    for thread in threads { try thread.join() }
    try writer.finish()
    let reader = try #require(PairStateReader.open(path: path, identity: identity))
    for (index, record) in records.enumerated() {
      #expect(reader.record(of: record.key) == (index.isMultiple(of: 3) ? nil : record))
    }
  }

  /// One that takes for ever holds up a bounded number; it is found all the same.
  @Test func latePlacesAreFound() throws {
    let records = (0..<200_000).map { record($0) }
    let writer = PairStateWriter(path: path, identity: identity)
    var late: [(PairStateWriter.Place, PairRecord)] = []
    for (index, record) in records.enumerated() {
      let place = writer.place()
      if index.isMultiple(of: 50_000) {
        late.append((place, record))
      } else {
        writer.settle(place, record)
      }
    }
    for (place, record) in late { writer.settle(place, record) }
    try writer.finish()
    let reader = try #require(PairStateReader.open(path: path, identity: identity))
    for record in records where reader.record(of: record.key) != record {
      Issue.record("\(record.file.sizeBytes) is not found")
    }
  }

  /// What was never settled is not in the file, and holds nothing up.
  @Test func placesThatAreNeverSettledAreLeftOut() throws {
    let writer = PairStateWriter(path: path, identity: identity)
    _ = writer.place()
    writer.settle(writer.place(), record(1))
    _ = writer.place()
    try writer.finish()
    let reader = try #require(PairStateReader.open(path: path, identity: identity))
    #expect(reader.record(of: record(0).key) == nil)
    #expect(reader.record(of: record(1).key) == record(1))
  }

  @Test func othersAreNotKnown() throws {
    try write([record(1)])
    let other = [UInt8](repeating: 8, count: 32)
    #expect(PairStateReader.open(path: path, identity: other) == nil)
    #expect(PairStateReader.open(path: "\(path).not", identity: identity) == nil)
  }

  /// Without an end the old file stays, and nothing else.
  @Test func aFileGetsItsNameAtTheEnd() throws {
    try write([record(1)])
    do {
      let writer = PairStateWriter(path: path, identity: identity)
      for number in 2..<5000 { writer.settle(writer.place(), record(number)) }
    }
    let reader = try #require(PairStateReader.open(path: path, identity: identity))
    #expect(reader.record(of: record(1).key) == record(1))
    #expect(try ByteFiles.names(in: .init(directory.path.utf8)) == [Array("state".utf8)])
  }

  /// Every cut and every flipped bit: no record that was not written, no crash, no hang.
  @Test func damageIsNotBelieved() throws {
    let records = (0..<6).map { record($0) }
    try write(records)
    let whole = try SmallFile.read(path, sizeBytesMax: 1 << 20)
    func check(_ bytes: [UInt8]) throws {
      try ByteFiles.write(.init(path.utf8), bytes)
      guard let reader = PairStateReader.open(path: path, identity: identity) else { return }
      for record in records {
        let found = reader.record(of: record.key)
        #expect(found == nil || found == record)
      }
    }
    for count in 0..<whole.count { try check(Array(whole[..<count])) }
    for index in whole.indices {
      for bit in 0..<8 {
        var bytes = whole
        bytes[index] ^= 1 << bit
        try check(bytes)
      }
    }
  }

  @Test func whatIsTooLongIsLeftOut() throws {
    var odd = record(3)
    odd.object.etag = String(repeating: "e", count: 129)
    try write([odd, record(4, key: [UInt8](repeating: 0x7a, count: 4097)), record(5)])
    let reader = try #require(PairStateReader.open(path: path, identity: identity))
    #expect(reader.record(of: odd.key) == nil)
    #expect(reader.record(of: record(5).key) == record(5))
  }

  @Test func aPairIsKnownByBothListings() {
    let modified = WallTime(seconds: 100, nanoseconds: 5)
    let file = FileIdentity(
      device: 1, inode: 1, sizeBytes: 3, modified: modified, changed: modified)
    let record = PairRecord(
      key: [1], file: file, object: ObjectIdentity(etag: "e", sizeBytes: 3, storedSeconds: 10...12),
      likeness: .times)
    func matches(
      _ etag: String = "e", _ size: Int64 = 3, at seconds: Int64? = 11,
      _ change: (inout FileIdentity) -> Void = { _ in }
    ) -> Bool {
      var other = file
      change(&other)
      return record.matches(
        file: MirrorEntry(.file, path: [1], key: [1], modified: other.modified, file: other),
        object: MirrorEntry(
          .file, path: [1], key: [1], sizeBytes: size,
          modified: seconds.map { WallTime(seconds: $0) }, etag: etag))
    }
    #expect(matches(at: 10))
    #expect(matches(at: 12))
    // A store that hands on the file's own time.
    #expect(matches(at: 100))
    #expect(!matches(at: 13))
    #expect(!matches(at: nil))
    #expect(!matches("f"))
    #expect(!matches("e", 4))
    #expect(!matches { $0.device = 2 })
    #expect(!matches { $0.inode = 2 })
    #expect(!matches { $0.sizeBytes = 4 })
    #expect(!matches { $0.modified.nanoseconds = 6 })
    #expect(!matches { $0.changed.seconds += 1 })
  }
}
