package import Control
package import Manifests
package import Observation
package import Platform
package import StateStore

/// What a daemon tells while it runs.
package enum DaemonNotice: Sendable {
  case run(ObjectKey, RunNotice)
  /// What is wrong with a file of the state directory.
  case problem(Problem)
  /// Something of the daemon's own went wrong; it goes on.
  case trouble(String)
  /// How many replications are served from now on.
  case serving(count: Int)
}

/// Serves what stands in a state directory, and answers on its socket.
///
/// Objects come by the socket or by hand; each look at the directory gives what is to be served,
/// and ``ServiceEngine`` follows. After a crash the status files say where to go on.
package final class ControlDaemon: @unchecked Sendable {
  /// Changes that come close together are taken up at once.
  private static let settleSeconds = 0.02
  /// After which what was half written has to be whole.
  private static let unsettledSeconds = 0.5
  /// How long an earlier process that holds the directory is waited for.
  package static let lockSecondsMax = 10.0

  package struct Options: Sendable {
    package var slotCount = ServiceEngine.slotCountStandard
    package var lookSecondsMax = ServiceEngine.lookSecondsStandard
    package var lockSecondsMax = HandOut.lockSecondsStandard
    package var cacheDirectory: String?
    package var retry = RetryPolicy.mover
    /// Hears of what is served and how it goes.
    package var metrics: MetricsRegister?
    /// Tells others of runs.
    package var notifier: Notifier?

    package init() {}
  }

  package typealias Observer = @Sendable (DaemonNotice) -> Void

  private let directory: StateDirectory
  private let movers: MoverRegistry<MoverRequest>
  private let options: Options
  private let clock: any Clock
  private let observer: Observer
  private let engine: ServiceEngine
  private let gate: ListeningGate?
  private let lock = Lock()
  private let condition: Condition
  // Guarded by `lock`.
  private var isChanged = true
  /// Before this there is no look: then there is one, changes or not.
  private var unsettledUntil: MonotonicTime?
  /// Of which a run or a release was asked for.
  private var asked: Set<ObjectKey> = []
  private var shallEnd = false
  // Of the thread of `run()` alone.
  private var servedSet = ServedSet()
  /// Of the files that the last look has found.
  private var stamps: [ObjectKey: FileStamp] = [:]
  private var filler: ClaimFiller?

  /// Opens the directory and takes its lock. `gate` is that of the movers; it ends with ``run()``.
  package init(
    path: String, movers: MoverRegistry<MoverRequest>, options: Options = Options(),
    gate: ListeningGate? = nil, clock: any Clock = SystemClock(), observer: @escaping Observer
  ) throws(StateError) {
    self.gate = gate
    directory = try ControlDaemon.open(path, clock)
    self.movers = movers
    self.options = options
    self.clock = clock
    self.observer = observer
    condition = Condition(lock)
    let files = DirectoryStore(directory) { observer(.trouble($0.description)) }
    engine = ServiceEngine(
      movers: movers, stateDirectory: try directory.makeWorkDirectory(),
      store: ObservedStore(files, options.metrics, options.notifier), clock: clock,
      retry: options.retry, slotCount: options.slotCount, lookSecondsMax: options.lookSecondsMax,
      lockSecondsMax: options.lockSecondsMax, gate: gate
    ) { key, notice in
      // One that listens begins when its source does.
      if case .started = notice, key.kind == ReplicationSource.kind {
        options.notifier?.add(RunNotification(.start, key, at: clock.wallTime()))
      }
      observer(.run(key, notice))
    }
  }

  private var volumeRoot: String { ControlDaemon.volumeRoot(of: directory.path) }

  private static func open(_ path: String, _ clock: any Clock) throws(StateError) -> StateDirectory
  {
    let deadline = MonotonicTime.now().advanced(bySeconds: lockSecondsMax)
    while true {
      if let directory = try StateDirectory.open(path, clock: clock) { return directory }
      // One that was killed holds it until its children are gone.
      guard MonotonicTime.now() < deadline else {
        throw .inUse(path: path, processID: StateDirectory.holder(of: path))
      }
      SystemClock().sleep(seconds: 0.02)
    }
  }

  /// What stands against objects besides what their kinds say, for those who store them.
  package static func check(
    served: [String], cacheDirectory: String? = nil, volumeRoot: String? = nil
  ) -> StateService.Check {
    { set in
      RunPlanner(
        set, served: served, cacheDirectory: cacheDirectory, volumeRoot: volumeRoot, keys: .always
      ).specProblems()
    }
  }

  /// Where volumes are made in a state directory.
  package static func volumeRoot(of statePath: String) -> String { "\(statePath)/_volumes" }

  /// Serves until ``stop()``. `onReady` is called when the socket answers and all is taken up.
  /// Once.
  package func run(onReady: () -> Void = {}) throws(StateError) {
    engine.removeLeftovers()
    let check = ControlDaemon.check(
      served: movers.sections, cacheDirectory: options.cacheDirectory, volumeRoot: volumeRoot)
    let server = try StateServer(StateService(directory, check: check))
    defer { server.stop() }
    let watch = try TreeWatch(directory) { [weak self] in self?.reload() }
    defer { watch.stop() }
    let stopOrders = follow(directory.orders, "orders") { [weak self] _ in self?.reload() }
    defer { stopOrders() }
    let stopRequests = follow(directory.requests, "requests") { [weak self] in self?.ask($0) }
    defer { stopRequests() }
    let filler = ClaimFiller(
      directory, volumeRoot: volumeRoot, clock: clock,
      complain: { [observer] in observer(.trouble($0)) },
      onFilled: { [weak self] in self?.reload() })
    filler.start()
    self.filler = filler
    defer { filler.stop() }
    var isReady = false
    while let change = waitForChange() {
      if case .requests(let keys) = change {
        if !takeUp(requests: keys) { reload() }
        continue
      }
      let isUnsettled = takeUp()
      if !isReady { onReady() }
      isReady = true
      if isUnsettled { lookAgain() }
    }
    engine.cancel()
    engine.waitUntilEnded()
    gate?.stop()
  }

  /// Hands on what a feed tells, on a thread of its own, until what is returned is called.
  private func follow(
    _ feed: ChangeFeed, _ name: String, _ body: @escaping @Sendable (Set<ObjectKey>) -> Void
  ) -> () -> Void {
    let watcher = feed.watch()
    let follower = Thread(name) {
      while let keys = watcher.next(seconds: 3600) {
        if !keys.isEmpty { body(keys) }
      }
    }
    return {
      watcher.close()
      // Its body does not throw.
      try? follower.join()
    }
  }

  private func ask(_ keys: Set<ObjectKey>) {
    lock.withLock {
      asked.formUnion(keys)
      condition.broadcast()
    }
  }

  /// Looks at the whole directory again; from any thread.
  package func reload() {
    lock.withLock {
      isChanged = true
      condition.broadcast()
    }
  }

  /// Ends soon; from any thread. Runs under way are cancelled and begun again by the next daemon.
  package func stop() {
    lock.withLock {
      shallEnd = true
      condition.broadcast()
    }
    engine.cancel()
  }

  private enum Change {
    /// The directory has to be looked at.
    case objects
    /// Objects are as they were; of these, something was asked for.
    case requests(Set<ObjectKey>)
  }

  /// Nil when all shall end. What is asked for waits for nothing.
  private func waitForChange() -> Change? {
    lock.withLock {
      while !shallEnd, asked.isEmpty {
        if let time = unsettledUntil {
          guard !condition.wait(until: time) else { continue }
          unsettledUntil = nil
          isChanged = true
        }
        if isChanged { break }
        condition.wait()
      }
      let deadline = MonotonicTime.now().advanced(bySeconds: ControlDaemon.settleSeconds)
      while !shallEnd, asked.isEmpty, condition.wait(until: deadline) {}
      guard !shallEnd else { return nil }
      if !asked.isEmpty {
        defer { asked = [] }
        return .requests(asked)
      }
      isChanged = false
      return .objects
    }
  }

  /// Lets the next look wait until what is half written has to be whole.
  private func lookAgain() {
    lock.withLock { unsettledUntil = .now().advanced(bySeconds: ControlDaemon.unsettledSeconds) }
  }

  /// Serves what was asked for of objects that are as they were, without planning all anew; false
  /// when that needs a look. Objects that were changed before the request are in force with it,
  /// whoever has changed them, so that their files are looked at here, too.
  private func takeUp(requests keys: Set<ObjectKey>) -> Bool {
    do throws(StateError) {
      let contents = try directory.load()
      guard contents.stamps == stamps else { return false }
      var asked: [ServedEnd] = []
      for key in keys {
        guard let own = contents.own[key], let served = servedSet.ask(key, own),
          served.end != nil, served.problem == nil
        else { return false }
        asked.append(withRelation(served))
      }
      for served in asked { engine.change(served) }
      return true
    } catch {
      // A look tells what is wrong.
      return false
    }
  }

  /// Takes one look at the directory and serves what stands there; whether it has to be looked at
  /// again.
  private func takeUp() -> Bool {
    do throws(StateError) {
      var contents = try directory.load()
      var plan = planned(contents)
      if try storeSecrets(plan.plan.plan, contents) {
        contents = try directory.load()
        plan = planned(contents)
      }
      stamps = contents.stamps
      let look = servedSet.look(contents, plan.set, plan.plan) { [directory] key in
        directory.wasRemoved(key)
      }
      for problem in look.newProblems { observer(.problem(problem)) }
      tellMetrics(look.served)
      engine.serve(look.served.map(withRelation))
      filler?.look(at: plan.set)
      observer(.serving(count: look.served.count))
      return look.isUnsettled
    } catch {
      // What is served goes on.
      observer(.trouble(error.description))
      return false
    }
  }

  /// What the generations say of it; one whose file is damaged does not run, and says so.
  private func withRelation(_ served: ServedEnd) -> ServedEnd {
    guard served.end?.job.rsyncTLS != nil else { return served }
    var served = served
    // A file that cannot be read stands against a run of it.
    served.relationFile = try? directory.relationFile(of: served.key)
    // The same.
    served.relation = try? served.relationFile?.read()
    return served
  }

  private func tellMetrics(_ served: [ServedEnd]) {
    options.metrics?.serve(served.compactMap(\.relationship)) { [directory] key in
      // Counters of a history that cannot be read begin at 0.
      (try? directory.runs(of: key)) ?? []
    }
  }

  private func planned(
    _ contents: StateContents
  ) -> (set: ManifestSet, plan: (plan: RunPlan, problems: [ObjectKey: [Problem]])) {
    let set = ServedSet.objects(of: contents)
    let planner = RunPlanner(
      set, served: movers.sections, cacheDirectory: options.cacheDirectory,
      volumeRoot: volumeRoot, keys: .always, clock: clock)
    return (set, planner.planEach())
  }

  /// Keeps the keys that were made for destinations without one, so that they survive; whether
  /// there were any.
  private func storeSecrets(
    _ plan: RunPlan, _ contents: StateContents
  ) throws(StateError) -> Bool {
    // What a user has put in that place is not written over.
    let secrets = plan.generatedSecrets.filter { secret in
      contents.set.object(secret.key) == nil && contents.problems[secret.key] == nil
    }
    for secret in secrets {
      let text = secret.text
      guard let object = ManifestLoader().decodeEach([("generated", text)]).set.objects.first
      else { preconditionFailure("a generated Secret is one") }
      _ = try directory.put(object, text: text)
    }
    return !secrets.isEmpty
  }
}
