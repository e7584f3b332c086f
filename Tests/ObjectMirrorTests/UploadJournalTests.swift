import Glibc
import Platform
import Synchronization
import TestSupport
import Testing

@testable import ObjectMirror

@Suite struct UploadJournalTests {
  private static let place = UploadPlace(
    endpoint: "https://store:9000", bucket: "bucket-1", key: "prefix/ü \u{1}\"key")

  private func note(_ place: UploadPlace = UploadJournalTests.place) -> UploadNote {
    var note = UploadNote(
      place: place, root: "/srv/dätä", path: [0x61, 0xff, 0x0a],
      source: FileIdentity(
        device: .max, inode: 1 << 63, sizeBytes: 5 << 40,
        modified: WallTime(seconds: -7, nanoseconds: 999_999_999),
        changed: WallTime(seconds: 1 << 40)),
      partSizeBytes: 5 << 20, attributes: "abc", md5: Array(0..<16), begun: 1_700_000_000,
      others: ["one", "two/+=\u{e9}"])
    note.upload = "2~upload"
    note.isDoubtful = true
    return note
  }

  private func bytes(_ note: UploadNote) throws -> [UInt8] { try note.encoded() }

  @Test func aNoteIsReadAsItWasWritten() throws {
    var notes = [note()]
    notes.append(note())
    (notes[1].md5, notes[1].others, notes[1].upload) = (nil, nil, nil)
    notes[1].isDoubtful = false
    for note in notes { #expect(try UploadNote(try bytes(note)) == note) }
  }

  /// Whatever is changed in it, it is no note any more, and nothing traps.
  @Test func everyDamageIsNoticed() throws {
    let whole = try bytes(note())
    for index in whole.indices {
      for bit in [0, 3, 7] {
        var damaged = whole
        damaged[index] ^= 1 << UInt8(bit)
        #expect(throws: JSONError.self, "byte \(index)") { try UploadNote(damaged) }
      }
      #expect(throws: JSONError.self) { try UploadNote(Array(whole[..<index])) }
    }
    var random = SeededGenerator(seed: 4)
    for _ in 0..<200 {
      let size = random.below(400)
      #expect(throws: JSONError.self) { try UploadNote(random.bytes(size)) }
    }
  }

  @Test(arguments: [
    ("\"version\":1", "\"version\":2"), ("\"size\":5497558138880", "\"size\":-1"),
    ("\"part_size\":5242880", "\"part_size\":0"), ("\"upload\":\"2~upload\"", "\"upload\":\"\""),
    ("\"upload\":\"2~upload\"", "\"upload\":7"), ("\"others\":[\"one\"", "\"others\":[1"),
    ("\"modified\":[-7,999999999]", "\"modified\":[-7,1000000000]"),
    ("\"modified\":[-7,999999999]", "\"modified\":[-7]"), ("\"md5\":\"00", "\"md5\":\"0"),
    ("\"doubtful\":true", "\"doubtful\":1"), ("\"begun\"", "\"began\""),
  ])
  func whatAnotherProgramHasSealedIsCheckedAsWell(_ old: String, _ new: String) throws {
    let whole = String(decoding: try bytes(note()), as: UTF8.self)
    let line = whole.split(separator: "\n")[0] + "\n"
    #expect(line.contains(old), "\(line)")
    let changed = Array(line.replacing(old, with: new).utf8)
    #expect(throws: JSONError.self) { try UploadNote(sealed(changed)) }
    #expect(try UploadNote(sealed(Array(line.utf8))) == note())
  }

  private func sealed(_ line: [UInt8]) throws -> [UInt8] {
    let path = try TemporaryDirectory().path("line")
    try ByteFiles.makeDirectory(Array(path.dropLast(5).utf8))
    try ByteFiles.write(Array(path.utf8), line)
    let sum = try runChecked("sha256sum", [path]).outputText.prefix(64)
    removeTree(String(path.dropLast(5)))
    return line + Array(sum.utf8) + [0x0a]
  }

  // MARK: The directory

  @Test func aPlaceIsOfOneAtATime() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("state/drover/uploads")
    let (first, second) = (try UploadJournal(directory: path), try UploadJournal(directory: path))
    var slot = try first.claim(UploadJournalTests.place)
    #expect(slot != nil)
    #expect(try first.claim(UploadJournalTests.place) == nil)
    #expect(try second.claim(UploadJournalTests.place) == nil)
    #expect(slot?.read() == nil)
    try slot?.write(note())
    slot = nil
    slot = try second.claim(UploadJournalTests.place)
    #expect(slot?.read() == note())
    slot?.remove()
    #expect(slot?.read() == nil)
    slot = nil
    #expect(try ByteFiles.names(in: Array(path.utf8)) == [])
    // Only its owner has a business there.
    #expect(try ByteFiles.status(Array(path.utf8)).st_mode & 0o777 == 0o700)
  }

  @Test func manyThatWantOnePlaceGetItOneAfterTheOther() throws {
    let directory = try TemporaryDirectory()
    let inside = Atomic<Int>(0)
    let worst = Atomic<Int>(0)
    let taken = Atomic<Int>(0)
    try withThreads(4) {
      // One that cannot open the directory takes no place, which is counted below.
      guard let journal = try? UploadJournal(directory: directory.path("uploads")) else { return }
      var own = 0
      while own < 200 {
        guard let slot = try? journal.claim(UploadJournalTests.place) else { continue }
        let now = inside.add(1, ordering: .sequentiallyConsistent).newValue
        worst.max(now, ordering: .sequentiallyConsistent)
        inside.subtract(1, ordering: .sequentiallyConsistent)
        withExtendedLifetime(slot) { own += 1 }
      }
      taken.add(own, ordering: .relaxed)
    }
    #expect(worst.load(ordering: .relaxed) == 1)
    #expect(taken.load(ordering: .relaxed) == 800)
  }

  private func withThreads(_ count: Int, _ body: @escaping @Sendable () -> Void) throws {
    let threads = (0..<count).map { number in Thread("journal-\(number)") { body() } }
    for thread in threads { try thread.join() }
  }

  @Test func whatOthersLeftIsVisitedAndWhatIsInUseIsNot() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("uploads")
    let old = try UploadJournal(directory: path)
    var places: [UploadPlace] = []
    for key in ["a", "b", "c", "d"] {
      let place = UploadPlace(endpoint: "http://x", bucket: "bucket-1", key: key)
      try old.claim(place)?.write(note(place))
      places.append(place)
    }
    try ByteFiles.write(Array("\(path)/0123.lock".utf8), [])
    try ByteFiles.write(Array("\(path)/4567.new".utf8), [1])
    let new = try UploadJournal(directory: path)
    // One that another process holds, and one that this one has used itself.
    let held = try old.claim(places[0])
    _ = try new.claim(places[1])
    var visited: [String] = []
    try new.forEachLeft(where: { $0.place.key != "c" }) { (note, slot) throws(MirrorError) in
      visited.append(note.place.key)
      slot.remove()
    }
    #expect(visited == ["d"])
    withExtendedLifetime(held) {}
    let names = try ByteFiles.names(in: Array(path.utf8)).map {
      String(decoding: $0, as: UTF8.self)
    }
    #expect(names.count { $0.hasSuffix(".note") } == 3)
    #expect(!names.contains("0123.lock") && !names.contains("4567.new"))
  }

  /// Whoever can put something there is told off, once for each, and nothing waits or traps.
  @Test func whatIsNoNoteIsToldOnce() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("uploads")
    let told = Told()
    let journal = try UploadJournal(directory: path) { told.add($0) }
    try journal.claim(UploadJournalTests.place)?.write(note())
    let name = try #require(
      try ByteFiles.names(in: Array(path.utf8)).map { String(decoding: $0, as: UTF8.self) }.first)
    let elsewhere = try directory.makeDirectory("elsewhere")
    try runChecked("mv", ["\(path)/\(name)", "\(elsewhere)/note"])
    func isPassedOver(_ what: String) throws {
      let slot = try #require(try journal.claim(UploadJournalTests.place))
      let before = told.count
      #expect(slot.read() == nil, "\(what)")
      #expect(told.count == before + 1, "\(what)")
      // It can be replaced all the same, unless it is a directory.
      if what != "directory" { try slot.write(note()) }
      if what != "directory" { #expect(slot.read() == note()) }
      try runChecked("rm", ["-rf", "\(path)/\(name)"])
    }
    try runChecked("ln", ["-s", "\(elsewhere)/note", "\(path)/\(name)"])
    try isPassedOver("link")
    #expect(try UploadNote(try ByteFiles.read(Array("\(elsewhere)/note".utf8))) == note())
    try runChecked("mkfifo", ["\(path)/\(name)"])
    try isPassedOver("fifo")
    try runChecked("mkdir", ["\(path)/\(name)"])
    try isPassedOver("directory")
    try runChecked("truncate", ["-s", "3G", "\(path)/\(name)"])
    try isPassedOver("large")
    try ByteFiles.write(Array("\(path)/\(name)".utf8), [])
    try isPassedOver("empty")
    let other = UploadPlace(endpoint: "http://x", bucket: "bucket-1", key: "other")
    try ByteFiles.write(Array("\(path)/\(name)".utf8), try bytes(note(other)))
    try isPassedOver("of another key")
  }

  @Test func aDirectoryThatOthersCanWriteIsNotUsed() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.makeDirectory("open")
    chmod(path, 0o777)
    #expect(throws: PlatformError.self) { try UploadJournal(directory: path) }
    try ByteFiles.write(Array(directory.path("file").utf8), [])
    #expect(throws: PlatformError.self) { try UploadJournal(directory: directory.path("file")) }
    #expect(throws: PlatformError.self) {
      try UploadJournal(directory: directory.path("file/below"))
    }
  }
}

/// What a journal has said.
final class Told: @unchecked Sendable {
  private let lock = Lock()
  private var texts: [String] = []

  func add(_ text: String) { lock.withLock { texts.append(text) } }
  var count: Int { lock.withLock { texts.count } }
  var all: [String] { lock.withLock { texts } }
}
