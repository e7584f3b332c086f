package import Platform

/// What a run wants of the repository, or a lock grants.
package enum LockMode: Sendable, Equatable {
  case shared
  case exclusive

  /// Whether two locks can not be held at once.
  package func conflicts(with other: LockMode) -> Bool { self == .exclusive || other == .exclusive }
}

/// What Drover's own locks say of their holder beyond restic's fields, under a key of their own
/// (`"drover"`) that restic ignores as it ignores every key it does not know.
///
/// With it a dead holder can be told from a live one without waiting, and a process that got the
/// number of a dead one from the dead one.
package struct LockProof: Sendable, Equatable {
  /// `/proc/sys/kernel/random/boot_id`: random at each start of a kernel, so two locks with one
  /// boot identifier come from one kernel, in whatever container.
  package var bootID: String
  /// The inode of `/proc/self/ns/pid`: process numbers mean the same only within one namespace.
  package var pidNamespace: UInt64
  /// Field 22 of `/proc/<pid>/stat`: when the process was started, in ticks since the boot.
  package var startTicks: UInt64
  /// Drawn for each run; tells own locks from all others.
  package var run: String

  package init(bootID: String, pidNamespace: UInt64, startTicks: UInt64, run: String) {
    self.bootID = bootID
    self.pidNamespace = pidNamespace
    self.startTicks = startTicks
    self.run = run
  }
}

/// A lock of the repository, as read.
package struct FoundLock: Sendable, Equatable {
  package var id: LockID
  package var mode: LockMode
  /// As its holder's clock said at the last refresh.
  package var time: WallTime
  package var hostname: String
  package var pid: Int64
  /// Nil for restic's locks.
  package var proof: LockProof?
  /// Seconds since the store has got the file, both times by the store's own clock (the difference
  /// to a file that was just written); nil where the store does not tell.
  package var storedSeconds: Double?
  /// For how long this run has seen this very file, by its monotonic clock.
  package var observedSeconds: Double
  /// Whether this machine's own ledger names the lock: a run of this installation has written it.
  package var isInLedger: Bool

  package init(
    id: LockID, mode: LockMode, time: WallTime, hostname: String, pid: Int64,
    proof: LockProof? = nil, storedSeconds: Double? = nil, observedSeconds: Double = 0,
    isInLedger: Bool = false
  ) {
    self.id = id
    self.mode = mode
    self.time = time
    self.hostname = hostname
    self.pid = pid
    self.proof = proof
    self.storedSeconds = storedSeconds
    self.observedSeconds = observedSeconds
    self.isInLedger = isInLedger
  }
}

/// What is known of the process that a lock names.
package enum ProcessState: Sendable, Equatable {
  /// `startTicks` as in ``LockProof``; nil when it cannot be read.
  case running(startTicks: UInt64?)
  case absent
  /// Not to be told, for instance because /proc hides other users' processes.
  case unknown
}

/// Who asks.
package struct LockObserver: Sendable {
  package var now: WallTime
  package var hostname: String
  package var proof: LockProof
  /// Asked only for a process of the own host. With `kill(pid, 0)`, "not permitted" is running.
  package var process: @Sendable (Int64) -> ProcessState

  package init(
    now: WallTime, hostname: String, proof: LockProof,
    process: @escaping @Sendable (Int64) -> ProcessState
  ) {
    self.now = now
    self.hostname = hostname
    self.proof = proof
    self.process = process
  }
}

/// What a lock is worth.
package enum LockVerdict: Sendable, Equatable {
  /// Of this very run.
  case own
  /// To be respected.
  case live
  /// Drover's own, and its holder is proven dead: any run may remove it, at once.
  case dead
  /// Not refreshed for so long that no wrong clock explains it: any run may remove it.
  case abandoned
  /// Stale by restic's rule: only an `unlock` that a person has asked for removes it.
  case stale

  package var isRemovedByAnyRun: Bool { self == .dead || self == .abandoned }
  package var isRemovedByUnlock: Bool { isRemovedByAnyRun || self == .stale }
}

/// What to do about a repository that has locks.
package enum LockDecision: Sendable, Equatable {
  /// Remove these, none of which is alive, then write the own lock.
  case acquire(removing: [LockID])
  /// Wait or give up; `removing` may go all the same.
  case blocked(by: [FoundLock], removing: [LockID])
}

/// The rules of locks; pure functions.
///
/// restic calls a lock stale when it is 30 minutes old by the clocks, or when its process is not
/// there on a host of the same name. Both can be wrong: clocks differ, hosts (containers) share
/// names, process numbers are reused. So what a run does **by itself** needs more:
///
/// - *dead*: the lock carries a ``LockProof``, and either it is of this boot and this namespace,
///   and its process is not there or was started at another time; or it is of another boot of this
///   machine: same host name, and written by this installation as its ledger knows. A different
///   boot alone proves nothing, two hosts may have one name.
/// - *abandoned*: holders refresh every five minutes by a new file. A file that this run has
///   watched unchanged for 30 minutes belongs to nobody, whatever the clocks say. Without watching,
///   every age that is known (by the clocks, by the store) has to exceed 30 minutes by two hours.
///
/// A lock of restic on another host is thus respected for as long as restic itself respects it; a
/// dead one of restic's goes by `unlock`, or by waiting.
package enum LockRules {
  /// Source: the restic repository format, "locks".
  package static let staleSeconds = 1800.0
  /// How far clocks may differ before a live lock could be taken for an abandoned one. Wrong time
  /// zones and daylight saving make an hour; two leave room.
  package static let clockToleranceSeconds = 7200.0
  /// Between writing the own lock and looking again.
  package static let settleSeconds = 0.2
  /// A lock file that cannot be read may not be visible yet: it is read again after these.
  package static let unreadableRetrySeconds = [5.0, 10, 20]

  /// Judges one lock.
  package static func verdict(_ lock: FoundLock, _ observer: LockObserver) -> LockVerdict {
    if let proof = lock.proof {
      if proof.run == observer.proof.run, proof.bootID == observer.proof.bootID { return .own }
      if isDead(lock, proof, observer) { return .dead }
      if isHeld(lock, proof, observer) { return .live }
    }
    if lock.observedSeconds > staleSeconds { return .abandoned }
    let ages = [age(of: lock, at: observer.now), lock.storedSeconds].compactMap { $0 }
    if ages.allSatisfy({ $0 > staleSeconds + clockToleranceSeconds }) { return .abandoned }
    if ages.allSatisfy({ $0 > staleSeconds }) { return .stale }
    let isLocal = lock.proof == nil && lock.hostname == observer.hostname && !lock.hostname.isEmpty
    if isLocal, lock.pid > 0, observer.process(lock.pid) == .absent { return .stale }
    return .live
  }

  /// Judges all locks for a run that wants `mode`.
  package static func decide(
    _ mode: LockMode, _ locks: [FoundLock], _ observer: LockObserver
  ) -> LockDecision {
    var removing: [LockID] = []
    var blocking: [FoundLock] = []
    for lock in locks {
      switch verdict(lock, observer) {
      case .own: continue
      case .dead, .abandoned: removing.append(lock.id)
      case .live, .stale:
        if mode.conflicts(with: lock.mode) { blocking.append(lock) }
      }
    }
    return blocking.isEmpty
      ? .acquire(removing: removing) : .blocked(by: blocking, removing: removing)
  }

  /// Seconds since the last refresh by the clocks; negative when the lock's clock is ahead.
  static func age(of lock: FoundLock, at now: WallTime) -> Double {
    let (seconds, overflow) = now.seconds.subtractingReportingOverflow(lock.time.seconds)
    // So far apart only by nonsense in the file: of the future, as it then cannot be judged.
    guard !overflow else { return -1 }
    return Double(seconds) + Double(now.nanoseconds) / 1e9 - Double(lock.time.nanoseconds) / 1e9
  }

  private static func isDead(
    _ lock: FoundLock, _ proof: LockProof, _ observer: LockObserver
  ) -> Bool {
    guard !proof.bootID.isEmpty else { return false }
    guard proof.bootID == observer.proof.bootID else {
      return lock.isInLedger && lock.hostname == observer.hostname && !lock.hostname.isEmpty
    }
    guard isInSameNamespace(proof, observer), lock.pid > 0 else { return false }
    switch observer.process(lock.pid) {
    case .absent: return true
    case .running(let startTicks):
      // A holder that could not read its own start has written 0.
      guard let startTicks, proof.startTicks > 0 else { return false }
      return startTicks != proof.startTicks
    case .unknown: return false
    }
  }

  /// A namespace of 0 is one that could not be read.
  private static func isInSameNamespace(_ proof: LockProof, _ observer: LockObserver) -> Bool {
    proof.pidNamespace != 0 && proof.pidNamespace == observer.proof.pidNamespace
  }

  /// Whether the very process that took the lock is still there: then no age matters, it may have
  /// been asleep (a suspended machine, a stopped process).
  private static func isHeld(
    _ lock: FoundLock, _ proof: LockProof, _ observer: LockObserver
  ) -> Bool {
    guard proof.bootID == observer.proof.bootID, !proof.bootID.isEmpty,
      isInSameNamespace(proof, observer), lock.pid > 0
    else { return false }
    return observer.process(lock.pid) == .running(startTicks: proof.startTicks)
  }
}
