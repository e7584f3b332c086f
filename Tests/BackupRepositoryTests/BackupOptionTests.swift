import Glibc
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// What options leave out, compare and write.
@Suite struct BackupOptionTests {
  private static func makeTree(_ space: BackupSpace) throws -> String {
    let source = try space.directory.makeDirectory("source")
    for name in ["a", "a/b", "cache", "cache/deep", "marked"] {
      try ByteFiles.makeDirectory(Array("\(source)/\(name)".utf8))
      try space.write("\(source)/\(name)/file.o", [1])
      try space.write("\(source)/\(name)/File.txt", [2, 3])
    }
    try space.write("\(source)/cache/CACHEDIR.TAG", DirectoryMarker.cache.header + [0x0a])
    try space.write("\(source)/a/CACHEDIR.TAG", Array("Signature: no".utf8))
    try space.write("\(source)/marked/.nobackup", [])
    try space.write("\(source)/large", [UInt8](repeating: 5, count: 3000))
    return source
  }

  @Test func excludesLeaveOutWhatResticLeavesOut() throws {
    let space = try BackupSpace()
    let source = try BackupOptionTests.makeTree(space)
    typealias Change = (inout BackupOptions) throws -> Void
    let cases: [([String], Change)] = [
      (["--exclude", "*.o"], { $0.excludes = [PathPatterns([try PathPattern("*.o")])] }),
      (
        ["--iexclude", "FILE.*", "--exclude", "marked"],
        {
          $0.excludes = [
            PathPatterns([try PathPattern("marked")]),
            PathPatterns([try PathPattern("FILE.*", ignoringCase: true)]),
          ]
        }
      ),
      (["--exclude-caches"], { $0.markers = [.cache] }),
      (
        ["--exclude-if-present", ".nobackup", "--exclude-caches"],
        { $0.markers = [DirectoryMarker(name: Array(".nobackup".utf8)), .cache] }
      ),
      (["--exclude-larger-than", "2000"], { $0.fileSizeBytesMax = 2000 }),
      (["--one-file-system"], { $0.oneFileSystem = true }),
      (["--with-atime"], { $0.withAccessTime = true }),
    ]
    // Reading must not move the times of last access between the two.
    for path in try ByteFiles.walk(Array(source.utf8)) {
      try ByteFiles.setTime(
        ByteFiles.join(Array(source.utf8), path), seconds: 1_900_000_000, nanoseconds: 1)
    }
    for (arguments, change) in cases {
      let theirs = try space.resticBackup(["--force"] + arguments + [source])
      var options = space.options([source])
      options.parent = .none
      try change(&options)
      let report = try Backup(space.repository, options).run()
      #expect(
        try space.paths(of: report.tree, below: source)
          == space.paths(of: theirs.tree, below: source), "\(arguments)")
      let isEqual =
        try space.subtree(source, of: report.tree)
        == space.subtree(source, of: theirs.tree)
      // Directories are read, and so their times of last access move.
      #expect(isEqual || arguments == ["--with-atime"], "\(arguments)")
    }
  }

  @Test func otherFileSystemsStayEmptyDirectories() throws {
    guard geteuid() == 0 else { return }
    let space = try BackupSpace()
    let source = try BackupOptionTests.makeTree(space)
    let mounted = "\(source)/mounted"
    try ByteFiles.makeDirectory(Array(mounted.utf8))
    try runChecked("mount", ["-t", "tmpfs", "none", mounted])
    defer { _ = try? runProcess("umount", [mounted]) }
    try space.write("\(mounted)/inside", [1])
    let report = try space.backup([source]) { $0.oneFileSystem = true }
    let paths = try space.paths(of: report.tree, below: source)
    #expect(paths.contains("mounted") && !paths.contains("mounted/inside"))
    let theirs = try space.resticBackup(["--force", "-x", source])
    #expect(
      try space.subtree(source, of: report.tree) == space.subtree(source, of: theirs.tree))
    let all = try space.backup([source])
    #expect(try space.paths(of: all.tree, below: source).contains("mounted/inside"))
  }

  @Test func dryRunStoresNothingAndUnchangedIsSkipped() throws {
    let space = try BackupSpace()
    let source = try BackupOptionTests.makeTree(space)
    let dry = try space.backup([source]) { $0.isDryRun = true }
    #expect(dry.snapshot == nil && dry.summary.dataAdded > 3000)
    #expect(try space.repository.list(PackID.self).isEmpty)
    #expect(try space.repository.list(IndexID.self).isEmpty)
    let first = try space.backup([source]) { $0.skipsUnchanged = true }
    #expect(first.snapshot != nil)
    #expect(first.summary.dataBlobs == dry.summary.dataBlobs)
    // Somebody else may change a directory above between two runs, but not every time.
    let attempts = try (0..<20).map { _ in
      try space.backup([source]) { $0.skipsUnchanged = true }
    }
    let skipped = attempts.filter { $0.snapshot == nil }
    #expect(!skipped.isEmpty)
    #expect(skipped.allSatisfy { $0.tree == $0.parent?.record.tree })
    try space.write("\(source)/more", [1])
    #expect(try space.backup([source]) { $0.skipsUnchanged = true }.snapshot != nil)
  }

  @Test func unchangedMeansWhatTheOptionsSay() throws {
    let space = try BackupSpace()
    let source = try space.directory.makeDirectory("source")
    let file = Array("\(source)/file".utf8)
    try ByteFiles.write(file, [1, 2, 3])
    try ByteFiles.setTime(file, seconds: 1_500_000_000, nanoseconds: 5)
    try space.backup([source])
    // Other contents of the same length and time: only the inode's time of change tells.
    try ByteFiles.overwrite(file, [4, 5, 6], at: 0)
    try ByteFiles.setTime(file, seconds: 1_500_000_000, nanoseconds: 5)
    let ignoring = try space.backup([source]) { $0.ignoresChangeTime = true }
    #expect(ignoring.summary.dataBlobs == 0)
    #expect(try space.backup([source]) { $0.parent = .none }.summary.dataBlobs == 1)
    // A copy under the same name has another inode.
    let copy = Array("\(source)/copy".utf8)
    try ByteFiles.write(copy, [7, 8, 9])
    try ByteFiles.setTime(copy, seconds: 1_500_000_000, nanoseconds: 5)
    try ByteFiles.rename(copy, to: file)
    #expect(try space.backup([source]) { $0.ignoresChangeTime = true }.summary.dataBlobs == 1)
    let other = Array("\(source)/other".utf8)
    try ByteFiles.write(other, [0, 8, 9])
    try ByteFiles.setTime(other, seconds: 1_500_000_000, nanoseconds: 5)
    try ByteFiles.rename(other, to: file)
    #expect(try space.backup([source]) { $0.ignoresInode = true }.summary.dataBlobs == 0)
    #expect(try space.backup([source]) { $0.parent = .none }.summary.dataBlobs == 1)
  }

  @Test func parentIsTheNewestOfTheHostWithAllPaths() {
    func stored(_ number: UInt64, _ time: Int64, _ host: String, _ paths: [String])
      -> StoredSnapshot
    {
      var record = SnapshotRecord(
        time: GoTime(seconds: time), tree: BlobID(words: (0, 0, 0, number)), paths: paths)
      record.hostname = host
      return StoredSnapshot(id: SnapshotID(words: (number, 0, 0, 0)), record: record)
    }
    let all = [
      stored(1, 10, "a", ["/x"]), stored(2, 20, "a", ["/x", "/y"]),
      stored(3, 20, "a", ["/y", "/x"]),
      stored(4, 30, "b", ["/x"]), stored(5, 40, "a", ["/y"]), stored(6, 50, "a", ["/x"]),
    ]
    func found(_ paths: [String], _ time: Int64) -> UInt64? {
      ParentSearch.parent(of: all, host: "a", paths: paths, notAfter: GoTime(seconds: time))
        .map { $0.id.words.0 }
    }
    #expect(found(["/x"], 100) == 6)
    #expect(found(["/x"], 45) == 3)
    #expect(found(["/x", "/y"], 100) == 3)
    #expect(found(["/x"], 10) == 1)
    #expect(found(["/x"], 9) == nil)
    #expect(found(["/z"], 100) == nil)
  }

  @Test func itemsAndProgressAreTold() throws {
    let space = try BackupSpace()
    let source = try BackupOptionTests.makeTree(space)
    let log = EventLog()
    let report = try space.backup([source], { $0.reportsItems = true }, observe: log.add)
    let files = log.items.filter { !$0.isDirectory }
    #expect(UInt64(files.count) == report.summary.filesNew)
    #expect(files.contains { printable($0.path) == "\(source)/cache/deep/file.o" })
    #expect(files.allSatisfy { $0.change == .new })
    #expect(report.summary.totalFilesProcessed == report.summary.filesNew)
    #expect(report.summary.totalBytesProcessed == UInt64(files.reduce(0) { $0 + $1.sizeBytes }))
  }
}
