import ObjectStorage
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// A backup whose store fails or whose process dies at any operation loses nothing and can be
/// repeated.
@Suite(.serialized) struct BackupFaultTests {
  @Test(arguments: [StoreFault.fail(.failed), .loseAnswer(.failed), .killWithin, .killAfter])
  func everyOperationMayGoWrong(fault: StoreFault) throws {
    let space = try BackupSpace()
    let source = try space.directory.makeDirectory("source")
    var random = SeededGenerator(seed: 21)
    for index in 0..<30 {
      try ByteFiles.makeDirectory(Array("\(source)/d\(index % 5)-\(index)".utf8))
      try space.write("\(source)/d\(index % 5)-\(index)/file", random.bytes(90_000))
    }
    let first = try space.backup([source])
    let old = space.directory.path("old")
    try RsyncJudge.copy(source: source, destination: old)
    for index in 0..<15 {
      try space.write("\(source)/d\(index % 5)-\(index)/file", random.bytes(150_000))
    }
    try space.write("\(source)/large", random.bytes(9 << 20))

    let step = SampledCounts.count(sampled: 11, full: 1)
    var number = 1
    var strikes = 0
    while true {
      let repo = "repo-\(number)"
      try runChecked("cp", ["-r", space.directory.path("repo"), space.directory.path(repo)])
      let base = try LocalStore(at: space.directory.path(repo))
      let store = FaultInjectingStore(base, .at(number, fault))
      let result = Result {
        try Backup(space.repository(on: store), space.options([source])).run()
      }
      guard store.hasStruck else {
        #expect(throws: Never.self) { try result.get() }
        break
      }
      strikes += 1
      try expectNothingIsLost(space, repo, first, old)
      let repeated = try Backup(space.repository(on: base), space.options([source])).run()
      #expect(try space.complaints(repo: repo) == "", "after \(fault) at \(number)")
      let restored = try space.resticRestore(try #require(repeated.snapshot).id, repo: repo)
      #expect(
        try RsyncJudge.differences(source: source, destination: restored + source) == "",
        "after \(fault) at \(number)")
      removeTree(space.directory.path(repo))
      removeTree(restored)
      number += step
    }
    #expect(strikes > 3)
  }

  private func expectNothingIsLost(
    _ space: BackupSpace, _ repo: String, _ first: BackupReport, _ old: String
  ) throws {
    #expect(try space.complaints(repo: repo) == "")
    let restored = try space.resticRestore(try #require(first.snapshot).id, repo: repo)
    let source = space.directory.path("source")
    #expect(try RsyncJudge.differences(source: old, destination: restored + source) == "")
    removeTree(restored)
  }
}
