import Glibc
import Platform
import TestSupport
import Testing

/// `drover repo` and restic in one repository at the same time.
@Suite struct RepoConcurrencyTests {
  /// The same files by both at once, while each of them stores a stream as well.
  @Test func backupsOfBothProgramsSucceedTogether() throws {
    let bench = try RepoBench()
    var random = SeededGenerator(seed: 77)
    try bench.droverChecked(["init"])
    for index in 0..<40 {
      try ByteFiles.write(
        Array("\(bench.source)/folder/file-\(index)".utf8), random.bytes(random.below(300_000)))
    }
    let ours = try bench.startDrover(["backup", "--stdin", "--stdin-filename", "ours"])
    let theirs = try bench.startRestic(["backup", "--stdin", "--stdin-filename", "theirs"])
    try bench.waitForLocks(2, of: [ours, theirs])
    let (ourBytes, theirBytes) = (random.bytes(3 << 20), random.bytes(3 << 20))
    ours.writeInput(ourBytes)
    theirs.writeInput(theirBytes)
    let pair = [
      try bench.startDrover(["backup", bench.source, "--limit-upload", "4096"]),
      try bench.startRestic(["backup", bench.source, "--limit-upload", "4096"]),
    ]
    try bench.waitForLocks(4, of: pair)
    for child in pair { #expect(child.wait() == 0, "\(child.errorOutput.text)") }
    #expect(ours.isRunning && theirs.isRunning)
    for child in [ours, theirs] {
      child.closeInput()
      #expect(child.wait() == 0, "\(child.errorOutput.text)")
    }
    #expect(try bench.files("locks").isEmpty)
    #expect(try bench.complaints(readsData: true) == "")
    #expect(try bench.restic(["dump", "--path", "/ours", "latest", "ours"]).output == ourBytes)
    #expect(
      try bench.restic(["dump", "--path", "/theirs", "latest", "theirs"]).output == theirBytes)
    var count = 0
    for snapshot in try JSONValue(parsing: try bench.restic(["snapshots", "--json"]).output)
      .arrayValue ?? []
    where snapshot["paths"] == .array([.string(bench.source)]) {
      let id = try #require(snapshot["id"]?.stringValue)
      #expect(try bench.differences(id, from: bench.source) == "")
      count += 1
    }
    #expect(count == 2)
    // What both have stored twice is freed by either.
    try bench.droverChecked(["prune", "--max-unused", "0"])
    #expect(try bench.complaints(readsData: true) == "")
  }

  @Test(arguments: [["prune"], ["forget", "--keep-last", "1", "--prune"], ["repair", "index"]])
  func exclusiveWorkKeepsOutOfARunningBackupOfRestic(command: [String]) throws {
    let bench = try RepoBench()
    try bench.droverChecked(["init"])
    try bench.droverChecked(["backup", bench.source])
    let backup = try bench.startRestic(["backup", "--stdin", "--stdin-filename", "dump"])
    try bench.waitForLocks(1, of: [backup])
    let lock = try bench.files("locks")
    let refused = try bench.drover(command)
    #expect(refused.status == 11, "\(refused.errorText)")
    #expect(refused.errorText.contains("process \(backup.processID)"), "\(refused.errorText)")
    // Nobody removes the lock of the living.
    #expect(!(try bench.droverChecked(["unlock"]).outputText.contains("removed")))
    #expect(try bench.files("locks") == lock)
    let waiting = try bench.startDrover(command + ["--retry-lock", "5m"])
    while let line = waiting.nextLine(), !line.contains("locked by") {}
    #expect(waiting.isRunning)
    backup.writeInput(Array("what a running backup reads".utf8))
    backup.closeInput()
    #expect(backup.wait() == 0, "\(backup.errorOutput.text)")
    #expect(waiting.wait() == 0, "\(waiting.errorOutput.text)")
    #expect(try bench.complaints(readsData: true) == "")
    #expect(
      try bench.restic(["dump", "--path", "/dump", "latest", "dump"]).outputText
        == "what a running backup reads")
  }

  @Test func exclusiveWorkOfResticKeepsOutOfOurRunningBackup() throws {
    let bench = try RepoBench()
    try bench.droverChecked(["init"])
    try bench.droverChecked(["backup", bench.source])
    let backup = try bench.startDrover(["backup", "--stdin", "--stdin-filename", "dump"])
    try bench.waitForLocks(1, of: [backup])
    for command in [["prune"], ["forget", "--keep-last", "1", "--prune"], ["rebuild-index"]] {
      let refused = try bench.tryRestic(command)
      #expect(refused.status != 0)
      #expect(
        refused.errorText.contains("already locked by PID \(backup.processID)"),
        "\(refused.errorText)")
      #expect(try bench.drover(command == ["rebuild-index"] ? ["prune"] : command).status == 11)
    }
    backup.writeInput(Array("what a running backup reads".utf8))
    backup.closeInput()
    #expect(backup.wait() == 0, "\(backup.errorOutput.text)")
    try bench.restic(["prune"])
    #expect(try bench.complaints(readsData: true) == "")
    #expect(
      try bench.restic(["dump", "--path", "/dump", "latest", "dump"]).outputText
        == "what a running backup reads")
  }
}
