package import Control
import Manifests
package import Platform
import StateStore
import Supervision

/// Serves replications that come, change and go while others run: a thread for each, of which some
/// work at the same time.
package final class ServiceEngine: @unchecked Sendable {
  /// Ends that work at the same time, but for those that listen.
  package static let slotCountStandard = 4
  package static let lookSecondsStandard = 30.0
  /// A state machine, a child's loop and the printing of a status need little.
  private static let stackSizeBytes = 512 << 10

  private let movers: MoverRegistry<MoverRequest>
  private let stateDirectory: String?
  private let clock: any Clock
  private let retry: RetryPolicy
  private let store: any ServiceStore
  private let observer: RunSession.Observer
  private let gate: ListeningGate?
  let board: ServiceBoard
  private let lock = Lock()
  private let condition: Condition
  // Guarded by `lock`.
  private var wanted: [ObjectKey: ServedEnd] = [:]
  /// What has a thread, by the UID of the object that it serves.
  private var running: [ObjectKey: String] = [:]

  /// `observer` is called from several threads. `stateDirectory` is where the locks of movers
  /// stand. `lookSecondsMax` is how long a wait lasts at most before the wall clock is looked at
  /// again; `lockSecondsMax`, how long a mover of an earlier process is waited for. `gate` is that
  /// of the movers, if they have one.
  package init(
    movers: MoverRegistry<MoverRequest>, stateDirectory: String?, store: any ServiceStore,
    clock: any Clock = SystemClock(), retry: RetryPolicy = .mover,
    slotCount: Int = slotCountStandard, lookSecondsMax: Double = lookSecondsStandard,
    lockSecondsMax: Double = HandOut.lockSecondsStandard, gate: ListeningGate? = nil,
    observer: @escaping RunSession.Observer
  ) {
    self.movers = movers
    self.stateDirectory = stateDirectory
    self.clock = clock
    self.retry = retry
    self.store = store
    self.observer = observer
    self.gate = gate
    condition = Condition(lock)
    board = ServiceBoard(
      slotCount: slotCount, clock: clock, lookSecondsMax: lookSecondsMax,
      lockSecondsMax: lockSecondsMax)
  }

  /// Runs the commands that a killed process had still to run, and removes the copies that it has
  /// left, wherever it had made some. Before anything is served.
  package func removeLeftovers() {
    guard let stateDirectory else { return }
    PendingHook.runAll(in: stateDirectory)
    PlaceRegister(directory: stateDirectory).removeLeftovers()
  }

  /// Serves these from now on, and nothing else: what is new starts, what has changed goes on with
  /// its next step, and what is gone ends with its run.
  package func serve(_ ends: [ServedEnd]) {
    board.setListeningAddress { [gate] in gate?.address(of: $0) }
    gate?.serve(ends.compactMap(\.gateEntry)) { [board] in board.absence(of: $0, $1) }
    lock.withLock {
      wanted = Dictionary(ends.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
      reconcile()
    }
  }

  /// One of those that are served goes on as another with its next step.
  package func change(_ served: ServedEnd) {
    lock.withLock {
      guard let old = wanted[served.key], old.uid == served.uid else { return }
      wanted[served.key] = served
      if running[served.key] == served.uid { board.change(served) }
    }
  }

  /// Ends everything soon; from any thread. Runs under way are cancelled and stay begun.
  package func cancel() { board.cancelAll() }

  /// Waits until every end has ended, after ``cancel()``.
  package func waitUntilEnded() {
    lock.withLock {
      while !running.isEmpty { condition.wait() }
    }
  }

  /// Under the lock.
  private func reconcile() {
    guard !board.isCancelled else { return }
    for (key, uid) in running {
      if let served = wanted[key], served.uid == uid {
        board.change(served)
      } else {
        // When its thread is over, another object of the name has its turn.
        board.remove(key)
      }
    }
    for (key, served) in wanted where running[key] == nil {
      guard let end = served.end else {
        tellProblem(of: served)
        continue
      }
      running[key] = served.uid
      board.enroll(served)
      start(served, end)
    }
  }

  private func start(_ served: ServedEnd, _ end: RunEnd) {
    let key = served.key
    let path = stateDirectory.map { "\($0)/\(key.lockName)" }
    // Its end is waited for by what is running.
    startDetachedThread("replication", stackSizeBytes: ServiceEngine.stackSizeBytes) { [self] in
      let keeper = VolumeKeeper(key, stateDirectory: stateDirectory, clock: clock, store: store)
      keeper.removeLeftovers(of: end)
      tellFieldsWithoutEffect(of: served)
      service(served, end, lockPath: path, keeper).serve()
      keeper.release()
      lock.withLock {
        running[key] = nil
        if !board.isCancelled {
          board.drop(key)
          reconcile()
        }
        condition.broadcast()
      }
    }
  }

  /// Says once of an object what of it means nothing on a host.
  private func tellFieldsWithoutEffect(of served: ServedEnd) {
    let kind = KindTables.documentation(of: type(of: served.object.manifest))
    let fields = kind?.fieldsWithoutEffect(in: served.object.document) ?? []
    guard !fields.isEmpty else { return }
    store.addOnce(
      EventRecord(
        .normal, "FieldsWithoutEffect",
        "accepted, and without effect on a host: \(fields.joined(separator: ", "))",
        at: clock.wallTime()), of: served.key)
  }

  private func service(
    _ served: ServedEnd, _ end: RunEnd, lockPath: String?, _ keeper: VolumeKeeper
  ) -> EndService {
    EndService(
      served, end, board: board, clock: clock, retry: retry, store: store, lockPath: lockPath,
      keeper: keeper, observer: observer
    ) { [movers] end, job, onEvent in
      try movers.makeMover(of: end, job, lockPath: lockPath, keeper: keeper, onEvent: onEvent)
    }
  }

  /// Puts what stands against an object that cannot be planned into its status.
  private func tellProblem(of served: ServedEnd) {
    let section = (served.object.manifest as? any Replication)?.mover?.name
    let status = ReplicationStatus(document: served.status, section: section)
    let machine = StateMachine(SyncSpec(trigger: TriggerSpec())) { _ in nil }
    let text = served.problem ?? "it cannot be run"
    var after = machine.step(status, .error(text), at: clock.wallTime()).status
    let notes = GuardNotes(key: served.key, clock: clock, store: store)
    notes.hold(served.problemGuard, text, &after)
    guard after != status else { return }
    do {
      try store.store(after.document, .none, of: served.key)
    } catch {
      let kind = (error as? any DroverError)?.kind ?? .internalFault
      observer(served.key, .failed(MoverFailure(kind, "\(error)")))
    }
  }
}

extension ServedEnd {
  /// Of a destination over the tunnel: who is to be let in there.
  fileprivate var gateEntry: ListeningGate.Entry? {
    guard let job = end?.job.rsyncTLS, job.direction == .receive, !job.key.isEmpty else {
      return nil
    }
    return ListeningGate.Entry(
      key: key, address: HostPort(host: job.host, port: job.port), keyFile: job.key,
      fence: relationFile.map { RelationFence($0, name: "\(key)") })
  }
}

extension ObjectKey {
  private static let lockNameSizeBytesMax = 200

  /// The name of the lock file of its runs: of each object another, whatever its name.
  var lockName: String {
    // Neither kinds nor namespaces hold dots.
    let name = "\(kind).\(namespace ?? "").\(self.name)"
    guard name.utf8.count > ObjectKey.lockNameSizeBytesMax else { return "\(name).lock" }
    return "\(name.prefix(ObjectKey.lockNameSizeBytesMax))-\(hash64(name)).lock"
  }

  private func hash64(_ text: String) -> UInt64 {
    text.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
  }
}
