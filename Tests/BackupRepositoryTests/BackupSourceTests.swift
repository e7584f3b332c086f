import Glibc
import ObjectStorage
import Platform
import Synchronization
import TestSupport
import Testing

@testable import BackupRepository

/// Sources that do not hold still or cannot be read, and large ones.
@Suite(.serialized) struct BackupSourceTests {
  @Test func unreadableFilesAndDirectoriesAreLeftOutAndTold() throws {
    guard geteuid() == 0 else { return }
    let space = try BackupSpace()
    let source = try space.directory.makeDirectory("source")
    try space.write("\(source)/open", [1])
    try space.write("\(source)/closed", [2])
    try ByteFiles.makeDirectory(Array("\(source)/locked".utf8))
    try space.write("\(source)/locked/inside", [3])
    try ByteFiles.setMode(Array("\(source)/closed".utf8), 0)
    try ByteFiles.setMode(Array("\(source)/locked".utf8), 0)
    // The parent directory is private; the user needs a way through it.
    try ByteFiles.setMode(Array(space.directory.path.utf8), 0o755)
    let store = MemoryStore()
    let log = EventLog()
    let options = space.options([source])
    let repository = space.repository(on: store)
    let report = try withoutFilePrivileges {
      try Backup(repository, options, observe: log.add).run()
    }
    #expect(report.isPartial && report.unreadableCount == 2)
    #expect(Set(log.problems) == ["\(source)/closed", "\(source)/locked"])
    #expect(report.snapshot != nil)
    #expect(report.summary.filesNew == 1)
  }

  @Test func sourceThatChangesWhileItIsReadIsStoredSoundly() throws {
    let space = try BackupSpace()
    let source = try space.directory.makeDirectory("source")
    for index in 0..<20 {
      try ByteFiles.makeDirectory(Array("\(source)/d\(index)".utf8))
      for number in 0..<50 { try space.write("\(source)/d\(index)/f\(number)", [1, 2, 3]) }
    }
    try space.write("\(source)/grows", [UInt8](repeating: 1, count: 1 << 20))
    let isOver = Atomic(false)
    let disturber = Thread("disturb") {
      var round = 0
      let grows = Array("\(source)/grows".utf8)
      while !isOver.load(ordering: .relaxed) {
        let directory = "\(source)/d\(round % 20)"
        let name = Array("\(directory)/f\(round % 50)".utf8)
        // Gone, there again, longer, of another kind.
        try ByteFiles.remove(name)
        if round % 3 == 0 {
          try ByteFiles.makeDirectory(name)
        } else if round % 3 == 1 {
          try ByteFiles.makeNode(name, type: S_IFIFO)
        } else {
          try ByteFiles.write(name, [UInt8](repeating: 3, count: 600_000))
        }
        let size = Int(try ByteFiles.status(grows).st_size)
        if size < 64 << 20 { try ByteFiles.overwrite(grows, [1, 2, 3], at: size) }
        round += 1
      }
    }
    for _ in 0..<6 { try space.backup([source]) { $0.parent = .none } }
    isOver.store(true, ordering: .relaxed)
    try disturber.join()
    #expect(try space.complaints() == "")
    let last = try space.backup([source])
    #expect(last.unreadableCount == 0)
    let theirs = try space.resticBackup(["--force", source])
    #expect(try space.subtree(source, of: theirs.tree) == space.subtree(source, of: last.tree))
  }

  @Test func missingTargetsAreToldAndNothingAtAllIsRefused() throws {
    let space = try BackupSpace()
    let source = try space.directory.makeDirectory("source")
    try space.write("\(source)/file", [1])
    let log = EventLog()
    let report = try space.backup(["\(source)/file", "\(source)/none"], observe: log.add)
    #expect(report.unreadableCount == 1 && log.problems == ["\(source)/none"])
    #expect(report.snapshot != nil)
    #expect(throws: RepositoryError.self) { try space.backup([]) }
    #expect(throws: RepositoryError.self) { try space.backup(["/"]) { $0.isCancelled = { true } } }
    #expect(try space.repository.list(SnapshotID.self).count == 1)
  }

  @Test func crowdedAndDeepDirectoriesFit() throws {
    let space = try BackupSpace()
    let source = try space.directory.makeDirectory("source")
    let count = SampledCounts.count(sampled: 20_000, full: 300_000)
    for index in 0..<count { try space.write("\(source)/\(index)", []) }
    var path = source
    for _ in 0..<300 {
      path += "/deeper"
      try ByteFiles.makeDirectory(Array(path.utf8))
    }
    try space.write(path + "/leaf", [1])
    let report = try space.backup([source])
    #expect(report.summary.filesNew == UInt64(count + 1))
    #expect(report.unreadableCount == 0)
    let theirs = try space.resticBackup([source])
    #expect(try space.subtree(source, of: theirs.tree) == space.subtree(source, of: report.tree))
  }

  @Test func lostLockEndsTheRunWithoutASnapshot() throws {
    let space = try BackupSpace()
    let source = try space.directory.makeDirectory("source")
    try space.write("\(source)/file", [1])
    #expect(throws: RepositoryError.self) {
      try space.backup([source]) {
        $0.mayGoOn = { () throws(RepositoryError) in
          throw .locked(place: "here", holder: "somebody")
        }
      }
    }
    #expect(try space.repository.list(SnapshotID.self).isEmpty)
  }
}
