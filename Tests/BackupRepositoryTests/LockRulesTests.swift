import Platform
import Testing

@testable import BackupRepository

@Suite struct LockRulesTests {
  static let now = WallTime(seconds: 1_700_000_000)
  static let ours = LockProof(bootID: "boot-1", pidNamespace: 7, startTicks: 500, run: "run-1")

  static func observer(
    _ process: @escaping @Sendable (Int64) -> ProcessState = { _ in .absent }
  ) -> LockObserver {
    LockObserver(now: now, hostname: "here", proof: ours, process: process)
  }

  static func lock(
    _ mode: LockMode = .exclusive, host: String = "here", pid: Int64 = 42, ago: Int64 = 60,
    proof: LockProof? = nil, stored: Double? = nil, observed: Double = 0, ledger: Bool = false
  ) -> FoundLock {
    FoundLock(
      id: LockID(words: (1, 2, 3, 4)), mode: mode,
      time: WallTime(seconds: now.seconds - ago), hostname: host, pid: pid, proof: proof,
      storedSeconds: stored, observedSeconds: observed, isInLedger: ledger)
  }

  static func proof(boot: String = "boot-1", namespace: UInt64 = 7, start: UInt64 = 100)
    -> LockProof
  {
    LockProof(bootID: boot, pidNamespace: namespace, startTicks: start, run: "run-2")
  }

  @Test func exclusiveLocksConflictWithAll() {
    #expect(!LockMode.shared.conflicts(with: .shared))
    #expect(LockMode.shared.conflicts(with: .exclusive))
    #expect(LockMode.exclusive.conflicts(with: .shared))
    #expect(LockMode.exclusive.conflicts(with: .exclusive))
  }

  struct Row: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let lock: FoundLock
    let process: ProcessState
    let verdict: LockVerdict

    init(
      _ name: String, _ lock: FoundLock, _ process: ProcessState = .absent, _ verdict: LockVerdict
    ) {
      testDescription = name
      self.lock = lock
      self.process = process
      self.verdict = verdict
    }
  }

  static let locksOfRestic: [Row] = [
    Row("young, another host, number free here", lock(host: "there"), .absent, .live),
    Row("young, own host, process runs", lock(), .running(startTicks: 9), .live),
    Row("young, own host, process gone: only unlock", lock(), .absent, .stale),
    Row("young, own host, process hidden", lock(), .unknown, .live),
    Row("29 minutes, another host", lock(host: "there", ago: 1740), .absent, .live),
    Row("31 minutes, another host: only unlock", lock(host: "there", ago: 1860), .absent, .stale),
    Row("its clock is an hour behind", lock(host: "there", ago: 3660), .absent, .stale),
    Row(
      "its clock is an hour behind, the store knows better",
      lock(host: "there", ago: 3660, stored: 60), .absent, .live),
    Row("its clock is an hour ahead", lock(host: "there", ago: -3600), .absent, .live),
    Row(
      "its clock is an hour ahead, long watched",
      lock(host: "there", ago: -3600, observed: 1801), .absent, .abandoned),
    Row("watched, not long enough", lock(host: "there", observed: 1799), .absent, .live),
    Row("a day old", lock(host: "there", ago: 86_400), .absent, .abandoned),
    Row(
      "a day old by its clock, new in the store",
      lock(host: "there", ago: 86_400, stored: 10), .absent, .live),
    Row(
      "a day old in the store, of the future by its clock",
      lock(host: "there", ago: -60, stored: 86_400), .absent, .live),
    Row("two names are empty", lock(host: ""), .absent, .live),
    Row("no number of a process", lock(pid: 0), .absent, .live),
    Row("nonsense as time", lock(host: "there", ago: .max), .absent, .abandoned),
  ]

  static let locksOfDrover: [Row] = [
    Row("own run", lock(ago: 90_000, proof: ours), .absent, .own),
    Row("killed here", lock(proof: proof()), .absent, .dead),
    Row("number reused", lock(proof: proof()), .running(startTicks: 101), .dead),
    Row("still running", lock(proof: proof()), .running(startTicks: 100), .live),
    Row("asleep for a day", lock(ago: 86_400, proof: proof()), .running(startTicks: 100), .live),
    Row("start unknown", lock(proof: proof()), .running(startTicks: nil), .live),
    Row("hidden", lock(proof: proof()), .unknown, .live),
    Row(
      "another container of this machine: its numbers mean nothing here",
      lock(proof: proof(namespace: 8)), .absent, .live),
    Row(
      "killed in a container with another host name of this kernel",
      lock(host: "pod", proof: proof()), .absent, .dead),
    Row("another boot, another machine of one name", lock(proof: proof(boot: "b")), .absent, .live),
    Row(
      "before this machine's restart",
      lock(proof: proof(boot: "b"), ledger: true), .running(startTicks: 100), .dead),
    Row(
      "the ledger of another host",
      lock(host: "there", proof: proof(boot: "b"), ledger: true), .absent, .live),
    Row("no boot identifier", lock(proof: proof(boot: "")), .absent, .live),
    Row(
      "another host, a day old", lock(host: "there", ago: 86_400, proof: proof(boot: "b")), .absent,
      .abandoned),
  ]

  @Test(arguments: locksOfRestic + locksOfDrover)
  func aLockIsJudged(row: Row) {
    let process = row.process
    let observer = Self.observer { pid in pid == 42 ? process : .absent }
    #expect(LockRules.verdict(row.lock, observer) == row.verdict)
  }

  /// A holder that refreshes is never removed, whatever its clock says within the tolerance.
  @Test func aRefreshingHolderIsNeverRemovedByAnyRun() {
    for skew in stride(from: Int64(-7200), through: 7200, by: 60) {
      for sinceRefresh in stride(from: Int64(0), through: 1740, by: 60) {
        let lock = Self.lock(
          host: "there", ago: sinceRefresh + skew, observed: Double(sinceRefresh))
        #expect(!LockRules.verdict(lock, Self.observer()).isRemovedByAnyRun)
      }
    }
  }

  @Test func decisionsFollowTheVerdicts() {
    func named(_ number: UInt64, _ lock: FoundLock) -> FoundLock {
      var lock = lock
      lock.id = LockID(words: (number, 0, 0, 0))
      return lock
    }
    let dead = named(1, Self.lock(proof: Self.proof()))
    let reader = named(2, Self.lock(.shared, host: "there"))
    let writer = named(3, Self.lock(host: "there"))
    let own = named(4, Self.lock(proof: Self.ours))
    let stale = named(5, Self.lock(host: "there", ago: 3000))
    let observer = Self.observer()
    #expect(LockRules.decide(.exclusive, [], observer) == .acquire(removing: []))
    #expect(LockRules.decide(.exclusive, [dead, own], observer) == .acquire(removing: [dead.id]))
    #expect(
      LockRules.decide(.shared, [dead, reader], observer) == .acquire(removing: [dead.id]))
    #expect(
      LockRules.decide(.exclusive, [dead, reader], observer)
        == .blocked(by: [reader], removing: [dead.id]))
    #expect(
      LockRules.decide(.shared, [writer, stale], observer)
        == .blocked(by: [writer, stale], removing: []))
  }

  @Test func retriesDoubleUpToAMinute() {
    var elapsed = 0.0
    var delays: [Double] = []
    for tries in 1... {
      guard
        let delay = LockRetry.delay(afterTries: tries, elapsedSeconds: elapsed, limitSeconds: 240)
      else { break }
      delays.append(delay)
      elapsed += delay
    }
    #expect(delays == [5, 10, 20, 40, 60, 60, 45])
    #expect(LockRetry.delay(afterTries: 1, elapsedSeconds: 0, limitSeconds: 0) == nil)
    #expect(LockRetry.delay(afterTries: .max, elapsedSeconds: 0, limitSeconds: 1e9) == 60)
  }

  @Test func locksAreRefreshedInTime() {
    func at(_ seconds: Double) -> MonotonicTime {
      MonotonicTime(nanoseconds: Int64((1000 + seconds) * 1e9))
    }
    func wall(_ seconds: Int64) -> WallTime { WallTime(seconds: Self.now.seconds + seconds) }
    var refresh = LockRefresh(monotonic: at(0), wall: wall(0))
    #expect(refresh.step(monotonic: at(10), wall: wall(10)) == .wait(seconds: 290))
    #expect(refresh.step(monotonic: at(300), wall: wall(300)) == .refresh)
    refresh.failed(monotonic: at(300))
    #expect(refresh.step(monotonic: at(310), wall: wall(310)) == .wait(seconds: 20))
    #expect(refresh.step(monotonic: at(330), wall: wall(330)) == .refresh)
    refresh.failed(monotonic: at(1345))
    #expect(refresh.step(monotonic: at(1346), wall: wall(1346)) == .wait(seconds: 4))
    #expect(refresh.step(monotonic: at(1350), wall: wall(1350)) == .refreshStale)
    refresh.succeeded(monotonic: at(1360), wall: wall(1360))
    #expect(refresh.step(monotonic: at(1360), wall: wall(1360)) == .wait(seconds: 300))
    #expect(
      refresh.step(monotonic: at(1370), wall: wall(9000)) == .refreshStale, "the machine slept")
    #expect(
      refresh.step(monotonic: at(1370), wall: wall(-9000)) == .wait(seconds: 290), "set back")
  }
}
