import Control
import Glibc
import Movers
import Platform
import Supervision
import TestSupport
import Testing

typealias Child = Supervision.ChildProcess

/// A child that is a shell script: it has the job on descriptor 3 and its events on 4.
func shell(_ script: String, job: JSONValue = .object([:]), grace: Double = 10) -> ChildSpec {
  var spec = ChildSpec(executable: "/bin/sh", arguments: ["sh", "-c", script], job: job)
  spec.graceSeconds = grace
  return spec
}

private func run(_ spec: ChildSpec) throws -> (outcome: ChildOutcome, events: [JSONObject]) {
  var events: [JSONObject] = []
  let outcome = try Child(spec).run { events.append($0) }
  return (outcome, events)
}

@Suite struct ChildProcessTests {
  @Test func readsItsJobAndTellsEvents() throws {
    let job: JSONValue = .object(["secret": .string("hunter2")])
    let (outcome, events) = try run(
      shell(
        "job=$(cat <&3); echo '{\"event\":\"x\"}' >&4; echo \"$job\" >&4; echo out; exit 3",
        job: job))
    #expect(events == [["event": .string("x")], ["secret": .string("hunter2")]])
    #expect(outcome.ending == .exited(code: 3))
    #expect(outcome.logTail == Array("out\n".utf8))
    #expect(!outcome.wasCancelled)
  }

  @Test func hasFiveDescriptorsAndAShortEnvironment() throws {
    // Descriptors of the parent without close-on-exec must not leak.
    let leak = open("/dev/zero", O_RDONLY)
    defer { close(leak) }
    setenv("DROVER_TEST_SECRET", "hunter2", 1)
    defer { unsetenv("DROVER_TEST_SECRET") }
    // No pipe: the shell itself would hold its ends for a moment.
    let (outcome, _) = try run(shell("ls /proc/$$/fd; env"))
    let log = String(decoding: outcome.logTail, as: UTF8.self)
    #expect(log.hasPrefix("0\n1\n2\n3\n4\n"))
    #expect(!log.hasPrefix("0\n1\n2\n3\n4\n5"))
    #expect(log.contains("PATH="))
    #expect(!log.contains("hunter2"))
  }

  @Test func aJobLargerThanAPipeArrives() throws {
    let text = String(repeating: "x", count: 1 << 20)
    let (outcome, _) = try run(shell("wc -c <&3", job: .object(["t": .string(text)])))
    #expect(outcome.logTail == Array("\((1 << 20) + 8)\n".utf8))
  }

  @Test func aChildThatDoesNotReadItsJobIsNoHarm() throws {
    let text = String(repeating: "x", count: 1 << 20)
    let (outcome, _) = try run(shell("exit 7", job: .object(["t": .string(text)])))
    #expect(outcome.ending == .exited(code: 7))
  }

  @Test func keepsTheTailOfTheLogAndCountsBadEvents() throws {
    let script = """
      i=0
      while [ $i -lt 3000 ]; do echo "line $i 012345678901234567890123456789"; i=$((i+1)); done
      echo 'no json' >&4; head -c 100000 /dev/zero | tr '\\0' x >&4; echo >&4
      echo '{"e":1}' >&4; printf '{' >&4
      """
    let (outcome, events) = try run(shell(script))
    #expect(outcome.logTail.count == Child.logSizeBytesMax)
    #expect(String(decoding: outcome.logTail.suffix(60), as: UTF8.self).contains("line 2999"))
    #expect(outcome.badEventCount == 2)
    #expect(events == [["e": .integer(1)]])
  }

  @Test func cancellationAsksThenKills() throws {
    // Ends by itself on SIGTERM.
    let polite = try Child(
      shell("trap 'echo bye; exit 9' TERM; echo '{\"up\":1}' >&4; while :; do sleep 0.05; done"))
    let outcome = try polite.run { _ in polite.cancel() }
    #expect(outcome.ending == .exited(code: 9))
    #expect(outcome.wasCancelled)
    #expect(outcome.logTail == Array("bye\n".utf8))
    // Ignores it.
    let stubborn = try Child(
      shell("trap '' TERM; echo '{\"up\":1}' >&4; while :; do sleep 0.05; done", grace: 0.2))
    let killed = try stubborn.run { _ in stubborn.cancel() }
    #expect(killed.ending == .killed(signal: 9))
  }

  @Test func aCancellationBeforeTheStartCounts() throws {
    let child = try Child(shell("exec sleep 60"))
    child.cancel()
    #expect(try child.run { _ in }.wasCancelled)
  }

  @Test func aGrandchildThatKeepsThePipesDoesNotHoldTheRun() throws {
    let (outcome, _) = try run(shell("sleep 30 & exit 0"))
    #expect(outcome.ending == .exited(code: 0))
  }

  @Test func diesWithTheThreadThatStartedIt() throws {
    let starter = Thread("starter") {
      try StartedProcess(
        executable: "/bin/sh", arguments: ["sh", "-c", "trap '' TERM; sleep 60"], environment: [],
        descriptors: [-1, -1, -1, -1, -1])
    }
    #expect(try starter.join().reap() == .killed(signal: SIGKILL))
  }

  @Test func aMissingProgramIsAnErrorOfTheStart() throws {
    let child = try Child(
      ChildSpec(executable: "/nowhere/drover", arguments: ["drover"], job: .null))
    #expect {
      try child.run { _ in }
    } throws: { error in
      guard case SupervisionError.cannotStart(let cause) = error else { return false }
      return cause.errno == ENOENT
    }
  }

  @Test func leavesNoZombieAndNoDescriptor() throws {
    func descriptorCount() -> Int {
      (0..<1024).count { fcntl(Int32($0), F_GETFD) != -1 }
    }
    _ = try run(shell("exit 0"))
    let before = descriptorCount()
    var pids: [pid_t] = []
    for _ in 0..<20 {
      let (outcome, _) = try run(shell("echo $$"))
      let text = String(decoding: outcome.logTail, as: UTF8.self).dropLast()
      pids.append(try #require(pid_t(text)))
    }
    for pid in pids { #expect(kill(pid, 0) == -1) }
    // Other suites open some at the same time; twenty runs would leak a hundred.
    #expect(descriptorCount() < before + 60)
  }

  @Test func aLockTellsWhetherItsHolderLives() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("lock")
    #expect(!RunLock.isHeld(path))
    let lock = try RunLock(taking: path)
    try withExtendedLifetime(lock) {
      #expect(RunLock.isHeld(path))
      #expect(throws: SupervisionError.self) { try RunLock(taking: path) }
    }
  }
}
