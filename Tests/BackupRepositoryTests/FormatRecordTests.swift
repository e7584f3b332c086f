import Compression
import Cryptography
import Platform
import TestSupport
import Testing

@testable import BackupRepository

@Suite struct FormatRecordTests {
  @Test(arguments: FormatFixture.all)
  func configsAreWrittenAsTheyWereRead(fixture: FormatFixture) throws {
    for item in try fixture.items("config") {
      let config = try RepositoryConfig(decoding: item.bytes)
      #expect(config.version == fixture.version)
      #expect(text(config.encoded()) == text(item.bytes))
    }
  }

  @Test func aConfigKeepsTheMembersOfOtherPrograms() throws {
    let id = String(repeating: "ab", count: 32)
    let json =
      #"{"version":2,"id":"\#(id)","chunker_polynomial":"3dea92648f6e83","append_only":true,"x":{"y":[1,"<"]}}"#
    var config = try RepositoryConfig(decoding: Array(json.utf8))
    #expect(
      JSONValue.object(config.others).encoded()
        == Array(#"{"append_only":true,"x":{"y":[1,"<"]}}"#.utf8))
    config.version = .v1
    let again = try RepositoryConfig(decoding: config.encoded())
    #expect(again == config)
  }

  @Test(arguments: [
    (#"{"version":3,"id":"ID","chunker_polynomial":"3d"}"#, FailureKind.unsupported),
    (#"{"version":0,"id":"ID","chunker_polynomial":"3d"}"#, .unsupported),
    (#"{"id":"ID","chunker_polynomial":"3d"}"#, .corrupt),
    (#"{"version":2,"id":"abc","chunker_polynomial":"3d"}"#, .corrupt),
    (#"{"version":2,"id":"ID"}"#, .corrupt),
    (#"{"version":2,"id":"ID","chunker_polynomial":"g"}"#, .corrupt),
    (#"{"version":2,"id":"ID","chunker_polynomial":""}"#, .corrupt), ("[]", .corrupt),
    ("", .corrupt),
  ])
  func configsOfAnotherFormAreRefused(json: String, kind: FailureKind) {
    let id = String(repeating: "ab", count: 32)
    let parts = json.split(separator: "ID", omittingEmptySubsequences: false)
    let error = #expect(throws: RepositoryError.self) {
      try RepositoryConfig(decoding: Array(parts.joined(separator: id).utf8))
    }
    #expect(error?.kind == kind)
  }

  @Test(arguments: FormatFixture.all)
  func snapshotsAreWrittenAsTheyWereRead(fixture: FormatFixture) throws {
    for item in try fixture.items("snapshot") {
      let snapshot = try SnapshotRecord(decoding: item.bytes)
      #expect(text(snapshot.encoded()) == text(item.bytes))
      #expect((snapshot.summary != nil) == (fixture.repository == "repo-v2"))
      forEachDamage(of: item.bytes, seed: 7, count: 300) { bytes in
        // Either is right; neither may trap.
        _ = try? SnapshotRecord(decoding: bytes)
      }
    }
  }

  @Test func aSnapshotWithEveryMember() throws {
    let id = String(repeating: "0a", count: 32)
    let json =
      #"{"time":"2024-03-31T01:30:00.5-03:30","parent":"\#(id)","tree":"\#(id)","paths":["/a\u003cb","/c"],"hostname":"h","username":"u","uid":1000,"gid":4294967295,"excludes":["*.o"],"tags":["x","y"],"original":"\#(id)","program_version":"restic 0.18.0"}"#
    let snapshot = try SnapshotRecord(decoding: Array(json.utf8))
    #expect(snapshot.paths == ["/a<b", "/c"])
    #expect(text(snapshot.encoded()) == json)
    let unknown = #"{"future":[{}],"# + json.dropFirst()
    #expect(try SnapshotRecord(decoding: Array(unknown.utf8)) == snapshot)
    for (old, new) in [
      (#""paths":["#, #""paths":[1,"#), ("\"uid\":1000", "\"uid\":-1"), (id, "0a"),
      ("2024-03-31", "2024-02-31"),
    ] {
      let changed = json.split(separator: old, omittingEmptySubsequences: false)
        .joined(separator: new)
      #expect(throws: RepositoryError.self) { try SnapshotRecord(decoding: Array(changed.utf8)) }
    }
  }

  @Test func aLockIsWrittenAsResticDoes() throws {
    let json =
      #"{"time":"2026-01-02T03:04:05.678901234+01:00","exclusive":true,"hostname":"h","username":"root","pid":4711}"#
    let lock = try LockRecord(decoding: Array(json.utf8))
    #expect(lock.isExclusive && lock.processID == 4711 && lock.time.nanoseconds == 678_901_234)
    #expect(text(lock.encoded()) == json)
    let other = json.dropLast() + #","uid":5,"gid":6}"#
    #expect(text(try LockRecord(decoding: Array(other.utf8)).encoded()) == other)
    forEachDamage(of: Array(json.utf8), seed: 3, count: 500) { bytes in
      // Either is right; neither may trap.
      _ = try? LockRecord(decoding: bytes)
    }
  }

  @Test(arguments: FormatFixture.all)
  func keyFilesAreWrittenAsTheyWereRead(fixture: FormatFixture) throws {
    for item in try fixture.items("master") {
      let stored = try fixture.stored("keys/\(item.name)")
      let file = try KeyFile(decoding: stored)
      #expect(text(file.encoded()) == text(stored))
      let key = try SealingKey(decoding: item.bytes)
      #expect(text(key.encoded()) == text(item.bytes))
      forEachDamage(of: stored, seed: 11, count: 300) { bytes in
        // Either is right; neither may trap.
        _ = try? KeyFile(decoding: bytes)
      }
      forEachDamage(of: item.bytes, seed: 12, count: 300) { bytes in
        do {
          _ = try SealingKey(decoding: bytes)
        } catch {
          #expect(!"\(error)".contains(text(item.bytes).dropFirst(14).prefix(8)))
        }
      }
    }
  }

  @Test(
    arguments: [
      (32_768, 8, 1, nil), (65_536, 8, 256, nil), (1 << 20, 8, 1, nil),
      (1 << 21, 8, 1, FailureKind.unsupported), (32_768, 8, 100_000, .unsupported),
      (1 << 62, 1 << 62, 4, .unsupported), (2, 1, 1 << 40, .unsupported),
      (0, 8, 1, .corrupt), (1, 8, 1, .corrupt), (32_767, 8, 1, .corrupt), (32_768, 0, 1, .corrupt),
      (32_768, 8, 0, .corrupt),
    ] as [(UInt64, UInt64, UInt64, FailureKind?)])
  func derivationsHaveLimits(n: UInt64, r: UInt64, p: UInt64, kind: FailureKind?) {
    let salt = [UInt8](repeating: 1, count: 64)
    do {
      _ = try KeyDerivation(n: n, r: r, p: p, salt: salt)
      #expect(kind == nil)
    } catch {
      #expect(error.kind == kind)
    }
    #expect(throws: RepositoryError.self) {
      try KeyDerivation(n: 32_768, r: 8, p: 1, salt: Array(salt.dropLast()))
    }
  }
}
