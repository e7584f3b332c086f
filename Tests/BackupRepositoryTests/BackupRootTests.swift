import Glibc
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// A directory whose entries are the root of the snapshot.
@Suite struct BackupRootTests {
  private static func makeVolume(_ space: BackupSpace, _ name: String = "volume") throws -> String {
    let volume = try space.directory.makeDirectory(name)
    for folder in ["lost+found", "sub", "sub/lost+found", "cache"] {
      try ByteFiles.makeDirectory(Array("\(volume)/\(folder)".utf8))
      try space.write("\(volume)/\(folder)/file", Array(folder.utf8))
    }
    try space.write("\(volume)/large", [UInt8](repeating: 5, count: 3_000_000))
    guard symlink("large", "\(volume)/link") == 0 else { throw PlatformError.last("symlink") }
    return volume
  }

  private static func rooted(_ volume: String) throws -> (inout BackupOptions) -> Void {
    let patterns = PathPatterns([try PathPattern("lost+found")])
    return { options in
      options.root = BackupRoot(directory: Array(volume.utf8), recordedPath: "/data")
      options.excludes = [patterns]
      options.excludeTexts = ["lost+found"]
    }
  }

  @Test func theTreeIsThatOfResticInTheDirectory() throws {
    let space = try BackupSpace()
    let volume = try BackupRootTests.makeVolume(space)
    let report = try space.backup([], BackupRootTests.rooted(volume))
    let record = try #require(report.snapshot?.record)
    #expect(record.paths == ["/data"])
    #expect(record.excludes == ["lost+found"])
    try runChecked(
      "sh",
      [
        "-c", #"cd "$1" && exec restic -r "$2" --no-cache backup --exclude lost+found ."#, "sh",
        volume, space.directory.path("repo"),
      ], environment: ["RESTIC_PASSWORD": BackupSpace.password])
    let trees = try space.repository.snapshots(try space.repository.makeCodec()) { _, _ in }
      .map(\.record.tree)
    #expect(trees == [report.tree, report.tree])
    #expect(try space.complaints().isEmpty)
  }

  @Test func theParentIsFoundByTheRecordedPath() throws {
    let space = try BackupSpace()
    let volume = try BackupRootTests.makeVolume(space)
    let change = try BackupRootTests.rooted(volume)
    let first = try space.backup([], change)
    let second = try space.backup([], change)
    #expect(second.parent?.id == first.snapshot?.id)
    #expect(second.summary.filesUnmodified == 3)
    #expect(second.summary.dataBlobs == 0)
    #expect(second.tree == first.tree)
  }

  @Test func patternsSeeTheRecordedPath() throws {
    let space = try BackupSpace()
    _ = try space.directory.makeDirectory("lost+found")
    let volume = try BackupRootTests.makeVolume(space, "lost+found/volume")
    let report = try space.backup([], BackupRootTests.rooted(volume))
    #expect(report.summary.totalFilesProcessed == 3)
    let rooted = try space.backup([]) { options in
      options.root = BackupRoot(directory: Array(volume.utf8), recordedPath: "/data")
      // A pattern that cannot be read makes the counts differ.
      options.excludes = [PathPatterns([try? PathPattern("/data/sub")].compactMap { $0 })]
    }
    #expect(rooted.summary.totalFilesProcessed == 3)
  }

  @Test func anEmptyDirectoryIsRefusedUnlessItMayBeEmpty() throws {
    let space = try BackupSpace()
    let volume = try space.directory.makeDirectory("empty")
    try ByteFiles.makeDirectory(Array("\(volume)/lost+found".utf8))
    let change = try BackupRootTests.rooted(volume)
    #expect(throws: RepositoryError.self) { try space.backup([], change) }
    #expect(try space.repository.list(SnapshotID.self).isEmpty)
    let report = try space.backup([]) { options in
      change(&options)
      options.root?.mayBeEmpty = true
    }
    #expect(report.snapshot != nil)
    #expect(report.summary.totalFilesProcessed == 0)
    #expect(try space.complaints().isEmpty)
  }

  @Test func aMissingDirectoryFails() throws {
    let space = try BackupSpace()
    let change = try BackupRootTests.rooted(space.directory.path("nowhere"))
    #expect(throws: RepositoryError.self) { try space.backup([], change) }
  }
}
