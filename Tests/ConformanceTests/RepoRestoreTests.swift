import Glibc
import Platform
import TestSupport
import Testing

/// `drover repo restore` from what restic and we have stored.
@Suite struct RepoRestoreTests {
  @Test func whatResticStoredIsRestored() throws {
    let bench = try RepoBench()
    try bench.droverChecked(["init"])
    try bench.restic(["backup", "-q", bench.source])
    let target = bench.directory.path("restored")
    let text = try bench.droverChecked(
      ["restore", "latest", "--target", target, "--verify"]
    ).outputText
    #expect(text.hasPrefix("restoring snapshot "))
    #expect(text.contains("finished verifying 2 files"))
    try runChecked("diff", ["-r", "--no-dereference", bench.source, target + bench.source])
    let folder = bench.directory.path("folder")
    try bench.droverChecked(["restore", "latest:\(bench.source)/folder", "-t", folder])
    try runChecked("diff", ["-r", "\(bench.source)/folder", folder])
  }

  @Test func patternsAndOptionsAreThoseOfRestic() throws {
    let bench = try RepoBench(fixture: "repo-v2-r014")
    for (number, options) in [
      ["--include", "*.txt"], ["--exclude", "names", "--exclude", "dev"],
      ["--iinclude", "HELLO*"], ["--host", "fixture-host", "-e", "data"],
    ].enumerated() {
      let (ours, theirs) = (bench.directory.path("a\(number)"), bench.directory.path("b\(number)"))
      try bench.droverChecked(["restore", "latest", "-t", ours] + options)
      try bench.restic(["restore", "latest", "-t", theirs] + options)
      let difference = try runProcess("diff", ["-r", "--no-dereference", ours, theirs])
      // Devices and fifos cannot be compared; the damaged target of a link is the same in both.
      let lines = difference.outputText.split(separator: "\n").filter { !$0.contains(" is a ") }
      #expect(lines.isEmpty, "\(options): \(lines)")
    }
  }

  @Test func theSummaryIsThatOfRestic() throws {
    let bench = try RepoBench()
    try bench.droverChecked(["init"])
    try bench.droverChecked(["backup", "-q", bench.source])
    let target = bench.directory.path("restored")
    let lines = try RepoBench.lines(
      try bench.droverChecked(["restore", "latest", "--json", "-t", target]).output)
    let summary = try #require(lines.last)
    #expect(summary["message_type"] == .string("summary"))
    #expect(summary["total_bytes"] == .integer(10_013))
    #expect(summary["bytes_restored"] == .integer(10_013))
    #expect(summary["files_deleted"] == .integer(0))
    try RepoBench.write("\(target)\(bench.source)/extra", "x")
    try RepoBench.write("\(target)\(bench.source)/hello", "changed")
    let again = try RepoBench.lines(
      try bench.droverChecked(
        ["restore", "latest", "--json", "-t", target, "--delete", "--overwrite", "if-changed"]
      ).output)
    #expect(again.last?["files_deleted"] == .integer(1))
    try runChecked("diff", ["-r", "--no-dereference", bench.source, target + bench.source])
  }

  @Test func wrongUsageAndNothingFoundAreOne() throws {
    let bench = try RepoBench(fixture: "repo-v1")
    let target = bench.directory.path("restored")
    for arguments in [
      ["latest"], ["latest", "-t", target, "-i", "a", "-e", "b"], ["ffffffff", "-t", target],
      ["latest", "-t", target, "--host", "nobody"], ["latest:/nothing", "-t", target],
      ["latest", "-t", target, "--overwrite", "perhaps"],
    ] {
      #expect(try bench.drover(["restore"] + arguments).status == 1, "\(arguments)")
      #expect(access(target, F_OK) != 0, "\(arguments)")
    }
  }
}
