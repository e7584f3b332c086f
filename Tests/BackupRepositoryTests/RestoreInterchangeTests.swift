import Glibc
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// Backups of real restic, restored; rsync compares with the source.
@Suite struct RestoreInterchangeTests {
  @Test(arguments: [1, 2] as [UInt64], [false, true])
  func aZooComesBackAsItWas(seed: UInt64, isSparse: Bool) throws {
    let bench = try RestoreBench()
    try bench.makeZoo(seed: seed)
    try bench.backUp()
    let report = try bench.restore {
      $0.isSparse = isSparse
      $0.verifies = true
    }
    #expect(report.problems.isEmpty)
    #expect(report.filesVerified == report.filesRestored)
    let differences = try bench.differences()
    #expect(differences == "")
    let status = try ByteFiles.status(Array("\(bench.target)/sparse/mostly-hole".utf8))
    #expect((Int64(status.st_blocks) * 512 < 1 << 20) == isSparse)
  }

  @Test func aSecondRestoreWritesNothing() throws {
    let bench = try RestoreBench()
    try bench.makeZoo(seed: 3)
    try bench.backUp()
    let first = try bench.restore()
    let second = try bench.restore()
    #expect(second.filesRestored == 0)
    #expect(second.bytesWritten == 0)
    #expect(second.bytesFetched == 0)
    #expect(second.filesUnchanged == first.filesRestored)
    #expect(second.bytesUnchanged == first.bytesTotal)
    let differences = try bench.differences()
    #expect(differences == "")
  }

  @Test(arguments: [4, 5, 6] as [UInt64])
  func aChangedTreeIsBroughtBack(seed: UInt64) throws {
    let bench = try RestoreBench()
    try bench.makeZoo(seed: seed)
    try bench.backUp()
    try RsyncJudge.copy(source: bench.source, destination: bench.target)
    _ = try TreeMutator.mutate(at: bench.target, seed: seed, count: 300)
    let before = try bench.differences()
    #expect(before != "")
    let report = try bench.restore { $0.deletesExtra = true }
    #expect(report.problems.isEmpty)
    #expect(report.filesUnchanged > 0)
    let differences = try bench.differences()
    #expect(differences == "")
  }

  @Test func ofALargeFileOnlyWhatDiffersIsFetched() throws {
    let bench = try RestoreBench()
    var random = SeededGenerator(seed: 7)
    let content = random.bytes(24 << 20)
    try bench.write("large", content, in: bench.source)
    try bench.backUp()
    try bench.restore()
    var changed = content
    changed[5 << 20] ^= 1
    changed += [1, 2, 3]
    try bench.write("large", changed, in: bench.target)
    let report = try bench.restore { $0.verifies = true }
    #expect(report.bytesUnchanged > 12 << 20)
    #expect(report.bytesWritten > 0)
    #expect(report.bytesWritten + report.bytesUnchanged == 24 << 20)
    let differences = try bench.differences()
    #expect(differences == "")
  }

  @Test func anUnprivilegedRestoreTellsWhatItCannotDo() throws {
    let bench = try RestoreBench()
    try bench.write("file", [1, 2, 3], in: bench.source)
    try ByteFiles.setOwner(Array("\(bench.source)/file".utf8), user: 5, group: 6)
    try bench.backUp()
    _ = try bench.directory.makeDirectory("target")
    try ByteFiles.setOwner(Array(bench.target.utf8), user: 65_534, group: 65_534)
    let repository = try bench.open()
    let snapshot = try RestoreBench.latest(repository)
    let target = bench.target
    try runChecked("chmod", ["-R", "a+rX", bench.directory.path])
    let report = try withoutFilePrivileges {
      var options = RestoreOptions(target: target)
      options.synchronizes = false
      options.threadCount = 2
      return try Restore(repository, snapshot, options).run()
    }
    #expect(report.filesRestored == 1)
    #expect(report.ownerProblemCount == 1)
    let read = try ByteFiles.read(Array("\(target)/file".utf8))
    #expect(read == [1, 2, 3])
  }
}
