import Glibc
import Platform
import TestSupport
import Testing

/// Signals end a command of `drover repo` cleanly: the lock goes, nothing half done counts.
@Suite struct RepoSignalTests {
  /// A backup that waits for its input, with its lock in place.
  private func holding(_ bench: RepoBench) throws -> ChildProcess {
    let child = try bench.startDrover(["backup", "--stdin", "--stdin-filename", "dump"])
    try bench.waitForLocks(1, of: [child])
    return child
  }

  /// Makes a terminal; it ends when the descriptor is closed.
  private func openTerminal() throws -> (master: Int32, path: String) {
    let master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
    guard master >= 0 else { throw PlatformError.last("open", "/dev/ptmx") }
    var isLocked: Int32 = 0
    var number: Int32 = 0
    // TIOCSPTLCK and TIOCGPTN of <asm-generic/ioctls.h>, whose macros are not imported.
    guard ioctl(master, 0x4004_5431, &isLocked) == 0, ioctl(master, 0x8004_5430, &number) == 0
    else { throw PlatformError.last("ioctl", "/dev/ptmx") }
    return (master, "/dev/pts/\(number)")
  }

  @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
  func aSignalReleasesTheLock(signal: Int32) throws {
    let bench = try RepoBench()
    try bench.droverChecked(["init"])
    let child = try holding(bench)
    child.writeInput(Array("the beginning".utf8))
    child.kill(signal)
    #expect(child.wait(timeoutSeconds: 60) == 130)
    #expect(child.errorOutput.text.contains("interrupted"))
    #expect(try bench.files("locks").isEmpty)
    #expect(try bench.snapshotIDs().isEmpty)
    #expect(try bench.complaints(readsData: true) == "")
    try bench.droverChecked(["prune"])
  }

  /// However slow the way to the repository is.
  @Test func aSignalEndsAnUploadInItsMiddle() throws {
    let bench = try RepoBench()
    var random = SeededGenerator(seed: 9)
    try bench.droverChecked(["init"])
    try bench.droverChecked(["backup", bench.source])
    // At this rate it would take half an hour.
    try ByteFiles.write(Array("\(bench.source)/large".utf8), random.bytes(18 << 20))
    let child = try bench.startDrover(["backup", bench.source, "--limit-upload", "10"])
    let data = Array("\(bench.repository)/data".utf8)
    while try child.isRunning && !ByteFiles.walk(data).contains(where: isUnfinished) {}
    child.kill(SIGTERM)
    #expect(child.wait(timeoutSeconds: 120) == 130, "\(child.errorOutput.text)")
    #expect(try bench.files("locks").isEmpty)
    #expect(try !ByteFiles.walk(data).contains(where: isUnfinished))
    #expect(try bench.complaints(readsData: true) == "")
    try bench.droverChecked(["backup", bench.source])
    let newest = try #require(try bench.snapshotIDs().last)
    #expect(try bench.differences(newest, from: bench.source) == "")
  }

  private func isUnfinished(_ path: [UInt8]) -> Bool {
    String(decoding: path, as: UTF8.self).contains("-tmp-")
  }

  /// restic asks by SIGHUP whether the holder of a lock lives. Who is asked goes on.
  @Test func resticAsksWhetherAHolderLives() throws {
    let bench = try RepoBench()
    try bench.droverChecked(["init"])
    let child = try holding(bench)
    let lock = try bench.files("locks")
    try bench.restic(["unlock"])
    try runChecked("sh", ["-c", "kill -HUP \(child.processID)"])
    #expect(try bench.files("locks") == lock)
    child.writeInput(Array("all of it".utf8))
    child.closeInput()
    #expect(child.wait() == 0, "\(child.errorOutput.text)")
    #expect(try bench.restic(["dump", "latest", "dump"]).outputText == "all of it")
    #expect(try bench.files("locks").isEmpty)
  }

  @Test func aHangupThatIsIgnoredFromTheStartStaysSo() throws {
    let bench = try RepoBench()
    try bench.droverChecked(["init"])
    let child = try ChildProcess(
      "sh",
      [
        "-c", "trap '' HUP; exec \"$@\"", "sh", try DroverBinary.path, "repo", "backup", "--stdin",
      ], environment: bench.environment)
    try bench.waitForLocks(1, of: [child])
    child.kill(SIGHUP)
    child.writeInput([1, 2, 3])
    child.closeInput()
    #expect(child.wait() == 0, "\(child.errorOutput.text)")
  }

  @Test func theEndOfTheTerminalReleasesTheLock() throws {
    let bench = try RepoBench()
    try bench.droverChecked(["init"])
    let (master, terminal) = try openTerminal()
    // The leader of a session gets the first terminal that it opens.
    let child = try ChildProcess(
      "setsid",
      [
        "sh", "-c", "terminal=$1; shift; exec 9<>\"$terminal\"; exec \"$@\"", "sh",
        terminal, try DroverBinary.path, "repo", "backup", "--stdin",
      ], environment: bench.environment)
    try bench.waitForLocks(1, of: [child])
    close(master)
    #expect(child.wait(timeoutSeconds: 60) == 130)
    #expect(try bench.files("locks").isEmpty)
  }
}
