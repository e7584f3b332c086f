import Glibc
import Platform
import TestSupport
import Testing
import Volumes

@Suite struct UserCommandTests {
  private func command(
    _ text: String, timeoutSeconds: Double = 60, variables: [String: String] = [:]
  ) -> UserCommand {
    UserCommand("hook", text, timeoutSeconds: timeoutSeconds, variables: variables)
  }

  private func failure(_ command: UserCommand, _ isCancelled: () -> Bool = { false }) -> String {
    do throws(VolumeError) {
      _ = try command.run(isCancelled: isCancelled)
      return ""
    } catch {
      return error.message
    }
  }

  @Test func aCommandIsTheShellsAndKnowsItsVariables() throws {
    let output = try command(
      "printf '%s|' \"$A\" \"$B\"; cat; ls /proc/self/fd | wc -l",
      variables: ["A": "a b", "B": "'$HOME'"]
    ).run { false }
    // No input, and no descriptors but its own: three, two of the contract, and that of ls.
    #expect(String(decoding: output, as: UTF8.self) == "a b|'$HOME'|6\n")
  }

  @Test func onlyTheLastWordsAreKept() throws {
    let output = try command("seq 1 100000").run { false }
    #expect(output.count == UserCommand.outputSizeBytesMax)
    #expect(output.suffix(7) == Array("100000\n".utf8)[...])
  }

  @Test(arguments: [
    ("exit 7", "the command hook ended with code 7"),
    ("echo first; echo last; exit 1", "the command hook ended with code 1: last"),
    ("kill -9 $$", "the command hook was killed by signal 9"),
    ("exec no-such-program 2>/dev/null", "the command hook ended with code 127"),
  ])
  func howItFailedIsTold(text: String, message: String) {
    #expect(failure(command(text)) == message)
  }

  @Test func oneThatTakesTooLongIsEndedWithAllThatItHasStarted() throws {
    let directory = try TemporaryDirectory()
    let file = directory.path("child")
    let text = "(trap '' TERM; sleep 300) & echo $! > \(file); wait; sleep 300"
    #expect(
      failure(command(text, timeoutSeconds: 0.5))
        == "the command hook took longer than 0.5 s and was ended")
    let line = String(decoding: try SmallFile.read(file, sizeBytesMax: 99), as: UTF8.self)
    let child = try #require(pid_t(line.filter(\.isNumber)))
    let deadline = MonotonicTime.now().advanced(bySeconds: 20)
    // A zombie of a shell that nobody waits for is reaped by the system.
    while kill(child, 0) == 0, MonotonicTime.now() < deadline { usleep(1000) }
    #expect(kill(child, 0) != 0)
  }

  @Test func oneThatIsCancelledEnds() {
    #expect(failure(command("sleep 300")) { true } == "cancelled")
  }

  /// What a command leaves in the background does not hold up a run, and ends with it.
  @Test func whatItLeavesInTheBackgroundEnds() throws {
    let output = try command("sleep 300 & echo done").run { false }
    #expect(String(decoding: output, as: UTF8.self) == "done\n")
  }
}
