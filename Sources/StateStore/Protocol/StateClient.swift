import Glibc
package import Manifests
package import Platform

/// What commands ask: of the daemon through its socket, or of the files themselves when none runs.
package struct StateClient: Sendable {
  /// How long another command that holds the lock is waited for.
  package static let patienceSecondsStandard = 10.0
  private static let lookSeconds = 0.02
  private static let watchLookSeconds = 1.0

  private let path: String
  private let registry: KindRegistry
  private let check: StateService.Check
  private let clock: any Clock
  private let patienceSeconds: Double

  /// `check` is asked before anything is stored when there is no daemon.
  package init(
    path: String, registry: KindRegistry = .standard, clock: any Clock = SystemClock(),
    patienceSeconds: Double = patienceSecondsStandard,
    check: @escaping StateService.Check = { _ in [] }
  ) {
    self.path = path
    self.registry = registry
    self.clock = clock
    self.patienceSeconds = patienceSeconds
    self.check = check
  }

  // MARK: What can be asked

  package func list(kind: String? = nil, namespace: String? = nil) throws(StateError) -> ObjectList
  {
    guard case .list(let list) = try ask(.list(kind: kind, namespace: namespace)) else {
      throw .badMessage("the answer is not a list")
    }
    return list
  }

  package func object(_ key: ObjectKey) throws(StateError) -> StoredObject {
    guard case .list(let list) = try ask(.get(key)), let object = list.objects.first else {
      throw .badMessage("the answer is not an object")
    }
    return object
  }

  package func apply(
    _ files: [ManifestFile], namespace: String = "default"
  ) throws(StateError) -> [ObjectChange] {
    try changes(.apply(files, namespace: namespace), absence: .make)
  }

  package func delete(_ keys: [ObjectKey]) throws(StateError) -> [ObjectChange] {
    try changes(.delete(keys))
  }

  package func setPaused(_ key: ObjectKey, _ isPaused: Bool) throws(StateError) -> [ObjectChange] {
    try changes(.pause(key, isPaused: isPaused))
  }

  package func trigger(_ key: ObjectKey, tag: String) throws(StateError) -> [ObjectChange] {
    try changes(.trigger(key, tag: tag))
  }

  package func release(_ key: ObjectKey, by person: String) throws(StateError) -> [ObjectChange] {
    try changes(.release(key, by: person))
  }

  package func promote(
    _ key: ObjectKey, isForced: Bool
  ) throws(StateError) -> [ObjectChange] {
    try changes(.promote(key, isForced: isForced))
  }

  package func relation(of key: ObjectKey) throws(StateError) -> RelationRecord {
    guard case .relation(let record) = try ask(.relation(key)) else {
      throw .badMessage("the answer holds no generation")
    }
    return record
  }

  /// Does all steps as a whole.
  @discardableResult
  package func exchange(_ steps: [ExchangeStep]) throws(StateError) -> [ObjectChange] {
    try changes(.exchange(steps))
  }

  package func events(of key: ObjectKey) throws(StateError) -> [EventRecord] {
    guard case .events(let events) = try ask(.events(key)) else {
      throw .badMessage("the answer holds no events")
    }
    return events
  }

  package func runs(of key: ObjectKey, countMax: Int = 100) throws(StateError) -> [RunRecord] {
    guard case .runs(let runs) = try ask(.runs(key, countMax: countMax)) else {
      throw .badMessage("the answer holds no runs")
    }
    return runs
  }

  package func log(of key: ObjectKey, sizeBytesMax: Int) throws(StateError) -> String {
    guard case .log(let text) = try ask(.log(key, sizeBytesMax: sizeBytesMax)) else {
      throw .badMessage("the answer holds no log")
    }
    return text
  }

  /// Whether a daemon answers.
  package var hasDaemon: Bool {
    // One that cannot be reached does not answer.
    ((try? StateSocket.connect(path)) ?? nil) != nil
  }

  /// Tells what is there, nil when all of it is told, and then each change, until `body` says no or
  /// the deadline has passed.
  package func watch(
    kind: String? = nil, namespace: String? = nil, until deadline: MonotonicTime? = nil,
    _ body: (ObjectNotice?) -> Bool
  ) throws(StateError) {
    if let socket = try connect() {
      return try watch(socket, kind, namespace, seen: nil, deadline, body)
    }
    var seen = WatchState(kind: kind, namespace: namespace)
    guard let socket = try watchFiles(&seen, deadline, body) else { return }
    try watch(socket, kind, namespace, seen: seen.hasLooked ? seen : nil, deadline, body)
  }

  /// Lets the daemon tell. What has been `seen` in the files before it started is not told again.
  private func watch(
    _ socket: SharedDescriptor, _ kind: String?, _ namespace: String?, seen: WatchState?,
    _ deadline: MonotonicTime?, _ body: (ObjectNotice?) -> Bool
  ) throws(StateError) {
    var connection = LineConnection(socket, lineSizeBytesMax: StateLimits.answerSizeBytesMax)
    try connection.send(StateRequest.watch(kind: kind, namespace: namespace).document)
    var seen = seen
    var listed: [StoredObject] = []
    while true {
      if let deadline {
        let rest = deadline.seconds(since: .now())
        guard rest > 0 else { return }
        if !connection.waits(seconds: rest) { return }
      }
      guard let message = try connection.receive() else {
        throw .connection(PlatformError("recv", "the daemon has ended", errno: ECONNRESET))
      }
      switch try StateAnswer(message) {
      case .notice(let notice) where seen != nil: listed.append(notice.object)
      case .notice(let notice): if !body(notice) { return }
      case .watching:
        guard let notices = seen?.changes(to: listed) else {
          if !body(nil) { return }
          continue
        }
        (seen, listed) = (nil, [])
        for notice in notices where !body(notice) { return }
      case .failure(let kind, let message, let hint):
        throw .answered(kind: kind, message: message, hint: hint)
      default: throw .badMessage("the answer is no notice")
      }
    }
  }

  /// Nobody tells of changes, so they are looked for, until a daemon has started: then its socket
  /// is returned, and nil when the watch is over.
  private func watchFiles(
    _ state: inout WatchState, _ deadline: MonotonicTime?, _ body: (ObjectNotice?) -> Bool
  ) throws(StateError) -> SharedDescriptor? {
    while deadline.map({ $0 > .now() }) ?? true {
      let isFirst = !state.hasLooked
      // Held for the look alone: others want to work too.
      let (socket, notices) = try withKeeper(absence: .refuse) {
        socket, service throws(StateError) in
        guard let service else { return (socket, [ObjectNotice]()) }
        return (nil, try state.look(service))
      }
      if let socket { return socket }
      for notice in notices where !body(notice) { return nil }
      if isFirst, !body(nil) { return nil }
      clock.sleep(seconds: StateClient.watchLookSeconds)
    }
    return nil
  }

  // MARK: How it is asked

  private func changes(
    _ request: StateRequest, absence: StateDirectory.Absence = .refuse
  ) throws(StateError) -> [ObjectChange] {
    guard case .changes(let changes) = try ask(request, absence: absence) else {
      throw .badMessage("the answer holds no changes")
    }
    return changes
  }

  private func ask(
    _ request: StateRequest, absence: StateDirectory.Absence = .refuse
  ) throws(StateError) -> StateAnswer {
    let answer = try withKeeper(absence: absence) { socket, service throws(StateError) in
      if let service { return service.answer(request) }
      guard let socket else { preconditionFailure("nobody keeps the directory") }
      return try exchange(request, socket)
    }
    if case .failure(let kind, let message, let hint) = answer {
      throw .answered(kind: kind, message: message, hint: hint)
    }
    return answer
  }

  private func connect() throws(StateError) -> SharedDescriptor? {
    do {
      return try StateSocket.connect(path)
    } catch {
      throw .connection(error)
    }
  }

  private func exchange(
    _ request: StateRequest, _ socket: SharedDescriptor
  ) throws(StateError) -> StateAnswer {
    var connection = LineConnection(socket, lineSizeBytesMax: StateLimits.answerSizeBytesMax)
    try connection.send(request.document)
    guard let message = try connection.receive() else {
      throw .badMessage("the daemon has ended the connection without an answer")
    }
    return try StateAnswer(message)
  }

  /// Lets `body` ask the daemon or, when there is none, work on the files under their lock; waits
  /// for another command that does. One of the two is given.
  private func withKeeper<Value>(
    absence: StateDirectory.Absence,
    _ body: (SharedDescriptor?, StateService?) throws(StateError) -> Value
  ) throws(StateError) -> Value {
    let deadline = clock.monotonicTime().advanced(bySeconds: patienceSeconds)
    while true {
      if let socket = try connect() { return try body(socket, nil) }
      if let directory = try StateDirectory.open(
        path, absence: absence, registry: registry, clock: clock)
      {
        return try body(nil, StateService(directory, check: check))
      }
      guard clock.monotonicTime() < deadline else {
        throw .inUse(path: path, processID: StateDirectory.holder(of: path))
      }
      clock.sleep(seconds: StateClient.lookSeconds)
    }
  }
}
