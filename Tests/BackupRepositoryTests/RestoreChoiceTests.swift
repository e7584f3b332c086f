import Glibc
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// What is restored, and what happens to what is there.
@Suite struct RestoreChoiceTests {
  /// a/one, a/b/two, c/three, four; all older than anything made later.
  private func filled() throws -> RestoreBench {
    let bench = try RestoreBench()
    for name in ["a", "a/b", "c", "empty"] {
      try ByteFiles.makeDirectory(Array("\(bench.source)/\(name)".utf8))
    }
    for name in ["a/one", "a/b/two", "c/three", "four"] {
      try bench.write(name, Array("content of \(name)".utf8), in: bench.source)
      try ByteFiles.setTime(
        Array("\(bench.source)/\(name)".utf8), seconds: 1_600_000_000, nanoseconds: 7)
    }
    try ByteFiles.setMode(Array("\(bench.source)/a".utf8), 0o711)
    try bench.backUp()
    return bench
  }

  @Test func includesRestoreMatchesAndTheDirectoriesAboveThem() throws {
    let bench = try filled()
    let report = try bench.restore { $0.includes = PathPatterns([try PathPattern("two")]) }
    #expect(report.filesRestored == 1)
    #expect(try bench.names(bench.target) == ["a"])
    #expect(try bench.names(bench.target + "/a") == ["b"])
    #expect(try bench.read("a/b/two") == "content of a/b/two")
    let status = try ByteFiles.status(Array("\(bench.target)/a".utf8))
    #expect(status.st_mode & 0o7777 == 0o711)
  }

  @Test func excludesLeaveOut() throws {
    let bench = try filled()
    try bench.restore {
      $0.excludes = PathPatterns([try PathPattern("/a/b"), try PathPattern("four")])
    }
    #expect(try bench.names(bench.target) == ["a", "c", "empty"])
    #expect(try bench.names(bench.target + "/a") == ["one"])
  }

  @Test func aDirectoryOfTheSnapshotTakesThePlaceOfTheRoot() throws {
    let bench = try filled()
    try bench.restore { $0.subpath = "/a/b" }
    #expect(try bench.names(bench.target) == ["two"])
  }

  @Test(arguments: ["/a/x", "/nothing", "/four/below"])
  func anUnknownPathIsAnError(path: String) throws {
    let bench = try filled()
    let error = #expect(throws: RepositoryError.self) { try bench.restore { $0.subpath = path } }
    #expect(error?.kind == .notFound)
  }

  @Test func aPatternThatMatchesNothingIsAnError() throws {
    let bench = try filled()
    let error = #expect(throws: RepositoryError.self) {
      try bench.restore { $0.includes = PathPatterns([try PathPattern("nothing")]) }
    }
    #expect(error?.kind == .notFound)
    #expect(try bench.names(bench.target) == [])
  }

  // MARK: Overwriting

  /// Restored once; then `four` is changed and newer, `a/one` changed and older, `c/three` changed
  /// with equal size and time.
  private func changed() throws -> RestoreBench {
    let bench = try filled()
    try bench.restore()
    try bench.write("four", Array("newer".utf8), in: bench.target)
    try bench.write("a/one", Array("older".utf8), in: bench.target)
    try ByteFiles.setTime(
      Array("\(bench.target)/a/one".utf8), seconds: 1_500_000_000, nanoseconds: 0)
    try bench.write("c/three", Array("CONTENT OF C/THREE".utf8), in: bench.target)
    #expect("CONTENT OF C/THREE".count > "content of c/three".count - 1)
    try ByteFiles.setTime(
      Array("\(bench.target)/c/three".utf8), seconds: 1_600_000_000, nanoseconds: 7)
    return bench
  }

  @Test(arguments: [
    (OverwriteMode.always, "content of four", "content of a/one", "content of c/three"),
    (.ifChanged, "content of four", "content of a/one", "CONTENT OF C/THREE"),
    (.ifNewer, "newer", "content of a/one", "CONTENT OF C/THREE"),
    (.never, "newer", "older", "CONTENT OF C/THREE"),
  ])
  func overwriteModes(mode: OverwriteMode, four: String, one: String, three: String) throws {
    let bench = try changed()
    try ByteFiles.remove(Array("\(bench.target)/a/b/two".utf8))
    try bench.restore { $0.overwrite = mode }
    #expect(try bench.read("four") == four)
    #expect(try bench.read("a/one") == one)
    #expect(try bench.read("c/three") == three)
    #expect(try bench.read("a/b/two") == "content of a/b/two")
  }

  @Test func otherKindsOfEntriesGiveWay() throws {
    let bench = try filled()
    try bench.restore()
    let victim = bench.directory.path("victim")
    try bench.write("victim", Array("untouched".utf8), in: bench.directory.path)
    for name in ["four", "a"] { try removeInTarget(name, bench) }
    try ByteFiles.makeSymlink(Array("\(bench.target)/four".utf8), target: Array(victim.utf8))
    let outside = try bench.directory.makeDirectory("outside")
    try ByteFiles.makeSymlink(Array("\(bench.target)/a".utf8), target: Array(outside.utf8))
    try removeInTarget("c/three", bench)
    try ByteFiles.makeDirectory(Array("\(bench.target)/c/three".utf8))
    try bench.restore()
    #expect(try bench.differences() == "")
    #expect(try bench.names(outside) == [])
    #expect(try ByteFiles.read(Array(victim.utf8)) == Array("untouched".utf8))
  }

  private func removeInTarget(_ name: String, _ bench: RestoreBench) throws {
    try runChecked("rm", ["-r", "\(bench.target)/\(name)"])
  }

  @Test func aFullDirectoryGivesWayOnlyToDeletion() throws {
    let bench = try filled()
    try bench.restore()
    try removeInTarget("four", bench)
    try ByteFiles.makeDirectory(Array("\(bench.target)/four".utf8))
    try bench.write("four/mine", [1], in: bench.target)
    let error = #expect(throws: RepositoryError.self) { try bench.restore() }
    #expect(error?.kind == .partial)
    #expect(try bench.names(bench.target + "/four") == ["mine"])
    try bench.restore { $0.deletesExtra = true }
    #expect(try bench.differences() == "")
  }

  @Test func deletionTakesOnlyWhatIsExtraAndSelected() throws {
    let bench = try filled()
    try bench.restore()
    for name in ["extra", "a/extra.keep", "a/extra.drop"] {
      try bench.write(name, [1], in: bench.target)
    }
    try ByteFiles.makeDirectory(Array("\(bench.target)/more".utf8))
    try bench.write("more/deep", [1], in: bench.target)
    try bench.restore()
    #expect(try bench.names(bench.target).contains("extra"))
    let report = try bench.restore {
      $0.deletesExtra = true
      $0.excludes = PathPatterns([try PathPattern("*.keep")])
    }
    #expect(report.entriesDeleted == 4)
    #expect(try bench.names(bench.target) == ["a", "c", "empty", "four"])
    #expect(try bench.names(bench.target + "/a") == ["b", "extra.keep", "one"])
  }

  @Test func namesOfOneInodeInTheTargetBecomeDifferentFiles() throws {
    let bench = try filled()
    try bench.restore()
    try removeInTarget("four", bench)
    try ByteFiles.link(
      Array("\(bench.target)/four".utf8), to: Array("\(bench.target)/a/one".utf8))
    try bench.restore()
    #expect(try bench.differences() == "")
    let one = try ByteFiles.status(Array("\(bench.target)/a/one".utf8))
    #expect(one.st_nlink == 1)
  }
}
